"""YAML that is no recipe, cannot be read or is a bomb; plain data there and back."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from compress_recipe_text import GOOD, mistakes
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.common.yaml_source import YamlError, dump_yaml, parse_yaml
from compress.recipe.loader import Recipe, load_recipe
from teachers.common.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "x.yaml:1: a recipe is a mapping with the keys {keys}; got an empty file"),
        ("# nothing\n", "x.yaml:1: a recipe is a mapping with the keys {keys}; got an empty file"),
        ("- a\n", "x.yaml:1: a recipe is a mapping with the keys {keys}; got a list"),
        ("hello\n", "x.yaml:1: a recipe is a mapping with the keys {keys}; got 'hello'"),
        (b"a: 1\nb: \xff\n", "x.yaml:2: not UTF-8 text, byte 0xff there"),
        ("a: 1".encode("utf-16"), "x.yaml:1: not UTF-8 text, byte 0xff there"),
    ],
)  # fmt: skip
def test_what_is_no_recipe_at_all(text: str | bytes, expected: str) -> None:
    assert mistakes(text) == [expected.replace("{keys}", ", ".join(Recipe.model_fields))]


@pytest.mark.parametrize(
    ("text", "line", "end"),
    [
        ("a: 1\n\tb: 2\n", 2, "; the line is indented with a tab, YAML wants spaces"),
        ("a: 1\nb: ]\n", 2, ""),
        ("a: 'b\n", 2, ""),
        ("a: 1\n b: 2\n", 2, ""),
        ("a: *b\n", 1, ""),
        ("a: 1\n---\nb: 1\n", 2, ""),
        ("a: \x00\n", 1, ""),
    ],
)
def test_what_is_no_yaml(text: str, line: int, end: str) -> None:
    """The words after `not YAML` are the YAML library's."""
    found = mistakes(text)
    assert len(found) == 1
    assert found[0].startswith(f"x.yaml:{line}: not YAML: ")
    assert found[0].endswith(end)


def laughs(width: int, depth: int) -> str:
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * width)}]" for n in range(1, depth)]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "bomb",
    [
        laughs(9, 12),
        laughs(2, 20),
        "a: &a [*a, *a]\n",
        "a: &a {b: *a}\n",
        "[" * 500_000,
        "{a: " * 100_000,
        "- " * 400_000 + "x",
        "[" + "1," * 400_000 + "]",
        "a: " + "x" * 1_100_000,
        "a: " + "9" * 900_000,
    ],
    ids=["laughs", "doubling", "loop", "map loop", "deep", "deep maps", "deep list", "long", "file", "number"],
)
def test_a_bomb_is_refused_at_once(bomb: str) -> None:
    start = time.monotonic()
    assert mistakes(bomb)
    assert time.monotonic() - start < 1


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "stage_prune.yaml").write_text(GOOD)
    for path, part in (
        (tmp_path, "is a folder; a recipe is a YAML file"),
        (tmp_path / "stage_prun.yaml", f"there is no such file (did you mean {tmp_path / 'stage_prune.yaml'}?)"),
        (tmp_path / "none" / "x.yaml", "there is no such file"),
        (tmp_path / ("a" * 300), "cannot be read: File name too long"),
    ):
        with pytest.raises(UserError) as caught:
            load_recipe(path)
        assert str(caught.value) == f"{path}: {part}"


PLAIN = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(), st.sampled_from(
        ["1e2", "no", "010", "1:30", "2026-01-01", "<<", "~", ".inf", "0x1f", "1_000", "=", "\u2028", "\x85"]
    )),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=8), inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(PLAIN)
def test_plain_data_survives_yaml(data: Any) -> None:
    assert parse_yaml(dump_yaml(data)).data == data


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,?~ \n\t1.\\", max_size=60))
def test_any_text_is_read_or_refused_with_a_line(text: str) -> None:
    try:
        source = parse_yaml(text)
    except YamlError as error:
        assert 1 <= error.line <= text.count("\n") + 2
    else:
        json.dumps(source.data)
