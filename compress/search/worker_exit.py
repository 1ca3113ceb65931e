"""How a worker ends: at once, and with nothing left behind that the system would have to clear away."""

import os
import sys
from multiprocessing import util
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Ends the process without waiting for threads of libraries, which may never end.

    Semaphores that libraries made are removed first. In a worker they have names, for its processes are not forked;
    left there, each is reported as a leak when the search ends.
    """
    util._run_finalizers(0)  # type: ignore[attr-defined]
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
