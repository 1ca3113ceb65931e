"""Options that take several numbers: parted by spaces or by commas, as people write them."""

import argparse
from collections.abc import Sequence


class Numbers(argparse.Action):
    """`0.5 1`, `0.5,1` and `0.5, 1` alike; for `nargs="+"`. `exactly`: how many there must be."""

    def __init__(self, option_strings: Sequence[str], dest: str, *, exactly: int | None = None, **rest: object) -> None:
        super().__init__(option_strings, dest, nargs="+", **rest)  # type: ignore[arg-type]
        self._exactly = exactly

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: object,
        option_string: str | None = None,
    ) -> None:
        """Sets a list of floats; argparse's own error for what is no number."""
        words = [word for text in values for word in text.split(",") if word] if isinstance(values, list) else []
        try:
            numbers = [float(word) for word in words]
        except ValueError as error:
            raise argparse.ArgumentError(self, f"numbers are needed, for example 0.5,1: {error}") from error
        if not numbers or (self._exactly is not None and len(numbers) != self._exactly):
            wanted = "" if self._exactly is None else f"{self._exactly} "
            raise argparse.ArgumentError(self, f"{wanted}numbers are needed, got {' '.join(words)!r}")
        setattr(namespace, self.dest, numbers)
