"""Slices and their labels moved by one warp."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.augmentation.native2d import move_slice
from medprep.augmentation.spatial import index_rows
from medprep.augmentation.steps import Elastic, Plan, Spatial
from medprep.errors import FormatError, LabelError, OptionError

KIDNEYS = {2: 3, 3: 2}
TYPES = (np.uint8, np.uint16, np.int16, np.float32)
TURN = Plan(Spatial(rotate_degrees=(5, 0, 0)))
FLIP = Plan(Spatial(flip=("LR",)))

plans = st.builds(
    Plan,
    st.builds(
        Spatial,
        flip=st.sets(st.sampled_from(["LR", "AP"])).map(tuple),
        rotate_degrees=st.tuples(st.floats(-180, 180), st.just(0.0), st.just(0.0)),
        zoom=st.tuples(st.just(1.0), st.floats(0.5, 2), st.floats(0.5, 2)),
        shear_degrees=st.tuples(st.floats(-30, 30), st.just(0.0), st.just(0.0)),
        translate_mm=st.tuples(st.just(0.0), st.floats(-20, 20), st.floats(-20, 20)),
        elastic=st.none()
        | st.builds(Elastic, st.integers(0, 2**32), st.floats(3, 20), st.floats(0, 5)),
    ),
    crop=st.none() | st.tuples(st.just(1.0), st.floats(0.3, 1), st.floats(0.3, 1)),
)
shapes = st.tuples(st.integers(1, 24), st.integers(1, 24))


def picture_of(shape: tuple[int, int], dtype: type, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).integers(0, 200, shape)
    return (values - (100 if dtype in (np.int16, np.float32) else 0)).astype(dtype)


@given(st.data(), plans, shapes, st.sampled_from(TYPES), st.booleans())
def test_no_label_arises_and_no_value_leaves_the_range(
    data: st.DataObject, plan: Plan, shape: tuple[int, int], dtype: type, cubic: bool
) -> None:
    kind = data.draw(st.sampled_from([np.uint8, np.uint16]))
    labels = data.draw(arrays.arrays(kind, shape, elements=st.integers(0, 255)))
    picture = picture_of(shape, dtype, 0)
    moved, turned = move_slice(picture, labels, plan, (1.5, 0.9), "PL", KIDNEYS, cubic)
    assert (moved.dtype, turned.dtype) == (dtype, kind)
    assert moved.shape == turned.shape == shape
    assert picture.min() <= moved.min() <= moved.max() <= picture.max()
    before = set(labels.ravel().tolist()) | {0}
    if "LR" in plan.spatial.flip:
        before = {KIDNEYS.get(label, label) for label in before}
    assert set(turned.ravel().tolist()) <= before


@given(plans, st.booleans())
def test_a_stored_plan_replays_to_the_same_bytes(plan: Plan, cubic: bool) -> None:
    picture, labels = picture_of((32, 40), np.uint16, 1), picture_of((32, 40), np.uint8, 2) % 4
    first = move_slice(picture, labels, plan, (1, 1.2), "PL", KIDNEYS, cubic)
    stored = Plan.from_dict(plan.to_dict())
    again = move_slice(picture, labels, stored, (1, 1.2), "PL", KIDNEYS, cubic)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]


@pytest.mark.parametrize("cubic", [False, True])
def test_two_regions_of_16_bits_keep_their_values_away_from_the_edge(cubic: bool) -> None:
    picture = np.full((128, 128), 1000, np.uint16)
    picture[40:90, 50:100] = 50000
    labels = (picture == 50000).astype(np.uint8)
    moved, turned = move_slice(picture, labels, TURN, (1, 1), "PL", {}, cubic)
    reach = 3 if cubic else 2
    inside = ndimage.binary_erosion(turned == 1, np.ones((3, 3)), iterations=reach)
    outside = ndimage.binary_erosion(turned == 0, np.ones((3, 3)), iterations=reach)
    assert set(moved[inside].tolist()) == {50000}
    assert set(moved[outside].tolist()) == {1000}
    assert np.count_nonzero(turned != labels) > 100
    # Half the edge's height is where the labels change.
    agree = (moved > 25500) == (turned == 1)
    assert np.count_nonzero(~agree) < 20


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("cubic", [False, True])
def test_every_type_is_moved_as_exact_arithmetic_does_it(dtype: type, cubic: bool) -> None:
    plan = Plan(Spatial(("LR",), (17, 0, 0), (1, 1.1, 0.9), (5, 0, 0), (0, 2.3, -1.7)))
    smooth = ndimage.zoom(np.random.default_rng(5).random((9, 8)), 8, order=3)
    picture = (np.clip(smooth, 0, 1) * 200 - (0 if dtype in TYPES[:2] else 90)).astype(dtype)
    rows = np.array(index_rows(plan, picture.shape, (1.5, 0.9), "PL"))
    labels = np.zeros(picture.shape, np.uint8)
    moved, _ = move_slice(picture, labels, plan, (1.5, 0.9), "PL", {}, cubic)
    witness = ndimage.affine_transform(
        picture.astype(np.float64), rows[:, :2], rows[:, 2],
        order=3 if cubic else 1, mode="constant", cval=float(picture.min()),
    )  # fmt: skip
    inside = ndimage.affine_transform(np.ones(picture.shape), rows[:, :2], rows[:, 2], order=1)
    inside = ndimage.binary_erosion(inside > 0.99, iterations=3)
    assert np.count_nonzero(inside) > 1000
    # Another cubic kernel than the witness's, and rounded to whole numbers.
    assert np.abs(moved[inside] - witness[inside]).max() <= (6 if cubic else 1.01)


def test_picture_and_labels_stay_in_register() -> None:
    rows, columns = np.ogrid[:128, :128]
    mask = (((rows - 70) / 25) ** 2 + ((columns - 55) / 15) ** 2 <= 1).astype(np.uint8)
    gaps = []
    for seed in range(40):
        chance = np.random.default_rng(seed)
        spatial = Spatial(
            ("LR",) if seed % 2 else (), (chance.uniform(-180, 180), 0, 0),
            (1, *chance.uniform(0.8, 1.2, 2)), (chance.uniform(-10, 10), 0, 0),
            (0, *chance.uniform(-8, 8, 2)), Elastic(seed, 20, 3) if seed % 3 else None,
        )  # fmt: skip
        picture = mask * np.float32(1000)
        bright, marked = move_slice(picture, mask, Plan(spatial), (1, 1), "PL", {})
        centres = ndimage.center_of_mass(bright), ndimage.center_of_mass(marked)
        gaps.append(np.subtract(*centres))
    assert np.abs(gaps).max() < 0.25
    assert np.abs(np.mean(gaps, axis=0)).max() < 0.05


@pytest.mark.parametrize("dtype", TYPES)
def test_flips_and_quarter_turns_copy_every_value(dtype: type) -> None:
    picture = picture_of((13, 13), dtype, 3)
    labels = np.zeros((13, 13), np.uint8)

    def moved(**spatial: object) -> np.ndarray:
        plan = Plan(Spatial(**spatial))  # type: ignore[arg-type]
        return move_slice(picture, labels, plan, (0.7, 0.7), "PL", {})[0]

    assert np.array_equal(moved(), picture)
    assert np.array_equal(moved(flip=("LR",)), picture[:, ::-1])
    assert np.array_equal(moved(flip=("AP",)), picture[::-1])
    assert np.array_equal(moved(flip=("AP", "LR")), picture[::-1, ::-1])
    assert np.array_equal(moved(rotate_degrees=(90, 0, 0)), np.rot90(picture))
    assert np.array_equal(moved(rotate_degrees=(-90, 0, 0)), np.rot90(picture, -1))
    assert np.array_equal(moved(rotate_degrees=(180, 0, 0)), np.rot90(picture, 2))
    shifted = moved(translate_mm=(0, 0, 1.4))
    assert np.array_equal(shifted[:, 2:], picture[:, :-2])
    assert (shifted[:, :2] == picture.min()).all()


def test_a_result_is_a_new_array() -> None:
    picture, labels = picture_of((9, 9), np.uint16, 4), np.zeros((9, 9), np.uint8)
    picture.setflags(write=False)
    for plan in (Plan(), FLIP, TURN):
        for one in move_slice(picture, labels, plan, (1, 1), "PL", KIDNEYS):
            assert one.flags.c_contiguous
            assert one.flags.writeable
            assert not np.shares_memory(one, picture)
            assert not np.shares_memory(one, labels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("flip", [("LR",), ("LR", "AP"), ("AP",), ()])
@pytest.mark.parametrize("turn", [0, 12])
def test_both_kidneys_keep_their_sides(kind: type, flip: tuple[str, ...], turn: float) -> None:
    labels = np.zeros((60, 60), kind)
    labels[20:40, 8:22], labels[20:40, 38:52], labels[5:10, 5:55] = 2, 3, 1
    plan = Plan(Spatial(flip, (turn, 0, 0)))
    for orientation, array in (("PL", labels), ("AR", labels[::-1, ::-1]), ("LP", labels.T)):
        _, moved = move_slice(array, array, plan, (1, 1), orientation, KIDNEYS)
        across = next(axis for axis in (0, 1) if orientation[axis] in "LR")
        right, left = (ndimage.center_of_mass(array == one)[across] for one in (2, 3))
        now_right, now_left = (ndimage.center_of_mass(moved == one)[across] for one in (2, 3))
        assert (right < left) == (now_right < now_left)
        assert abs(now_right - right) < 4
        assert set(moved.ravel().tolist()) == {0, 1, 2, 3}


@example(Plan(Spatial(zoom=(1, 1, 0.5))), 0, 1, 2, 2)
@given(plans, st.integers(0, 23), st.integers(0, 23), st.integers(1, 12), st.integers(1, 12))
def test_few_labels_move_as_they_do_among_others(
    plan: Plan, top: int, left: int, height: int, width: int
) -> None:
    picture = np.zeros((24, 24), np.uint8)
    few = picture.copy()
    few[top : top + height, left : left + width] = 5
    full = np.where(few, few, 9).astype(np.uint8)
    (_, alone), (_, among) = (
        move_slice(picture, labels, plan, (1.1, 1), "PL", {}) for labels in (few, full)
    )
    assert np.array_equal(alone == 5, among == 5)


def test_an_elastic_deformation_moves_by_millimetres() -> None:
    picture, labels = picture_of((64, 64), np.float32, 6), picture_of((64, 64), np.uint8, 7) % 5
    still = Plan(Spatial(elastic=Elastic(1, 16, 0)))
    assert np.allclose(move_slice(picture, labels, still, (1, 1), "PL", {})[0], picture, atol=1e-3)
    bent = Plan(Spatial(elastic=Elastic(1, 16, 4)))
    other = Plan(Spatial(elastic=Elastic(2, 16, 4)))
    results = [move_slice(picture, labels, plan, (1, 1), "PL", {}) for plan in (bent, other)]
    assert np.mean(results[0][1] != labels) > 0.3
    assert np.mean(results[0][1] != results[1][1]) > 0.3


def test_bad_input_is_refused() -> None:
    good = np.zeros((16, 16), np.uint8)
    for picture in (good.astype(np.int32), good[None], good[:0]):
        with pytest.raises(FormatError, match="a picture has 2 axes of uint8"):
            move_slice(picture, good, TURN, (1, 1), "PL", {})
    for value in (np.nan, np.inf):
        with pytest.raises(FormatError, match="no finite numbers"):
            move_slice(np.full((16, 16), value, np.float32), good, TURN, (1, 1), "PL", {})
    for labels in (good[:, 1:], good.astype(np.int16)):
        with pytest.raises(LabelError, match="labels are"):
            move_slice(good, labels, TURN, (1, 1), "PL", {})
    with pytest.raises(OptionError, match=r"of 3 mm by points 0\.5 mm apart"):
        plan = Plan(Spatial(elastic=Elastic(1, 0.5, 3)))
        move_slice(good, good, plan, (1, 1), "PL", {})
