"""Overlap beside SimpleITK, MONAI and MedPy, on masks of every kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medprep.metrics.confusion import confusion_matrix
from medprep.metrics.overlap import Overlap

Masks = tuple[np.ndarray, np.ndarray]
SHAPE = (3, 5, 6)


def blank() -> np.ndarray:
    return np.zeros(SHAPE, bool)


@st.composite
def masks(draw: st.DrawFn) -> np.ndarray:
    """A mask: random, one voxel, empty, full, or a box at the volume's edge."""
    mask = blank()
    kind = draw(st.sampled_from(["random", "voxel", "empty", "full", "edge"]))
    if kind == "random":
        generator = np.random.default_rng(draw(st.integers(0, 2**16)))
        return generator.random(SHAPE) < draw(st.floats(0, 1))
    if kind == "voxel":
        mask[tuple(draw(st.integers(0, n - 1)) for n in SHAPE)] = True
    if kind == "full":
        mask[:] = True
    if kind == "edge":
        box = [draw(st.integers(1, n)) for n in SHAPE]
        mask[tuple(slice(n) if draw(st.booleans()) else slice(-n, None) for n in box)] = True
    return mask


def overlap(reference: np.ndarray, predicted: np.ndarray) -> Overlap:
    matrix = confusion_matrix(reference, predicted, 1)
    return Overlap(int(matrix[1].sum()), int(matrix[:, 1].sum()), int(matrix[1, 1]))


@example(blank(), blank())
@given(masks(), masks())
def test_simpleitk_gives_the_same(reference: np.ndarray, predicted: np.ndarray) -> None:
    sitk = pytest.importorskip("SimpleITK")
    found = overlap(reference, predicted)
    if not found.reference_voxels + found.predicted_voxels:
        assert (found.dice, found.iou) == (None, None)
        return
    measures = sitk.LabelOverlapMeasuresImageFilter()
    # SimpleITK's source is our prediction, its target our reference.
    pair = (sitk.GetImageFromArray(one.astype(np.uint8)) for one in (predicted, reference))
    measures.Execute(*pair)
    assert found.dice == pytest.approx(measures.GetDiceCoefficient(), abs=1e-12)
    assert found.iou == pytest.approx(measures.GetJaccardCoefficient(), abs=1e-12)
    if found.reference_voxels:
        assert found.recall == pytest.approx(1 - measures.GetFalseNegativeError(), abs=1e-12)
    # What SimpleITK calls so is 2(|P| - |R|) / (|P| + |R|); in the literature 1 - half its size.
    theirs = 1 - abs(measures.GetVolumeSimilarity()) / 2
    assert found.volume_similarity == pytest.approx(theirs, abs=1e-12)


@example(blank(), blank())
@given(masks(), masks())
def test_medpy_gives_the_same(reference: np.ndarray, predicted: np.ndarray) -> None:
    binary = pytest.importorskip("medpy.metric.binary")
    found = overlap(reference, predicted)
    if not found.reference_voxels + found.predicted_voxels:
        # MedPy means 0 for two empty masks, and divides by zero where numpy lets it.
        assert (found.dice, found.iou) == (None, None)
        return
    assert found.dice == pytest.approx(binary.dc(predicted, reference), abs=1e-12)
    assert found.iou == pytest.approx(binary.jc(predicted, reference), abs=1e-12)
    if found.predicted_voxels:
        assert found.precision == pytest.approx(binary.precision(predicted, reference))
    if found.reference_voxels:
        assert found.recall == pytest.approx(binary.recall(predicted, reference))
        ravd = found.volume_difference_percent
        assert ravd == pytest.approx(100 * binary.ravd(predicted, reference), abs=1e-10)


@example(blank(), blank())
@given(masks(), masks())
def test_monai_gives_the_same(reference: np.ndarray, predicted: np.ndarray) -> None:
    pytest.importorskip("monai")
    import torch
    from monai.metrics import compute_dice, compute_iou

    found = overlap(reference, predicted)
    pair = [
        torch.from_numpy(np.stack([~one, one])[None].astype(np.float32))
        for one in (predicted, reference)
    ]
    for ours, theirs in (
        (found.dice, compute_dice(*pair, include_background=False, ignore_empty=False)),
        (found.iou, compute_iou(*pair, include_background=False, ignore_empty=False)),
    ):
        # Asked not to leave an empty reference out, MONAI gives 1 where both are empty.
        assert (1.0 if ours is None else ours) == pytest.approx(theirs.item(), abs=1e-6)


def test_monai_leaves_every_empty_reference_out_unless_told() -> None:
    """By its default an organ predicted where there is none costs nothing."""
    pytest.importorskip("monai")
    import torch
    from monai.metrics import compute_dice

    empty, full = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert compute_dice(full, empty).isnan().all()
    assert Overlap(0, 4, 0).dice == 0.0
