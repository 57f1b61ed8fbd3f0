"""Statistics of labels: equal to scipy, numpy and SimpleITK; nothing where there is nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.geometry import Geometry
from medprep.labels.statistics import FACES, label_statistics

NAMES = {1: "liver", 2: "spleen", 7: "aorta"}
OBLIQUE = np.array([[0.0, 0.6, 0.8], [0.0, 0.8, -0.6], [1.0, 0.0, 0.0]])


def grid(shape: tuple[int, ...], direction: NDArray[Any] = OBLIQUE) -> Geometry:
    return Geometry.from_parts(shape, (7.7, 1.25, 0.5), (-120.0, 33.0, 801.5), direction)


SHAPES = st.tuples(st.integers(1, 5), st.integers(1, 6), st.integers(1, 7))
CASES = SHAPES.flatmap(
    lambda shape: st.tuples(
        arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 0, 0, 1, 2, 7])),
        arrays.arrays(np.int16, shape),
    )
)


@given(CASES)
def test_equal_to_scipy_and_numpy(case: tuple[NDArray[np.uint8], NDArray[np.int16]]) -> None:
    from scipy import ndimage

    labels, picture = case
    geometry = grid(labels.shape)
    records = label_statistics(labels, picture, geometry, NAMES)
    assert [one.label for one in records] == [1, 2, 7]
    assert sum(one.voxels for one in records) == np.count_nonzero(labels)
    for one in records:
        mask = labels == one.label
        inside = picture[mask].astype(np.float64)
        assert one.name == NAMES[one.label]
        assert one.voxels == inside.size
        assert one.ml == pytest.approx(inside.size * geometry.voxel_ml)
        assert one.components == ndimage.label(mask, np.ones((3, 3, 3)))[1]
        if not inside.size:
            assert (one.faces, one.box, one.centroid, one.intensity) == ((), (), None, None)
            continue
        (objects,) = ndimage.find_objects(mask.astype(np.uint8))
        assert one.box == tuple((span.start, span.stop - 1) for span in objects)
        assert one.centroid == pytest.approx(ndimage.center_of_mass(mask))
        touched = [
            plane.any() for axis in range(3) for plane in np.moveaxis(mask, axis, 0)[[0, -1]]
        ]
        assert one.faces == tuple(f for f, touch in zip(FACES, touched, strict=True) if touch)
        spread = one.intensity
        assert spread is not None
        p1, p25, p50, p75, p99 = np.percentile(inside, (1, 25, 50, 75, 99))
        assert (spread.median, spread.iqr) == pytest.approx((p50, p75 - p25))
        assert (spread.p1, spread.p99, spread.mean) == pytest.approx((p1, p99, inside.mean()))
        assert spread.sd == pytest.approx(inside.std(ddof=1) if inside.size > 1 else 0, abs=1e-9)


def blobs(dtype: type = np.uint8) -> tuple[NDArray[Any], NDArray[np.int16]]:
    """Three organs of several pieces in a noisy picture."""
    rng = np.random.default_rng(5)
    labels = np.zeros((12, 40, 50), dtype)
    labels[2:9, 5:25, 0:20] = 1
    labels[10:12, 30:40, 3:6] = 1
    labels[4:8, 10:15, 30:48] = 2
    labels[0, 0, 49] = 7
    picture = rng.normal(100, 30, labels.shape).astype(np.int16)
    picture[labels == 2] += 300
    return labels, picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_to_simpleitk(dtype: type) -> None:
    import SimpleITK as sitk

    labels, picture = blobs(dtype)
    geometry = grid(labels.shape)
    images = []
    for array in (labels, picture):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(geometry.spacing_mm[::-1])
        image.SetOrigin(geometry.origin_mm)
        image.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
        images.append(image)
    shape, grey = sitk.LabelShapeStatisticsImageFilter(), sitk.LabelIntensityStatisticsImageFilter()
    shape.Execute(images[0])
    grey.SetNumberOfBins(1 << 16)
    grey.Execute(*images)
    for one in label_statistics(labels, picture, geometry, NAMES):
        assert one.intensity is not None
        assert one.ml is not None
        assert one.voxels == shape.GetNumberOfPixels(one.label)
        assert one.ml * 1000 == pytest.approx(shape.GetPhysicalSize(one.label))
        assert one.centroid_mm == pytest.approx(shape.GetCentroid(one.label))
        corner = shape.GetBoundingBox(one.label)
        assert tuple(low for low, _ in one.box) == corner[2::-1]
        assert tuple(high - low + 1 for low, high in one.box) == corner[:2:-1]
        assert one.intensity.mean == pytest.approx(grey.GetMean(one.label))
        assert one.intensity.median == pytest.approx(grey.GetMedian(one.label), abs=1.0)
        if one.voxels > 1:
            assert one.intensity.sd == pytest.approx(grey.GetStandardDeviation(one.label))


def test_known_numbers() -> None:
    labels, picture = blobs()
    liver, spleen, aorta = label_statistics(labels, picture, grid(labels.shape), NAMES)
    assert liver.faces == ("last slice", "last row", "first column")
    assert liver.box == ((2, 11), (5, 39), (0, 19))
    assert [one.components for one in (liver, spleen, aorta)] == [2, 1, 1]
    assert aorta.faces == ("first slice", "first row", "last column")
    assert aorta.centroid == (0.0, 0.0, 49.0)
    assert aorta.intensity is not None
    assert aorta.intensity.sd == 0.0
    assert aorta.intensity.median == picture[0, 0, 49]


def test_pieces_touch_by_corners() -> None:
    labels = np.zeros((3, 3, 4), np.uint8)
    labels[0, 0, 0] = labels[1, 1, 1] = labels[1, 1, 3] = 1
    assert label_statistics(labels, None, None, {1: "a"})[0].components == 2


def test_memory_order_changes_nothing() -> None:
    labels, picture = blobs()
    turned = np.asfortranarray(labels), np.asfortranarray(picture)
    plain = label_statistics(labels, picture, grid(labels.shape), NAMES)
    assert label_statistics(*turned, grid(labels.shape), NAMES) == plain
    assert np.array_equal(turned[1], picture)


@pytest.mark.parametrize("empty", [(3, 4, 5), (0, 4, 5)])
def test_nothing_marked(empty: tuple[int, ...]) -> None:
    (one,) = label_statistics(np.zeros(empty, np.uint8), None, None, {3: "liver"})
    assert (one.label, one.voxels, one.ml, one.components, one.box) == (3, 0, None, 0, ())
    assert label_statistics(np.zeros(empty, np.uint8), np.zeros(empty), None, {}) == []


def test_unknown_grid_gives_no_millimetres() -> None:
    labels, picture = blobs()
    for one in label_statistics(labels, picture, None, NAMES):
        assert one.ml is None
        assert one.centroid_mm is None
        assert one.centroid is not None


def test_an_organ_of_no_voxel_has_0_ml() -> None:
    labels = np.zeros((2, 2, 2), np.uint8)
    assert label_statistics(labels, None, grid((2, 2, 2)), {1: "liver"})[0].ml == 0.0


def test_what_is_no_number_is_left_out() -> None:
    labels = np.ones((1, 2, 3), np.uint8)
    labels[0, 1] = 2
    picture = np.array([[[1.0, np.nan, 3.0], [np.nan, np.inf, -np.inf]]], np.float32)
    one, two = label_statistics(labels, picture, None, {1: "a", 2: "b"})
    assert one.intensity is not None
    assert (one.voxels, one.intensity.mean, one.intensity.median) == (3, 2.0, 2.0)
    assert (two.voxels, two.intensity) == (3, None)


def test_many_values_are_summed_exactly_enough() -> None:
    picture = np.full((3, 700, 700), 60000, np.uint16)
    picture[:, ::2] = 60002
    (one,) = label_statistics(np.ones(picture.shape, np.uint8), picture, None, {1: "a"})
    assert one.intensity is not None
    assert one.intensity.mean == pytest.approx(60001)
    assert one.intensity.sd == pytest.approx(1.0, rel=1e-6)
    assert one.intensity.iqr == 2.0


def test_wide_range_of_16_bit_does_not_wrap() -> None:
    picture = np.array([[[-32768, 32767]]], np.int16)
    (one,) = label_statistics(np.ones((1, 1, 2), np.uint8), picture, None, {1: "a"})
    assert one.intensity is not None
    assert one.intensity.median == -0.5
    assert one.intensity.iqr == 65535 / 2


def test_what_does_not_fit_is_refused() -> None:
    labels = np.full((2, 3, 4), 9, np.uint8)
    with pytest.raises(LabelError, match=r"labels \[9\] have no name"):
        label_statistics(labels, None, None, NAMES)
    with pytest.raises(LabelError, match=r"not 3 axes of float64"):
        label_statistics(labels.astype(float), None, None, NAMES)
    with pytest.raises(LabelError, match=r"a picture of shape \(2, 3\)"):
        label_statistics(labels, np.zeros((2, 3)), None, {9: "a"})
    with pytest.raises(LabelError, match=r"a grid of shape \(2, 3, 5\)"):
        label_statistics(labels, None, grid((2, 3, 5)), {9: "a"})
