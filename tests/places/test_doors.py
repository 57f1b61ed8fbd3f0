"""Doors that stay shut: what is said names the place and what to set, and never a secret."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
from doors import CODES, SECRET, TOKEN, Shut, said
from far import Server, forget_stores

from medprep.errors import AccessError, LibraryError, OptionError, SourceError
from medprep.places import seen
from medprep.places.paths import path_of, shown
from medprep.sources.detect import open_source


@pytest.fixture
def shut(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An S3 server that lets nobody in, and secrets in the environment."""
    pytest.importorskip("s3fs")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shut)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAPLANTED")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    forget_stores()
    yield url
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("code", CODES)
def test_what_opens_the_door_is_told(
    shut: str, code: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Shut, "code", code)
    with pytest.raises(AccessError, match=CODES[code][1]) as raised:
        open_source(path_of("s3://clinic/set"))
    assert "clinic" in raised.value.message
    if code != "InvalidObjectState":
        assert "AWS_PROFILE" in raised.value.message
    assert raised.value.__cause__ is None


def test_no_secret_is_said_or_written(shut: str, tmp_path: Path) -> None:
    status, everything = said(
        ["split", "s3://clinic/set", "convert", "-w", "work", "-v", "-v"], tmp_path
    )
    assert status == 1
    assert "the bucket 'clinic'" in everything
    for secret in (SECRET, TOKEN, "AKIAPLANTED", "Signature="):
        assert secret not in everything


def test_a_door_that_shuts_later_fails_the_cases(
    s3: Server, phantom: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = s3.put(phantom, "later")
    assert said(["split", source, "-w", "work"], tmp_path)[0] == 0
    monkeypatch.setattr(Shut, "code", "ExpiredToken")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shut)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    status, everything = said(["convert", "-w", "work", "-j", "1", "-v"], tmp_path)
    server.shutdown()
    server.server_close()
    assert status == 1
    assert "the credentials for the bucket 'hospital' have expired" in everything
    assert SECRET not in everything
    assert TOKEN not in everything


@pytest.mark.parametrize(
    "url",
    [
        f"https://anna:{SECRET}@host.example/set",
        f"https://host.example/set.zip?X-Amz-Signature={SECRET}",
        f"s3://key:{SECRET}@bucket/set",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="holds a password") as raised:
        path_of(url)
    assert SECRET not in str(raised.value)
    assert SECRET not in shown(url)
    for words in (
        ["split", url, "convert"], ["scan", url], ["convert", url, "--output", "out"],
        ["deidentify", url, "out"], ["predict", "--input", url, "-o", "out"],
        ["evaluate", "--reference", url, "--predicted", url], ["prompt", url, "-o", "a.nii.gz"],
    ):  # fmt: skip
        status, everything = said([*words, "-v"], tmp_path)
        assert status != 0
        assert SECRET not in everything, words[0]


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    seen._store.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(LibraryError, match=r"pip install 'medprep\[remote\]'"):
        path_of("s3://bucket/set").is_dir()


def test_a_kind_of_url_that_nobody_knows() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(LibraryError, match="no kind of URL"):
        path_of("nothing-such://bucket/set").is_dir()


def test_what_is_not_there(s3: Server) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        open_source(path_of("s3://hospital/nothing-here"))
    with pytest.raises(SourceError, match="no such folder"):
        open_source(path_of("s3://no-such-bucket/set"))
