"""Volumes and their labels moved by one resampling, beside SimpleITK's."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.augmentation import atlas
from medprep.augmentation.native2d import move_slice
from medprep.augmentation.native3d import move_volume
from medprep.augmentation.spatial import matrix_of
from medprep.augmentation.steps import Elastic, Plan, Spatial
from medprep.errors import FormatError, GeometryError, LabelError, OptionError
from medprep.geometry import Geometry
from medprep.opencv import load_cv2

KIDNEYS = {2: 3, 3: 2}
TYPES = (np.uint8, np.uint16, np.int16, np.float32)
SLANTED = np.linalg.qr(np.array([[0.1, 0.2, 1.0], [-0.1, 1.0, 0.1], [1.0, 0.1, -0.2]]))[0]
LEFT_HANDED = ((0.0, 0.0, -1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
AXIAL = Geometry.from_parts((20, 40, 36), (4.0, 1.2, 1.5), (-30, 12, 70))
OBLIQUE = Geometry.from_parts((24, 36, 40), (3.0, 1.1, 0.9), (40, -12, 7), SLANTED)
MIRRORED = Geometry.from_parts((22, 30, 34), (2.5, 1.4, 1.4), (4, 0, 0), LEFT_HANDED)
GRIDS = {"axial": AXIAL, "oblique": OBLIQUE, "mirrored": MIRRORED}
PLANS = {
    "rotations": Spatial(rotate_degrees=(14, -9, 6)),
    "flip": Spatial(flip=("LR",), rotate_degrees=(5, 0, 0)),
    "flips": Spatial(flip=("AP", "IS"), rotate_degrees=(-8, 4, 3)),
    "all": Spatial(("LR", "IS"), (20, 5, -7), (1.1, 0.9, 1.2), (4, -3, 6), (2.5, -3.1, 1.7)),
}

plans = st.builds(
    Plan,
    st.builds(
        Spatial,
        flip=st.sets(st.sampled_from(["LR", "AP", "IS"])).map(tuple),
        rotate_degrees=st.tuples(*[st.floats(-180, 180)] * 3),
        zoom=st.tuples(*[st.floats(0.5, 2)] * 3),
        shear_degrees=st.tuples(*[st.floats(-30, 30)] * 3),
        translate_mm=st.tuples(*[st.floats(-9, 9)] * 3),
        elastic=st.none()
        | st.builds(Elastic, st.integers(0, 2**32), st.floats(4, 20), st.floats(0, 5)),
    ),
    crop=st.none() | st.tuples(*[st.floats(0.3, 1)] * 3),
)


def smooth(shape: tuple[int, int, int], dtype: type, seed: int = 0) -> np.ndarray:
    coarse = np.random.default_rng(seed).random([n // 4 + 2 for n in shape])
    fine = ndimage.zoom(coarse, 4, order=1)[: shape[0], : shape[1], : shape[2]]
    top, low = {np.uint8: (255, 0), np.int16: (3000, 1000)}.get(dtype, (60000, 0))
    return (fine * top - low).astype(dtype)


def resampled(array: np.ndarray, plan: Plan, geometry: Geometry, how: int) -> np.ndarray:
    """What SimpleITK makes of an array by the plan's matrix; outside is its lowest value."""
    source = sitk.GetImageFromArray(array)
    source.SetSpacing(geometry.spacing_mm[::-1])
    source.SetOrigin(geometry.origin_mm)
    source.SetDirection(geometry.direction[:, ::-1].ravel().tolist())
    matrix = matrix_of(plan, geometry)
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(matrix[:3, :3].ravel().tolist())
    transform.SetTranslation(matrix[:3, 3].tolist())
    moved = sitk.Resample(source, source, transform, how, float(array.min()))
    return sitk.GetArrayFromImage(moved)


@pytest.mark.parametrize("spatial", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("geometry", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("dtype", TYPES)
def test_simpleitk_gives_the_same_voxels(spatial: Spatial, geometry: Geometry, dtype: type) -> None:
    plan = Plan(spatial, crop=(0.9, 0.8, 0.9), crop_at=(0.2, 0.9, 0.4))
    picture = smooth(geometry.shape, dtype)
    labels = (smooth(geometry.shape, np.uint8, 1) // 60).astype(np.uint8)
    (moved,), turned = move_volume([picture], labels, plan, geometry, {})
    witness = resampled(picture, plan, geometry, sitk.sitkLinear)
    marked = resampled(labels + np.uint8(1), plan, geometry, sitk.sitkNearestNeighbor)
    inside = ndimage.binary_erosion(
        resampled(np.pad(np.ones([n - 2 for n in geometry.shape], np.uint8), 1), plan, geometry,
                  sitk.sitkNearestNeighbor) == 1,
    )  # fmt: skip
    assert np.count_nonzero(inside) > 0.2 * picture.size
    # Places in OpenCV's pictures are float32: a few thousandths of a voxel of the local slope.
    apart = np.abs(moved[inside].astype(np.float64) - witness[inside])
    assert apart.max() <= 1 + 1e-4 * (float(picture.max()) - float(picture.min()))
    assert np.mean(turned[inside] + 1 != marked[inside]) < 1e-4


@pytest.mark.parametrize("spatial", PLANS.values(), ids=PLANS)
@pytest.mark.parametrize("geometry", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("cubic", [False, True])
def test_a_point_of_the_patient_stays_the_same_in_picture_and_labels(
    spatial: Spatial, geometry: Geometry, cubic: bool
) -> None:
    plan = Plan(spatial)
    forward = np.linalg.inv(matrix_of(plan, geometry))
    index = np.indices(geometry.shape).reshape(3, -1).T
    world = index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    for place in ((0.5, 0.5, 0.5), (0.4, 0.6, 0.55), (0.6, 0.45, 0.4)):
        point = geometry.affine @ (*(np.asarray(geometry.shape) * place), 1.0)
        ball = (np.linalg.norm(world - point[:3], axis=1) < 7).reshape(geometry.shape)
        labels = ball.astype(np.uint8)
        start = np.asarray(ndimage.center_of_mass(ball))
        moved, marked = move_volume([ball * np.float32(9)], labels, plan, geometry, {}, cubic)
        wanted = np.linalg.inv(geometry.affine) @ forward @ geometry.affine @ (*start, 1.0)
        assert marked.any()
        for result in (moved[0], marked):
            assert np.abs(ndimage.center_of_mass(result) - wanted[:3]).max() < 0.5


@settings(max_examples=60)
@given(
    st.data(), plans, st.tuples(*[st.integers(1, 8)] * 3), st.sampled_from(TYPES), st.booleans(),
    st.sampled_from([SLANTED, LEFT_HANDED]),
)  # fmt: skip
def test_no_label_arises_and_no_value_leaves_the_range(
    data: st.DataObject, plan: Plan, shape: tuple[int, int, int], dtype: type, cubic: bool,
    direction: np.ndarray,
) -> None:  # fmt: skip
    kind = data.draw(st.sampled_from([np.uint8, np.uint16]))
    labels = data.draw(arrays.arrays(kind, shape, elements=st.integers(0, 255)))
    picture = np.random.default_rng(0).integers(5, 200, shape).astype(dtype)
    geometry = Geometry.from_parts(shape, (3, 1.5, 0.9), (1, 2, 3), direction)
    (moved,), turned = move_volume([picture], labels, plan, geometry, KIDNEYS, cubic)
    assert (moved.dtype, turned.dtype) == (dtype, kind)
    assert moved.shape == turned.shape == shape
    assert picture.min() <= moved.min() <= moved.max() <= picture.max()
    before = set(labels.ravel().tolist()) | {0}
    if "LR" in plan.spatial.flip:
        before = {KIDNEYS.get(label, label) for label in before}
    assert set(turned.ravel().tolist()) <= before


@pytest.mark.parametrize("cubic", [False, True])
def test_two_regions_of_16_bits_keep_their_values_away_from_the_edge(cubic: bool) -> None:
    picture = np.full((24, 64, 64), 1000, np.uint16)
    picture[6:18, 20:45, 25:50] = 50000
    labels = (picture == 50000).astype(np.uint8)
    geometry = Geometry.from_parts(picture.shape, (3, 1, 1))
    plan = Plan(Spatial(rotate_degrees=(5, 5, -5)))
    (moved,), turned = move_volume([picture], labels, plan, geometry, {}, cubic)
    reach = 3 if cubic else 2
    inside = ndimage.binary_erosion(turned == 1, np.ones((3, 3, 3)), iterations=reach)
    outside = ndimage.binary_erosion(turned == 0, np.ones((3, 3, 3)), iterations=reach)
    assert np.count_nonzero(inside) > 100
    assert set(moved[inside].tolist()) == {50000}
    assert set(moved[outside].tolist()) == {1000}
    assert np.mean((moved > 25500) != (turned == 1)) < 0.002


@pytest.mark.parametrize("flip", [(), ("LR",), ("AP",), ("IS", "LR"), ("LR", "AP", "IS")])
@pytest.mark.parametrize("geometry", GRIDS.values(), ids=GRIDS)
@pytest.mark.parametrize("turn", [0, 10])
def test_both_kidneys_keep_their_sides(
    flip: tuple[str, ...], geometry: Geometry, turn: float
) -> None:
    index = np.indices(geometry.shape).reshape(3, -1).T
    world = index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    across = (world - world.mean(axis=0)).reshape(*geometry.shape, 3)
    labels = np.zeros(geometry.shape, np.uint8)
    for label, x in ((2, -9), (3, 9)):
        labels[np.linalg.norm(across - (x, 3, 2), axis=-1) < 6] = label
    plan = Plan(Spatial(flip, (turn, 0, 0)))
    _, moved = move_volume([labels], labels, plan, geometry, KIDNEYS)
    assert set(moved.ravel().tolist()) == {0, 2, 3}
    assert across[moved == 2][:, 0].mean() < -5
    assert across[moved == 3][:, 0].mean() > 5


@pytest.mark.parametrize("dtype", TYPES)
def test_flips_and_quarter_turns_copy_every_value(dtype: type) -> None:
    picture = smooth((7, 9, 9), dtype)
    labels = (picture > picture.mean()).astype(np.uint16)
    geometry = Geometry.from_parts(picture.shape, (3, 0.7, 0.7), (1, 2, 3))
    lean = geometry.affine.copy()
    lean[:3, 0] += (0.3, 0.2, 0)
    for grid in (geometry, Geometry(geometry.shape, lean)):
        for flip, wanted in (
            (("LR",), picture[:, :, ::-1]), (("AP",), picture[:, ::-1]), (("IS",), picture[::-1]),
            (("IS", "LR", "AP"), picture[::-1, ::-1, ::-1]), ((), picture),
        ):  # fmt: skip
            (moved,), turned = move_volume([picture], labels, Plan(Spatial(flip)), grid, {})
            assert np.array_equal(moved, wanted)
            assert np.array_equal(turned, wanted > picture.mean())
            assert moved.flags.c_contiguous
            assert not np.shares_memory(moved, picture)
    plan = Plan(Spatial(rotate_degrees=(90, 0, 0)))
    (moved,), _ = move_volume([picture], labels, plan, geometry, {})
    assert np.array_equal(moved, np.rot90(picture, axes=(1, 2)))


def test_channels_move_together_and_keep_their_own_range() -> None:
    one, other = smooth(AXIAL.shape, np.uint16, 1), smooth(AXIAL.shape, np.int16, 2)
    labels = np.zeros(AXIAL.shape, np.uint8)
    plan = Plan(Spatial(rotate_degrees=(30, 10, 0), elastic=Elastic(4, 20, 3)))
    both, _ = move_volume([one, other], labels, plan, AXIAL, {})
    for picture, moved in zip((one, other), both, strict=True):
        assert np.array_equal(move_volume([picture], labels, plan, AXIAL, {})[0][0], moved)
        assert moved.dtype == picture.dtype
        assert moved[0, 0, 0] == picture.min()


@pytest.mark.parametrize("cubic", [False, True])
def test_a_turn_within_slices_is_that_of_each_slice(cubic: bool) -> None:
    picture = smooth(AXIAL.shape, np.uint16)
    labels = (picture // 15000).astype(np.uint8)
    plan = Plan(Spatial(("LR",), (25, 0, 0), (1, 1.1, 0.9), (5, 0, 0), (0, 2, 3)))
    (moved,), turned = move_volume([picture], labels, plan, AXIAL, KIDNEYS, cubic)
    for index in range(AXIAL.shape[0]):
        flat, marks = move_slice(
            picture[index], labels[index], plan, AXIAL.spacing_mm[1:], "PL", KIDNEYS, cubic
        )
        inner = np.s_[8:-8, 8:-8]
        # OpenCV's cubic takes places to 1/32 of a pixel, from another origin in each case.
        apart = np.abs(moved[index][inner].astype(int) - flat[inner]).max()
        assert apart <= (1500 if cubic else 30)
        assert np.mean(turned[index] != marks) < 0.01


def test_slices_laid_out_in_several_strips_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = smooth(OBLIQUE.shape, np.uint16)
    labels = (picture // 15000).astype(np.uint8)
    plan = Plan(PLANS["all"])
    for cubic in (False, True):
        (whole,), marks = move_volume([picture], labels, plan, OBLIQUE, {}, cubic)
        with monkeypatch.context() as patched:
            patched.setattr(atlas, "_LONGEST", 300)
            (parts,), turned = move_volume([picture], labels, plan, OBLIQUE, {}, cubic)
        assert np.abs(whole.astype(int) - parts).max() <= (800 if cubic else 20)
        assert np.array_equal(marks, turned)
    monkeypatch.setattr(atlas, "_LONGEST", 60)
    with pytest.raises(GeometryError, match="too large to be moved in three dimensions"):
        move_volume([picture], labels, plan, OBLIQUE, {})


def test_an_elastic_deformation_is_smooth_and_keeps_register() -> None:
    mask = np.zeros((32, 48, 48), np.uint8)
    mask[10:22, 15:35, 12:33] = 1
    geometry = Geometry.from_parts(mask.shape, (2, 1, 1))
    gaps = []
    for seed in range(12):
        plan = Plan(Spatial(elastic=Elastic(seed, 16, 4)))
        (bright,), marked = move_volume([mask * np.float32(7)], mask, plan, geometry, {})
        gaps.append(np.subtract(ndimage.center_of_mass(bright), ndimage.center_of_mass(marked)))
        assert 20 < np.count_nonzero(mask != marked) < np.count_nonzero(mask)
    assert np.abs(gaps).max() < 0.25
    still = Plan(Spatial(elastic=Elastic(1, 16, 0)))
    picture = smooth(mask.shape, np.float32)
    assert np.allclose(move_volume([picture], mask, still, geometry, {})[0][0], picture, atol=30)


def test_a_stored_plan_replays_to_the_same_bytes() -> None:
    picture = smooth(OBLIQUE.shape, np.int16)
    labels = (picture > 500).astype(np.uint8)
    for elastic in (None, Elastic(3, 12, 2)):
        plan = Plan(Spatial(("LR",), (12, 3, 4), elastic=elastic), crop=(0.9, 0.9, 0.9))
        first = move_volume([picture], labels, plan, OBLIQUE, KIDNEYS)
        again = move_volume([picture], labels, Plan.from_dict(plan.to_dict()), OBLIQUE, KIDNEYS)
        assert first[0][0].tobytes() == again[0][0].tobytes()
        assert first[1].tobytes() == again[1].tobytes()


def test_threads_of_opencv_change_nothing() -> None:
    cv2 = load_cv2()
    picture = smooth(OBLIQUE.shape, np.uint16)
    plan = Plan(Spatial(rotate_degrees=(12, 3, 4)))
    results = []
    try:
        for threads in (1, 3):
            cv2.setNumThreads(threads)
            (moved,), _ = move_volume([picture], (picture > 9).astype(np.uint8), plan, OBLIQUE, {})
            results.append(moved.tobytes())
    finally:
        cv2.setNumThreads(1)
    assert results[0] == results[1]


def test_bad_input_is_refused() -> None:
    good, plan = np.zeros(AXIAL.shape, np.uint8), Plan(PLANS["all"])
    with pytest.raises(FormatError, match="at least one channel"):
        move_volume([], good, plan, AXIAL, {})
    with pytest.raises(FormatError, match="3 axes of uint8"):
        move_volume([good.astype(np.float64)], good, plan, AXIAL, {})
    with pytest.raises(FormatError, match="no finite numbers"):
        move_volume([np.full(AXIAL.shape, np.nan, np.float32)], good, plan, AXIAL, {})
    with pytest.raises(GeometryError, match="not on a grid"):
        move_volume([good[1:]], good, plan, AXIAL, {})
    with pytest.raises(LabelError, match="labels are"):
        move_volume([good], good[1:], plan, AXIAL, {})
    with pytest.raises(OptionError, match=r"points 0.1 mm apart"):
        move_volume([good], good, Plan(Spatial(elastic=Elastic(1, 0.1, 2))), AXIAL, {})
