"""nnU-Net's raw form and the Decathlon's, read back by other readers and by our own sources."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from workspaces import GRID, Made, labels_of, make_workspace, picture_of

from medprep.errors import (
    LabelError,
    NothingDoneError,
    OptionError,
    WorkspaceError,
    WriteError,
)
from medprep.exports.nnunet import labels_and_order
from medprep.exports.run import Export, ExportFormat, export
from medprep.formats import nifti
from medprep.sources.base import SourceSet
from medprep.sources.detect import open_source, read_mask, read_picture

FORMATS: tuple[ExportFormat, ...] = ("nnunet", "msd")
CASES = {
    "a": Made(),
    "b": Made(fold="val"),
    "c": Made(fold="test"),
    "d": Made(names=None),
}


def run_export(
    work: Path, out: Path, form: ExportFormat = "nnunet", **options: Any
) -> tuple[Path, tuple[str, ...]]:
    outcome = export(Export(form, str(out), name="Set"), work, **options)
    return out / outcome.folders[0], outcome.notes


def description(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "dataset.json").read_text())
    return found


def require_same(found: SourceSet, cases: dict[str, Made]) -> None:
    """Every voxel, grid and name comes back."""
    assert [case.case for case in found.cases] == sorted(cases)
    for case in found.cases:
        picture = read_picture(case.reader, case.pictures, case.modality)
        assert (picture.volume.array == picture_of(case.case)).all()
        assert picture.volume.geometry.distance_mm(GRID) < 1e-4
        made = cases[case.case]
        assert bool(case.masks) == (made.names is not None)
        if case.masks:
            mask, notes = read_mask(case.reader, case.masks, (0,), picture.volume.geometry)
            assert (mask == labels_of(made)).all()
            assert notes == ()
    names = {organ.ranges[0][0]: organ.name for organ in found.table.organs}
    assert names == {1: "liver", 2: "spleen"}


@pytest.mark.parametrize("form", FORMATS)
def test_what_goes_out_comes_back(tmp_path: Path, form: ExportFormat) -> None:
    work = make_workspace(tmp_path / "work", CASES)
    folder, _ = run_export(work, tmp_path / "out", form)
    found = open_source(folder)
    assert found.preset == form
    require_same(found, CASES)
    assert {case.case: case.fold for case in found.cases} == {
        "a": "",
        "b": "",
        "c": "test",
        "d": "",
    }
    assert {case.modality for case in found.cases} == {"MR"}
    assert not [note for note in found.notes if "passed over" in note]


def test_nnunet_as_another_reader_sees_it(tmp_path: Path) -> None:
    folder, _ = run_export(make_workspace(tmp_path / "work", CASES), tmp_path / "out")
    assert folder.name == "Dataset501_Set"
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.nii.gz")) == [
        "imagesTr/a_0000.nii.gz", "imagesTr/b_0000.nii.gz",
        "imagesTs/c_0000.nii.gz", "imagesTs/d_0000.nii.gz",
        "labelsTr/a.nii.gz", "labelsTr/b.nii.gz", "labelsTs/c.nii.gz",
    ]  # fmt: skip
    record = description(folder)
    assert record["channel_names"] == {"0": "MRI"}
    assert record["labels"] == {"background": 0, "liver": 1, "spleen": 2}
    assert (record["numTraining"], record["file_ending"]) == (2, ".nii.gz")
    assert "regions_class_order" not in record
    splits = json.loads((folder / "splits_final.json").read_text())
    assert splits == [{"train": ["a"], "val": ["b"]}]
    image = nibabel.load(folder / "imagesTr" / "a_0000.nii.gz")
    labels = nibabel.load(folder / "labelsTr" / "a.nii.gz")
    assert np.allclose(image.affine, labels.affine)
    assert (np.asarray(image.dataobj).transpose() == picture_of("a")).all()


def test_msd_as_its_description_has_it(tmp_path: Path) -> None:
    folder, _ = run_export(make_workspace(tmp_path / "work", CASES), tmp_path / "out", "msd")
    record = description(folder)
    assert record["labels"] == {"0": "background", "1": "liver", "2": "spleen"}
    assert record["training"] == [
        {"image": f"./imagesTr/{name}.nii.gz", "label": f"./labelsTr/{name}.nii.gz"}
        for name in "ab"
    ]
    assert record["test"] == ["./imagesTs/c.nii.gz", "./imagesTs/d.nii.gz"]
    assert (record["numTraining"], record["numTest"]) == (2, 2)
    for one in (*record["training"], *({"image": path} for path in record["test"])):
        assert all((folder / path).is_file() for path in one.values())


def test_ct_is_named_ct(tmp_path: Path) -> None:
    cases = {"a": Made(modality="CT"), "b": Made(modality="CT", fold="val")}
    folder, _ = run_export(make_workspace(tmp_path / "work", cases), tmp_path / "out")
    assert description(folder)["channel_names"] == {"0": "CT"}


def test_an_unknown_modality_is_told(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made(modality="")})
    folder, notes = run_export(work, tmp_path / "out")
    assert description(folder)["channel_names"] == {"0": "picture"}
    assert any("if it is CT" in note for note in notes)


def test_several_modalities_are_refused(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made(), "b": Made(modality="CT")})
    with pytest.raises(OptionError, match=r"several modalities \(CT, MR\)"):
        run_export(work, tmp_path / "out")


def test_cleaned_labels_go_before_extracted_ones(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made(), "b": Made(fold="val")}, cleaned=True)
    folder, notes = run_export(work, tmp_path / "out")
    assert set(np.unique(nifti.read_labels(folder / "labelsTr" / "a.nii.gz"))) == {0, 1}
    assert "labels: cleaned" in notes
    other = make_workspace(tmp_path / "other", {"a": Made(), "b": Made(fold="val")})
    folder, notes = run_export(other, tmp_path / "more")
    assert set(np.unique(nifti.read_labels(folder / "labelsTr" / "a.nii.gz"))) == {0, 1, 2}
    assert "labels: as extracted, not cleaned" in notes


def test_labels_become_consecutive_and_mean_one_thing_in_every_case(tmp_path: Path) -> None:
    cases = {
        "a": Made(names={2: "liver", 5: "spleen"}),
        "b": Made(names={1: "spleen"}, fold="val"),
    }
    folder, _ = run_export(make_workspace(tmp_path / "work", cases), tmp_path / "out")
    assert description(folder)["labels"] == {"background": 0, "liver": 1, "spleen": 2}
    one, other = (nifti.read_label_map(folder / "labelsTr" / f"{n}.nii.gz") for n in "ab")
    assert (one.array == np.array([0, 0, 1, 0, 0, 2])[labels_of(cases["a"])]).all()
    assert (other.array == np.array([0, 2])[labels_of(cases["b"])]).all()
    assert one.geometry.distance_mm(GRID) < 1e-4


def test_a_label_without_a_name_is_refused(tmp_path: Path) -> None:
    cases = {"a": Made(names={2: "liver"}, array=np.full(GRID.shape, 3)), "b": Made(fold="val")}
    with pytest.raises(LabelError, match="holds 3, which has no name"):
        run_export(make_workspace(tmp_path / "work", cases), tmp_path / "out")
    assert not list((tmp_path / "out").iterdir()), "nothing half done stays"


def test_regions_go_to_nnunet_and_come_back(tmp_path: Path) -> None:
    names = {1: "liver", 2: "tumor", 3: "vein"}
    regions = {"whole_liver": ("liver", "tumor"), "all": ("liver", "tumor", "vein")}
    cases = {
        "a": Made(names=names, regions=regions),
        "b": Made(names=names, regions=regions, fold="val"),
    }
    work = make_workspace(tmp_path / "work", cases)
    folder, _ = run_export(work, tmp_path / "out")
    record = description(folder)
    assert list(record["labels"].items()) == [
        ("background", 0), ("all", [1, 2, 3]), ("whole_liver", [1, 2]),
        ("liver", 1), ("tumor", 2), ("vein", 3),
    ]  # fmt: skip
    assert record["regions_class_order"] == [1, 1, 1, 2, 3]
    found = open_source(folder)
    assert found.table.names == ("liver", "tumor", "vein")
    assert found.regions == regions
    _, notes = run_export(work, tmp_path / "out", "msd")
    assert any("no regions: left out are all, whole_liver" in note for note in notes)


def test_regions_painted_in_order_give_the_labels_back() -> None:
    names = {1: "liver", 2: "tumor", 3: "cyst", 4: "spleen"}
    labels, order = labels_and_order(
        names, {"tumors": ("tumor", "cyst"), "whole": ("liver", "tumor", "cyst")}
    )
    entries = [value for name, value in labels.items() if name != "background"]
    assert len(entries) == len(order)
    for value in names:  # what nnU-Net does with what its regions predict
        painted = 0
        for entry, label in zip(entries, order, strict=True):
            if value == entry or (isinstance(entry, list) and value in entry):
                painted = label
        assert painted == value


def test_folds_become_nnunets_splits(tmp_path: Path) -> None:
    cases = {name: Made(part=n) for n, name in enumerate("abc")} | {"t": Made(fold="test")}
    folder, notes = run_export(make_workspace(tmp_path / "work", cases, folds=3), tmp_path / "out")
    splits = json.loads((folder / "splits_final.json").read_text())
    assert splits == [
        {"train": ["b", "c"], "val": ["a"]},
        {"train": ["a", "c"], "val": ["b"]},
        {"train": ["a", "b"], "val": ["c"]},
    ]
    assert any("train its 3 folds only" in note for note in notes)
    assert open_source(folder).splits == folder / "splits_final.json"


def test_without_validation_there_is_no_split_to_give(tmp_path: Path) -> None:
    folder, notes = run_export(make_workspace(tmp_path / "work", {"a": Made()}), tmp_path / "out")
    assert not (folder / "splits_final.json").exists()
    assert any("nobody to validate with" in note for note in notes)


def test_files_are_links_where_they_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = make_workspace(tmp_path / "work", CASES)
    folder, _ = run_export(work, tmp_path / "out")
    assert (folder / "imagesTr" / "a_0000.nii.gz").samefile(work / "images" / "a.nii.gz")

    def refuse(*_: object) -> None:
        raise OSError(18, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    copied, _ = run_export(work, tmp_path / "copied")
    one = copied / "imagesTr" / "a_0000.nii.gz"
    assert not one.samefile(work / "images" / "a.nii.gz")
    assert one.read_bytes() == (work / "images" / "a.nii.gz").read_bytes()


def test_cases_that_failed_are_named(tmp_path: Path) -> None:
    cases = {**CASES, "e": Made(converted=False)}
    folder, notes = run_export(make_workspace(tmp_path / "work", cases), tmp_path / "out")
    assert "left out, without a picture or label map up to date: e" in notes
    assert len(open_source(folder).cases) == 4


def test_left_and_right_are_told(tmp_path: Path) -> None:
    names = {1: "left_kidney", 2: "right_kidney"}
    cases = {"a": Made(names=names), "b": Made(names=names, fold="val")}
    _, notes = run_export(make_workspace(tmp_path / "work", cases), tmp_path / "out")
    assert any("nnUNetTrainerNoMirroring" in note for note in notes)
    _, notes = run_export(make_workspace(tmp_path / "more", CASES), tmp_path / "out2")
    assert not any("NoMirroring" in note for note in notes)


def test_what_is_there_is_replaced_only_when_asked(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", CASES)
    folder, _ = run_export(work, tmp_path / "out")
    (folder / "stray").write_text("x")
    with pytest.raises(WriteError, match=r"is there already.*--overwrite"):
        run_export(work, tmp_path / "out")
    assert (folder / "stray").exists()
    run_export(work, tmp_path / "out", overwrite=True)
    assert not (folder / "stray").exists()
    (folder / "dataset.json").unlink()
    with pytest.raises(WriteError, match=r"holds no dataset\.json: no export"):
        run_export(work, tmp_path / "out", overwrite=True)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", CASES)
    outcome = export(Export("nnunet", str(tmp_path / "out")), work, dry_run=True)
    assert not (tmp_path / "out").exists()
    assert outcome.folders == ("Dataset501_NiftiPairs",)
    assert (outcome.files, outcome.cases) == (9, {"training": 2, "test": 2})
    export(Export("nnunet", str(tmp_path / "out")), work)
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert len(files) == outcome.files


def test_what_cannot_be_exported_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="no workspace here"):
        run_export(tmp_path / "none", tmp_path / "out")
    assert not (tmp_path / "none").exists()
    bare = make_workspace(tmp_path / "bare", {"a": Made(names=None)})
    with pytest.raises(WorkspaceError, match="1 pictures and 0 label maps"):
        run_export(bare, tmp_path / "out")
    tested = make_workspace(tmp_path / "tested", {"a": Made(fold="test")})
    with pytest.raises(NothingDoneError, match="training fold"):
        run_export(tested, tmp_path / "out")
    work = make_workspace(tmp_path / "work", CASES)
    (work / "images" / "a.nii.gz").unlink()
    with pytest.raises(WorkspaceError, match="a file of the workspace is missing"):
        run_export(work, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "coco"}, "--format is 'coco'"),
        ({"dataset_id": 1000}, "--dataset-id is 1000"),
        ({"name": "../up"}, r"--name is '\.\./up'"),
        ({"run": "unet"}, "--run goes with --format chaos"),
    ],
)
def test_options_are_checked_when_they_are_made(options: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        Export(**{"format": "nnunet", "output": "out", **options})
