"""Every command that README and docs show is one that the program takes, and every link leads somewhere."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from compress.cli.main import parse
from compress.recipe.loader import load_recipe

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = [
    pytest.param(line.strip(), id=f"{page.stem}-{number}")
    for page in PAGES
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    if re.match(r"( {4}|srun )compress \w", line)
]
PLACEHOLDERS = {
    "MODEL": "openpose-mobilenet-thin", "FOLDER": "openpose-mobilenet-thin", "IMAGE": "photo.jpg", "VIDEO": "clip.mp4",
}  # fmt: skip
"""What a reader puts in for a word; for a part of one, a folder of pictures."""
_IMPORT = re.compile(r" {4}compress teachers import .* --out (\S+)")
IMPORTED = {f"teacher={found[1]}" for page in PAGES for found in _IMPORT.finditer(page.read_text(encoding="utf-8"))}
"""Of folders that a command shown before makes."""


def test_pages_show_commands() -> None:
    assert len(SHOWN) > 5 and "teacher=openpose-coco" in IMPORTED


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_that_is_shown_is_taken(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = re.split(r" {3,}", line.removeprefix("srun ").removesuffix("\\"))[0]  # what follows is a remark
    words = [PLACEHOLDERS.get(word, word) for word in shlex.split(command, comments=True)]
    words = [re.sub(r"teacher=FOLDER$", "teacher=openpose-mobilenet-thin", word) for word in words]
    words = [re.sub(r"(PHOTOS|OTHERS)/", "docs/images", word) for word in words]
    assert not [word for word in words if re.search(r"\b[A-Z]{4,}\b", word)], "a placeholder that nobody knows"
    options, _ = parse(words[1:])
    recipe = getattr(options, "recipe", None)
    if recipe is not None and not recipe.is_absolute():  # those are of somebody's cluster
        load_recipe(recipe, [one for one in getattr(options, "set", []) if one not in IMPORTED])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if "://" not in target]
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing
    assert "LEAD_" not in text, "a number that is still to be measured"


def test_who_adds_a_teacher_is_told_how_one_is_imported() -> None:
    assert "](teachers.md)" in (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = {page.stem for page in PAGES if page.parent.name == "docs"} - {"index"}
    assert pages and all((tmp_path / "site" / page / "index.html").is_file() for page in pages)


def test_pages_are_short() -> None:
    sizes = {page.name: len(page.read_text(encoding="utf-8").splitlines()) for page in PAGES}
    assert not {name: lines for name, lines in sizes.items() if lines > 250}


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from nbclient import NotebookClient

    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "docs" / "notebook.ipynb", as_version=4)
    NotebookClient(notebook, timeout=540, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("data:image/png" in str(output.get("data", {}).get("text/html", "")) for output in shown)
    assert not [output for output in shown if output["output_type"] == "error"]
