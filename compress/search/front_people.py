"""The people that teacher and front of a search find in one frame, for its report."""

from pathlib import Path

from compress.build import ARTEFACT
from compress.conditions import usable_cores
from compress.pareto import front
from compress.progress import Reporter
from compress.recipe import Recipe
from compress.recipe_models import TEACHER_ROW
from compress.records import Record
from compress.run_conditions import draw_frames
from compress.run_folder import CANDIDATES
from compress.shown_people import Wanted, keep_people, why_not_shown
from teachers.checkpoint import load_spec


def keep_front_people(
    out: Path, recipe: Recipe, records: tuple[Record, ...], objectives: tuple[str, ...], reporter: Reporter
) -> None:
    """Finds who is not kept yet. Candidates whose artefacts lie in another machine's folder are left out."""
    if why_not_shown(recipe.data) is not None:
        return
    names = [TEACHER_ROW, *(name for name in front(records, objectives) if name != TEACHER_ROW)]
    known = {record.name: record for record in records}
    there = [(known[name], out / CANDIDATES / name) for name in names if (out / CANDIDATES / name / ARTEFACT).is_file()]
    wanted = [
        Wanted(record.name, record.id, folder / ARTEFACT, load_spec(folder)) for record, folder in there if record.id
    ]
    if len(wanted) > 1 and wanted[0].name == TEACHER_ROW:  # the teacher chooses the frame
        keep_people(out, recipe.data, draw_frames(recipe.data, reporter), wanted, usable_cores())
