"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from medprep.training.recipes import Recipe


def make_optimiser(recipe: Recipe, parameters: Iterable[nn.Parameter], lr: float) -> Optimizer:
    """Give the optimiser of a recipe for parameters that are to be trained."""
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
