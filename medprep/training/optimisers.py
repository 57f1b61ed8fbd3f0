"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

from torch.optim import SGD, Adam, AdamW, Optimizer

from medprep.training.objective import Group
from medprep.training.recipes import Recipe


def make_optimiser(recipe: Recipe, groups: Iterable[Group], lr: float) -> Optimizer:
    """Give the optimiser of a recipe for the groups of an objective."""
    parameters = [dict(group) for group in groups]
    if recipe.optimiser == "adamw":
        return AdamW(parameters, lr, weight_decay=recipe.weight_decay)
    if recipe.optimiser == "adam":
        return Adam(parameters, lr, weight_decay=recipe.weight_decay)
    return SGD(
        parameters,
        lr,
        momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.momentum > 0,
    )
