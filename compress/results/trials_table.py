"""trials.csv: every trial of a study, one row each, for a spreadsheet. Empty where nothing was chosen or measured."""

import csv
import io
from pathlib import Path

from compress.results.search_facts import SearchFacts
from compress.results.tables import cell
from teachers.common.files import write_text

TRIALS = "trials.csv"
FIRST = ("trial", "state", "rung", "start", "candidate", "started_s", "seconds")


def write_trials(out: Path, search: SearchFacts) -> Path:
    """What was chosen stands under the varied path's name, what was measured under the column's, the error last."""
    varied = list(dict.fromkeys(name for trial in search.trials for name in trial.choices))
    measured = list(dict.fromkeys((*search.objectives, *(name for t in search.trials for name in t.values))))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*FIRST, *varied, *measured, "error"])
    for trial in sorted(search.trials, key=lambda one: one.number):
        told = (trial.number, trial.state, trial.rung, _word(trial.is_start), trial.candidate, trial.started_s,
                trial.seconds)  # fmt: skip
        chosen = [_word(trial.choices.get(name)) for name in varied]
        values = [trial.values.get(name) for name in measured]
        error = None if trial.error is None else " ".join(trial.error.split())
        writer.writerow([cell(value) for value in (*told, *chosen, *values, error)])
    write_text(out / TRIALS, text.getvalue())
    return out / TRIALS


def _word(value: str | int | float | bool | None) -> str | int | float | None:
    return str(value).lower() if isinstance(value, bool) else value
