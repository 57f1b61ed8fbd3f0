"""Files: whole or not at all, in natural order, safely named."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import SourceError, WriteError
from medprep.files import (
    AtomicFiles,
    digest,
    json_bytes,
    natural_key,
    remove_parts,
    safe_name,
    walk_files,
    walk_folders,
    write_bytes,
)
from medprep.places.paths import inside, path_of
from medprep.workspace.elsewhere import MARK
from medprep.workspace.layout import Layout

KILLED = """
import os, signal
from pathlib import Path
from medprep.files import AtomicFiles
with AtomicFiles() as files:
    files.file(Path("case.nii.gz")).write_bytes(b"half")
    (files.folder(Path("slices")) / "000.png").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
"""

FULL_DISK = """
import resource, sys
from pathlib import Path
from medprep.errors import WriteError
from medprep.files import AtomicFiles
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with AtomicFiles() as files:
        files.file(Path("small.json")).write_bytes(b"new")
        files.file(Path("case.nii.gz")).write_bytes(bytes(100_000))
except WriteError as error:
    print(error)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )


def test_files_and_folders_appear_together_at_the_end(tmp_path: Path) -> None:
    with AtomicFiles() as files:
        files.file(tmp_path / "deep" / "er" / "a.json").write_text("a")
        folder = files.folder(tmp_path / "slices")
        (folder / "inner").mkdir()
        (folder / "inner" / "000.png").write_text("b")
        assert not (tmp_path / "slices").exists()
        assert not (tmp_path / "deep" / "er" / "a.json").exists()
    assert (tmp_path / "deep" / "er" / "a.json").read_text() == "a"
    assert (tmp_path / "slices" / "inner" / "000.png").read_text() == "b"
    assert names(tmp_path) == ["deep", "slices"]


def test_what_was_there_is_replaced_whole(tmp_path: Path) -> None:
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / "old.png").touch()
    (tmp_path / "a.json").write_text("old")
    with AtomicFiles() as files:
        (files.folder(tmp_path / "slices") / "new.png").touch()
        files.file(tmp_path / "a.json").write_text("new")
    assert names(tmp_path / "slices") == ["new.png"]
    assert (tmp_path / "a.json").read_text() == "new"
    assert names(tmp_path) == ["a.json", "slices"]


def test_an_exception_leaves_the_old_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("old")
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / "old.png").touch()
    with pytest.raises(ZeroDivisionError), AtomicFiles() as files:
        files.file(tmp_path / "a.json").write_text("new")
        (files.folder(tmp_path / "slices") / "new.png").touch()
        raise ZeroDivisionError
    assert (tmp_path / "a.json").read_text() == "old"
    assert names(tmp_path / "slices") == ["old.png"]
    assert names(tmp_path) == ["a.json", "slices"]


def test_a_folder_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slices").mkdir()
    (tmp_path / "slices" / "old.png").touch()
    replace = Path.replace

    def refusing(path: Path, target: Path) -> Path:
        if path.name.startswith(".slices"):
            raise OSError(5, "Input/output error", str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refusing)
    with pytest.raises(WriteError, match=r"Input/output error.*slices\]"), AtomicFiles() as files:
        (files.folder(tmp_path / "slices") / "new.png").touch()
    assert names(tmp_path / "slices") == ["old.png"]
    assert names(tmp_path) == ["slices"]


def test_everything_is_synced_before_anything_is_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        if len(synced) <= 4:
            assert not (tmp_path / "slices").exists()
        fsync(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("tells file descriptors apart by /proc")
    monkeypatch.setattr(os, "fsync", watched)
    with AtomicFiles() as files:
        folder = files.folder(tmp_path / "slices")
        (folder / "inner").mkdir()
        (folder / "inner" / "a.png").touch()
        (folder / "b.png").touch()
    assert set(synced[:4]) == {"inner", "a.png", "b.png", folder.name}
    assert synced[4:] == [tmp_path.name]


def test_a_full_disk_is_told_with_path_and_room(tmp_path: Path) -> None:
    pytest.importorskip("resource")
    (tmp_path / "small.json").write_text("old")
    done = run(FULL_DISK, tmp_path)
    assert re.fullmatch(
        r"cannot write: File too large; [\d,]+ bytes are free there \[case.nii.gz\]\n", done.stdout
    ), done.stderr
    assert names(tmp_path) == ["small.json"]
    assert (tmp_path / "small.json").read_text() == "old"


def test_a_path_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(WriteError, match=r"cannot write.*file/a.json"):
        write_bytes(tmp_path / "file" / "a.json", b"")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "precious").touch()
    with pytest.raises(WriteError, match=r"cannot write.*folder\]"):
        write_bytes(tmp_path / "folder", b"")
    assert names(tmp_path / "folder") == ["precious"]


def test_errors_of_other_files_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), AtomicFiles() as files:
        files.file(tmp_path / "a.json").write_text("new")
        (tmp_path / "source.dcm").read_bytes()
    assert names(tmp_path) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "case.nii.gz").write_bytes(b"old")
    assert run(KILLED, tmp_path).returncode == -signal.SIGKILL
    assert len(names(tmp_path)) == 3
    for kept in ("image.part", ".hidden", ".notes.part"):
        (tmp_path / kept).touch()
    assert remove_parts(tmp_path) == 2
    assert names(tmp_path) == [".hidden", ".notes.part", "case.nii.gz", "image.part"]
    assert (tmp_path / "case.nii.gz").read_bytes() == b"old"
    assert remove_parts(tmp_path / "missing") == 0


def test_parts_below_are_left_where_asked(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for folder in (tmp_path, tmp_path / "other"):
        (folder / ".a.json.123.part").touch()
    assert remove_parts(tmp_path, below=False) == 1
    assert names(tmp_path / "other") == [".a.json.123.part"]


def test_two_processes_never_share_a_temporary_file(tmp_path: Path) -> None:
    with AtomicFiles() as files:
        temporary = files.file(tmp_path / "a.json")
        assert str(os.getpid()) in temporary.name
        temporary.touch()


def test_the_mode_is_as_asked_even_after_a_crash(tmp_path: Path) -> None:
    with AtomicFiles() as files:
        left = files.file(tmp_path / "key")
        left.touch()
    left.touch(mode=0o666)
    write_bytes(tmp_path / "key", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_files_come_in_natural_order(tmp_path: Path) -> None:
    for name in ("b10/x", "b9/x", "a10.png", "a2.png", "A1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in walk_files(tmp_path)]
    assert found == ["A1.png", "a2.png", "a10.png", "b9/x", "b10/x"]


@given(st.lists(st.text("aA01 2_.", max_size=6), unique=True), st.randoms())
def test_no_two_names_change_places(drawn: list[str], chance) -> None:
    wanted = sorted(drawn, key=natural_key)
    chance.shuffle(drawn)
    assert sorted(drawn, key=natural_key) == wanted


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_numbers_count_as_numbers(one: int, other: int) -> None:
    smaller, larger = sorted((one, other))
    assert natural_key(f"i{smaller:04d},0000b.dcm") <= natural_key(f"i{larger:04d},0000b.dcm")
    assert natural_key(f"x{smaller}.png") <= natural_key(f"x{larger}.png")


def test_links_are_followed_but_no_loop(tmp_path: Path) -> None:
    inner = tmp_path / "set" / "inner"
    inner.mkdir(parents=True)
    (inner / "a").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b").touch()
    (inner / "up").symlink_to(tmp_path / "set")
    (inner / "self").symlink_to(inner / "self")
    (tmp_path / "set" / "linked").symlink_to(outside)
    (inner / "dangling").symlink_to(tmp_path / "nowhere")
    found = {path.relative_to(tmp_path / "set").as_posix() for path in walk_files(tmp_path / "set")}
    assert found == {"inner/a", "inner/self", "inner/dangling", "linked/b"}


def test_a_workspace_below_is_left_out(tmp_path: Path) -> None:
    for name in ("set/a", "set/work/images/b", "set/place/images/c", "set/other/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    Layout(tmp_path / "set" / "work").database.touch()
    (tmp_path / "set" / "place" / MARK).touch()
    assert [path.name for path in walk_files(tmp_path / "set")] == ["a", "d"]
    own = [path.name for path in walk_files(tmp_path / "set" / "work")]
    assert own == ["medprep.sqlite", "b"], "it may be pointed at"
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        archive.add(tmp_path / "set", "set")
    packed = walk_files(inside(path_of(str(tmp_path / "set.tar"))))
    assert [path.name for path in packed] == ["a", "d"]


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "closed").mkdir()
    (tmp_path / "a").touch()
    scandir = os.scandir

    def refusing(path: str) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    told: list[OSError] = []
    assert [folder.name for folder, _ in walk_folders(tmp_path, told.append)] == [tmp_path.name]
    assert [error.strerror for error in told] == ["Permission denied"]
    with pytest.raises(SourceError, match=r"Permission denied.*closed\]"):
        list(walk_files(tmp_path))


@given(st.text(max_size=100))
def test_any_text_becomes_a_safe_name(text: str) -> None:
    name = safe_name(text)
    assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,64}", name)
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("../../etc/x", "etc-x"),
        ("C:\\Patient", "c-patient"),
        ("CON", "con-"),
        ("lpt9", "lpt9-"),
        ("a\0b", "a-b"),
        ("Äpfel", "pfel"),
        ("Straße", "strasse"),
        ("image.", "image"),
        ("🙂", "x"),
        ("", "x"),
        ("x" * 300, "x" * 64),
        ("case_07", "case_07"),
    ],
)
def test_bad_names_become_good_ones(text: str, name: str) -> None:
    assert safe_name(text) == name


def test_a_digest_is_of_the_content() -> None:
    assert digest({"a": 1, "b": [1, "x"]}) == digest({"b": [1, "x"], "a": 1})
    assert len({digest(one) for one in ([1], ["1"], [1.5], [[1]], {}, None)}) == 6
    # As first computed: keys in old workspaces must stay valid.
    assert digest(["convert", 1]).startswith("4af67a50956f")


def test_json_is_for_people() -> None:
    assert json_bytes({"b": 1, "a": [2]}) == b'{\n  "b": 1,\n  "a": [\n    2\n  ]\n}\n'
