"""The teacher's answers to a large fixed set of views, on disk: one file a block, half precision, read where needed.

Pixels are not stored: a view is made anew from its number (a few milliseconds), its maps take 44 to 88 kB. A block is
written whole or not at all, so a killed run goes on with the next one.
"""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.common.progress import Reporter
from compress.training.disk_full import telling_disk_full
from compress.training.target_cache import GIB, KEPT_FREE
from teachers.common.errors import UserError
from teachers.common.files import write_bytes

Maps16 = NDArray[np.float16]


@dataclass(frozen=True)
class ViewStore:
    """Blocks below one folder, whose name stands for everything that they depend on."""

    folder: Path
    blocks: int
    limit_bytes: int

    def load(self, block: int) -> Maps16:
        """(N, K+1+2L, h, w), mapped into memory."""
        found: Maps16 = np.load(self._file(block), "r", allow_pickle=False)
        return found

    def fill(self, answer: Callable[[int], Maps16], reporter: Reporter) -> None:
        """Computes the blocks that are missing or damaged. UserError where the limit or the disk is too small."""
        waiting = [block for block in range(self.blocks) if not self._is_whole(block)]
        done = self.blocks - len(waiting)
        self.folder.mkdir(parents=True, exist_ok=True)
        for number, block in enumerate(reporter.track(waiting, "teacher's answers", self.blocks, done)):
            maps = io.BytesIO()
            np.save(maps, answer(block), allow_pickle=False)
            size = len(maps.getvalue())
            if number % 64 == 0:
                self._require_room(size * (len(waiting) - number), size * self.blocks)
            with telling_disk_full(self.folder, f"{done + number} of {self.blocks} blocks are kept"):
                write_bytes(self._file(block), maps.getvalue())

    def _file(self, block: int) -> Path:
        return self.folder / f"{block:06d}.npy"

    def _is_whole(self, block: int) -> bool:
        try:
            self.load(block)
        except (OSError, ValueError, EOFError):
            return False
        return True

    def _require_room(self, missing: int, whole: int) -> None:
        if whole > self.limit_bytes:
            raise UserError(
                f"training: the answers to all views would take {whole / GIB:.2g} GiB, training.cache_gib allows "
                f"{self.limit_bytes / GIB:.2g}; a smaller stored_views takes less, `teacher: online` takes none"
            )
        free = shutil.disk_usage(self.folder).free
        if missing > free - KEPT_FREE:
            raise UserError(
                f"{self.folder}: the teacher's answers need {missing / GIB:.2g} GiB more, the disk has "
                f"{free / GIB:.2g} free; a smaller stored_views takes less, `teacher: online` takes none"
            )
