"""compress.run: a recipe from a file to its report."""

from collections.abc import Mapping
from pathlib import Path

from compress.api.overrides import override_texts
from compress.api.run import run as run_call
from compress.api.run_result import RunResult
from compress.common.progress import Reporter
from compress.common.run_folder import default_out
from compress.common.time_limit import TimeLimit
from compress.recipe.loader import load_recipe
from compress.run.candidates import RunCall


def run(
    recipe: str | Path,
    overrides: Mapping[str, object] | None = None,
    *,
    out: str | Path | None = None,
    fresh: bool = False,
    time_limit_s: float | None = None,
) -> RunResult:
    """Runs a recipe; what an earlier call finished in the same folder is kept.

    overrides: path of the recipe -> value, as `{"data.images": 8}`.
    out: where results go; runs/ and the recipe's name if left out, as on the command line.
    fresh: remove an earlier run's results from the folder first.
    time_limit_s: then no candidate is begun, a training stops at a checkpoint, and what is there is measured; the
    names of the others are `left`, and the same call goes on with them.
    Raises UserError, with all mistakes of the recipe at once. A candidate that fails ends no run: see `failed`.

    >>> from compress.measure.latency import Latencies
    >>> result = compress.run("recipes/stage_prune.yaml", overrides={"data.images": 8})
    >>> result["stages-3"].facts(Latencies).first.ratio
    """
    path, texts = Path(recipe), override_texts(overrides)
    loaded = load_recipe(path, texts)
    folder = default_out(path, texts) if out is None else Path(out)
    shown = path.name if path.is_absolute() else path.as_posix()
    words = [repr(shown), *([f"overrides={dict(overrides)!r}"] if overrides else [])]
    call = RunCall(loaded, folder, f"compress.run({', '.join(words)})", fresh, TimeLimit(time_limit_s))
    result = run_call(call, Reporter())
    return RunResult(result.out, result.records, tuple(loaded.objectives), left=result.left)
