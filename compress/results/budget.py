"""`latency_ms=30,angle_rmse_deg=3`: a budget on the command line -> goals, each limit on the side that costs."""

from collections.abc import Sequence

from compress.results.goal_names import quantity_of
from compress.results.goal_quantities import TIER, Column, GoalError, JointField, Quantity, Relation
from compress.results.goals import Goal, parse_goal
from compress.results.objectives import OBJECTIVES
from compress.results.pareto import TIME_OBJECTIVES
from eval.kinematic_motion import MOTION_FIELDS
from teachers.common.errors import UserError

_MORE_IS_BETTER = ("detection_rate", "n", "n_measurable")
"""Numbers of a joint of which more is better; of all others less is."""


def parse_budget(text: str) -> tuple[Goal, ...]:
    """The limits as goals: `latency_ms=30` allows at most 30, `oks=0.9` asks for at least 0.9.

    UserError names the part that cannot be read and what would do.
    """
    parts = [part.strip() for part in text.split(",")]
    found: dict[str, Goal] = {}
    for part in parts:
        name, equals, limit = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not limit or name[-1:] in "<>" or limit[:1] in "<>=":
            raise UserError(f"--budget {part!r}: expected COLUMN=NUMBER, for instance latency_ms=30,angle_rmse_deg=3")
        try:
            quantity = quantity_of(name)
            goal = parse_goal(f"{name} {_relation(quantity)} {limit}")
        except GoalError as error:
            raise UserError(f"--budget {part!r}: {error}") from error
        if str(quantity) in found:
            raise UserError(f"--budget {part!r}: {quantity} has a limit already")
        found[str(quantity)] = goal
    return tuple(found.values())


def _relation(quantity: Quantity) -> Relation:
    match quantity:
        case Column():
            objective = OBJECTIVES.get(quantity.name)
            return ">=" if objective is not None and not objective.smaller_is_better else "<="
        case JointField():
            more = quantity.field in _MORE_IS_BETTER and quantity.field not in MOTION_FIELDS
            return ">=" if more else "<="
        case _:
            return ">=" if str(quantity) == TIER else "<="


def limited(objectives: Sequence[str], goals: Sequence[Goal]) -> tuple[str, ...]:
    """The objectives that have a limit; milliseconds and the ratio to the teacher both limit time."""
    named = {str(goal.quantity) for goal in goals}
    times = named & {*TIME_OBJECTIVES}
    return tuple(name for name in objectives if name in named or (times and name in TIME_OBJECTIVES))


def open_first(objectives: Sequence[str], goals: Sequence[Goal]) -> tuple[str, ...]:
    """The objectives that a budget leaves open, then those that it limits: what is enough need not be the best."""
    closed = limited(objectives, goals)
    return (*(name for name in objectives if name not in closed), *closed)
