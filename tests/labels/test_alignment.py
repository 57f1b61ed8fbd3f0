"""The alignment detector on made-up pictures: each fault is named, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.labels.alignment import Alignment, check_alignment, find_strangers, sketch
from medprep.labels.alignment.fit import Placement, divergence, measure
from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.stamp import Stamp
from medprep.labels.corrections import Correction

Array = NDArray[Any]
SHAPE = (16, 96, 96)


def body(shape: tuple[int, int, int] = SHAPE, seed: int = 0) -> tuple[Array, Array]:
    """A picture with a bright organ off every axis of symmetry, a second one, and things around."""
    chance = np.random.default_rng(seed)
    place = np.stack(np.meshgrid(*(np.linspace(0, 1, n) for n in shape), indexing="ij"), axis=-1)

    def ball(centre: tuple[float, ...], radius: tuple[float, ...]) -> Array:
        moved = np.array(centre) + chance.uniform(-0.04, 0.04, 3)
        scaled = np.array(radius) * chance.uniform(0.9, 1.1, 3)
        inside: Array = (((place - moved) / scaled) ** 2).sum(axis=-1) < 1
        return inside

    labels = np.zeros(shape, np.uint8)
    labels[ball((0.6, 0.4, 0.3), (0.25, 0.2, 0.16))] = 1
    labels[ball((0.45, 0.3, 0.38), (0.2, 0.12, 0.2))] = 1
    labels[ball((0.35, 0.7, 0.65), (0.18, 0.1, 0.08))] = 2
    picture = 40.0 * ball((0.5, 0.5, 0.5), (0.9, 0.42, 0.46))
    for _ in range(6):
        picture[ball(tuple(chance.uniform(0.2, 0.8, 3)), (0.15, 0.1, 0.1))] = chance.uniform(10, 90)
    picture[labels == 1] = 120
    picture[labels == 2] = 75
    return picture + chance.normal(0, 6, shape), labels


def moved(labels: Array, slices: int = 0, rows: int = 0, columns: int = 0) -> Array:
    """Move labels; what leaves the picture is lost."""
    padded = np.pad(labels, [(abs(n), abs(n)) for n in (slices, rows, columns)])
    start = [abs(n) - n for n in (slices, rows, columns)]
    return padded[tuple(slice(a, a + n) for a, n in zip(start, labels.shape, strict=True))]


BROKEN: dict[str, tuple[Callable[[Array], Array], str, str, tuple[int, int, int]]] = {
    "reversed": (lambda m: m[::-1], "reversed", "--mask-order reversed", (0, 0, 0)),
    "flip x": (lambda m: m[:, :, ::-1], "flip_x", "--mask-flip x", (0, 0, 0)),
    "flip y": (lambda m: m[:, ::-1], "flip_y", "--mask-flip y", (0, 0, 0)),
    "transposed": (lambda m: m.transpose(0, 2, 1), "transposed", "--mask-transpose", (0, 0, 0)),
    "one up": (lambda m: moved(m, 1), "slice_up", "move the mask by -1 slices", (-1, 0, 0)),
    "one down": (lambda m: moved(m, -1), "slice_down", "move the mask by +1 slices", (1, 0, 0)),
    "three up": (lambda m: moved(m, 3), "slice_up", "move the mask by -3 slices", (-3, 0, 0)),
    "right": (lambda m: moved(m, 0, 0, 19), "shifted", "-19 columns", (0, 0, -19)),
    "left, partly out": (lambda m: moved(m, 0, 0, -21), "shifted", "+21 columns", (0, 0, 21)),
    "down": (lambda m: moved(m, 0, 18, 0), "shifted", "-18 rows", (0, -18, 0)),
    "up and right": (lambda m: moved(m, 0, -14, 12), "shifted", "+14 rows", (0, 14, -12)),
    "turned by 180": (
        lambda m: m[:, ::-1, ::-1],
        "flip_x",
        "--mask-flip x --mask-flip y",
        (0, 0, 0),
    ),
    # Transposed first, then flipped: what the options undo in this order.
    "turned by 90": (
        lambda m: np.rot90(m, axes=(1, 2)),
        "transposed",
        "--mask-transpose --mask-flip x",
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_names_the_fault_and_the_mend(how: str) -> None:
    picture, labels = body()
    breaks, fault, mend, shift = BROKEN[how]
    found = check_alignment(picture, breaks(labels))
    assert (found.fault, found.flagged) == (fault, True)
    assert mend in found.mend
    assert np.abs(np.subtract(found.shift, shift)).max() <= 1
    assert found.confidence > 0.5 or fault.startswith("slice")


def test_the_named_mend_puts_a_turned_mask_back() -> None:
    picture, labels = body()
    turned = np.rot90(labels, axes=(1, 2))
    mend = Correction(flip=("x",), transpose=True)
    assert check_alignment(picture, turned).mend == str(mend) == "--mask-transpose --mask-flip x"
    np.testing.assert_array_equal(mend.apply(turned), labels)


@pytest.mark.parametrize("seed", range(4))
def test_no_alarm_where_the_mask_sits(seed: int) -> None:
    picture, labels = body(seed=seed)
    found = check_alignment(picture, labels)
    assert (found.fault, found.flagged, found.mend) == ("none", False, "")
    assert found.shift == (0, 0, 0)
    assert found.confidence > 0.2


def test_evidence_states_numbers_of_the_picture() -> None:
    picture, labels = body()
    evidence = check_alignment(picture, labels[::-1]).evidence
    assert "reversing its slices" in evidence
    inside = picture[labels == 1]
    stated = evidence.split("-> mean ")[1].split(",")[0].split(" SD ")
    assert float(stated[0]) == pytest.approx(inside.mean(), abs=1)
    assert float(stated[1]) == pytest.approx(inside.std(), abs=1)


@pytest.mark.parametrize(
    "scale",
    [
        lambda p: (p * 4 - 1000).astype(np.int16),
        lambda p: (p * 9000 + 1e6).astype(np.float64),
        lambda p: np.clip(p, 0, 255).astype(np.uint8),
        lambda p: -p,
        lambda p: np.exp(p / 40),
    ],
)
def test_the_scale_of_grey_values_does_not_matter(scale: Callable[[Array], Array]) -> None:
    picture, labels = body()
    other = scale(picture)
    assert check_alignment(other, labels).fault == "none"
    assert check_alignment(other, labels[:, :, ::-1]).fault == "flip_x"
    plain = check_alignment(picture, labels[::-1])
    assert check_alignment(other, labels[::-1]).confidence == pytest.approx(
        plain.confidence, abs=0.15
    )


def test_padding_and_missing_values_do_not_matter() -> None:
    picture, labels = body()
    picture[:, :, -20:] = -2000
    picture[3, 5:9, 5:9] = np.nan
    assert check_alignment(picture, labels).fault == "none"
    assert check_alignment(picture, labels[:, ::-1]).fault == "flip_y"


def test_an_organ_may_be_absent_and_each_counts() -> None:
    picture, labels = body()
    for organ in (1, 2):
        alone = labels * (labels == organ)
        assert check_alignment(picture, alone).fault == "none"
        assert check_alignment(picture, alone[::-1]).fault == "reversed"


def test_one_slice_knows_no_slice_faults() -> None:
    labels = body((9, 128, 128), seed=1)[1][4:5]
    picture = 30 + 60.0 * (labels == 1) + np.random.default_rng(0).normal(0, 5, labels.shape)
    assert check_alignment(picture, labels).fault == "none"
    assert check_alignment(picture, labels[:, :, ::-1]).fault == "flip_x"
    assert check_alignment(picture, labels.transpose(0, 2, 1)).fault == "transposed"
    assert check_alignment(picture, moved(labels, 0, 20, 0)).fault == "shifted"


def test_transposition_is_no_candidate_of_an_oblong_picture() -> None:
    picture, labels = body((12, 80, 100))
    assert check_alignment(picture, labels).fault == "none"
    assert check_alignment(picture, labels[:, ::-1]).fault == "flip_y"


def test_an_almost_square_large_picture_is_not_transposed() -> None:
    picture, labels = body((5, 601, 602))
    swapped = np.zeros_like(labels)
    swapped[:, :601, :601] = labels[:, :601, :601].transpose(0, 2, 1)
    found = check_alignment(picture, swapped)
    assert found.flagged
    assert "transpose" not in found.mend


def test_large_pictures_state_shifts_in_their_own_pixels() -> None:
    picture, labels = body((5, 600, 600))
    found = check_alignment(picture, moved(labels, 0, 0, 90), (3.0, 0.5, 0.5))
    assert found.fault == "shifted"
    assert np.abs(np.subtract(found.shift, (0, 0, -90))).max() <= 4
    assert "45" in found.mend
    assert "mm" in found.mend


def test_a_mask_of_nothing_in_the_picture_is_a_stranger() -> None:
    chance = np.random.default_rng(3)
    _, labels = body()
    found = check_alignment(chance.normal(0, 1, SHAPE), labels)
    assert (found.fault, found.flagged) == ("stranger", True)
    assert "sits nowhere" in found.evidence
    assert found.mend


@pytest.mark.parametrize(
    "labels",
    [
        np.zeros(SHAPE, np.uint8),
        np.pad(np.ones((4, 4, 4), np.uint8), [(6, 6), (46, 46), (46, 46)]),
        np.ones(SHAPE, np.uint8),
    ],
)
def test_too_little_to_judge(labels: Array) -> None:
    found = check_alignment(body()[0], labels)
    assert (found.fault, found.flagged, found.shift) == ("none", False, (0, 0, 0))
    assert "too little" in found.evidence


def test_a_picture_of_one_value_cannot_be_judged() -> None:
    found = check_alignment(np.full(SHAPE, 7, np.int16), body()[1])
    assert (found.fault, found.flagged) == ("none", False)
    assert "one value" in found.evidence


def test_shapes_must_agree() -> None:
    picture, labels = body()
    with pytest.raises(LabelError, match="wanted are three axes"):
        check_alignment(picture, labels[:, :, :-1])
    with pytest.raises(LabelError):
        check_alignment(picture[0], labels[0])


@given(
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.tuples(*[st.integers(-3, 3)] * 3),
)
@settings(max_examples=40)
def test_placing_points_is_turning_the_array(
    backwards: bool, swapped: bool, flip_x: bool, flip_y: bool, shift: tuple[int, int, int]
) -> None:
    labels = np.pad(body((9, 30, 30))[1], 3)
    turned = labels[::-1] if backwards else labels
    turned = turned.transpose(0, 2, 1) if swapped else turned
    turned = turned[:, :, ::-1] if flip_x else turned
    turned = turned[:, ::-1] if flip_y else turned
    points = tuple(axis.astype(np.int32) for axis in np.nonzero(labels))
    placement = Placement(backwards, swapped, flip_x, flip_y, shift)
    laid = np.zeros_like(labels)
    laid[placement.move(points, labels.shape)] = labels[labels != 0]  # type: ignore[arg-type]
    np.testing.assert_array_equal(laid, moved(turned, *shift))


@pytest.mark.parametrize(
    "turn",
    [
        Placement(True),
        Placement(False, True),
        Placement(flip_x=True),
        Placement(False, True, True, False),
        Placement(True, True, False, True),
    ],
)
def test_mask_and_picture_turned_alike_measure_the_same(turn: Placement) -> None:
    picture, labels = body()
    turned = picture[::-1] if turn.reversed_slices else picture
    turned = turned.transpose(0, 2, 1) if turn.transposed else turned
    turned = turned[:, :, ::-1] if turn.flip_x else turned
    turned = turned[:, ::-1] if turn.flip_y else turned
    stamp = Stamp.of(labels, 1)
    one = measure(Levels.of(turned), stamp, turn)
    other = measure(Levels.of(picture), stamp, Placement())
    np.testing.assert_allclose(one, other, rtol=0.01)
    assert min(other[:3]) > 0.5


def test_an_organ_mostly_outside_has_no_say() -> None:
    picture, labels = body()
    levels, stamp = Levels.of(picture), Stamp.of(labels, 1)
    assert measure(levels, stamp, Placement(shift=(0, 0, 75))) == (0, 0, 0, 0)
    assert measure(levels, stamp, Placement(shift=(0, 0, 5))).ring > 0


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=2, max_size=32))
def test_divergence_lies_between_alike_and_apart(pairs: list[tuple[int, int]]) -> None:
    one, other = np.array(pairs).T[:, :, None]
    bits = divergence(one, other)
    assert 0 <= bits[0] <= 1
    assert divergence(one, one)[0] == pytest.approx(0, abs=1e-12)
    assert divergence(other, one)[0] == pytest.approx(bits[0])


def test_divergence_of_what_has_nothing_in_common_is_near_one() -> None:
    one, other = np.array([[5000], [0]]), np.array([[0], [5000]])
    assert divergence(one, other)[0] > 0.99


def test_ranks_keep_the_order_of_grey_values() -> None:
    picture, _ = body()
    level = Levels.of(picture).level.reshape(-1)
    order = np.argsort(picture.reshape(-1))
    assert (np.diff(level[order].astype(int)) >= 0).all()
    assert level.min() < 10
    assert level.max() > 245


def test_padding_takes_no_levels_from_the_picture() -> None:
    picture = np.zeros((2, 64, 64), np.int16)
    picture[:, 20:44, 20:44] = np.random.default_rng(0).integers(100, 4000, (2, 24, 24))
    inside = Levels.of(picture).level[:, 20:44, 20:44]
    assert np.ptp(inside.astype(int)) > 240


def people(count: int) -> list[tuple[Array, Array]]:
    return [body(seed=seed) for seed in range(count)]


def test_a_set_tells_whose_a_swapped_mask_is() -> None:
    cases = people(6)
    sketches = [sketch(f"p{n}", picture, labels) for n, (picture, labels) in enumerate(cases)]
    assert find_strangers([s for s in sketches if s]) == []
    sketches[2] = sketch("p2", cases[2][0], cases[5][1])
    (found,) = find_strangers([s for s in sketches if s])
    assert (found.case, found.belongs_to) == ("p2", "p5")
    assert found.best_fit > found.own_fit
    assert "p5" in found.evidence


def test_a_set_tells_a_mask_of_nobody() -> None:
    cases = people(6)
    sketches = [sketch(f"p{n}", picture, labels) for n, (picture, labels) in enumerate(cases)]
    sketches[0] = sketch("p0", cases[0][0], body(seed=77)[1][:, ::-1, ::-1])
    (found,) = find_strangers([s for s in sketches if s])
    assert (found.case, found.belongs_to) == ("p0", "")
    assert "no better than" in found.evidence


def test_a_set_of_other_sizes_is_laid_centre_on_centre() -> None:
    cases = people(6)
    sketches = [sketch(f"p{n}", picture, labels) for n, (picture, labels) in enumerate(cases)]
    sketches[2] = sketch("p2", cases[2][0][:-2], cases[5][1][:-2])
    (found,) = find_strangers([s for s in sketches if s])
    assert (found.case, found.belongs_to) == ("p2", "p5")


def test_small_sets_and_small_masks_say_nothing() -> None:
    cases = people(3)
    sketches = [sketch(f"p{n}", picture, labels[::-1]) for n, (picture, labels) in enumerate(cases)]
    assert find_strangers([s for s in sketches if s]) == []
    assert sketch("p", cases[0][0], np.zeros(SHAPE, np.uint8)) is None


def test_a_sketch_is_small() -> None:
    picture, labels = body((40, 256, 256))
    made = sketch("p", picture, labels)
    assert made is not None
    assert made.level.nbytes <= 300_000


def test_results_are_plain_values() -> None:
    picture, labels = body()
    for mask in (labels, labels[::-1], moved(labels, 0, 15)):
        found = check_alignment(picture, mask)
        assert isinstance(found, Alignment)
        assert type(found.confidence) is float
        assert all(type(n) is int for n in found.shift)
