"""Plans applied to slices and their labels by Augmentor."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from augmentor_plans import native_plan
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage

from medprep.augmentation.augmentor2d import apply_plan, operations_of, require_expressible
from medprep.augmentation.native2d import move_slice
from medprep.augmentation.recipe import Recipe, Step, draw, generator_of
from medprep.augmentation.steps import Elastic, Intensity, Plan, Spatial
from medprep.errors import (
    FormatError,
    GeometryError,
    LabelError,
    LibraryError,
    OptionError,
)

ALWAYS = replace(
    Recipe.preset("tutorial"),
    flip=1.0,
    rotate_degrees=Step(1, -10, 10),
    crop_side=Step(1, 0.85, 0.85),
)
FLIP = Plan(Spatial(flip=("LR",)))
NOTHING = Plan()
EVERYTHING = Plan(
    Spatial(("LR", "AP"), (6, 0, 0), (1, 1.1, 1.1), (-5, 0, 0)),
    crop=(1, 0.7, 0.7),
    crop_at=(0.5, 0.1, 0.8),
)
KIDNEYS = {2: 3, 3: 2}
SQUARE = (1.5, 1.5)

plans = st.builds(
    Plan,
    st.builds(
        Spatial,
        st.lists(st.sampled_from(("LR", "AP")), unique=True),
        st.integers(-10, 10).map(lambda angle: (angle, 0, 0)),
        st.floats(0.6, 1.8).map(lambda zoom: (1, zoom, zoom)),
        st.integers(-12, 12).map(lambda angle: (angle, 0, 0)),
    ),
    crop=st.none() | st.floats(0.2, 1).map(lambda side: (1, side, side)),
    crop_at=st.tuples(st.just(0.5), st.floats(0, 1), st.floats(0, 1)),
)
shapes = st.tuples(st.integers(16, 30), st.integers(16, 30))
pictures = st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]).flatmap(
    lambda dtype: arrays.arrays(
        dtype,
        (12, 13),
        elements=st.floats(-(2.0**20), 2.0**20, width=32) if dtype == np.float32 else None,
    )
)


def applied(
    picture: np.ndarray, labels: np.ndarray, plan: Plan, mirror: dict[int, int] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    return apply_plan(picture, labels, plan, SQUARE, "PL", mirror or {})


def drawn(number: int, recipe: Recipe = ALWAYS, flips: Sequence[str] = ("LR",)) -> Plan:
    return draw(
        recipe, generator_of(0, "case", 0, number),
        shape=(64, 64), spacing_mm=SQUARE, flips=tuple(flips), dimensions=2,
    )  # fmt: skip


def disc(shape: tuple[int, int] = (128, 128)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (((rows - 70) / 25) ** 2 + ((columns - 55) / 15) ** 2 <= 1).astype(np.uint8)


def smooth(shape: tuple[int, int]) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(2).standard_normal(shape), 4)
    values -= values.min()
    return (values / values.max() * 60000).astype(np.uint16)


@given(st.data(), plans, shapes)
def test_labels_after_any_plan_are_among_those_before(
    data: st.DataObject, plan: Plan, shape: tuple[int, int]
) -> None:
    labels = data.draw(arrays.arrays(np.uint8, shape, elements=st.integers(0, 255)))
    picture = data.draw(arrays.arrays(np.uint16, shape))
    moved, turned = applied(picture, labels, plan, KIDNEYS)
    assert (moved.dtype, turned.dtype) == (np.uint16, np.uint8)
    assert moved.shape == turned.shape == shape
    assert moved.min() >= picture.min()
    assert moved.max() <= picture.max()
    before = set(labels.ravel().tolist()) | {0}
    if "LR" in plan.spatial.flip:
        before = {KIDNEYS.get(label, label) for label in before}
    assert set(turned.ravel().tolist()) <= before


@given(plans)
def test_a_stored_plan_replays_to_the_same_bytes(plan: Plan) -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 60000, (32, 40)).astype(np.uint16)
    labels = generator.integers(0, 4, (32, 40)).astype(np.uint8)
    first = applied(picture, labels, plan, KIDNEYS)
    again = applied(picture, labels, Plan.from_dict(plan.to_dict()), KIDNEYS)
    assert [a.tobytes() for a in first] == [a.tobytes() for a in again]


@given(pictures)
def test_every_value_survives_where_nothing_is_interpolated(picture: np.ndarray) -> None:
    labels = np.zeros(picture.shape, np.uint8)
    assert np.array_equal(applied(picture, labels, FLIP)[0], picture[:, ::-1])
    assert np.array_equal(applied(picture, labels, NOTHING)[0], picture)
    feet = apply_plan(picture, labels, Plan(Spatial(flip=("IS",))), SQUARE, "SA", {})[0]
    assert np.array_equal(feet, picture[::-1])


@pytest.mark.parametrize(
    "plan",
    [
        NOTHING,
        Plan(Spatial(flip=("LR", "AP"))),
        *(Plan(Spatial(rotate_degrees=(angle, 0, 0))) for angle in (-25, -7, 1, 10)),
        *(Plan(Spatial(zoom=(1, zoom, zoom))) for zoom in (0.8, 1.2)),
        *(Plan(Spatial(shear_degrees=(angle, 0, 0))) for angle in (-12, -2, -1, 1, 8)),
        Plan(crop=(1, 0.85, 0.85), crop_at=(0.5, 0.2, 0.9)),
        EVERYTHING,
    ],
)
@pytest.mark.parametrize("shape", [(200, 200), (180, 240)])
def test_the_native_engine_gives_the_same_picture(plan: Plan, shape: tuple[int, int]) -> None:
    picture = smooth(shape)
    labels = (picture > 33000).astype(np.uint8)
    ours, our_labels = applied(picture, labels, plan)
    same = native_plan(plan, shape, SQUARE[0], "PL")
    native, native_labels = move_slice(picture, labels, same, SQUARE, "PL", {}, cubic=True)
    apart = np.abs(ours.astype(float) - native).mean() / np.ptp(picture.astype(float))
    assert apart < 0.005
    assert np.count_nonzero(our_labels != native_labels) < 0.03 * picture.size


def test_a_mirrored_left_kidney_is_a_right_one() -> None:
    labels = np.zeros((12, 12), np.uint8)
    labels[3:6, 1:4], labels[5:9, 8:11], labels[8, 5] = 2, 3, 1
    _, turned = applied(labels, labels, FLIP, KIDNEYS)
    assert (turned[3:6, 8:11] == 3).all()
    assert (turned[5:9, 1:4] == 2).all()
    assert turned[8, 6] == 1
    assert np.array_equal(applied(labels, labels, NOTHING, KIDNEYS)[1], labels)
    front = applied(labels, labels, Plan(Spatial(flip=("AP",))), KIDNEYS)[1]
    assert np.array_equal(front, labels[::-1])


def test_two_regions_of_16_bits_keep_their_values_away_from_the_edge() -> None:
    picture = np.full((64, 64), 1000, np.uint16)
    picture[:, 32:] = 50000
    labels = (picture == 50000).astype(np.uint8)
    five = Plan(Spatial(rotate_degrees=(5, 0, 0)))
    for plan in (five, *(drawn(number, flips=()) for number in range(20))):
        moved, turned = applied(picture, labels, plan)
        inside = ndimage.binary_erosion(turned == 1, iterations=6)
        outside = ndimage.binary_erosion(turned == 0, iterations=6)
        assert inside.any()
        assert outside.any()
        assert set(moved[inside].tolist()) == {50000}
        assert set(moved[outside].tolist()) == {1000}


def test_picture_and_mask_stay_in_register() -> None:
    mask = disc()
    shifts = []
    for number in range(60):
        moved, turned = applied(mask.astype(np.float32) * 1000, mask, drawn(number))
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


def test_each_step_is_an_operation_of_augmentor_by_its_name() -> None:
    steps = operations_of(EVERYTHING, (100, 200), "PL")
    assert [name for name, _, _ in steps] == [
        "zoom_random", "flip_top_bottom", "flip_left_right", "zoom", "shear", "rotate",
    ]  # fmt: skip
    assert [arguments for _, arguments, _ in steps] == [(0.7,), (), (), (1.1, 1.1), (5, 5), (6, 6)]
    assert operations_of(NOTHING, (100, 200), "PL") == []


def test_a_crop_stands_where_the_plan_says() -> None:
    picture = np.arange(100 * 120, dtype=np.float32).reshape(100, 120)
    for at in (0.0, 0.3, 1.0):
        plan = Plan(crop=(1, 0.5, 0.5), crop_at=(0.5, at, 1 - at))
        moved, _ = applied(picture, np.zeros((100, 120), np.uint8), plan)
        top, left = round(at * 50), round((1 - at) * 60)
        middle = picture[top : top + 50, left : left + 60].mean()
        assert moved.mean() == pytest.approx(middle, abs=2)


def test_pixels_that_a_step_leaves_empty_are_the_pictures_lowest_value() -> None:
    picture = np.full((64, 64), 500, np.float32)
    picture[30, 30] = -1000
    labels = np.ones((64, 64), np.uint8)
    moved, turned = applied(picture, labels, Plan(Spatial(zoom=(1, 0.5, 0.5))))
    assert (moved[turned == 0] == -1000).all()
    assert turned.mean() == pytest.approx(0.25)
    assert np.median(moved[turned == 1]) == 500


def test_values_are_changed_after_the_slice_has_moved() -> None:
    picture, labels = smooth((40, 40)), disc((40, 40))
    plan = replace(FLIP, intensity=Intensity(brightness=0.5))
    moved, turned = applied(picture, labels, plan)
    half = (picture[:, ::-1].astype(float) - picture.min()) * 0.5 + picture.min()
    assert np.abs(moved - half).max() <= 1
    assert np.array_equal(turned, labels[:, ::-1])


def test_global_chance_is_not_touched() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    first = applied(disc(), disc(), EVERYTHING)
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    second = applied(disc(), disc(), EVERYTHING)
    assert np.array_equal(first[1], second[1])


def test_an_augmentor_that_draws_otherwise_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from Augmentor import Operations

    chance = Operations.random
    whole = Operations.RotateRange.perform_operation

    def eager(operation: object, pair: list[object]) -> object:
        Operations.random.randint(0, 99)
        return whole(operation, pair)

    monkeypatch.setattr(Operations.RotateRange, "perform_operation", eager)
    with pytest.raises(LibraryError, match=r"install that release"):
        applied(disc(), disc(), Plan(Spatial(rotate_degrees=(-6, 0, 0))))
    assert Operations.random is chance


def test_threads_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    from Augmentor import Operations

    whole = Operations.Flip.perform_operation

    def slow(operation: object, pair: list[object]) -> object:
        told = Operations.random
        time.sleep(0.01)
        assert Operations.random is told
        return whole(operation, pair)

    monkeypatch.setattr(Operations.Flip, "perform_operation", slow)
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(lambda _: applied(disc(), disc(), FLIP)[1].sum(), range(8)))
    assert set(done) == {disc().sum()}


def digest_of(number: int) -> str:
    picture = np.random.default_rng(0).integers(0, 60000, (64, 64)).astype(np.uint16)
    plan = replace(drawn(number), intensity=Intensity(noise_sd=0.1, noise_seed=number))
    moved, turned = applied(picture, disc((64, 64)), plan, KIDNEYS)
    return hashlib.sha256(moved.tobytes() + turned.tobytes()).hexdigest()


def test_other_processes_and_threads_give_the_same_bytes() -> None:
    here = [digest_of(number) for number in range(6)]
    assert len(set(here)) == 6
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn) as pool:
        assert list(pool.map(digest_of, range(6))) == here
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(digest_of, [*range(6)] * 4)) == here * 4


def test_nothing_is_printed() -> None:
    script = (
        "import numpy as np\n"
        "from medprep.augmentation.augmentor2d import apply_plan\n"
        "from medprep.augmentation.steps import Plan, Spatial\n"
        "mask = np.ones((20, 20), np.uint8)\n"
        "plan = Plan(Spatial(rotate_degrees=(3, 0, 0)), crop=(1, 0.8, 0.8))\n"
        "apply_plan(mask, mask, plan, (1, 1), 'PL', {})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")


def test_long_slices_are_turned_as_far_as_something_is_left() -> None:
    ten = Plan(Spatial(rotate_degrees=(10, 0, 0)))
    long = np.ones((24, 96), np.uint8)
    assert applied(long, long, ten)[1].mean() > 0.9
    for shape in ((20, 200), (200, 20)):
        mask = np.ones(shape, np.uint8)
        with pytest.raises(GeometryError, match=r"too long to be turned by 10"):
            applied(mask, mask, ten)
        assert applied(mask, mask, FLIP)[1].all()
    high = np.ones((200, 20), np.uint8)
    with pytest.raises(GeometryError, match=r"sheared by 8 degrees"):
        applied(high, high, Plan(Spatial(shear_degrees=(8, 0, 0))))


def test_bad_input_is_refused() -> None:
    good = np.zeros((16, 16), np.uint8)
    with pytest.raises(FormatError, match="of int32"):
        applied(good.astype(np.int32), good, NOTHING)
    with pytest.raises(FormatError, match="no finite numbers"):
        applied(np.full((16, 16), np.nan, np.float32), good, NOTHING)
    with pytest.raises(LabelError, match=r"not \(16, 15\) of uint8"):
        applied(good, good[:, 1:], NOTHING)
    with pytest.raises(LabelError, match="of uint16"):
        applied(good, good.astype(np.uint16), NOTHING)
    with pytest.raises(GeometryError, match="too small to augment"):
        applied(good[:9], good[:9], NOTHING)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (Plan(Spatial(elastic=Elastic(1, 30, 3))), "an elastic deformation"),
        (Plan(Spatial(translate_mm=(0, 0, 1))), "a translation"),
        (Plan(Spatial(zoom=(1, 1.1, 1.2))), "differs between rows and columns"),
        (Plan(crop=(1, 0.8, 0.9)), "differs between rows and columns"),
        (Plan(crop=(1, 0.05, 0.05)), "a crop to 0.05"),
        (Plan(Spatial(rotate_degrees=(2.5, 0, 0))), "an angle of 2.5 degrees"),
        (Plan(Spatial(rotate_degrees=(26, 0, 0))), "an angle of 26 degrees"),
        (Plan(Spatial(shear_degrees=(-26, 0, 0))), "an angle of -26 degrees"),
        (Plan(Spatial(flip=("IS",))), "a flip along IS of a slice whose axes run to PL"),
    ],
)
def test_what_augmentor_cannot_do_is_refused(plan: Plan, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        applied(disc(), disc(), plan)


def test_angles_on_pixels_that_are_not_square_are_refused() -> None:
    with pytest.raises(OptionError, match=r"1\.0 x 1\.2 mm"):
        apply_plan(disc(), disc(), Plan(Spatial(rotate_degrees=(3, 0, 0))), (1.0, 1.2), "PL", {})
    assert apply_plan(disc(), disc(), FLIP, (1.0, 1.2), "PL", {})[1].any()


def test_what_a_slice_does_not_have_is_ignored() -> None:
    volume = Plan(Spatial((), (0, 7.5, 3), (1.4, 1, 1), (0, 3, 4), (5, 0, 0)))
    assert np.array_equal(applied(disc(), disc(), volume)[1], disc())


def test_recipes_that_augmentor_cannot_follow_are_refused() -> None:
    for name in ("tutorial", "none"):
        require_expressible(Recipe.preset(name))
    with pytest.raises(OptionError, match=r"rotate_degrees from -180 to 180.*whole_degrees = true"):
        require_expressible(Recipe.preset("nnunet"))
    with pytest.raises(OptionError, match="has no translate_share"):
        require_expressible(Recipe(translate_share=Step(0.1, 0, 1)))
    with pytest.raises(OptionError, match="has no elastic_amplitude_mm"):
        require_expressible(Recipe(elastic_amplitude_mm=Step(0.1, 0, 1)))
    with pytest.raises(OptionError, match="shear_degrees from 0 to 30"):
        require_expressible(Recipe(whole_degrees=True, shear_degrees=Step(1, 0, 30)))
