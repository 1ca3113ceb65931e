"""Facts survive a kill: whole lines count, a torn last line does not, and the next one starts on a line of its own."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from compress.common.fact_cache import FactCache, fact_key


def test_facts_come_back_in_order(tmp_path: Path) -> None:
    journal = FactCache(tmp_path / "journal.jsonl")
    for number in range(3):
        journal.add("a", {"n": number})
    journal.add("b", 0.1 + 0.2)
    again = FactCache(tmp_path / "journal.jsonl")
    assert again.facts("a") == [{"n": 0}, {"n": 1}, {"n": 2}] == journal.facts("a")
    assert again.facts("b") == [0.1 + 0.2]
    assert again.facts("c") == []


def test_a_torn_line_costs_one_fact(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = FactCache(path)
    journal.add("a", 1)
    journal.add("a", 2)
    whole = path.read_bytes()
    cuts = range(len(whole) // 2 + 1, len(whole))
    for cut in cuts:
        path.write_bytes(whole[:cut])
        torn = FactCache(path)
        assert torn.facts("a") == ([1, 2] if cut == len(whole) - 1 else [1])
        torn.add("a", 3)
        assert FactCache(path).facts("a") == [*torn.facts("a")]
        assert torn.facts("a")[-1] == 3
    assert len(cuts) > 5


@given(st.lists(st.one_of(st.integers(), st.floats(allow_nan=False), st.text()), max_size=4))
def test_keys_depend_on_values_alone(values: list[object]) -> None:
    assert fact_key(*values) == fact_key(*values)
    assert fact_key(*values) != fact_key(*values, "more")
