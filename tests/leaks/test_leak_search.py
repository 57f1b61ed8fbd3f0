from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leak_pictures import body, leaks_between, moved
from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.formats import png
from medprep.leaks import Kind, Leak, find_leaks, fingerprint
from medprep.leaks.forms import WAYS, lay


def only(leaks: list[Leak]) -> Leak:
    (leak,) = leaks
    return leak


def test_the_same_pixels_are_identical_whatever_holds_them(tmp_path) -> None:
    picture = (body(1) // 4).astype(np.uint8)
    png.write_grey(tmp_path / "narrow.png", picture)
    png.write_grey(tmp_path / "wide.png", picture.astype(np.uint16))
    narrow, wide = png.read(tmp_path / "narrow.png"), png.read(tmp_path / "wide.png")
    assert wide.dtype != narrow.dtype
    colour = np.stack([narrow, narrow, narrow, np.full_like(narrow, 255)], axis=-1)
    for other in (wide, colour, narrow.astype(np.float64), narrow.astype(np.int16)):
        leak = only(leaks_between(narrow, other))
        assert leak == Leak("a", 0, "b", 0, "identical", 1.0, 1.0, "", 1)


@pytest.mark.parametrize(
    ("way", "kind", "change"),
    [
        (1, "mirrored", "mirrored in y"),
        (2, "mirrored", "mirrored in x"),
        (3, "mirrored", "mirrored in x and y"),
        (4, "turned", "mirrored in y, turned by -90 degrees"),
        (5, "turned", "turned by 90 degrees"),
        (6, "turned", "turned by -90 degrees"),
        (7, "turned", "mirrored in y, turned by 90 degrees"),
    ],
)
def test_mirrors_and_quarter_turns_are_named(way: int, kind: Kind, change: str) -> None:
    picture = body(1)[:, :100]
    leak = only(leaks_between(lay(picture, way), picture))
    assert (leak.kind, leak.change, leak.correlation) == (kind, change, 1.0)


def test_the_words_of_a_change_are_true() -> None:
    picture = body(1)[:, :100]
    meant = {
        "mirrored in x": np.fliplr(picture),
        "mirrored in y": np.flipud(picture),
        "turned by 90 degrees": np.rot90(picture),
        "turned by -90 degrees": np.rot90(picture, -1),
        "mirrored in y, turned by 90 degrees": np.rot90(np.flipud(picture)),
        "mirrored in y, turned by -90 degrees": np.rot90(np.flipud(picture), -1),
    }
    for change, result in meant.items():
        assert only(leaks_between(result, picture)).change == change


@pytest.mark.parametrize("way", range(WAYS))
def test_rising_maps_of_grey_levels_are_seen_through(way: int) -> None:
    picture = body(1).astype(np.float64) / 1000
    leak = only(leaks_between(lay(picture**1.7, way), picture))
    assert leak.kind == "rescaled"
    assert leak.change.endswith("intensities rescaled")
    assert leak.correlation < 1
    falling = leaks_between(1 - picture, picture)
    assert all(leak.kind == "near" for leak in falling)


@pytest.mark.parametrize("gamma", [0.6, 1.6])
def test_a_gamma_curve_in_eight_bits_merges_levels_and_is_still_found(gamma: float) -> None:
    picture = (body(1) // 4).astype(np.uint8)
    curved = np.rint(255 * (picture / 255) ** gamma).astype(np.uint8)
    assert len(np.unique(curved)) < len(np.unique(picture))
    leak = only(leaks_between(np.fliplr(curved), picture))
    assert (leak.kind, leak.change) == ("rescaled", "mirrored in x, intensities rescaled")


def test_a_window_of_an_eighth_less_is_near() -> None:
    picture = body(2)
    cut = picture[10:-10, 10:-10]
    leak = only(leaks_between(picture, cut))
    assert (leak.kind, leak.change) == ("near", "zoom 0.84")
    assert "zoom 1.19" in only(leaks_between(cut, picture)).change


def test_a_corner_window_is_near() -> None:
    picture = body(2)
    leak = only(leaks_between(picture, picture[:108, 20:]))
    assert leak.kind == "near"
    assert "moved by +8% in x and -8% in y" in leak.change


@pytest.mark.parametrize("flip", [0, 1, 2, 3])
@pytest.mark.parametrize("degrees", [-7, 7])
@pytest.mark.parametrize("zoom", [1 / 1.1, 1.1])
def test_small_turns_and_zooms_are_named_both_ways(flip: int, degrees: int, zoom: float) -> None:
    picture = body(3)
    changed = moved(lay(picture, flip), degrees, zoom, 0.03)
    words = {0: "", 1: "mirrored in y, ", 2: "mirrored in x, ", 3: "mirrored in x and y, "}[flip]
    leak = only(leaks_between(changed, picture))
    assert leak.kind == "near"
    assert leak.change.startswith(f"{words}turned by {degrees} degrees, zoom {zoom:.2f}, moved by")
    assert "moved by +3% in x and +0% in y" in leak.change
    assert leak.correlation > 0.97
    back = only(leaks_between(picture, changed))
    turn = degrees if flip in (1, 2) else -degrees
    assert back.change.startswith(f"{words}turned by {turn} degrees, zoom {1 / zoom:.2f}")


def test_other_bodies_are_no_leak() -> None:
    prints = {f"case{seed}": fingerprint([body(seed)]) for seed in range(20)}
    groups = {name: name for name in prints}
    assert find_leaks(prints, groups) == []


def test_blank_slices_match_nothing() -> None:
    noise = np.zeros((64, 64), np.uint8)
    noise[5, 7] = 255
    blanks = [np.zeros((64, 64), np.uint8), np.full((64, 64), 7, np.int16), noise, np.eye(0)]
    assert fingerprint(blanks).blank.all()
    prints = {"a": fingerprint(blanks), "b": fingerprint(blanks)}
    assert find_leaks(prints, {"a": "train", "b": "val"}) == []


def test_sets_of_none_and_of_one() -> None:
    assert find_leaks({}, {}) == []
    assert find_leaks({"a": fingerprint([body(1)])}, {"a": "train"}) == []
    none = fingerprint([])
    assert find_leaks({"a": none, "b": none}, {"a": "train", "b": "val"}) == []


def test_cases_of_one_group_are_not_compared() -> None:
    prints = {name: fingerprint([body(1)]) for name in "abc"}
    assert find_leaks(prints, dict.fromkeys("abc", "train")) == []
    found = find_leaks(prints, {"a": "train", "b": "train", "c": "val"})
    assert [(leak.one, leak.other) for leak in found] == [("a", "c"), ("b", "c")]


def test_every_case_of_a_much_copied_picture_is_named() -> None:
    prints = {f"{group}{n}": fingerprint([body(1)]) for group in "tv" for n in range(4)}
    found = find_leaks(prints, {name: name[0] for name in prints})
    assert {name for leak in found for name in (leak.one, leak.other)} == set(prints)
    assert len(found) == 7


def test_volumes_give_one_leak_and_count_their_slices() -> None:
    blank = np.zeros((128, 128), np.uint16)
    volume = [blank, *(body(seed) for seed in range(5)), blank]
    other = [np.flipud(plane) for plane in volume[2:5]] + [moved(body(4), 4)]
    leak = only(
        find_leaks({"a": fingerprint(volume), "b": fingerprint(other)}, {"a": "1", "b": "2"})
    )
    assert (leak.kind, leak.slices) == ("mirrored", 3)
    assert (leak.one_slice, leak.other_slice) == (2, 0)


def test_the_order_of_cases_changes_nothing() -> None:
    pictures = {"a": body(1), "b": np.fliplr(body(1)), "c": body(2), "d": moved(body(2), 5)}
    prints = {name: fingerprint([picture]) for name, picture in pictures.items()}
    groups = {"a": "train", "b": "val", "c": "val", "d": "train"}
    found = find_leaks(prints, groups)
    assert [(leak.one, leak.other, leak.kind) for leak in found] == [
        ("a", "b", "mirrored"),
        ("c", "d", "near"),
    ]
    assert find_leaks(dict(reversed(prints.items())), groups) == found


def test_names_must_differ_by_more_than_case_and_have_a_group() -> None:
    one = fingerprint([body(1)])
    with pytest.raises(OptionError, match="'P1' and 'p1' have the same name"):
        find_leaks({"P1": one, "p1": one}, {"P1": "train", "p1": "val"})
    with pytest.raises(OptionError, match="'b' has no group"):
        find_leaks({"a": one, "b": one}, {"a": "train"})


def test_outlines_with_other_grey_levels_are_not_rescaled_pictures() -> None:
    oval = (body(1) > 0).astype(np.uint8)
    assert [leak.kind for leak in leaks_between(oval, oval)] == ["identical"]
    assert leaks_between(oval, oval * 7 - 3.0) == []


@settings(max_examples=40)
@given(st.integers(0, 7), st.integers(0, 2**32 - 1), st.integers(2, 20), st.integers(2, 20))
def test_every_way_of_every_picture_has_one_digest(
    way: int, seed: int, rows: int, columns: int
) -> None:
    few = np.random.default_rng(seed).integers(0, 3, (rows, columns))
    if few.min() == few.max():
        return
    laid: NDArray[np.int64] = lay(few, way)
    one, other = fingerprint([few]), fingerprint([laid])
    assert (one.order_digests == other.order_digests).all()
    assert (one.level_digests == other.level_digests).all()
    (leak,) = leaks_between(laid, few) or [None]
    if leak is not None and leak.kind == "identical":
        assert np.array_equal(laid, few)


def test_leaks_are_sorted_by_names_whatever_their_groups() -> None:
    pictures = {"a": body(1), "b": body(2), "c": body(1), "d": body(2)}
    prints = {name: fingerprint([picture]) for name, picture in pictures.items()}
    found = find_leaks(prints, {"a": "val", "b": "train", "c": "train", "d": "val"})
    assert [(leak.one, leak.other) for leak in found] == [("a", "c"), ("b", "d")]


def test_near_duplicates_of_one_group_are_not_compared() -> None:
    pictures = {"a": body(1), "b": body(2), "c": moved(body(2), 5)}
    prints = {name: fingerprint([picture]) for name, picture in pictures.items()}
    assert find_leaks(prints, {"a": "val", "b": "train", "c": "train"}) == []
    assert len(find_leaks(prints, {"a": "train", "b": "val", "c": "train"})) == 1


def test_a_picture_of_twice_the_size_is_near_and_not_rescaled() -> None:
    picture = body(1)
    twice = picture.repeat(2, axis=0).repeat(2, axis=1)
    assert only(leaks_between(picture, twice)).kind == "near"


def test_tiny_pictures_match_by_their_pixels_only() -> None:
    tiny = body(1)[40:52, 40:52]
    other = tiny.copy()
    other[3, 3:5] = tiny[3, 4:2:-1]
    assert leaks_between(tiny, other) == []
    assert only(leaks_between(tiny, tiny.T)).kind == "turned"


@pytest.mark.parametrize("degrees", [-9, 9])
def test_turns_of_a_narrow_picture_are_turns_not_shears(degrees: int) -> None:
    picture = body(3)[:, 24:104]
    leak = only(leaks_between(moved(picture, degrees), picture))
    found = re.search(r"turned by (-?\d+) degrees", leak.change)
    assert found is not None
    assert abs(int(found[1]) - degrees) <= 1
    assert leak.detail > 0.88


def test_between_volumes_a_quarter_of_the_slices_must_be_near() -> None:
    """One slice of many that looks alike is chance; the same pixels are none."""
    train = [body(seed) for seed in range(8)]
    for shared, expected in ((1, []), (2, ["near"])):
        other = [moved(one, 5.0, 1.1) for one in train[:shared]]
        other += [body(100 + seed) for seed in range(8 - shared)]
        prints = {"a": fingerprint(train), "b": fingerprint(other)}
        assert [leak.kind for leak in find_leaks(prints, {"a": "train", "b": "val"})] == expected
    same = {
        "a": fingerprint(train),
        "b": fingerprint([train[3], *(body(200 + n) for n in range(7))]),
    }
    assert [leak.kind for leak in find_leaks(same, {"a": "train", "b": "val"})] == ["identical"]
