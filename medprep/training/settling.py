"""What a training settles on where it is told nothing: from recipe, machine and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from math import prod
from pathlib import Path
from typing import Any, Literal

import torch

from medprep.errors import OptionError
from medprep.models.preparation import Preparation
from medprep.models.registry import ModelInfo
from medprep.models.resampling import shape_at
from medprep.models.targets import Targets, default_regions
from medprep.models.transplant import encoder_of
from medprep.training.fingerprint import Fingerprint
from medprep.training.options import Course, Settled, TrainingOptions, trainable
from medprep.training.precision import choose_precision
from medprep.training.recipes import Recipe, Target, named_recipe
from medprep.training.sizing import (
    blueprint,
    kind_of,
    net_config,
    operations,
    voxels_a_step,
    width_of,
)
from medprep.training.supervision import LEVELS

PASSES = {2: 30, 3: 100}
"""Passes over the training slices, or over the patches of the volumes, that the default number of
steps makes within its bounds."""
FEWEST_STEPS = 200
MOST_STEPS_CPU, MOST_STEPS_GPU = 600, 10_000
"""Caps of the default: about seven minutes for 256 x 256 slices on two cores at width 16."""
MOST_OPERATIONS = 45e12
"""Cap for volumes on a CPU: fifteen minutes on two cores that do 50 GFLOP/s."""
FEWEST_STEPS_3D = 50
"""What a net gets that is too slow for it."""

_LEAST_SHARE = 0.25
"""Of a volume, that a patch shows: less leaves a net blind to where it is. nnU-Net plans a low
resolution at this bound. On a GPU patches are large, and what is fine stays fine."""

_AS_GIVEN = (
    "accumulate", "block", "class_weights", "compile", "encoder_from", "minutes", "patience",
    "recipe", "seed", "workers",
)  # fmt: skip


def settle(
    options: TrainingOptions,
    device: torch.device,
    found: Fingerprint,
    organs: Mapping[int, str],
    regions: Mapping[str, tuple[str, ...]],
    processes: int = 1,
) -> tuple[Settled, Preparation]:
    """Fill in what was left open.

    Parameters
    ----------
    device
        The one that was chosen.
    found
        What the training fold says; augmented copies count nothing: more copies of the same
        patients shall not make a training longer by themselves.
    organs, regions
        Label to organ, region to its organs.
    processes
        That train together: a batch is cut into so many equal parts.

    Raises
    ------
    OptionError
        If what was asked for does not go with the net, the machine or the memory.
    """
    recipe, info = named_recipe(options.recipe), trainable(options.model)
    encoder = None if options.encoder_from is None else encoder_of(Path(options.encoder_from))
    wide = options.width or (None if encoder is None else encoder.embed_dim)
    width = width_of(info, wide, device)
    targets = targets_of(options.target or recipe.target, organs, regions)
    preparation, batch = _prepare(options, recipe, info, width, device, found, targets)
    batch = _for_all(batch, processes, given=options.batch_size is not None)
    config = net_config(info, width, preparation, recipe.dropout)
    if encoder is not None:
        config["heads"] = encoder.heads
    pictures = _pictures(found, preparation)
    shown = (batch * options.accumulate, len(preparation.scalings), *preparation.patch)
    keep = recipe.keep_every_epochs
    settled = Settled(
        **{name: getattr(options, name) for name in _AS_GIVEN},
        model=info.name,
        config=config,
        width=width,
        steps=_steps(options, recipe, pictures, shown[0])
        or _default_steps(info, config, pictures, shown, device),
        batch_size=batch,
        lr=options.lr or (recipe.lr_2d if info.dimensions == 2 else recipe.lr_3d),
        device=device.type,
        patch=preparation.patch,
        spacing_mm=preparation.spacing_mm,
        target="classes" if targets.exclusive else "regions",
        loss=options.loss or recipe.loss,
        deep_supervision=recipe.deep_supervision and info.name in LEVELS,
        precision=choose_precision(options.precision, device),
        keep_every=None if keep is None else Fraction(keep * pictures, shown[0]),
    )
    return settled, preparation


def kept_of(settled: Course) -> dict[str, Any]:
    """Give what a machine's free memory has a part in, beside the patch, as values for JSON."""
    every = settled.keep_every
    return {
        "batch_size": settled.batch_size,
        "steps": settled.steps,
        "keep_every": None if every is None else str(every),
    }


def as_before(settled: Settled, kept: Mapping[str, Any], processes: int) -> Settled:
    """Go on as a training began, whatever memory is free now.

    Parameters
    ----------
    kept
        What `kept_of` gave then; earlier versions kept nothing.
    processes
        That train together now.
    """
    if not kept:
        return settled
    every = kept["keep_every"]
    return replace(
        settled,
        batch_size=_for_all(kept["batch_size"], processes, given=False),
        steps=kept["steps"],
        keep_every=None if every is None else Fraction(every),
    )


def targets_of(
    target: Target, organs: Mapping[int, str], regions: Mapping[str, tuple[str, ...]]
) -> Targets:
    """Give what the net is asked for; without regions each organ is one by itself."""
    if target == "classes":
        return Targets(organs)
    return Targets(organs, regions or default_regions(organs))


def _prepare(
    options: TrainingOptions,
    recipe: Recipe,
    info: ModelInfo,
    width: int,
    device: torch.device,
    found: Fingerprint,
    targets: Targets,
) -> tuple[Preparation, int]:
    """Give the preparation, and how many patches make a batch."""
    _check_patch(options.patch, info)
    dimensions: Literal[2, 3] = 2 if info.dimensions == 2 else 3
    wanted = options.batch_size or recipe.batch_size
    voxels = voxels_a_step(info, width, device, options.memory)
    # A patch is chosen so that two fit; slices keep theirs, whatever the batch.
    for_patch = voxels * 2 // wanted if wanted and dimensions == 3 else voxels
    preparation, batch = found.preparation(
        dimensions,
        targets,
        info.multiple,
        # Slices are shown through a window, as they always were; volumes go by their modality.
        normalise=options.normalise or ("window" if dimensions == 2 else None),
        spacing_mm=options.spacing,
        patch=options.patch,
        voxels=for_patch,
        least_share=_LEAST_SHARE if kind_of(device) == "cpu" else 0.0,
    )
    return preparation, wanted or batch


def _for_all(batch: int, processes: int, *, given: bool) -> int:
    """Give a batch that processes can share."""
    if given and batch % processes:
        raise OptionError(
            f"--batch-size is {batch}, which {processes} processes cannot share equally; wanted "
            f"is a multiple of {processes}"
        )
    return -(-batch // processes) * processes


def _check_patch(patch: tuple[int, ...] | None, info: ModelInfo) -> None:
    if patch is None:
        return
    if len(patch) != info.dimensions or any(side % info.multiple for side in patch):
        raise OptionError(
            f"--patch is {' '.join(map(str, patch))}; {info.name} wants {info.dimensions} sides, "
            f"multiples of {info.multiple}"
        )


def _pictures(found: Fingerprint, preparation: Preparation) -> int:
    """Give the number of training slices, or of patches that cover the training volumes."""
    if preparation.dimensions == 2:
        return sum(shape[0] for shape in found.shapes)
    patch, wanted = prod(preparation.patch), preparation.spacing_mm
    shapes = [
        shape_at(shape, own, wanted) if wanted else shape
        for shape, own in zip(found.shapes, found.spacings_mm, strict=True)
    ]
    return sum(max(1, round(prod(shape) / patch)) for shape in shapes)


def _passes(many: int, pictures: int, batch: int) -> int:
    """Give the steps of so many passes."""
    return -(-many * pictures // batch)


def _steps(options: TrainingOptions, recipe: Recipe, pictures: int, batch: int) -> int | None:
    if options.steps is not None:
        return options.steps
    epochs = options.epochs or (None if options.minutes else recipe.epochs)
    return None if epochs is None else _passes(epochs, pictures, batch)


def _default_steps(
    info: ModelInfo,
    config: dict[str, Any],
    pictures: int,
    shown: tuple[int, ...],
    device: torch.device,
) -> int:
    """Give a length that learns from all and ends in reasonable time."""
    most = MOST_STEPS_GPU
    if kind_of(device) == "cpu":
        most = MOST_STEPS_CPU
        if info.dimensions == 3:
            each = operations(blueprint(info.name, config), shown)
            most = max(FEWEST_STEPS_3D, int(MOST_OPERATIONS / each))
    return min(max(FEWEST_STEPS, _passes(PASSES[info.dimensions], pictures, shown[0])), most)
