"""The people that teacher and front of a search find in one frame, for its report."""

from pathlib import Path

from compress.common.environment import usable_cores
from compress.common.progress import Reporter
from compress.common.run_folder import CANDIDATES
from compress.core.built import ARTEFACT
from compress.measure.frames import draw_frames
from compress.recipe.loader import Recipe
from compress.recipe.models import TEACHER_ROW
from compress.results.pareto import front
from compress.results.records import Record
from compress.run.example_frame import ShownNetwork, keep_people, why_not_shown
from teachers.checkpoint import load_spec


def keep_front_people(
    out: Path, recipe: Recipe, records: tuple[Record, ...], objectives: tuple[str, ...], reporter: Reporter
) -> None:
    """Finds the people of candidates that have none yet, unless their artefacts lie in another machine's folder."""
    if why_not_shown(recipe.data) is not None:
        return
    names = [TEACHER_ROW, *(name for name in front(records, objectives) if name != TEACHER_ROW)]
    known = {record.name: record for record in records}
    there = [(known[name], out / CANDIDATES / name) for name in names if (out / CANDIDATES / name / ARTEFACT).is_file()]
    wanted = [
        ShownNetwork(record.name, record.id, folder / ARTEFACT, load_spec(folder))
        for record, folder in there
        if record.id
    ]
    if len(wanted) > 1 and wanted[0].name == TEACHER_ROW:  # the teacher chooses the frame
        keep_people(out, recipe.data, draw_frames(recipe.data, reporter), wanted, usable_cores())
