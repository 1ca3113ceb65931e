"""What a worker of a search leaves behind when it ends: nothing."""

import subprocess
import sys
from pathlib import Path

WORKER = """
import multiprocessing, sys
from compress.search.worker_exit import leave

def work():
    global lock
    lock = multiprocessing.RLock()  # as progress bars of libraries make one
    print("made", flush=True)
    leave(3)

if __name__ == "__main__":
    process = multiprocessing.get_context("forkserver").Process(target=work)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_semaphores_of_libraries_are_not_leaked(tmp_path: Path) -> None:
    script = tmp_path / "search.py"
    script.write_text(WORKER)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (3, "made\n"), done.stderr
    assert done.stderr == ""
