"""Points: read, placed, checked, told back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.errors import LabelError, OptionError
from medprep.geometry import Geometry
from medprep.inference.prompts.points import (
    SPACES,
    Point,
    Prompt,
    centroids,
    from_lps,
    read_prompts,
    require_inside,
    to_lps,
    told,
)
from medprep.volume import LabelMap, Volume

TURNED = ((0, -1, 0), (0, 0, 1), (-1, 0, 0))
GRID = Geometry.from_parts((10, 20, 30), (3.0, 1.0, 2.0), (5.0, -7.0, 11.0), TURNED)
NUMBER = st.floats(-500, 500)


@given(st.tuples(NUMBER, NUMBER, NUMBER), st.sampled_from(SPACES))
def test_spaces_come_back(place: tuple[float, float, float], space: str) -> None:
    assert from_lps(to_lps(place, space, GRID), space, GRID) == pytest.approx(place, abs=1e-9)


def test_spaces_are_what_they_say() -> None:
    assert to_lps((1, 2, 3), "lps", GRID) == (1, 2, 3)
    assert to_lps((1, 2, 3), "ras", GRID) == (-1, -2, 3)
    # column 3, row 2, slice 1: 3 * 2 along y, 2 * 1 against x, 1 * 3 against z
    assert to_lps((3, 2, 1), "voxel", GRID) == pytest.approx((5 - 2, -7 + 6, 11 - 3))


def test_told_in_all_spaces_with_the_grey_value() -> None:
    array = np.arange(6000, dtype=np.int16).reshape(GRID.shape)
    point = Point(to_lps((3.4, 2, 1), "voxel", GRID), positive=False)
    facts = told(point, Volume(array, GRID))
    assert facts["voxel"] == [3, 2, 1]
    assert facts["grey"] == array[1, 2, 3]
    assert facts["positive"] is False
    assert facts["lps_mm"] == pytest.approx([3.0, -0.2, 8.0])
    assert facts["ras_mm"] == pytest.approx([-3.0, 0.2, 8.0])
    json.dumps(facts)


def test_half_a_voxel_beyond_the_centres_is_inside() -> None:
    require_inside(Point(to_lps((-0.5, 19.5, 9.5), "voxel", GRID)), GRID, "voxel")


@pytest.mark.parametrize("space", SPACES)
def test_outside_says_where_the_volume_lies(space: str) -> None:
    spans = {
        "voxel": "0 to 29, 0 to 19, 0 to 9 voxels",
        "lps": "-14 to 5, -7 to 51, -16 to 11 LPS mm",
        "ras": "-5 to 14, -51 to 7, -16 to 11 RAS mm",
    }
    with pytest.raises(OptionError, match="outside") as caught:
        require_inside(Point(to_lps((-0.6, 2, 3), "voxel", GRID)), GRID, space)
    assert spans[space] in str(caught.value)


def test_prompts_of_several_organs() -> None:
    content = {
        "liver": [[1, 2, 3], [4, 5, 6]],
        "spleen": {"points": [7, 8, 9], "negative": [[0, 0, 1]]},
    }
    one, other = read_prompts(json.dumps(content), "ras", GRID)
    assert one == Prompt("liver", 1, (Point((-1, -2, 3)), Point((-4, -5, 6))))
    assert other == Prompt("spleen", 2, (Point((-7, -8, 9)), Point((-0.0, -0.0, 1), False)))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "no JSON"),
        ("[]", "name -> points"),
        ("{}", "name -> points"),
        ('{"liver": [[1, 2]]}', "three numbers"),
        ('{"liver": [["a", 2, 3]]}', "three numbers"),
        ('{"liver": [true, false, true]}', "three numbers"),
        ('{"liver": 5}', "wanted are points"),
        ('{"liver": []}', "lies in the organ"),
        ('{"liver": {"negative": [[1, 2, 3]]}}', "lies in the organ"),
        ('{"liver": {"point": [[1, 2, 3]]}}', "points and negative"),
        ('{"liver": {"box": [1, 2, 3, 4, 5, 6]}}', "takes none"),
        ('{"liver": [[NaN, 2, 3]]}', "finite"),
    ],
)
def test_other_prompts_are_refused(content: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        read_prompts(content, "ras", GRID)


def test_centroids_lie_in_their_organ() -> None:
    array = np.zeros(GRID.shape, np.uint8)
    array[2:5, 4:9, 6:9] = 3
    array[6:9, 2:15, 10:25] = 7
    array[6:9, 4:15, 12:23] = 0  # a bend around its own centroid
    block, bend = centroids(LabelMap(array, GRID, {3: "liver"}))
    assert (block.name, block.value, bend.name, bend.value) == ("liver", 3, "label_7", 7)
    assert from_lps(block.points[0].place_mm, "voxel", GRID) == pytest.approx((7, 6, 3))
    column, row, number = np.round(from_lps(bend.points[0].place_mm, "voxel", GRID)).astype(int)
    assert array[number, row, column] == 7


def test_an_empty_label_map_has_no_centroid() -> None:
    with pytest.raises(LabelError, match="empty"):
        centroids(LabelMap(np.zeros(GRID.shape, np.uint8), GRID))
