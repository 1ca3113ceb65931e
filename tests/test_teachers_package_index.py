"""Where a package file is looked for: as pip would, with pip's settings, and never showing a credential."""

import gzip
import io
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from teachers_made_up import (
    CONTENT,
    MEMBER,
    SDIST,
    WHEEL,
    Answer,
    Index,
    forget_settings,
    sdist,
    serving,
    sha256,
    wheel,
)

from teachers import pip_settings
from teachers.package_index import fetch
from teachers.pip_settings import PullError, read_settings
from teachers.zoo import Asset

NOWHERE = "http://127.0.0.1:1/simple"


def asset(package: bytes = wheel(), filename: str = WHEEL) -> Asset:
    return Asset(
        name="small", kind="teacher", description="made up", licence="MIT", source="https://example.org",
        package="Made.Up", version="1.0", filename=filename, sha256=sha256(package),
        member=MEMBER, member_sha256=sha256(CONTENT),
    )  # fmt: skip


def fetched(wanted: Asset | None = None) -> bytes:
    into = io.BytesIO()
    fetch(wanted or asset(), into)
    return into.getvalue()


def refusal() -> str:
    with pytest.raises(PullError) as caught:
        fetched()
    assert caught.value.reasons
    return "\n".join(caught.value.reasons)


@pytest.fixture
def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """pip has no configuration files; spares half a second a test."""
    forget_settings(monkeypatch)
    monkeypatch.setattr(pip_settings, "_configuration_files", lambda pip: {})


@pytest.fixture
def index(no_files: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with serving() as served:
        monkeypatch.setenv("PIP_INDEX_URL", f"{served.url}/simple")
        yield served


def file_index(folder: Path) -> str:
    """An index in a folder, as some firms keep one."""
    project = folder / "simple" / "made-up"
    project.mkdir(parents=True)
    (folder / WHEEL).write_bytes(wheel())
    (project / "index.html").write_text(f'<a href="../../{WHEEL}#sha256={sha256(wheel())}">{WHEEL}</a>')
    return (folder / "simple").as_uri()


def test_every_level_of_pip_configuration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nindex-url = https://one.example/simple\nextra-index-url =\n    https://two.example/s\n"
        "    https://three.example/s\nproxy = http://proxy.example:3128\ncert = /somewhere/ca.pem\n"
        "[install]\nfind-links = /wheels\ntrusted-host = two.example\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    settings = read_settings("https://default.example/simple")
    assert settings.indexes == ("https://one.example/simple", "https://two.example/s", "https://three.example/s")
    assert (settings.find_links, settings.trusted_hosts) == (("/wheels",), ("two.example",))
    assert (settings.proxy, settings.cert) == ("http://proxy.example:3128", "/somewhere/ca.pem")
    monkeypatch.setenv("PIP_INDEX_URL", "https://four.example/simple")
    assert read_settings("https://default.example/simple").indexes[0] == "https://four.example/simple"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert read_settings("https://default.example/simple").indexes == ()


def test_broken_pip_configuration_is_said_without_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    configuration = tmp_path / "pip.conf"
    configuration.write_text("[global\nindex-url https://me:secret@one.example/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    message = refusal()
    assert "configuration" in message and str(configuration) in message
    assert "secret" not in message


def test_environment_without_pip_is_asked_through_uv_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    forget_settings(monkeypatch)
    monkeypatch.setattr(pip_settings, "_configuration_files", lambda pip: None)
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://one.example/simple")
    monkeypatch.setenv("UV_INDEX", "firm=https://two.example/simple https://three.example/simple")
    monkeypatch.setenv("UV_FIND_LINKS", "/a,/b")
    settings = read_settings("https://default.example/simple")
    assert settings.indexes == tuple(f"https://{n}.example/simple" for n in ("one", "two", "three"))
    assert settings.find_links == ("/a", "/b")


def test_pip_that_is_not_there_is_not_an_error(tmp_path: Path) -> None:
    assert pip_settings._configuration_files([str(tmp_path / "pip")]) is None


def test_file_index(no_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", file_index(tmp_path / "with space"))
    assert fetched() == wheel()


@pytest.mark.parametrize("kind", ["folder", "file url", "page", "page in folder", "the file itself"])
def test_find_links_on_disk(no_files: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "true")
    file_index(tmp_path)
    page = tmp_path / "pages" / "links.html"
    page.parent.mkdir()
    page.write_text(f'<a href="../{WHEEL}">a wheel</a><a href="other.zip">other</a>')
    places = {
        "folder": str(tmp_path), "file url": tmp_path.as_uri(), "page": page.as_uri(),
        "page in folder": str(page.parent), "the file itself": str(tmp_path / WHEEL),
    }  # fmt: skip
    monkeypatch.setenv("PIP_FIND_LINKS", f"{tmp_path}/none {places[kind]}")
    assert fetched() == wheel()
    shutil.rmtree(tmp_path / "simple")
    (tmp_path / WHEEL).unlink()
    assert "there is no such file or folder" in refusal()


@pytest.mark.parametrize("place", ["/links.html", f"/files/{WHEEL}"])
def test_find_links_on_the_web(index: Index, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    index.offer(WHEEL, wheel())
    index.answers["/links.html"] = Answer(f'<a href="files/{WHEEL}">here</a>'.encode())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", index.url + place)
    assert fetched() == wheel()


def test_json_index(index: Index) -> None:
    file = {"filename": WHEEL, "url": f"../../files/{WHEEL}", "hashes": {"sha256": sha256(wheel())}}
    page = {"meta": {"api-version": "1.0"}, "name": "made-up", "files": [file]}
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    index.answers["/simple/made-up/"] = Answer(json.dumps(page).encode(), headers=kind)
    index.answers[f"/files/{WHEEL}"] = Answer(wheel())
    assert fetched() == wheel()


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"meta": {"api-version": "9.0"}, "name": "x", "files": []}'])
def test_answer_that_is_no_page(index: Index, body: bytes) -> None:
    kind = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    index.answers["/simple/made-up/"] = Answer(body, headers=kind)
    message = refusal()
    assert index.url in message and ("not understood" in message or "cannot be asked" in message)


def test_sdist_served_as_gzip_encoded_stays_packed(index: Index) -> None:
    package = sdist()
    assert gzip.decompress(package)
    index.offer(SDIST, package, headers={"Content-Encoding": "gzip"})
    assert fetched(asset(package, SDIST)) == package


def test_next_index_is_asked_when_one_fails(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.offer(WHEEL, wheel())
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple")
    monkeypatch.setenv("PIP_INDEX_URL", NOWHERE)
    assert fetched() == wheel()
    index.offer(WHEEL, wheel()[:-1])
    message = refusal()
    assert "127.0.0.1:1: cannot be reached" in message and "damaged" in message


def test_credentials_reach_their_index_alone_and_are_not_shown(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.offer(WHEEL, wheel())
    with serving() as files:
        files.answers["/store.whl"] = Answer(wheel())
        page = f'<a href="{files.url}/store.whl">{WHEEL}</a>'
        index.answers["/simple/made-up/"] = Answer(page.encode())
        monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("//", "//me:se%40cret@") + "/simple")
        assert fetched() == wheel()
        assert index.asked == [("/simple/made-up/", "Basic bWU6c2VAY3JldA==")]
        assert files.asked == [("/store.whl", None)]
        files.answers.clear()
        index.answers["/simple/made-up/"].status = 200
        messages = [refusal()]
    for status in (401, 404, 500):
        index.answers["/simple/made-up/"].status = status
        messages.append(refusal())
    for location in (
        "http://me:se%40cret@127.0.0.1:1/token/simple",
        "https://me:se%40cret@127.0.0.1:x/",
        "http://me:se%40cret@[bad/",
        "me:se%40cret@host/simple",
        "ftp://me:se%40cret@host/",
    ):
        monkeypatch.setenv("PIP_INDEX_URL", location)
        messages.append(refusal())
    assert len(messages) == 9
    for message in messages:
        assert "cret" not in message and "token" not in message and "me:" not in message


def test_proxy_that_refuses(no_files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example/simple")
    monkeypatch.setenv("PIP_PROXY", "http://me:secret@127.0.0.1:1")
    message = refusal()
    assert "https://index.example: the proxy refuses" in message
    assert "secret" not in message


def test_proxy_is_used(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_PROXY", index.url)
    monkeypatch.setenv("PIP_INDEX_URL", "http://index.example/simple")
    page = f'<a href="/w/{WHEEL}">{WHEEL}</a>'
    index.answers["http://index.example/simple/made-up/"] = Answer(page.encode())
    index.answers[f"http://index.example/w/{WHEEL}"] = Answer(wheel())
    assert fetched() == wheel()


@pytest.mark.parametrize("trusted", [False, True])
def test_no_tls(index: Index, monkeypatch: pytest.MonkeyPatch, trusted: bool) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("http:", "https:"))
    if trusted:
        monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
    assert "no trusted TLS connection" in refusal()


def test_certificate_file_that_is_not_there(index: Index, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("http:", "https:"))
    monkeypatch.setenv("PIP_CERT", str(tmp_path / "ca.pem"))
    assert "ca.pem" in refusal()


def test_nothing_configured_to_ask(no_files: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert "no-index" in refusal()
