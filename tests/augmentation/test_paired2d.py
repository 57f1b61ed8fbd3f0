"""Plans applied to slices and their labels."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.augmentation.paired2d import apply_plan
from medprep.augmentation.plan import Plan2D, TutorialOptions, draw_plan
from medprep.errors import FormatError, GeometryError, LabelError

ALWAYS = TutorialOptions(rotate_probability=1, flip_probability=1, crop_probability=1)
FLIP = Plan2D(None, True, None, 10, 0.85)
NOTHING = Plan2D(None, False, None, 10, 0.85)
NO_DEGREES = Plan2D(5, False, None, 0, 0.85)
KIDNEYS = {2: 3, 3: 2}

plans = st.builds(
    Plan2D,
    rotate_seed=st.none() | st.integers(0, 2**32 - 1),
    flip=st.booleans(),
    crop_seed=st.none() | st.integers(0, 2**32 - 1),
    max_degrees=st.integers(0, 25),
    crop_side=st.floats(0.1, 0.99),
)
shapes = st.tuples(st.integers(16, 30), st.integers(16, 30))


def disc(shape: tuple[int, int] = (128, 128)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (((rows - 70) / 25) ** 2 + ((columns - 55) / 15) ** 2 <= 1).astype(np.uint8)


@settings(deadline=None)
@given(st.data(), plans, shapes)
def test_labels_after_any_plan_are_among_those_before(
    data: st.DataObject, plan: Plan2D, shape: tuple[int, int]
) -> None:
    labels = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 255)))
    picture = data.draw(arrays.arrays(np.uint16, shape))
    moved, turned = apply_plan(picture, labels, plan, KIDNEYS)
    assert (moved.dtype, turned.dtype) == (np.uint16, np.uint8)
    assert moved.shape == turned.shape == shape
    assert moved.min() >= picture.min()
    assert moved.max() <= picture.max()
    before = set(labels.ravel().tolist()) | {0}
    if plan.flip:
        before = {KIDNEYS.get(label, label) for label in before}
    assert set(turned.ravel().tolist()) <= before


@settings(deadline=None)
@given(plans)
def test_a_stored_plan_replays_to_the_same_bytes(plan: Plan2D) -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 60000, (32, 40)).astype(np.uint16)
    labels = generator.integers(0, 4, (32, 40)).astype(np.uint8)
    first = apply_plan(picture, labels, plan, KIDNEYS)
    again = apply_plan(picture, labels, Plan2D.from_dict(plan.to_dict()), KIDNEYS)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]


@settings(deadline=None)
@given(
    st.sampled_from([np.uint8, np.uint16, np.float32]).flatmap(
        lambda dtype: arrays.arrays(
            dtype,
            (12, 13),
            elements=st.floats(-1e6, 1e6, width=32) if dtype == np.float32 else None,
        )
    )
)
def test_every_value_survives_where_nothing_is_interpolated(picture: np.ndarray) -> None:
    labels = np.zeros(picture.shape, np.uint8)
    assert np.array_equal(apply_plan(picture, labels, FLIP, {})[0], picture[:, ::-1])
    assert np.array_equal(apply_plan(picture, labels, NOTHING, {})[0], picture)
    if picture.dtype != np.float32:
        assert np.array_equal(apply_plan(picture, labels, NO_DEGREES, {})[0], picture)


def test_a_mirrored_left_kidney_is_a_right_one() -> None:
    labels = np.zeros((12, 12), np.uint8)
    labels[3:6, 1:4], labels[5:9, 8:11], labels[8, 5] = 2, 3, 1
    _, turned = apply_plan(labels, labels, FLIP, KIDNEYS)
    assert (turned[3:6, 8:11] == 3).all()
    assert (turned[5:9, 1:4] == 2).all()
    assert turned[8, 6] == 1
    assert np.array_equal(apply_plan(labels, labels, NOTHING, KIDNEYS)[1], labels)


def test_two_regions_of_16_bits_keep_their_values_away_from_the_edge() -> None:
    picture = np.full((64, 64), 1000, np.uint16)
    picture[:, 32:] = 50000
    labels = (picture == 50000).astype(np.uint8)
    for index in range(20):
        plan = draw_plan(ALWAYS, 0, "case", 0, index, False)
        moved, turned = apply_plan(picture, labels, plan, {})
        inside = ndimage.binary_erosion(turned == 1, iterations=6)
        outside = ndimage.binary_erosion(turned == 0, iterations=6)
        assert set(moved[inside].tolist()) == {50000}
        assert set(moved[outside].tolist()) == {1000}


def test_picture_and_mask_stay_in_register() -> None:
    mask = disc()
    shifts = []
    for index in range(60):
        plan = draw_plan(ALWAYS, 0, "case", 0, index, True)
        moved, turned = apply_plan(mask.astype(np.float32) * 1000, mask, plan, {})
        bright, marked = moved >= 500, turned == 1
        off_edge = np.where(
            marked,
            ndimage.distance_transform_edt(marked),
            ndimage.distance_transform_edt(~marked),
        )
        assert off_edge[bright != marked].max(initial=0) <= 2
        centres = ndimage.center_of_mass(bright), ndimage.center_of_mass(marked)
        shifts.append(np.subtract(*centres))
    assert np.abs(shifts).max() < 0.75
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.1


def test_every_step_moves_the_structure() -> None:
    mask = disc()
    for plan in (Plan2D(3, False, None, 10, 0.85), FLIP, Plan2D(None, False, 3, 10, 0.85)):
        _, turned = apply_plan(mask, mask, plan, {})
        assert np.count_nonzero(turned != mask) > 50


def test_a_crop_leaves_the_asked_share_of_each_side() -> None:
    mask = disc()
    grown = [
        np.count_nonzero(apply_plan(mask, mask, Plan2D(None, False, seed, 10, 0.85), {})[1])
        for seed in range(5)
    ]
    whole = np.count_nonzero(mask)
    side = int(128 * 0.85) / 128
    assert [count / whole for count in grown] == pytest.approx([1 / side**2] * 5, rel=0.02)


def test_pixels_that_a_turn_leaves_empty_are_the_pictures_lowest_value() -> None:
    # Augmentor's inner crop leaves single pixels open at small degrees, here at 1.
    picture = np.full((256, 256), -1000, np.float32)
    picture[1:-1, 1:-1] = 500
    labels = np.ones((256, 256), np.uint8)
    opened = 0
    for seed in range(20):
        moved, turned = apply_plan(picture, labels, Plan2D(seed, False, None, 1, 0.85), {})
        assert moved.min() >= -1000
        opened += np.count_nonzero(turned == 0)
        assert (moved[turned == 0] < -250).all()
    assert opened > 0


def test_global_chance_is_left_as_it_was() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    plan = draw_plan(ALWAYS, 0, "case", 0, 0, True)
    first = apply_plan(disc(), disc(), plan, {})
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    second = apply_plan(disc(), disc(), plan, {})
    assert np.array_equal(first[1], second[1])


def digest_of(index: int) -> str:
    picture = np.random.default_rng(0).integers(0, 60000, (64, 64)).astype(np.uint16)
    plan = draw_plan(ALWAYS, 3, "case", 1, index, True)
    moved, turned = apply_plan(picture, disc((64, 64)), plan, KIDNEYS)
    return hashlib.sha256(moved.tobytes() + turned.tobytes()).hexdigest()


def test_other_processes_give_the_same_bytes() -> None:
    here = [digest_of(index) for index in range(6)]
    assert len(set(here)) == 6
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert list(pool.map(digest_of, range(6))) == here


def test_nothing_is_printed() -> None:
    script = (
        "import numpy as np\n"
        "from medprep.augmentation.paired2d import apply_plan\n"
        "from medprep.augmentation.plan import Plan2D\n"
        "mask = np.ones((20, 20), np.uint8)\n"
        "apply_plan(mask, mask, Plan2D(1, True, 1, 10, 0.85), {})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_long_slices_are_turned_as_far_as_something_is_left() -> None:
    turned = apply_plan(
        np.ones((24, 96), np.uint8),
        np.ones((24, 96), np.uint8),
        Plan2D(0, False, None, 10, 0.85),
        {},
    )[1]
    assert turned.mean() > 0.9
    for shape in ((20, 200), (200, 20)):
        mask = np.ones(shape, np.uint8)
        with pytest.raises(GeometryError, match=r"too long to be turned by up to 10 degrees"):
            apply_plan(mask, mask, Plan2D(0, False, None, 10, 0.85), {})
        assert apply_plan(mask, mask, FLIP, {})[1].all()


def test_bad_input_is_refused() -> None:
    good = np.zeros((16, 16), np.uint8)
    with pytest.raises(FormatError, match="2 axes of int16"):
        apply_plan(good.astype(np.int16), good, NOTHING, {})
    with pytest.raises(FormatError, match="no finite numbers"):
        apply_plan(np.full((16, 16), np.nan, np.float32), good, NOTHING, {})
    with pytest.raises(LabelError, match=r"not \(16, 15\) of uint8"):
        apply_plan(good, good[:, 1:], NOTHING, {})
    with pytest.raises(LabelError, match="of uint16"):
        apply_plan(good, good.astype(np.uint16), NOTHING, {})
    with pytest.raises(GeometryError, match="too small to augment"):
        apply_plan(good[:9], good[:9], NOTHING, {})
