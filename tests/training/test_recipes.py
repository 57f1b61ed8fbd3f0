"""Recipes are what their papers and the tutorial say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medprep.errors import OptionError
from medprep.training.recipes import named_recipe, recipes


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


def test_names() -> None:
    assert list(recipes()) == ["default", "nnunet", "tutorial"]
    with pytest.raises(OptionError, match=r"'best'.*default, nnunet, tutorial"):
        named_recipe("best")


@pytest.mark.parametrize(
    "wrong", [{"optimiser": "lion"}, {"loss": "l2"}, {"momentum": 1.0}, {"warm_up": -0.1}]
)
def test_wrong_values(wrong: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=next(iter(wrong))):
        replace(named_recipe("default"), **wrong)  # type: ignore[arg-type]
