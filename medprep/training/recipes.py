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
Schedule = Literal["cosine", "polynomial", "constant", "steps"]
Loss = Literal["dice-ce", "bce", "ce"]
Target = Literal["classes", "regions"]

DEFAULT, CLICKED = "default", "sam-med3d"
"""What is taken where no recipe is named, by most nets and by those that answer clicks."""

OPTIMISERS: tuple[Optimiser, ...] = get_args(Optimiser)
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)
LOSSES: tuple[Loss, ...] = get_args(Loss)
TARGETS: tuple[Target, ...] = get_args(Target)


@dataclass(frozen=True, kw_only=True)
class Clicking:
    """How a net that answers clicks is trained.

    Parameters
    ----------
    clicks
        A step: so often the net answers, and its losses are summed.
    newest_only
        Whether it is told the newest click alone, what came before being in its last mask; else
        all until then.
    mask_rounds
        Whether one answer on the way and the last one come from the last mask alone.
    decoder_share
        Learning rate of the parts that read clicks and draw masks, as a share of the encoder's.
    around_click
        Share of the cubes whose middle is a voxel of the organ, clicked first, as when a person
        clicks; the others' is the middle of the organ's box.

    Raises
    ------
    OptionError
        If a number cannot be used.
    """

    clicks: int
    newest_only: bool
    mask_rounds: bool
    decoder_share: float
    around_click: float

    def __post_init__(self) -> None:
        if self.clicks < 1 or not self.decoder_share > 0 or not 0 <= self.around_click <= 1:
            raise OptionError(
                f"a recipe's clicks are {self.clicks}, its decoder_share {self.decoder_share}, its "
                f"around_click {self.around_click}; wanted are 1 or more, above 0, and 0 to 1"
            )


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
    clicking
        Of nets that answer clicks; None: it is for the others.

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
    clicking: Clicking | None = None

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
    for fields in read.values():
        if "clicking" in fields:
            fields["clicking"] = Clicking(**fields["clicking"])
    return MappingProxyType({name: Recipe(**fields) for name, fields in read.items()})


def recipe_for(name: str, *, clicks: bool) -> str:
    """Give the name of the recipe that ``default`` or another name means for a kind of net.

    Parameters
    ----------
    name
        What was asked for.
    clicks
        Whether the net answers clicks.

    Raises
    ------
    OptionError
        If there is none of this name, or it is for the other kind.
    """
    if clicks and name == DEFAULT:
        return CLICKED
    if clicks != (named_recipe(name).clicking is not None):
        goes = [one for one, recipe in recipes().items() if clicks == (recipe.clicking is not None)]
        kind = "nets that answer clicks" if clicks else "nets that are shown pictures"
        raise OptionError(f"--recipe is '{name}'; for {kind} there is {', '.join(goes)}")
    return name


def clicking_of(name: str) -> Clicking:
    """Give what a recipe says of clicks.

    Raises
    ------
    OptionError
        If it says nothing.
    """
    found = named_recipe(name).clicking
    if found is None:
        raise OptionError(f"the recipe {name} is not for nets that answer clicks")
    return found


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
