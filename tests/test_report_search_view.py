"""A network whose maps have died in int8 is on no front of a report, whatever its time."""

from compress_tiny_run import TinyRun

from compress.common.run_folder import RECORDS
from compress.report.search_view import standings
from compress.results.records import Record


def test_what_the_guard_refuses_never_ranks(tiny_run: TinyRun) -> None:
    records = [Record.model_validate_json(line) for line in (tiny_run.out / RECORDS).read_text().splitlines()]
    reason = "int8 collapse check: joints differ by 65%"
    records[-1] = records[-1].model_copy(update={"rejected_reason": reason})
    found = standings(records, None)
    assert (found[records[-1].name].kind, found[records[-1].name].note) == (
        "infeasible",
        "int8 collapse check: joints differ by 65%",
    )
    assert {standing.kind for name, standing in found.items() if name != records[-1].name} == {"teacher", "candidate"}
