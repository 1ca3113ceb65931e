"""Keeping freed memory: a large block that is freed and taken again causes no page faults; users' settings win."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from eval.allocation import keep_freed_memory

PAGES = 32 * 2**20 // 4096
WORK = f"""
import json, resource, sys, threading
from eval import allocation
found = allocation.keep_freed_memory() if sys.argv[1] == "keep" else None
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def work():
    for _ in range(3):
        before = faults()
        for size in (1, 3, 2):
            b'1' * (size * {PAGES} * 4096)  # not numpy, which asks for huge pages by itself
        counts.append(faults() - before)
counts = []
if sys.argv[2] == "thread":
    thread = threading.Thread(target=work); thread.start(); thread.join()
else:
    work()
print(json.dumps({{"found": found, "counts": counts}}))
"""
ON_GLIBC = sys.platform == "linux" and "glibc" in (os.confstr("CS_GNU_LIBC_VERSION") or "")
needs_glibc = pytest.mark.skipif(not ON_GLIBC, reason="only glibc gives memory back so eagerly")


def run(words: Sequence[str], **variables: str) -> Any:
    ours = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_") and k != "GLIBC_TUNABLES"}
    done = subprocess.run(
        [sys.executable, "-c", WORK, *words], env=ours | variables, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


@needs_glibc
@pytest.mark.parametrize("where", ["main", "thread"])
def test_freed_memory_is_taken_again_without_faults(where: str) -> None:
    default, kept = run(["default", where]), run(["keep", where])
    assert default["counts"][-1] > PAGES, "glibc's defaults give it back, else nothing is shown here"
    assert kept["found"][0] is True
    assert kept["counts"][-1] < PAGES / 100


@needs_glibc
def test_what_the_user_has_set_is_left_alone() -> None:
    settings = {"MALLOC_TRIM_THRESHOLD_": "1000000", "GLIBC_TUNABLES": "glibc.malloc.mmap_threshold=1000000"}
    for name, value in settings.items():
        kept, huge_pages, reason = run(["keep", "main"], **{name: value})["found"]
        assert (kept, huge_pages, reason) == (False, False, f"{name} is set")
    assert run(["keep", "main"], GLIBC_TUNABLES="glibc.pthread.rseq=1", MALLOC_ARENA_MAX="2")["found"][0] is True


@needs_glibc
def test_a_limit_on_address_space_costs_the_huge_pages_only() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))\n"
        "from eval.allocation import keep_freed_memory; print(keep_freed_memory())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "kept=True, huge_pages=False" in done.stdout


def test_elsewhere_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    found = keep_freed_memory.__wrapped__()
    assert not found.kept
    assert not found.huge_pages
    assert found.reason
