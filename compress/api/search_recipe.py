"""compress.search: a recipe with `search`, from a file to its report."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compress.api.overrides import override_texts
from compress.api.run_result import RunResult
from compress.api.search import search as search_call
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.recipe.loader import load_recipe
from compress.results.search_facts import SearchFacts
from compress.search.call import SearchCall


@dataclass(frozen=True, kw_only=True)
class SearchResult(RunResult):
    """The records of a search's trials, the folder they lie in, and the study."""

    facts: SearchFacts
    well: bool
    """Whether no worker gave up."""


def search(  # noqa: PLR0913 - all but two by name only
    recipe: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    workers: int = 1,
    storage: str | None = None,
    timeout_s: float | None = None,
    fresh: bool = False,
) -> SearchResult:
    """Varies a recipe and looks for the best trade-offs; a second call goes on where the first stopped.

    trials: different trials in all; the recipe's number if left out. workers: processes on this machine.
    storage: URL of the study, for workers on several machines; a file in the folder if left out.
    Raises UserError for a recipe, folder or storage that cannot be used.

    >>> result = compress.search("recipes/search_stages.yaml", trials=20)
    """
    path, texts = Path(recipe), override_texts(overrides)
    loaded = load_recipe(path, texts)
    shown = path.name if path.is_absolute() else path.as_posix()
    call = SearchCall(
        recipe=loaded,
        out=default_out(path, texts) if out is None else Path(out),
        command=f"compress.search({shown!r})",
        storage=storage,
        trials=trials,
        workers=workers,
        timeout_s=timeout_s,
        fresh=fresh,
    )
    found = search_call(call, Reporter())
    return SearchResult(
        call.out,
        found.records,
        call.objectives,
        tuple(record.name for record in found.ranked),
        facts=found.facts,
        well=found.well,
    )
