"""Colours: fixed for each organ, told apart by everybody, the same as in palette pictures."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from medprep.colours import PALETTE, colour_of, colours_of, palette_of

# Machado, Oliveira and Fernandes 2009, full loss; on linear red, green and blue.
SIGHT = {
    "all": np.eye(3),
    "no red": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def oklab(colour: tuple[int, int, int], sight: str) -> NDArray[np.float64]:
    c = np.array(colour) / 255
    linear = SIGHT[sight] @ np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    ) @ np.clip(linear, 0, 1)
    lab = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    ) @ np.cbrt(cones)
    return np.asarray(lab, np.float64)


def apart(colours: tuple[tuple[int, int, int], ...]) -> float:
    return min(
        float(np.linalg.norm(oklab(one, sight) - oklab(other, sight)))
        for one, other in combinations(colours, 2)
        for sight in SIGHT
    )


def test_the_first_are_those_of_palette_pictures() -> None:
    assert PALETTE[0] == (230, 159, 0)


def test_all_are_as_far_apart_as_the_first_seven() -> None:
    assert apart(PALETTE) >= apart(PALETTE[:7])


def test_all_stand_out_on_black() -> None:
    assert min(oklab(colour, "all")[0] for colour in PALETTE) > 0.5


def test_chaos_has_the_colours_of_its_palette_pictures() -> None:
    names = {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
    assert colours_of(names) == {n: palette_of({})[n] for n in names}


def test_an_organ_keeps_its_colour_whatever_its_label() -> None:
    assert colour_of("liver", 1) == colour_of("liver", 6)
    assert colours_of({9: "spleen"})[9] == colour_of("spleen", 1) != colour_of("liver", 9)


def test_unknown_names_take_the_colour_of_their_label() -> None:
    assert colours_of({1: "label_1", 2: "label_2"}) == {1: PALETTE[0], 2: PALETTE[1]}
    assert colour_of("x", 1 + len(PALETTE)) == PALETTE[0]


def test_an_unknown_name_gives_way_to_an_organ() -> None:
    found = colours_of({1: "cyst", 2: "liver"})
    assert found[2] == PALETTE[0]
    assert found[1] not in (PALETTE[0],)
    assert list(found) == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 17])
def test_no_colour_twice(count: int) -> None:
    found = colours_of({n: f"x{n}" for n in range(3, 3 + count)})
    assert len(set(found.values())) == count


ANY = st.sampled_from(["liver", "spleen", "aorta", "bladder", "a", "b", "c", "d", "e"])


@given(st.dictionaries(st.integers(1, 300), ANY, max_size=9))
def test_distinct_names_get_distinct_colours(names: dict[int, str]) -> None:
    unique = {label: name for label, name in names.items() if list(names.values()).count(name) == 1}
    assert len(set(colours_of(unique).values())) == len(unique)


def test_beyond_the_palette_colours_repeat() -> None:
    assert set(colours_of({n: f"x{n}" for n in range(1, 200)}).values()) == set(PALETTE)
