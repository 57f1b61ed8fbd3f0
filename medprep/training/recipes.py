"""How a net is trained, as data: ``recipes.toml`` beside this file, read without torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from medprep.errors import OptionError

Optimiser = Literal["adamw", "adam", "sgd"]
Schedule = Literal["cosine", "polynomial", "constant"]
Loss = Literal["dice-ce", "bce", "ce"]
Target = Literal["classes", "regions"]

OPTIMISERS: tuple[Optimiser, ...] = get_args(Optimiser)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
LOSSES: tuple[Loss, ...] = get_args(Loss)
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a net is trained.

    Parameters
    ----------
    optimiser
        ``sgd`` is with Nesterov's momentum.
    lr_2d, lr_3d
        Peak learning rate of nets for slices and for volumes.
    weight_decay, momentum
        Of the optimiser.
    schedule
        How the learning rate falls; see `medprep.training.schedules`.
    warm_up
        Share of the training in which it rises.
    largest_gradient
        The gradient of all weights together is no longer than this; None clips nothing.
    loss
        See `medprep.training.losses`.
    target
        ``classes`` exclude each other (softmax); ``regions`` each have an answer of their own
        (sigmoid).
    deep_supervision
        Whether coarser levels answer too, where the net has such.
    batch_size, dropout, epochs
        None leaves them to the data, the net, the machine.
    keep_every_epochs
        Weights are kept beside the chosen ones after so many; None keeps none.

    Raises
    ------
    OptionError
        If a value cannot be used.
    """

    optimiser: Optimiser
    lr_2d: float
    lr_3d: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    schedule: Schedule
    warm_up: float = 0.0
    largest_gradient: float | None = None
    loss: Loss
    target: Target = "classes"
    deep_supervision: bool = False
    batch_size: int | None = None
    dropout: float | None = None
    epochs: int | None = None
    keep_every_epochs: int | None = None

    def __post_init__(self) -> None:
        closed: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("optimiser", OPTIMISERS),
            ("schedule", SCHEDULES),
            ("loss", LOSSES),
            ("target", TARGETS),
        )
        for name, wanted in closed:
            if getattr(self, name) not in wanted:
                raise OptionError(
                    f"a recipe's {name} is '{getattr(self, name)}'; wanted is {', '.join(wanted)}"
                )
        if not (0 <= self.momentum < 1 and 0 <= self.warm_up < 1):
            raise OptionError(
                f"a recipe's momentum is {self.momentum}, its warm_up {self.warm_up}; wanted are "
                "numbers from 0 to below 1"
            )


@cache
def recipes() -> MappingProxyType[str, Recipe]:
    """Give every recipe by its name."""
    path = Path(__file__).with_name("recipes.toml")
    read = tomllib.loads(path.read_text("utf-8"))
    return MappingProxyType({name: Recipe(**fields) for name, fields in read.items()})


def named_recipe(name: str) -> Recipe:
    """Give a recipe.

    Raises
    ------
    OptionError
        If there is none of this name.
    """
    if name not in recipes():
        raise OptionError(f"--recipe is '{name}'; wanted is {', '.join(recipes())}")
    return recipes()[name]
