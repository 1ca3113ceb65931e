"""compress finds the small human-pose networks worth shipping in place of a heavy one.

>>> import compress
>>> result = compress.run("recipes/stage_prune.yaml", overrides={"data.images": 8})

`run`, `search`, `load`, `predict`, `kinematics` and `export` do what the commands of these names do. They raise
`UserError` for a wrong call, recipe or file. They log to the logger `compress`; `show_progress()` shows that log.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from compress.api.export import export as export
    from compress.api.kinematics import kinematics as kinematics
    from compress.api.models import LoadedModel as LoadedModel
    from compress.api.models import load as load
    from compress.api.predict import Prediction as Prediction
    from compress.api.predict import predict as predict
    from compress.api.run_recipe import run as run
    from compress.api.run_result import RunResult as RunResult
    from compress.api.search_recipe import SearchResult as SearchResult
    from compress.api.search_recipe import search as search
    from compress.common.display import show_progress as show_progress
    from teachers.common.errors import UserError as UserError

_API = {
    "run": "compress.api.run_recipe",
    "search": "compress.api.search_recipe",
    "load": "compress.api.models",
    "predict": "compress.api.predict",
    "kinematics": "compress.api.kinematics",
    "export": "compress.api.export",
    "show_progress": "compress.common.display",
    "RunResult": "compress.api.run_result",
    "SearchResult": "compress.api.search_recipe",
    "LoadedModel": "compress.api.models",
    "Prediction": "compress.api.predict",
    "UserError": "teachers.common.errors",
}
__all__ = [*_API]  # noqa: PLE0604 - names of the table above, found lazily


class _Package(ModuleType):
    """This package: its functions are imported when they are used, so that `compress check` does not wait for torch.

    `run`, `search`, `kinematics` and `export` are packages inside this one as well. Python puts a package's name on
    its parent when it is imported; here the function of that name stays what `compress.run` means.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in _API and isinstance(value, ModuleType)):
            super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        if name not in _API:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(import_module(_API[name]), name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_API})


sys.modules[__name__].__class__ = _Package
