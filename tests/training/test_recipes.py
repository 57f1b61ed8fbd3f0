"""Recipes are what their papers and the tutorial say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medprep.errors import OptionError
from medprep.training.recipes import clicking_of, named_recipe, recipe_for, recipes


def test_the_tutorial_as_it_was_meant() -> None:
    recipe = named_recipe("tutorial")
    assert (recipe.optimiser, recipe.lr_2d, recipe.schedule) == ("adam", 1e-3, "constant")
    assert (recipe.loss, recipe.target) == ("bce", "regions")
    assert (recipe.batch_size, recipe.dropout) == (4, 0.2)
    assert (recipe.epochs, recipe.keep_every_epochs) == (80, 20)
    assert (recipe.weight_decay, recipe.largest_gradient, recipe.warm_up) == (0.0, None, 0.0)


def test_nnunet() -> None:
    recipe = named_recipe("nnunet")
    assert (recipe.optimiser, recipe.momentum, recipe.lr_3d) == ("sgd", 0.99, 1e-2)
    assert (recipe.weight_decay, recipe.largest_gradient) == (3e-5, 12.0)
    assert (recipe.schedule, recipe.deep_supervision) == ("polynomial", True)


def test_sam_med3d_is_its_authors() -> None:
    recipe, clicking = named_recipe("sam-med3d"), clicking_of("sam-med3d")
    assert (recipe.optimiser, recipe.lr_3d, recipe.weight_decay) == ("adamw", 8e-4, 0.1)
    assert (recipe.schedule, recipe.largest_gradient, recipe.warm_up) == ("steps", None, 0.0)
    assert (clicking.clicks, clicking.decoder_share, clicking.newest_only) == (11, 0.1, True)
    assert clicking.mask_rounds


def test_which_recipe_is_for_which_net() -> None:
    assert recipe_for("default", clicks=True) == "sam-med3d"
    assert recipe_for("default", clicks=False) == "default"
    assert recipe_for("sam-med3d-short", clicks=True) == "sam-med3d-short"
    with pytest.raises(OptionError, match="there is sam-med3d, sam-med3d-short"):
        recipe_for("tutorial", clicks=True)
    with pytest.raises(OptionError, match="there is default, nnunet, tutorial"):
        recipe_for("sam-med3d", clicks=False)
    with pytest.raises(OptionError, match="not for nets that answer clicks"):
        clicking_of("default")


@pytest.mark.parametrize("wrong", [{"clicks": 0}, {"decoder_share": 0.0}, {"around_click": 1.1}])
def test_wrong_numbers_of_clicks(wrong: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        replace(clicking_of("sam-med3d"), **wrong)  # type: ignore[arg-type]


def test_names() -> None:
    assert list(recipes()) == ["default", "nnunet", "tutorial", "sam-med3d", "sam-med3d-short"]
    with pytest.raises(OptionError, match=r"'best'.*default, nnunet, tutorial"):
        named_recipe("best")


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "lion"}, {"loss": "l2"}, {"momentum": 1.0}, {"warm_up": -0.1}]
)
def test_wrong_values(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        replace(named_recipe("default"), **wrong)  # type: ignore[arg-type]
