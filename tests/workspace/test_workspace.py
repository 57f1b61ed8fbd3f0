"""A workspace open for work, or for looking."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from medprep.errors import LockedError, WorkspaceError, WriteError
from medprep.workspace.database import Artifact, CaseRow, Database, Input
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace, fold_key

CASE = CaseRow("mr01-t2", "mr01", "t2", "MR", "dicom", True, "train", None, 3, 99, "pk", "mk")
CONVERTED = Artifact("convert", "mr01-t2", "c1", (Input("source", "mr01-t2/picture", "pk"),), ())
EXTRACTED = Artifact(
    "extract",
    "mr01-t2",
    "e1",
    (Input("source", "mr01-t2/mask", "mk"), Input("convert", "mr01-t2", "c1")),
    (),
)
TRAINED = Artifact(
    "train",
    "unet2d-fold0",
    "t1",
    (Input("source", "mr01-t2/fold", "train"), Input("extract", "mr01-t2", "e1")),
    (),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "work"


def test_it_makes_what_it_needs_and_tidies_up(root: Path) -> None:
    with Workspace(root) as opened:
        assert opened.database.cases() == []
        assert stat.S_IMODE(opened.layout.private.stat().st_mode) == 0o700
        assert (root / "medprep.lock").exists()
    assert not (root / "medprep.lock").exists()
    left = [
        root / ".splits.json.77.part",
        root / "images" / ".a.nii.gz.77.part",
        root / "slices" / "a" / ".images.77.part",
        root / "predictions" / "unet" / ".b.nii.gz.77.part",
    ]
    with pytest.raises(KeyError), Workspace(root) as opened:
        opened.database.forget("convert", ["a"])
        opened.database.forget("predict", ["unet/b"])
        raise KeyError("as after a kill: these are in hand, and nobody tidies up")
    assert Database(root / "medprep.sqlite", readonly=True).in_hand() == ["a", "unet/b"]
    for path in left:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (root / "mine").mkdir()
    (root / "mine" / ".download.77.part").touch()
    with Workspace(root) as opened:
        assert not any(path.exists() for path in left)
        assert opened.database.in_hand() == []
        opened.database.forget("convert", ["a"])
        left[2].touch()  # of a worker that died, while the driver came through
    assert not left[2].exists()
    assert Database(root / "medprep.sqlite", readonly=True).in_hand() == []
    assert (root / "mine" / ".download.77.part").exists(), "the root may hold other things"


def test_one_at_a_time_but_lookers_are_welcome(root: Path) -> None:
    with Workspace(root) as opened:
        opened.database.put_split({"preset": "chaos-mr-t2"}, [CASE])
        with pytest.raises(LockedError), Workspace(root):
            pass
        with Workspace(root, readonly=True) as looker:
            assert looker.require_split() == {"preset": "chaos-mr-t2"}
        assert (root / "medprep.lock").exists()


def test_looking_at_nothing_makes_nothing(root: Path) -> None:
    with (
        pytest.raises(WorkspaceError, match="medprep split SOURCE"),
        Workspace(root, readonly=True),
    ):
        pass
    assert not root.exists()


def test_an_empty_one_says_how_to_begin(root: Path) -> None:
    with Workspace(root) as opened:
        with pytest.raises(WorkspaceError, match="this workspace is empty"):
            opened.require_split()
        with pytest.raises(WorkspaceError, match="this workspace is empty"):
            _ = opened.ledger


def test_another_start_at_the_same_moment_harms_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch = Path.touch

    def touched_and_taken_away(path: Path, *how: object) -> None:
        touch(path)
        if path.name == ".medprep-probe":
            path.unlink()

    monkeypatch.setattr(Path, "touch", touched_and_taken_away)
    with Workspace(root) as workspace:
        assert workspace.database.cases() == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(WriteError, match=r"cannot be written.*--workspace"),
        Workspace(tmp_path / "file"),
    ):
        pass


@pytest.mark.parametrize("broken", ["private", "medprep.sqlite"])
def test_a_failed_start_leaves_no_lock(root: Path, broken: str) -> None:
    root.mkdir()
    (root / broken).write_bytes(b"no database, no folder" * 50)
    with pytest.raises((WorkspaceError, WriteError)), Workspace(root):
        pass
    assert not (root / "medprep.lock").exists()


def test_only_what_rests_on_unchanged_inputs_is_current(root: Path) -> None:
    with Workspace(root) as opened:
        database = opened.database
        database.put_split({"preset": "a"}, [CASE])
        for artifact in (CONVERTED, EXTRACTED, TRAINED):
            database.put(artifact)
        assert opened.current("convert") == {"mr01-t2": CONVERTED}
        assert opened.current("train") == {"unet2d-fold0": TRAINED}
        database.put_split({"preset": "a"}, [replace(CASE, fold="val")])
        assert opened.current("extract"), "the fold is of no account there"
        assert opened.current("train") == {}
        database.put_split({"preset": "a"}, [replace(CASE, mask_key="new")])
        assert opened.current("convert")
        assert opened.current("extract") == {}
        assert opened.current("train") == {}, "what rests on it falls with it"
        database.put_split({"preset": "a"}, [CASE])
        database.put(replace(CONVERTED, key="c2"))
        assert opened.current("convert")
        assert opened.current("extract") == {}


def test_a_vanished_case_takes_along_what_rests_on_it(root: Path) -> None:
    with Workspace(root) as opened:
        opened.database.put_split({"preset": "a"}, [CASE])
        for artifact in (CONVERTED, EXTRACTED, TRAINED):
            opened.database.put(artifact)
        opened.database.put_split({"preset": "a"}, [])
        assert opened.current("train") == {}


def test_a_part_is_a_fold_of_its_own() -> None:
    keys = {fold_key(replace(CASE, part=part)) for part in (None, 0, 1)}
    assert len(keys) == 3


def test_paths_are_stored_with_forward_slashes(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert layout.relative(layout.slice_images("mr01-t2")) == "slices/mr01-t2/images"
    assert layout.relative(layout.image("mr01-t2")) == "images/mr01-t2.nii.gz"
