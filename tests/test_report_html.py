"""The page itself: rules of accessibility that need no browser, then what Chromium and axe-core say of it."""

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from compress_made_up import angle_records, run_of
from report_axe import fetch_axe
from report_chromium import Page, chromium, find_chromium
from report_search import search_run
from test_run_example_frame import person, shown

from compress.report.collect import report_facts
from compress.report.html import PAGE, page
from compress.report.sections.outline import document

PHONE, DESK = 390, 1280
STYLE = (PAGE / "style.css").read_text()
BROWSER = find_chromium()
needs_chromium = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (Debian package `chromium`)")


class Elements(HTMLParser):
    """Every start tag with its attributes, and the text within titles and labels."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag in ("title", "label", "option", "summary"):
            self.inside.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if self.inside and self.inside[-1] == tag:
            self.inside.pop()

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[self.inside[-1]][-1] += data

    def of(self, *tags: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.found if tag in tags]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every kind of report: a run with people in a frame, a search with a budget, two runs in one."""
    out = tmp_path_factory.mktemp("pages")
    records = [one.model_copy(update={"id": f"id of {one.name.replace('-', '_')}"}) for one in angle_records()]
    people = {one.name.replace("-", "_"): [person(200, 180), person(430, 190)] for one in records}
    run = replace(run_of(records), people=shown(**people), goals=("latency_ratio <= 0.8",))
    search = replace(search_run(), budget=("latency_ratio <= 0.4",))
    few = replace(run_of(records[:3], "again"), budget=search.budget)
    made = {"run": [run], "search": [search], "both": [replace(few, label="once"), few]}
    for name, runs in made.items():
        (out / f"{name}.html").write_text(page(document(report_facts(runs)), Stills()))
    return {name: out / f"{name}.html" for name in made}


class Stills(dict[str, bytes]):
    """One picture in place of every figure: drawing them all would take long."""

    def __missing__(self, name: str) -> bytes:
        noise = np.random.default_rng(0).integers(0, 256, (30, 50, 3), dtype=np.uint8)
        _, data = cv2.imencode(".png", cv2.resize(noise, (1000, 600), interpolation=cv2.INTER_NEAREST))
        self[name] = data.tobytes()
        return self[name]


NAMES = ("run", "search", "both")


@pytest.mark.parametrize("name", NAMES)
def test_the_page_keeps_the_rules_that_need_no_browser(pages: dict[str, Path], name: str) -> None:
    found = Elements(pages[name].read_text())
    assert found.of("html")[0]["lang"] == "en" and found.texts["title"][0].strip()
    levels = [int(tag[1]) for tag, _ in found.found if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1 and all(after <= before + 1 for before, after in pairwise(levels))
    assert len(found.of("main")) == 1
    assert [nav["aria-label"] for nav in found.of("nav")] == (["Contents"] if name == "both" else [])
    images = found.of("img")
    assert images and all((image.get("alt") or "").strip() for image in images)
    heads = found.of("th")
    assert heads and all(head.get("scope") in ("col", "row") for head in heads)
    assert len(found.of("caption")) == len(found.of("table"))
    regions = [one for one in found.of("div") if one.get("role") == "region"]
    assert len(regions) == len(found.of("table")) and all(one["tabindex"] == "0" for one in regions)
    names = [one["aria-label"] for one in regions]
    assert all(names) and len(names) == len(set(names))
    identifiers = [attributes["id"] for _, attributes in found.found if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = [link.get("href") or "" for link in found.of("a")]
    assert len(links) == (5 if name == "both" else 0) and all(link[1:] in identifiers for link in links)
    assert len(found.of("details")) == len(found.of("summary")) >= 10
    assert all(text.strip() for text in found.texts["summary"])


@pytest.mark.parametrize("name", NAMES)
def test_every_control_has_a_label_and_a_first_choice(pages: dict[str, Path], name: str) -> None:
    found = Elements(pages[name].read_text())
    labels = {label.get("for") for label in found.of("label")}
    selects = found.of("select")
    assert len(selects) >= 2 and all(select["id"] in labels for select in selects)
    assert all(text.strip() for text in found.texts["label"]) and all(text.strip() for text in found.texts["option"])
    chosen = [option for option in found.of("option") if "selected" in option]
    assert len(chosen) == len(selects)
    # Nothing is taken out of, or reordered within, the order of the keyboard.
    assert {attributes.get("tabindex") for _, attributes in found.found} <= {None, "0"}
    assert ":focus-visible" in STYLE and "outline: none" not in STYLE and "outline: 0" not in STYLE


def luminance(colour: str) -> float:
    """WCAG 2's relative luminance of #rrggbb."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_letters_stand_out_from_every_ground_they_stand_on() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    blocks = re.findall(r":root \{([^}]*)\}", STYLE)
    themes = [dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block)) for block in blocks]
    assert len(themes) == 3, "light, dark and paper"
    themes = [theme for theme in themes if "ink" in theme]
    assert len(themes) == 2
    for theme in themes:
        for ground in ("paper", "card", "key", "teacher"):
            for ink in ("ink", "quiet"):
                assert contrast(theme[ink], theme[ground]) >= 4.5, (ink, ground)
        assert contrast(theme["link"], theme["paper"]) >= 4.5
    for ink in re.findall(r"color: (#[0-9a-f]{6})", re.search(r"\.choose \{.*?\.beside", STYLE, re.DOTALL)[0]):  # type: ignore[index]
        if ink != "#ffffff":
            assert contrast(ink, "#ffffff") >= 4.5


def test_points_are_told_apart_without_colour_and_stand_out_from_the_card() -> None:
    script = (PAGE / "explorer.js").read_text()
    colours = dict(re.findall(r"([A-Z]+) = \"(#[0-9A-Fa-f]{6})\"", script))
    assert {"BLUE", "RED", "GREEN", "GREY", "INK"} <= colours.keys()
    assert all(contrast(colours[name].lower(), "#ffffff") >= 3 for name in ("BLUE", "RED", "GREEN", "GREY"))
    assert all(f'"{shape}"' in script for shape in ("star", "square", "circle-open", "x-thin-open"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Page]:
    assert BROWSER is not None
    with chromium(BROWSER) as page:
        yield page


@needs_chromium
@pytest.mark.parametrize("width", [PHONE, DESK])
@pytest.mark.parametrize("name", NAMES)
def test_the_page_fits_a_phone_and_a_desk(
    pages: dict[str, Path], browser: Page, name: str, width: int, tmp_path: Path
) -> None:
    browser.open(pages[name], width, phone=width == PHONE)
    assert browser.errors == []
    plots = "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('.point').length)"
    counts = browser.run(plots)
    assert counts and all(count >= 3 for count in counts)
    small = "Math.min(...[...document.querySelectorAll('.choose select')].map(e => e.getBoundingClientRect().height))"
    assert browser.run(small) >= 24, "large enough for a finger"
    # With every section open, as it is after the button: nothing sticks out, and no table has to be scrolled.
    browser.run("document.getElementById('open-all').click()")
    assert browser.run("[...document.querySelectorAll('details')].every(d => d.open)")
    assert browser.run("document.scrollingElement.scrollWidth") == width, "nothing sticks out to the side"
    wide = "[...document.querySelectorAll('p, li, dd, h1, h2, h3, figure, select, td')].filter(e => "
    wide += f"e.offsetParent !== null && (e.getBoundingClientRect().right > {width} || "
    wide += "e.getBoundingClientRect().left < 0)).map(e => e.outerHTML.slice(0, 90))"
    assert browser.run(wide) == []
    scrolled = "[...document.querySelectorAll('.scroll')].filter(e => e.offsetParent !== null && "
    scrolled += "e.scrollWidth > e.clientWidth + 1).map(e => e.getAttribute('aria-label'))"
    assert browser.run(scrolled) == []
    picture = cv2.imread(str(browser.picture(tmp_path / "page.png")))
    assert picture is not None and picture.shape[1] == width and picture.shape[0] > 2000
    drawn = np.ptp(picture.reshape(len(picture), -1), axis=1) > 40
    empty = max(len(hole) for hole in "".join("x" if row else " " for row in drawn).split("x"))
    assert empty < 250, "no hole in the middle of the page"


@needs_chromium
@pytest.mark.parametrize("name", ["run", "search"])
def test_what_decides_stands_in_the_first_two_screens(pages: dict[str, Path], browser: Page, name: str) -> None:
    browser.open(pages[name], DESK, height=900)
    end = "(what => document.querySelector(what).getBoundingClientRect().bottom)"
    assert browser.run(f"{end}('.verdict')") < 450 and browser.run(f"{end}('.facts')") < 900
    assert browser.run(f"{end}('.plot')") < 900 and browser.run(f"{end}('.wide tbody tr.marked')") < 1800
    assert browser.run("document.scrollingElement.scrollHeight") < 4000
    browser.open(pages[name], PHONE, height=800, phone=True)
    assert browser.run("document.querySelector('.verdict').getBoundingClientRect().bottom") < 800


@needs_chromium
def test_names_in_the_plot_cover_neither_points_nor_bars_nor_each_other(pages: dict[str, Path], browser: Page) -> None:
    boxes = "((what) => [...document.querySelectorAll('#plot-pareto ' + what)].map(e => { const b = "
    boxes += "e.getBoundingClientRect(); return [b.left, b.top, b.right, b.bottom]; })"
    boxes += ".filter(b => b[2] > b[0] && b[3] > b[1]))"
    checked = 0
    for name in ("run", "search"):
        for width in (PHONE, DESK):
            browser.open(pages[name], width, phone=width == PHONE)
            names = browser.run(f"{boxes}('.textpoint text')")
            bars = browser.run(f"{boxes}('.errorbar path')")
            assert len(names) >= 4 and bars
            for place, one in enumerate(names):
                for other in names[place + 1 :]:
                    assert not overlap(one, other), (name, width)
                    checked += 1
                assert not any(overlap(one, bar) for bar in bars), (name, width)
    assert checked > 20


def overlap(one: list[float], other: list[float]) -> bool:
    """By more than two pixels in both directions: letters do not fill their boxes."""
    return all(min(one[i + 2], other[i + 2]) - max(one[i], other[i]) > 2 for i in (0, 1))


@needs_chromium
def test_the_reader_chooses_the_axes(pages: dict[str, Path], browser: Page) -> None:
    browser.open(pages["search"], DESK)
    choose = "((id, name) => { const s = document.getElementById(id); "
    choose += "s.value = [...s.options].find(o => o.textContent.startsWith(name)).value; "
    choose += "s.dispatchEvent(new Event('change')); })"
    title = "document.getElementById('plot-pareto').layout.{}.title.text"
    status = "document.getElementById('plot-pareto-status').textContent"
    before = browser.run(status)
    assert before.startswith("Front of network time relative to the teacher and relative L2 of the joints: ")
    browser.run(f"{choose}('plot-pareto-y', 'Size on disk')")
    assert browser.run(title.format("yaxis")).startswith("Size on disk [bytes]")
    assert browser.run(status).startswith("Front of network time relative to the teacher and size on disk: ")
    # The same on both axes would show nothing: they change places.
    browser.run(f"{choose}('plot-pareto-x', 'Size on disk')")
    assert browser.run(title.format("xaxis")).startswith("Size on disk")
    assert browser.run(title.format("yaxis")).startswith("Network time relative")
    names = "document.getElementById('plot-pareto').data.map(t => t.name).filter(n => n)"
    assert {"not fully trained", "dominated", "stage table", "teacher"} <= set(browser.run(names))
    assert "on the front of all" in browser.run(names)
    browser.run("document.getElementById('plot-pareto-others').click()")
    assert "not fully trained" not in browser.run(names)
    hover = "document.getElementById('plot-pareto').data.flatMap(t => t.hovertext || []).join(' | ')"
    told = unescape(browser.run(hover)).replace("<br>", " ")
    assert "first 3 stages kept" in told and "then trained 4000 steps on the teacher's maps" in told
    bars = "document.getElementById('plot-pareto').data.some(t => t.error_y && t.error_y.visible)"
    assert browser.run(bars), "times have 95% intervals"
    assert browser.errors == []


@needs_chromium
def test_the_page_prints_well(pages: dict[str, Path], browser: Page, tmp_path: Path) -> None:
    browser.open(pages["search"], DESK)
    data = browser.paper(tmp_path / "page.pdf").read_bytes()
    boxes = {
        tuple(map(float, found)) for found in re.findall(rb"/MediaBox \[([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+)\]", data)
    }
    shapes = {(round(right), round(top)) for _, _, right, top in boxes}
    assert {(595, 842), (842, 595)} <= {(min(a, 595) if abs(a - 595) < 2 else a, b) for a, b in shapes} or len(
        shapes
    ) == 2
    pages_there = len(re.findall(rb"/Type /Page\b", data))
    assert 5 <= pages_there <= 40
    browser.call("Emulation.setEmulatedMedia", media="print")
    seen = "['.choose', '.plot', '.status', '.open-all'].map(q => getComputedStyle(document.querySelector(q)).display)"
    assert set(browser.run(seen)) == {"none"}
    assert browser.run("getComputedStyle(document.querySelector('.still')).display") == "block"
    browser.call("Emulation.setEmulatedMedia", media="")


@needs_chromium
def test_axe_finds_nothing_to_mend(
    pages: dict[str, Path], browser: Page, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source, why = fetch_axe(tmp_path_factory.mktemp("axe"))
    if source is None:
        pytest.skip(why)
    checked = 0
    for name in NAMES:
        for width, scheme in ((DESK, "light"),) if name == "run" else ((PHONE, "dark"),):
            features = [{"name": "prefers-color-scheme", "value": scheme}]
            browser.call("Emulation.setEmulatedMedia", features=features)
            browser.open(pages[name], width, phone=width == PHONE)
            browser.run(f"{source};1")
            found = browser.run("axe.run().then(r => ({passes: r.passes.length, wrong: r.violations.map(v => "
                                "[v.id, v.help, v.nodes.map(n => n.html.slice(0, 200))])}))")  # fmt: skip
            assert found["wrong"] == [], (name, width)
            assert found["passes"] > 25
            checked += 1
    assert checked == len(NAMES)
