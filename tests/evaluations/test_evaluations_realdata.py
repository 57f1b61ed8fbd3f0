from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from medprep.evaluations.pairs import find_pairs
from medprep.evaluations.reading import LabelPair, ReadOptions, read_pair, settle
from medprep.formats import nifti
from medprep.volume import LabelMap

pytestmark = pytest.mark.realdata


def dice(pair: LabelPair) -> float:
    ours, theirs = pair.reference > 0, pair.predicted > 0
    return float(2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()))


@pytest.mark.parametrize(
    ("reference", "grid"),
    [
        ("chaos/Train_Sets/CT/3/Ground", "chaos/Train_Sets/CT/3/DICOM_anon"),
        ("chaos/Train_Sets/CT/3/Ground", None),
        ("chaos/Train_Sets/CT", "chaos"),
    ],
)
def test_a_ct_submission_to_chaos_lies_on_its_dicom(real_data, reference, grid):
    found = find_pairs(
        real_data / reference,
        real_data / "chaos_ct_submission",
        grid=None if grid is None else real_data / grid,
    )
    (pair,) = found.pairs
    assert (pair.case, pair.patient) == ("ct03-ct", "ct03") and found.extra == ()
    read = read_pair(pair, settle(found.pairs, ReadOptions()))
    assert read.spacing_known
    assert read.geometry.spacing_mm == pytest.approx((2.0, 0.7265625, 0.7265625))
    assert read.names == {1: "label_1"}
    assert dice(read) == pytest.approx(0.979173, abs=1e-6)
    by_name = read_pair(pair, settle(found.pairs, ReadOptions(organs="chaos-ct")))
    assert by_name.names == {1: "liver"} and dice(by_name) == dice(read)


def test_a_submission_without_its_dicom_has_no_millimetres(real_data, tmp_path):
    ground = tmp_path / "Ground"
    shutil.copytree(real_data / "chaos/Train_Sets/CT/3/Ground", ground)
    (pair,) = find_pairs(ground, real_data / "chaos_ct_submission").pairs
    read = read_pair(pair)
    assert not read.spacing_known and dice(read) == pytest.approx(0.979173, abs=1e-6)


def test_masks_of_chaos_are_organs_of_their_patients(real_data):
    root = real_data / "chaos/Train_Sets/MR"
    found = find_pairs(root, real_data / "chaos")
    assert {pair.case: pair.patient for pair in found.pairs} == {
        "mr01-t1": "mr01", "mr01-t2": "mr01", "mr02-t2": "mr02", "mr03-t2": "mr03",
        "mr05-t2": "mr05",
    }  # fmt: skip
    assert found.extra == ("Train_Sets/CT/3/Ground",)
    options = settle(found.pairs, ReadOptions())
    for pair in found.pairs:
        read = read_pair(pair, options)
        assert list(read.names.values()) == ["liver", "right_kidney", "left_kidney", "spleen"]
        assert (read.reference == read.predicted).all() and read.spacing_known
        assert read.reference.max() == 4


def test_nifti_labels_pair_with_predictions_named_after_their_input(real_data, tmp_path):
    labels = real_data / "chaos_mr_t2_nifti"
    for path in sorted(labels.glob("label_*.nii.gz"))[:3]:
        one = nifti.read_label_map(path)
        shifted = np.roll(one.array, 2, axis=2)
        name = path.name.replace("label_", "image_").replace(".nii.gz", "_0000.nii.gz")
        nifti.write(tmp_path / name, LabelMap(shifted, one.geometry))
    found = find_pairs(labels, tmp_path)
    assert len(found.pairs) == 10 and len(found.missing) == 7 and found.extra == ()
    options = settle(found.pairs, ReadOptions())
    assert list(options.labels.names) == [1, 2, 3, 4]
    for pair in found.pairs:
        read = read_pair(pair, options)
        if pair.predicted is not None:
            assert (np.roll(read.reference, 2, axis=2) == read.predicted).all()
            assert 0.8 < dice(read) < 0.99


def test_a_nifti_of_the_same_masks_is_turned_onto_the_dicom_grid(real_data, tmp_path):
    chaos = real_data / "chaos/Train_Sets/CT/3"
    (pair,) = find_pairs(chaos / "Ground", real_data / "chaos_ct_submission").pairs
    read = read_pair(pair)
    path: Path = tmp_path / "liver.nii.gz"
    nifti.write(path, LabelMap(read.reference, read.geometry))
    (other,) = find_pairs(path, real_data / "chaos_ct_submission", grid=chaos / "DICOM_anon").pairs
    again = read_pair(other)
    assert (again.predicted == read.predicted).all() and dice(again) == dice(read)
