"""Parts that other installed packages add to a list of ours, by entry points (docs/extending.md)."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from teachers.common.errors import UserError

T = TypeVar("T")


class PluginError(UserError):
    """A package that is installed beside ours cannot be used; the message names it and what is wrong with it."""


def extended(
    group: str,
    built_in: Mapping[str, T],
    *,
    fits: Callable[[object], bool],
    expected: str,
    name: Callable[[T], str] | None = None,
) -> dict[str, T]:
    """The built-in parts by name, and then those of other packages, in the order of the packages' names.

    fits: whether what an entry point names can be one; `expected` says so in words. name: what a part is called; left
    out, as its entry point. PluginError for a package that cannot be imported, names something else, or uses a name
    that is taken.
    """
    found = dict(built_in)
    for entry in sorted(entry_points(group=group), key=lambda one: (_package(one), one.name)):
        try:
            part = entry.load()
        except Exception as error:
            raise _refused(entry, f"{type(error).__name__}: {error}") from error
        if not fits(part):
            raise _refused(entry, f"expected {expected}, got {part!r}")
        called = entry.name if name is None else name(part)
        if called in found:
            raise _refused(entry, f"the name {called!r} is taken")
        found[called] = part
    return found


def _package(entry: EntryPoint) -> str:
    return "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"


def _refused(entry: EntryPoint, reason: str) -> PluginError:
    where = f"package {_package(entry)}: entry point {entry.name} = {entry.value} of {entry.group}"
    return PluginError(f"{where}: {reason}; mend the package or uninstall it")
