"""Recommended model: the verdict, its file and how to run it, then how the limits and the next candidates compare."""

from collections.abc import Collection, Mapping, Sequence

from compress.common.document import Block as TextBlock
from compress.common.document import Bullets, Details, Paragraph, Row, RowKind, Table
from compress.common.formatting import NONE, listed, scaled, significant
from compress.measure.latency_facts import Latencies
from compress.measure.size import Size
from compress.report.document import Block, FactSheet, Item
from compress.report.facts import ModelFile
from compress.results.budget import limited
from compress.results.column_text import column_label, difference_text, interval, value_text
from compress.results.columns import READERS, number, run_as
from compress.results.goal_quantities import Column
from compress.results.goals import GoalResult, meets_all, preference
from compress.results.recommendation import JudgedRecord, Recommendation
from compress.results.records import Record
from compress.results.sentences import cost, limit_text, result_text, verdict
from compress.results.step_text import recipe_text

BUDGET_HINT = (
    "Other limits: `compress report DIR --budget latency_ms=30,angle_rmse_deg=3` recommends the model for them. "
    "Any numeric column of candidates.csv can be limited."
)
DECODING = "decoding_ms"


def recommended_model(
    found: Recommendation, files: Mapping[str, ModelFile], shown: Collection[str] | None = None
) -> list[Block]:
    """The whole section. `shown`: whose rows the table of limits has, all if left out."""
    blocks: list[Block] = [Paragraph(verdict(found), verdict=True)]
    named = found.named.record if found.named is not None and found.named.met else None
    if named is not None:
        items = _fact_sheet(named, files.get(named.name))
        blocks.append(FactSheet(items if found.best else (Item("Nearest", named.name), *items)))
    elif ends := _ends(found):
        blocks.append(FactSheet(tuple(_end(term, record, files.get(record.name)) for term, record in ends)))
    return [*blocks, Details("Limits, margins and alternatives", tuple(_details(found, named, shown)))]


def _details(found: Recommendation, named: Record | None, shown: Collection[str] | None) -> list[TextBlock]:
    blocks: list[TextBlock] = []
    if items := _reasons(found):
        blocks.append(Bullets(items))
    if named is not None:
        blocks.append(_neighbours(found, named))
    if found.limits_from != "default":
        blocks += _limits(found, shown)
    return blocks if found.limits_from == "budget" else [*blocks, Paragraph(BUDGET_HINT)]


def _fact_sheet(record: Record, file: ModelFile | None) -> tuple[Item, ...]:
    items = [
        Item("Made by", f"{recipe_text(record)}."),
        Item("Cost", f"{cost(record)}."),
        Item("Speed", _speed(record)),
    ]
    if DECODING in READERS:
        items.append(Item("Decoding", f"{value_text(DECODING, number(record, DECODING))} per frame, after the network"))
    if file is not None:
        items += [
            Item("File", file.path, link=file.path, note=f" ({scaled(file.bytes, 'B')})"),
            Item("Run it", f"compress predict {_quoted(file.path)} IMAGE", is_command=True),
            Item("On a video", f"compress kinematics VIDEO --model {_quoted(file.path)}", is_command=True),
        ]
    elif (size := record.facts(Size)) is not None:
        items.append(Item("File", f"{scaled(size.bytes, 'B')}; it is not in this run's folder"))
    return (*items, Item("Licence", record.licence.name))


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


def _speed(record: Record) -> str:
    latencies = record.facts(Latencies)
    if latencies is None:
        return NONE
    latency = latencies.first
    setup = f"{latency.runtime}, {latency.threads} thread{'' if latency.threads == 1 else 's'}"
    rate = f"{significant(1000 / latency.total_ms)} frames per second" if latency.total_ms else NONE
    return f"{rate} ({significant(latency.total_ms)} ms of network time, {run_as(record)}; {setup})"


def _ends(found: Recommendation) -> list[tuple[str, Record]]:
    """Without a recommended model: the best candidate of the front in each of the first two objectives."""
    members = [row.record for row in found.rows if row.on_front and row.record.role == "candidate"]
    return [
        (f"Best {column_label(column)}", min(members, key=lambda record: preference(record, [column])))
        for column in (found.order[:2] if members else ())
    ]


def _end(term: str, record: Record, file: ModelFile | None) -> Item:
    return Item(term, record.name, link=file.path if file is not None else "", note=f": {cost(record)}")


def _reasons(found: Recommendation) -> tuple[tuple[str, str], ...]:
    items: list[tuple[str, str]] = []
    if found.best is not None and len(found.able) > 1:
        items.append(("Rule", _rule(found)))
    if found.named is not None:
        items += [(str(result.goal.quantity), _margin(found.named.record, result)) for result in found.named.results]
    if found.passed_over:
        text = "they lead only by timing noise of a candidate that is better in another objective."
        items.append(("Passed over", f"{listed(found.passed_over)}; {text}"))
    for one in found.relaxations:
        text = f"{_shown(one.goal.quantity, one.value)} instead of {limit_text(one.goal)}; then {one.name} fits."
        items.append((f"To relax: {one.goal.quantity}", text))
    if found.teacher_fits and found.best is None:
        items.append(("Teacher", "it fits; no smaller network does."))
    return tuple(items)


def _rule(found: Recommendation) -> str:
    decides = column_label(found.order[0])
    if found.limits_from == "goals":
        return f"of the candidates that meet the goals, the recipe's first objective decides: {decides}."
    if found.limits_from == "default":
        return f"of the candidates that meet {found.goals[0]}, {decides} decides."
    if len(limited(found.order, found.goals)) == len(found.order):
        return f"the budget limits every objective, so the first one decides: {decides}."
    return f"the objective that the budget leaves open decides: {decides}."


def _margin(record: Record, result: GoalResult) -> str:
    """`1180 ms, at most 1200: 2% to spare`; and whether its own interval crosses the limit."""
    goal = result.goal
    if result.met is None:
        return f"not measured ({result.reason}), so it counts as not met."
    text = f"{_shown(goal.quantity, result.value, result)}, {limit_text(goal)}"
    if isinstance(result.value, float) and isinstance(goal.limit, float) and goal.limit:
        share = abs(goal.quantity.size(result.value) - goal.limit) / abs(goal.limit)
        beyond = f"{share + 1:.3g} times the limit" if share > 1 else f"{share:.0%} beyond it"
        text += f": {share:.0%} to spare" if result.met else f": {beyond}"
    found = interval(record, goal.quantity.name) if isinstance(goal.quantity, Column) else None
    if found is not None and goal.keeps(found[0]) != goal.keeps(found[1]):
        ends = " to ".join(_shown(goal.quantity, end) for end in found)
        text += f". Its 95% interval, {ends}, crosses the limit"
    return f"{text}."


def _shown(quantity: object, value: float | str | None, result: GoalResult | None = None) -> str:
    """With its unit; with more digits where three would contradict the verdict."""
    if not isinstance(value, float) or not isinstance(quantity, Column):
        return f"{value:g}" if isinstance(value, float) else str(value)
    text = value_text(quantity.name, value)
    limit = result.goal.limit if result is not None else None
    if result is None or not isinstance(limit, float) or value == limit or text != value_text(quantity.name, limit):
        return text
    return result_text(result)


def _neighbours(found: Recommendation, named: Record) -> Table:
    """The front around the named candidate: what each would cost or gain against it."""
    columns = [*found.order]
    columns += [
        goal.quantity.name
        for goal in found.goals
        if isinstance(goal.quantity, Column) and goal.quantity.name not in columns
    ]
    others = [goal for goal in found.goals if not isinstance(goal.quantity, Column)]
    head = ("Candidate", *(_heading(column) for column in columns), *(str(goal.quantity) for goal in others), "Fits")
    rows = []
    for record in found.neighbours:
        cells = [difference_text(column, number(record, column), number(named, column)) for column in columns]
        results = [goal.judge(record) for goal in others]
        cells += [NONE if result.met is None else result_text(result) for result in results]
        missed = [str(goal.quantity) for goal in found.goals if goal.judge(record).met is not True]
        fits = "yes" if meets_all(record, found.goals) else f"no: {', '.join(missed) or 'rejected'}"
        kind: RowKind = "teacher" if record.role == "teacher" else "front"
        rows.append(Row((record.name, *cells, fits), kind, record is named))
    caption = f"The front around {named.name}; in brackets the difference from it"
    return Table(caption, head, tuple(rows), words=(0, len(head) - 1))


def _heading(column: str) -> str:
    label = column_label(column)
    return label[:1].upper() + label[1:]


def _limits(found: Recommendation, shown: Collection[str] | None) -> list[TextBlock]:
    """Every candidate against every limit, and why a limit could not be judged."""
    rows = [row for row in found.rows if shown is None or row.record.name in shown]
    noun = "limits of the budget" if found.limits_from == "budget" else "goals of the recipe"
    head = ("Candidate", "Met", *(str(goal) for goal in found.goals))
    cells = [
        (row.record.name, f"{row.met} of {len(found.goals)}", *(_cell(result) for result in row.results))
        for row in rows
    ]
    table = Table(
        f"Each candidate against the {noun}", head,
        tuple(Row(texts, _kind(row), row is found.best) for texts, row in zip(cells, rows, strict=True)),
        key=1, words=(0, *range(2, len(head))),
    )  # fmt: skip
    blocks: list[TextBlock] = [table]
    if any(".raw." not in str(g) and ".filtered." not in str(g) and "kinematics." in str(g) for g in found.goals):
        blocks.append(Paragraph("A goal on a joint that names neither raw nor filtered must hold for both."))
    if why := _why_unmeasured(rows):
        blocks += [Paragraph("Not judged:"), Bullets(why)]
    return blocks


def _kind(row: JudgedRecord) -> RowKind:
    if row.record.error is not None:
        return "failed"
    return "teacher" if row.record.role == "teacher" else "front" if row.on_front else "plain"


def _cell(result: GoalResult) -> str:
    return NONE if result.met is None else f"{result_text(result)}, {'met' if result.met else 'missed'}"


def _why_unmeasured(rows: Sequence[JudgedRecord]) -> tuple[tuple[str, str], ...]:
    """Limit -> why it could not be judged, and for which candidates; a failed candidate stands for itself."""
    finished = [row for row in rows if row.record.error is None]
    found: dict[tuple[str, str], list[str]] = {}
    for row in finished:
        for result in row.unmeasured:
            found.setdefault((str(result.goal), result.reason), []).append(row.record.name)
    return tuple(
        (goal, f"{reason} ({'all' if len(names) == len(finished) else ', '.join(names)})")
        for (goal, reason), names in found.items()
    )
