"""Recipes of augmentation: read, checked, drawn from."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.augmentation.drawing import ORDER
from medprep.augmentation.recipe import (
    PRESETS,
    Recipe,
    Step,
    draw,
    generator_of,
    named_recipe,
    read_recipe,
)
from medprep.augmentation.steps import AXES, Intensity, Plan, Spatial
from medprep.errors import OptionError

EVERYTHING = Recipe(
    flip=1.0,
    rotate_degrees=Step(1, -90, 90),
    rotate_3d_degrees=20,
    zoom=Step(1, 0.5, 2),
    shear_degrees=Step(1, -20, 20),
    translate_share=Step(1, -0.2, 0.2),
    elastic_amplitude_mm=Step(1, 1, 5),
    crop_side=Step(1, 0.5, 0.9),
    noise_sd=Step(1, 0.01, 0.1),
    blur_voxels=Step(1, 0.5, 1),
    brightness=Step(1, 0.7, 1.3),
    contrast=Step(1, 0.7, 1.3),
    low_resolution=Step(1, 0.5, 1),
    gamma=Step(1, 0.7, 1.5),
    bias=Step(1, 0.1, 0.5),
)
STEPS = tuple(one.name for one in fields(Recipe) if isinstance(one.default, Step))
SOLID = {"shape": (64, 64, 64), "spacing_mm": (1, 1, 1), "dimensions": 3}
STACK = {"shape": (20, 64, 64), "spacing_mm": (3.2, 1, 1), "dimensions": 3}
SLICE = {"shape": (200, 256), "spacing_mm": (2.0, 1.0), "dimensions": 2}


def drawn(
    recipe: Recipe, grid: dict[str, object], number: int = 0, flips: Sequence[str] = AXES
) -> Plan:
    generator = generator_of(1, "case", number)
    return draw(recipe, generator, flips=tuple(flips), **grid)


def test_a_plan_is_the_same_on_every_machine() -> None:
    grid = {"shape": (256, 256), "spacing_mm": (1.5, 1.5), "flips": ("LR", "AP"), "dimensions": 2}
    tutorial = draw(Recipe.preset("tutorial"), generator_of(0, "mr01-t2", 1, 0), **grid)
    assert tutorial == Plan(
        Spatial(flip=("LR",), rotate_degrees=(2.0, 0.0, 0.0)),
        crop=(1.0, 0.85, 0.85),
        crop_at=(0.5, 0.9247576574823526, 0.8229608662326372),
    )
    nnunet = draw(Recipe.preset("nnunet"), generator_of(0, "mr01-t2", 1, 14), **grid)
    assert nnunet == Plan(
        Spatial(flip=("LR", "AP")),
        Intensity(
            noise_sd=0.039798048176347536,
            noise_seed=1129717174,
            low_resolution=0.509003795694798,
            gamma=1.2961688604851735,
        ),
    )


@given(st.sampled_from([SOLID, STACK, SLICE]), st.integers(0, 2**40), st.text(max_size=8))
def test_a_drawn_plan_survives_json_and_repeats(
    grid: dict[str, object], seed: int, case: str
) -> None:
    plans = [draw(EVERYTHING, generator_of(seed, case, 2), flips=AXES, **grid) for _ in range(2)]
    assert plans[0] == plans[1]
    assert Plan.from_dict(json.loads(json.dumps(plans[0].to_dict()))) == plans[0]


def test_seed_case_copy_and_slice_each_change_the_draw() -> None:
    arguments = [
        (s, c, k, n) for s in (0, 1) for c in ("a", "b") for k in (0, 1) for n in (None, 0, 1)
    ]
    assert len({generator_of(*each).random() for each in arguments}) == 24


def test_every_step_has_its_own_random_numbers() -> None:
    assert set(ORDER) == {*STEPS, "flip"}
    assert len(set(ORDER)) == len(ORDER)


def parts(plan: Plan) -> dict[str, object]:
    """Give what each step made of a plan."""
    moved, coloured = asdict(plan.spatial), asdict(plan.intensity)
    return {
        "rotate_degrees": moved["rotate_degrees"],
        "flip": moved["flip"],
        "zoom": moved["zoom"],
        "shear_degrees": moved["shear_degrees"],
        "translate_share": moved["translate_mm"],
        "elastic_amplitude_mm": moved["elastic"],
        "crop_side": (plan.crop, plan.crop_at),
        "noise_sd": (coloured["noise_sd"], coloured["noise_seed"]),
        "blur_voxels": coloured["blur_mm"],
        "brightness": coloured["brightness"],
        "contrast": coloured["contrast"],
        "low_resolution": coloured["low_resolution"],
        "gamma": (coloured["gamma"], coloured["gamma_inverted"]),
        "bias": (coloured["bias"], coloured["bias_seed"]),
    }


@pytest.mark.parametrize("name", [one for one in STEPS if one != "gamma_inverted"])
@pytest.mark.parametrize("grid", [SOLID, STACK, SLICE])
def test_a_step_changes_its_own_numbers_only(name: str, grid: dict[str, object]) -> None:
    without = replace(EVERYTHING, **{name: getattr(Recipe(), name)})
    narrow = replace(EVERYTHING, **{name: replace(getattr(EVERYTHING, name), low=0.9, high=0.9)})
    if name == "rotate_degrees":
        narrow = replace(narrow, rotate_3d_degrees=5)
    for number in range(5):
        whole = parts(drawn(EVERYTHING, grid, number))
        for other in (without, narrow):
            made = parts(drawn(other, grid, number))
            assert made.pop(name) != whole[name]
            assert made == {key: value for key, value in whole.items() if key != name}


def test_an_axis_that_must_not_be_flipped_is_left_and_changes_nothing_else() -> None:
    recipe = replace(EVERYTHING, flip=0.5)
    found = set()
    for number in range(60):
        free, bound = drawn(recipe, SOLID, number), drawn(recipe, SOLID, number, ("AP", "IS"))
        assert bound.spatial.flip == tuple(one for one in free.spatial.flip if one != "LR")
        assert replace(bound, spatial=replace(bound.spatial, flip=free.spatial.flip)) == free
        assert drawn(recipe, SOLID, number, ()).spatial.flip == ()
        found.add(free.spatial.flip)
    assert len(found) == 8


def test_steps_happen_as_often_as_asked() -> None:
    recipe = replace(
        EVERYTHING,
        flip=0.5,
        **{name: replace(getattr(EVERYTHING, name), probability=0.3) for name in STEPS},
    )
    nothing = parts(Plan())
    count = dict.fromkeys(nothing, 0)
    for number in range(2000):
        for name, made in parts(drawn(recipe, SOLID, number)).items():
            count[name] += made != nothing[name]
    flips = count.pop("flip")
    gamma = count.pop("gamma")
    assert flips / 2000 == pytest.approx(1 - 0.5**3, abs=0.04)
    assert gamma / 2000 == pytest.approx(1 - 0.7**2, abs=0.04)
    assert [n / 2000 for n in count.values()] == pytest.approx([0.3] * len(count), abs=0.04)


def test_the_recipe_none_asks_for_nothing() -> None:
    for grid in (SOLID, SLICE):
        assert drawn(Recipe.preset("none"), grid) == Plan(Spatial(), Intensity())


def test_values_fill_their_bounds() -> None:
    plans = [drawn(EVERYTHING, SOLID, number) for number in range(400)]
    for values, low, high in (
        ([a for p in plans for a in p.spatial.rotate_degrees], -20, 20),
        ([p.spatial.zoom[0] for p in plans], 0.5, 2),
        ([a for p in plans for a in p.spatial.shear_degrees], -20, 20),
        ([a for p in plans for a in p.spatial.translate_mm], -12.8, 12.8),
        ([p.crop[0] for p in plans if p.crop], 0.5, 0.9),
        ([a for p in plans for a in p.crop_at], 0, 1),
        ([p.intensity.noise_sd for p in plans], 0.01, 0.1),
        ([p.intensity.low_resolution for p in plans], 0.5, 1),
        ([p.intensity.gamma for p in plans], 0.7, 1.5),
    ):
        reach = (high - low) * 0.03
        assert low <= min(values) < low + reach
        assert high - reach < max(values) <= high


def test_slices_shift_by_a_share_of_their_own_extent() -> None:
    moves = [drawn(EVERYTHING, SLICE, number).spatial.translate_mm for number in range(400)]
    for axis, most in ((1, 0.2 * 200 * 2.0), (2, 0.2 * 256 * 1.0)):
        assert 0.97 * most < max(abs(move[axis]) for move in moves) <= most


def test_factors_are_as_often_below_one_as_above() -> None:
    gammas = [drawn(EVERYTHING, SLICE, n).intensity.gamma for n in range(1000)]
    assert sum(g < 1 for g in gammas if g) / 1000 == pytest.approx(0.5, abs=0.05)
    dark = replace(EVERYTHING, gamma=Step(1, 1.5, 2))
    assert all((drawn(dark, SLICE, n).intensity.gamma or 0) >= 1.5 for n in range(50))


@pytest.mark.parametrize("grid", [SLICE, STACK])
def test_slices_and_stacks_of_thick_slices_move_within_the_slice(grid: dict[str, object]) -> None:
    plan = drawn(EVERYTHING, grid)
    assert plan.spatial.rotate_degrees[1:] == plan.spatial.shear_degrees[1:] == (0, 0)
    assert (plan.spatial.zoom[0], plan.spatial.translate_mm[0]) == (1, 0)
    assert plan.crop is not None
    assert (plan.crop[0], plan.crop_at[0]) == (1, 0.5)
    assert plan.spatial.rotate_degrees[0] != 0
    assert 0 not in plan.spatial.translate_mm[1:]
    assert max(abs(drawn(EVERYTHING, grid, n).spatial.rotate_degrees[0]) for n in range(50)) > 45


def test_volumes_turn_within_slices_where_no_bound_in_3d_is_given() -> None:
    recipe = replace(EVERYTHING, rotate_3d_degrees=None)
    turns = [drawn(recipe, SOLID, n).spatial.rotate_degrees for n in range(50)]
    assert {turn[1:] for turn in turns} == {(0, 0)}
    assert max(abs(turn[0]) for turn in turns) > 45


def test_long_slices_turn_less_where_a_bound_is_given() -> None:
    recipe = Recipe.preset("nnunet")
    long = {"shape": (100, 151), "spacing_mm": (1, 1), "dimensions": 2}
    short = {"shape": (100, 150), "spacing_mm": (1, 1), "dimensions": 2}
    most = [
        max(abs(drawn(recipe, grid, n).spatial.rotate_degrees[0]) for n in range(300))
        for grid in (long, short)
    ]
    assert 10 < most[0] <= 15
    assert 150 < most[1] <= 180


def test_blur_is_in_voxels_of_the_finest_axis() -> None:
    fine, coarse = (
        draw(
            replace(EVERYTHING, blur_voxels=Step(1, 0.5, 0.5)), generator_of(0, "a", 1),
            shape=(9, 9, 9), spacing_mm=spacing, flips=(), dimensions=3,
        ).intensity.blur_mm
        for spacing in ((2, 1, 1), (8, 4, 4))
    )  # fmt: skip
    assert (fine, coarse) == (0.5, 2.0)


def test_the_tutorial_turns_by_whole_degrees_flips_left_right_and_crops() -> None:
    plans = [drawn(Recipe.preset("tutorial"), SLICE, n) for n in range(1500)]
    angles = [p.spatial.rotate_degrees[0] for p in plans]
    assert set(angles) == set(range(-10, 11))
    assert sum(a != 0 for a in angles) / 1500 == pytest.approx(0.8 * 20 / 21, abs=0.04)
    assert {p.spatial.flip for p in plans} == {(), ("LR",)}
    assert {p.crop for p in plans} == {None, (1, 0.85, 0.85)}
    assert sum(p.crop is not None for p in plans) / 1500 == pytest.approx(0.3, abs=0.04)
    assert not any(p.recolours for p in plans)


def test_nnunet_has_its_published_numbers() -> None:
    recipe = Recipe.preset("nnunet")
    assert (recipe.rotate_degrees, recipe.zoom) == (Step(0.2, -180, 180), Step(0.2, 0.7, 1.4))
    assert (recipe.rotate_3d_degrees, recipe.flip, recipe.flip_axes) == (30, 0.5, AXES)
    assert recipe.gamma == replace(recipe.gamma_inverted, probability=0.3)
    assert recipe.brightness == recipe.contrast == Step(0.15, 0.75, 1.25)
    assert recipe.elastic_amplitude_mm.probability == recipe.bias.probability == 0


def test_presets_are_found_by_name_and_others_are_named() -> None:
    assert set(PRESETS) == {"tutorial", "nnunet", "none"}
    assert named_recipe("nnunet") is Recipe.preset("nnunet")
    with pytest.raises(OptionError, match=r"no recipe 'nnunett'; there are tutorial, nnunet, none"):
        named_recipe("nnunett")


def test_a_recipe_of_ones_own_starts_with_a_preset(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'start = "nnunet"\nflip = 0\nflip_axes = ["AP"]\n'
        "[zoom]\nprobability = 1\nrange = [0.9, 1.1]\n"
    )
    assert named_recipe(str(file)) == replace(
        Recipe.preset("nnunet"), flip=0, flip_axes=("AP",), zoom=Step(1, 0.9, 1.1)
    )
    assert read_recipe("", "mine") == Recipe()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("flip = ", "mine.toml is no TOML"),
        ("rotat_degrees = 3", "mine.toml holds 'rotat_degrees'; did you mean rotate_degrees"),
        ("qqq = 3", "mine.toml holds 'qqq'; wanted are start, flip, .*bias"),
        ('start = "x"', "mine.toml: no recipe 'x'; there are tutorial"),
        ("start = ['none']", "mine.toml: no recipe"),
        ("zoom = 3", r"mine.toml: zoom is 3; wanted is \{probability = 0.2, range"),
        ("zoom = {range = [1, 2]}", "mine.toml: zoom is .*wanted is"),
        ("zoom = {probability = 1, range = [1]}", "mine.toml: zoom is .*wanted is"),
        ("zoom = {probability = 1, range = [1, 2], p = 1}", "mine.toml: zoom is .*wanted is"),
        ("zoom = {probability = 1.2, range = [1, 2]}", "the probability of zoom is 1.2.*0 to 1"),
        ("zoom = {probability = '1', range = [1, 2]}", "the probability of zoom is 1; wanted is a"),
        ("zoom = {probability = 1, range = [2, 1]}", "the high end of zoom is 1.*from 2 to 10"),
        ("zoom = {probability = 1, range = [0, 1]}", "the low end of zoom is 0.*from 0.1 to 10"),
        ("zoom = {probability = nan, range = [1, 1]}", "the probability of zoom is nan"),
        ("zoom = {probability = true, range = [1, 1]}", "the probability of zoom is True"),
        ("flip = 2", "mine.toml: flip is 2; wanted is a number from 0 to 1"),
        ("flip_axes = 'LR'", "flip_axes is LR; wanted is a list"),
        ("flip_axes = ['XY']", r"flip_axes is \('XY',\); wanted are LR, AP, IS"),
        ("flip_axes = [['LR']]", "flip_axes is .*wanted are LR, AP, IS"),
        ("whole_degrees = 1", "whole_degrees is 1; wanted is true or false"),
        ("rotate_3d_degrees = 181", "rotate_3d_degrees is 181"),
        ("elastic_spacing_mm = 0", "elastic_spacing_mm is 0"),
        (
            "whole_degrees = true\nrotate_degrees = {probability = 1, range = [-1.5, 2]}",
            "whole_degrees is set",
        ),
    ],
)
def test_what_is_no_recipe_is_refused(content: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        read_recipe(content, "mine.toml")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="the recipe cannot be read"):
        named_recipe(str(tmp_path / "none.toml"))


def test_too_few_axes_are_refused() -> None:
    with pytest.raises(OptionError, match="wanted are 3 axes of each"):
        draw(
            EVERYTHING, np.random.default_rng(0),
            shape=(9, 9), spacing_mm=(1, 1), flips=(), dimensions=3,
        )  # fmt: skip


def test_plans_hold_plain_numbers() -> None:
    for grid in (SOLID, SLICE):
        plan = drawn(EVERYTHING, grid)
        numbers = [*plan.spatial.translate_mm, *plan.spatial.rotate_degrees, *plan.crop_at]
        assert {type(one) for one in numbers} == {float}
        assert all(math.isfinite(one) for one in numbers)
