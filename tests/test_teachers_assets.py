"""What is pulled is pinned; whatever goes wrong is said, and nothing of the user's is lost."""

import gzip
import os
import signal
import stat
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from teachers_made_up import CONTENT, MEMBER, SDIST, WHEEL, Index, forget_settings, sdist, serving, sha256, wheel
from teachers_made_up import write_zoo as write_zoo_file

from teachers import pip_settings, zoo
from teachers.assets import asset_facts, is_here, known_assets, locate
from teachers.common.errors import UserError

ROOT = Path(__file__).parents[1]
PULL = "import sys; from pathlib import Path; from teachers import zoo; zoo.ZOO = Path(sys.argv[1])\n"
PULL += "from teachers.assets import locate; print(locate('small'))"


@dataclass(frozen=True)
class World:
    """One asset called `small`, an index that does not offer it yet, and an empty cache."""

    folder: Path
    index: Index

    @property
    def cache(self) -> Path:
        return self.folder / "cache"

    @property
    def member(self) -> Path:
        return self.cache / sha256(CONTENT)[:16] / "graph.pb"

    def pin(self, package: bytes, filename: str, /, **changes: str) -> None:
        write_zoo_file(self.folder / "zoo.yaml", package, filename, **changes)
        zoo._read.cache_clear()

    def start_pull(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PULL, str(self.folder / "zoo.yaml")]
        return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def kept(self) -> list[str]:
        """Every file in the cache but the locks."""
        files = [path for path in self.cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
        return sorted(path.relative_to(self.cache).as_posix() for path in files)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    forget_settings(monkeypatch)
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "ZOO", tmp_path / "zoo.yaml")
    monkeypatch.setattr(pip_settings, "_configuration_files", lambda pip: {})
    with serving() as index:
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple")
        yield World(tmp_path, index)


def refusal() -> str:
    with pytest.raises(UserError) as caught:
        locate("small")
    return str(caught.value)


@pytest.mark.parametrize(("filename", "package"), [(WHEEL, wheel()), (SDIST, sdist())])
def test_pulls_the_member_once(world: World, filename: str, package: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pin(package, filename)
    world.index.offer(filename, package, sha256(package))
    assert not is_here("small")
    steps: list[tuple[int, int | None]] = []
    assert locate("small", lambda done, total: steps.append((done, total))) == world.member
    assert world.member.read_bytes() == CONTENT
    assert steps[-1] == (len(package), len(package))
    assert world.kept() == [world.member.relative_to(world.cache).as_posix()]
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    assert locate("small") == world.member
    facts = asset_facts()
    assert [(fact.here, fact.size_bytes, fact.asset.licence) for fact in facts] == [(True, len(CONTENT), "MIT")]


@pytest.mark.parametrize("stated", [True, False])
def test_wrong_package_hash_is_refused(world: World, stated: bool) -> None:
    other = wheel(content=b"something else")
    world.pin(wheel(), WHEEL)
    world.index.offer(WHEEL, other, sha256(other) if stated else "")
    message = refusal()
    assert sha256(other) in message and "another file" in message
    assert world.index.count(f"/files/{WHEEL}") == (0 if stated else 1)
    assert world.kept() == []


def test_truncated_download_is_refused(world: World) -> None:
    world.pin(wheel(), WHEEL)
    world.index.offer(WHEEL, wheel()[:5000], length=len(wheel()))
    assert "broke off" in refusal()
    assert world.kept() == []


@pytest.mark.parametrize(
    ("package", "filename", "says"),
    [
        (wheel(content=b"other"), WHEEL, f"has sha256 {sha256(b'other')}"),
        (wheel(name="elsewhere.pb"), WHEEL, f"no member {MEMBER}"),
        (wheel(mode=stat.S_IFLNK | 0o777), WHEEL, "not a plain file"),
        (b"no archive at all", WHEEL, "damaged"),
        (b"no archive at all", SDIST, "damaged"),
        (sdist()[:500], SDIST, "damaged"),
        (sdist(lambda info: setattr(info, "name", "made_up-1.0/elsewhere.pb")), SDIST, f"no member {MEMBER}"),
        (sdist(lambda info: setattr(info, "type", tarfile.SYMTYPE)), SDIST, "not a plain file"),
        (sdist(lambda info: setattr(info, "type", tarfile.LNKTYPE)), SDIST, "not a plain file"),
        (sdist(lambda info: setattr(info, "type", tarfile.FIFOTYPE)), SDIST, "not a plain file"),
    ],
)
def test_unfit_member_is_refused(world: World, package: bytes, filename: str, says: str) -> None:
    world.pin(package, filename)
    world.index.offer(filename, package)
    assert says in refusal()
    assert world.kept() == []


def test_member_of_hostile_size_is_refused(world: World) -> None:
    whole = tarfile.TarInfo(f"made_up-1.0/{MEMBER}")
    whole.size = 1 << 40
    package = gzip.compress(whole.tobuf() + CONTENT)
    world.pin(package, SDIST)
    world.index.offer(SDIST, package)
    assert "are refused" in refusal()
    assert world.kept() == []


@pytest.mark.parametrize(("status", "says"), [(404, "no project made-up"), (500, "answered 500"), (403, "credentials")])
def test_index_that_fails_is_named(world: World, status: int, says: str) -> None:
    world.pin(wheel(), WHEEL)
    world.index.offer(WHEEL, wheel())
    world.index.answers["/simple/made-up/"] = replace(world.index.answers["/simple/made-up/"], status=status)
    assert says in refusal()


def test_no_network_says_in_seconds_what_to_do_by_hand(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pin(wheel(), WHEEL)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    start = time.monotonic()
    message = refusal()
    assert time.monotonic() - start < 10
    for part in ("made-up 1.0", WHEEL, sha256(wheel()), MEMBER, str(world.cache / "downloads"), str(world.member)):
        assert part in message
    assert "refused" in message.lower()


@pytest.mark.parametrize("whole_package", [True, False])
def test_put_there_by_hand(world: World, whole_package: bool) -> None:
    world.pin(sdist(), SDIST)
    path = world.cache / "downloads" / SDIST if whole_package else world.member
    path.parent.mkdir(parents=True)
    path.write_bytes(sdist() if whole_package else CONTENT)
    if not whole_package:
        assert asset_facts()[0].size_bytes == len(CONTENT)
    assert is_here("small")
    assert locate("small").read_bytes() == CONTENT
    assert path.exists()
    assert world.index.asked == []


@pytest.mark.parametrize("whole_package", [True, False])
def test_wrong_file_in_the_cache_is_refused_and_left(world: World, whole_package: bool) -> None:
    world.pin(sdist(), SDIST)
    world.index.offer(SDIST, sdist())
    path = world.cache / "downloads" / SDIST if whole_package else world.member
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1])
    message = refusal()
    assert str(path) in message and "nothing was deleted" in message
    assert path.read_bytes() == CONTENT[:-1]
    assert not is_here("small") and "sha256" in asset_facts()[0].note


def test_processes_at_once_pull_once(world: World) -> None:
    world.pin(wheel(), WHEEL)
    world.index.offer(WHEEL, wheel(), seconds=1.0)
    pulls = [world.start_pull() for _ in range(2)]
    for pull in pulls:
        out, err = pull.communicate(timeout=60)
        assert pull.returncode == 0, err
        assert Path(out.strip()) == world.member
    assert len(pulls) == 2
    assert world.member.read_bytes() == CONTENT
    assert world.index.count(f"/files/{WHEEL}") == 1


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_killed_in_the_middle_then_again(world: World) -> None:
    world.pin(wheel(), WHEEL)
    world.index.offer(WHEEL, wheel(), seconds=60.0)
    pull = world.start_pull()
    limit = time.monotonic() + 60
    part: list[Path] = []
    while not (part and part[0].stat().st_size) and time.monotonic() < limit:
        time.sleep(0.05)
        part = list(world.cache.rglob(".download-*"))
    pull.send_signal(signal.SIGKILL)
    pull.communicate()
    assert 0 < part[0].stat().st_size < len(wheel()) and not world.member.exists()
    (world.member.parent / ".half.pb").write_bytes(b"as a kill while unpacking leaves it")
    world.index.offer(WHEEL, wheel())
    assert locate("small").read_bytes() == CONTENT
    assert world.kept() == [world.member.relative_to(world.cache).as_posix()]


def test_cache_that_cannot_be_written(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.pin(wheel(), WHEEL)
    (world.folder / "file").write_text("in the way")
    monkeypatch.setenv("COMPRESS_CACHE", str(world.folder / "file"))
    assert "COMPRESS_CACHE" in refusal()


def test_misspelt_name_gets_the_nearest() -> None:
    with pytest.raises(UserError, match=r"did you mean openpose-mobilenet-thin\?"):
        locate("openpose_mobilenet_thin")
    with pytest.raises(UserError, match="sports2d-demo"):
        is_here("xyz")


@pytest.mark.parametrize(
    "wrong",
    [{"member": "../graph.pb"}, {"member": "/graph.pb"}, {"sha256": "12"}, {"filename": "a/b.whl"}, {"colour": "red"},
     {"filename": "made_up-1.0.exe"}, {"licence": ""}, {"kind": "music"}],
)  # fmt: skip
def test_zoo_refuses_a_wrong_entry(world: World, wrong: dict[str, str]) -> None:
    world.pin(wheel(), WHEEL, **wrong)
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        known_assets()


def test_published_assets_can_be_pulled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real ones, through the index that this machine's pip uses."""
    monkeypatch.setenv("COMPRESS_CACHE", str(tmp_path))
    sizes = {name: locate(name).stat().st_size for name in known_assets()}
    assert sizes["openpose-mobilenet-thin"] == 7_804_434
    assert sizes["sports2d-demo"] == 3_968_304
    assert all(fact.here for fact in asset_facts())
