"""compress data: downloads that go on, hashes, damaged and foreign files, and frames of one's own videos."""

import hashlib
import io
import json
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

from compress.cli.main import run_command
from eval import data_sets
from eval.data_sets import COCO_SITE, DATA_SETS
from eval.frame_selection import Counts, Selection, choose, sharpness
from eval.frames import open_source
from eval.video import VideoWriter
from teachers.resumed_download import RemoteFile

LABELS = {
    "images": [{"id": n, "file_name": f"{n:012d}.jpg"} for n in (1, 2, 3)],
    "annotations": [
        {"image_id": 1, "num_keypoints": 5, "iscrowd": 0},
        {"image_id": 2, "num_keypoints": 0, "iscrowd": 0},
        {"image_id": 3, "num_keypoints": 4, "iscrowd": 1},
    ],
    "categories": [],
}


def _zip(members: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


def _jpeg(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)
    return bytes(cv2.imencode(".jpg", pixels)[1])


class Site:
    """A web server with ranges, that can break off and can serve other bytes."""

    def __init__(self) -> None:
        self.files = {
            "/zips/val2017.zip": _zip({f"val2017/{n:012d}.jpg": _jpeg(n) for n in (1, 2, 3)}),
            "/annotations/annotations_trainval2017.zip": _zip({data_sets.KEYPOINTS: json.dumps(LABELS).encode()}),
        }
        self.asked: list[tuple[str, str | None]] = []
        self.ends_after: int | None = None
        self.knows_ranges = True

    def handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                whole, wanted = site.files[self.path], self.headers.get("Range")
                site.asked.append((self.path, wanted))
                first = int(wanted[6:-1]) if wanted and site.knows_ranges else 0
                self.send_response(206 if first else 200)
                self.send_header("Content-Length", str(len(whole) - first))
                self.end_headers()
                self.wfile.write(whole[first : site.ends_after])

            def log_message(self, *_: object) -> None: ...

        return Handler


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Site, str]]:
    site = Site()
    server = ThreadingHTTPServer(("127.0.0.1", 0), site.handler())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    files = {
        path: RemoteFile(COCO_SITE + path, len(data), hashlib.md5(data).hexdigest())
        for path, data in site.files.items()
    }
    images, labels = files.values()
    for name, data in DATA_SETS.items():
        made = data_sets.replace(data, images=images, labels=labels)
        monkeypatch.setitem(DATA_SETS, name, made)  # type: ignore[arg-type]
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield site, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_data_set_comes_whole_and_only_once(site: tuple[Site, str], tmp_path: Path) -> None:
    served, address = site
    out = tmp_path / "coco"
    words = ["data", "pull", "coco-val2017", "--out", str(out), "--mirror", address]
    assert run_command(words) == 0
    assert open_source(str(out / data_sets.KEYPOINTS)).names() == [f"{n:012d}" for n in (1, 2, 3)]
    assert (out / "val2017" / "000000000002.jpg").read_bytes() == _jpeg(2)
    assert len(served.asked) == 2
    (out / "val2017" / "000000000002.jpg").unlink()
    assert run_command(words) == 0
    assert len(served.asked) == 2 and (out / "val2017" / "000000000002.jpg").is_file()


def test_people_alone_leaves_out_crowds_and_the_unlabelled(site: tuple[Site, str], tmp_path: Path) -> None:
    assert run_command(["data", "pull", "coco-people", "--out", str(tmp_path), "--mirror", site[1]]) == 0
    assert [one.name for one in (tmp_path / "val2017").iterdir()] == ["000000000001.jpg"]
    assert [one["id"] for one in json.loads((tmp_path / data_sets.KEYPOINTS).read_text())["images"]] == [1]


@pytest.mark.parametrize("ranges", [True, False])
def test_what_broke_off_is_gone_on_with(
    site: tuple[Site, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], ranges: bool
) -> None:
    served, address = site
    served.knows_ranges = ranges
    words = ["data", "pull", "coco-val2017", "--out", str(tmp_path), "--mirror", address]
    served.ends_after = 100
    assert run_command(words) == 2
    assert "100 of" in (said := capsys.readouterr().err) and "goes on from there" in said
    served.ends_after = None
    assert run_command(words) == 0
    assert served.asked[1][1] == "bytes=100-"


def test_another_file_is_not_kept(site: tuple[Site, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    served, address = site
    path = "/annotations/annotations_trainval2017.zip"
    served.files[path] = bytes(len(served.files[path]))
    assert run_command(["data", "pull", "coco-val2017", "--out", str(tmp_path), "--mirror", address]) == 2
    assert "its publisher has" in capsys.readouterr().err
    assert list((tmp_path / "archives").iterdir()) == [] and not (tmp_path / "annotations").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["pull", "coco-val", "--out", "x"], "no such data set (did you mean coco-val2017?)"),
        (["pull", "coco-people", "--out", "x", "--mirror", "http://127.0.0.1:9"], "cannot be reached"),
        (["frames", "nowhere.mp4", "--out", "x"], "there is no such file or folder"),
        (["frames", __file__, "--out", "x"], "none of these files is a video"),
        (["frames", __file__, "--out", "x", "--window", "0"], "--window: must lie between"),
    ],
)
def test_bad_calls_are_told(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert run_command(["data", *words]) == 2
    assert told in capsys.readouterr().err


def _scene(seed: int) -> np.ndarray:  # type: ignore[type-arg]
    small = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(small, (160, 120), interpolation=cv2.INTER_NEAREST)


def test_sharp_frames_of_different_scenes_are_taken() -> None:
    blurred = cv2.GaussianBlur(_scene(0), (0, 0), 6)
    assert sharpness(_scene(0)) > 10 * sharpness(blurred)
    clip = [blurred, _scene(0), blurred, _scene(0), _scene(0), _scene(0), _scene(1), _scene(1), blurred]
    counts, thumbs = Counts(), []  # type: ignore[var-annotated]
    taken = [place for place, _ in choose(clip, Selection(window=3), counts, thumbs)]
    assert taken == [1, 6] and (counts.seen, counts.taken, counts.alike, counts.blurred) == (9, 2, 1, 0)
    assert list(choose([_scene(1)] * 3, Selection(window=3), counts, thumbs)) == []  # another video, the same scene
    dull = [cv2.GaussianBlur(_scene(5), (0, 0), 6)] * 3
    assert list(choose(dull, Selection(window=3), counts, thumbs)) == [] and counts.blurred == 1


def test_the_command_makes_a_folder_that_recipes_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    for name, seeds in (("a.mp4", (1, 2)), ("b.mp4", (2, 3))):
        with VideoWriter(videos / name, 10) as writer:
            for number in range(20):
                writer.write(_scene(seeds[number // 10]), number / 10)
    (videos / "notes.txt").write_text("no video")
    assert run_command(["data", "frames", str(videos), "--out", str(tmp_path / "out"), "--window", "5"]) == 0
    said = capsys.readouterr()
    assert "3 frames of 2 videos with 40 frames" in said.out and "5 were nearly one" in said.out
    assert "notes.txt" in said.err and len(open_source(str(tmp_path / "out")).names()) == 3
