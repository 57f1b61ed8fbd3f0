"""What of a folder is a case, what it is called, and what is named as failed."""

from __future__ import annotations

import stat
from pathlib import Path

import nibabel
import numpy as np
import pytest
from nets import saved, solid
from unseen import add_nifti, add_series, asked, run, times

from medprep.errors import NothingDoneError, SourceError
from medprep.formats import nifti
from medprep.inference.predict import load_predictor
from medprep.predictions.run import look_at


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("net") / "net.safetensors", solid())


def test_nothing_public_holds_a_name(tmp_path: Path, weights: Path) -> None:
    add_series(tmp_path / "in" / "Smith", "Smith", 3)
    run(tmp_path / "in", tmp_path / "out", weights)
    public = [path for path in (tmp_path / "out").iterdir() if path.name != "private"]
    assert len(public) == 2
    for path in public:
        assert "smith" not in path.name.casefold()
        assert b"smith" not in path.read_bytes().lower()
    private = tmp_path / "out" / "private"
    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert "Smith" in (private / "sources.csv").read_text()


def test_another_series_of_the_same_name_is_not_taken_for_the_first(
    tmp_path: Path, weights: Path
) -> None:
    add_series(tmp_path / "one", "Smith", 3)
    add_series(tmp_path / "two", "Smith", 3, FrameOfReferenceUID="1.2")
    for path in (tmp_path / "two").iterdir():
        path.write_bytes(path.read_bytes().replace(b"1.8.3", b"1.8.4"))
    run(tmp_path / "one", tmp_path / "out", weights)
    outcome = run(tmp_path / "two", tmp_path / "out", weights)
    assert [failure.code for failure in outcome.failed.values()] == ["other-data"]
    assert outcome.exit_code == 8


def test_a_bad_case_stops_no_other(tmp_path: Path, weights: Path) -> None:
    add_nifti(tmp_path / "in" / "good.nii.gz")
    (tmp_path / "in" / "cut.nii.gz").write_bytes(
        (tmp_path / "in" / "good.nii.gz").read_bytes()[:900]
    )
    holes = np.full((20, 18, 7), np.nan, np.float32)
    nibabel.save(nibabel.Nifti1Image(holes, np.eye(4)), tmp_path / "in" / "nan.nii.gz")
    add_series(tmp_path / "in" / "gap", "Jones", 4)
    (tmp_path / "in" / "gap" / "f3.dcm").unlink()
    add_series(tmp_path / "in" / "well", "Smith", 5)
    (tmp_path / "in" / "broken.dcm").write_bytes(
        (tmp_path / "in" / "well" / "f1.dcm").read_bytes()[:300]
    )
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert len(outcome.made) == 2
    assert outcome.exit_code == 8
    said = {name: str(failure) for name, failure in outcome.failed.items()}
    assert set(said) - {"cut", "nan"} and len(said) == 3
    assert "no finite numbers" in said["nan"]
    assert any("--gaps resample" in text for text in said.values())
    assert len(times(tmp_path / "out")) == 2


def test_masks_beside_pictures_and_shadows_are_no_input(tmp_path: Path, weights: Path) -> None:
    add_nifti(tmp_path / "in" / "imagesTr" / "a.nii.gz")
    add_nifti(tmp_path / "in" / "labelsTr" / "a.nii.gz")
    add_nifti(tmp_path / "in" / "imagesTr" / "._b.nii.gz")
    outcome = run(tmp_path / "in", tmp_path / "in" / "new", weights)
    assert [one.name for one in outcome.made] == ["a"]
    assert "passed over 1 NIfTI files that are called masks" in outcome.notes
    again = run(tmp_path / "in", tmp_path / "in" / "new", weights)
    assert again.kept == ("a",)
    assert not again.made


def test_equal_names_are_told_apart_or_refused(tmp_path: Path, weights: Path) -> None:
    for name in ("p1/scan.nii.gz", "p2/scan.nii.gz", "x y.nii.gz", "x-y.nii.gz"):
        add_nifti(tmp_path / "in" / name)
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert sorted(one.name for one in outcome.made) == ["p1-scan", "p2-scan"]
    assert "2 files would give this name" in str(outcome.failed["x-y"])


def test_channels_of_a_case_go_together(tmp_path: Path) -> None:
    weights = saved(tmp_path / "net", solid(channels=2))
    first = add_nifti(tmp_path / "in" / "a_0000.nii.gz", 1)
    second = add_nifti(tmp_path / "in" / "a_0001.nii.gz", 2)
    add_nifti(tmp_path / "in" / "b_0001.nii.gz", 2)
    add_series(tmp_path / "in" / "d", "Smith", 3)
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert [one.name for one in outcome.made] == ["a"]
    wanted = load_predictor(weights, "cpu").predict([first, second])
    assert np.array_equal(nifti.read_labels(tmp_path / "out" / "a.nii.gz"), wanted)
    assert "b_0000 to _0001; there is _0001" in str(outcome.failed["b"])
    assert any(
        "the net takes 2 channels on one grid" in str(one) for one in outcome.failed.values()
    )
    single = saved(tmp_path / "single", solid())
    plain = run(tmp_path / "in", tmp_path / "plain", single)
    assert {"a", "a_0001", "b_0001"} < {one.name for one in plain.made}


def test_files_that_would_be_one_case_are_refused_by_name(tmp_path: Path, weights: Path) -> None:
    for name in ("a.nii", "a.nii.gz", "b.nii.gz", "b_0000.nii.gz", "c_0000.nii", "c_0000.nii.gz"):
        add_nifti(tmp_path / "in" / name)
    add_nifti(tmp_path / "in" / "d.nii.gz")
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert [one.name for one in outcome.made] == ["d"]
    assert outcome.exit_code == 8
    said = {name: failure.message for name, failure in outcome.failed.items()}
    assert set(said) == {"a", "b", "c"}
    assert "a.nii and a.nii.gz" in said["a"]
    assert "b.nii.gz and b_0000.nii.gz" in said["b"]
    assert "c_0000.nii and c_0000.nii.gz" in said["c"]
    two = saved(tmp_path / "two", solid(channels=2))
    add_nifti(tmp_path / "in" / "b_0001.nii.gz")
    said = {
        name: one.message for name, one in run(tmp_path / "in", tmp_path / "2", two).failed.items()
    }
    assert "b.nii.gz and b_0000.nii.gz" in said["b"]


def test_looking_writes_nothing(tmp_path: Path, weights: Path) -> None:
    add_series(tmp_path / "in" / "d", "Smith", 3)
    add_nifti(tmp_path / "in" / "a.nii.gz")
    found = look_at(asked(tmp_path / "in", tmp_path / "out", weights))
    assert len(found.cases) == 2
    assert not (tmp_path / "out").exists()


def test_nothing_to_predict(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "readme.txt").write_text("hello")
    with pytest.raises(NothingDoneError, match=r"wanted are DICOM, \.nii or \.nii\.gz"):
        run(tmp_path / "in", tmp_path / "out", weights)
    with pytest.raises(SourceError):
        run(tmp_path / "nowhere", tmp_path / "out", weights)
    assert not (tmp_path / "out").exists()
