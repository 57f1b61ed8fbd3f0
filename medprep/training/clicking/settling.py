"""What a training by clicks settles on where it is told nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import torch

from medprep.errors import OptionError
from medprep.models.prompts.grids import SPACING_MM
from medprep.models.registry import build
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.models.transplant import read_sam
from medprep.training.options import ClickCourse, TrainingOptions
from medprep.training.precision import choose_precision
from medprep.training.recipes import Clicking, clicking_of, named_recipe, recipe_for
from medprep.training.settling import FEWEST_STEPS, MOST_STEPS_CPU, MOST_STEPS_GPU
from medprep.training.sizing import kind_of

GRID = 8
"""Tokens along each side, whatever the cube: as in the released net."""
ON_CPU, ON_GPU = (48, 64), (768, 128)
"""Channels of a token and voxels of the cube along each side by default."""
BATCH = {"cpu": 4, "gpu": 12}
PASSES = 200
"""Over all organs, as the authors'; within the bounds of every training's default length."""
_SMALL, _DEPTH, _HEAD = 384, 4, 16
"""Below so many channels a net has so few blocks, and heads of so many channels."""
_PROMPT = 48
"""Channels of prompts are a multiple of this."""


def begin(
    options: TrainingOptions, device: torch.device
) -> tuple[SamMed3d, dict[str, Any] | None, float]:
    """Give the net as it begins, what it began with if anything, and its spacing in mm.

    Raises
    ------
    OptionError
        If there can be no such net.
    CheckpointError
        If the weights cannot be used: what is missing, unknown or of another shape is listed.
    """
    told: dict[str, Any] | None = None
    if options.weights is not None:
        net, told = read_sam(Path(options.weights), **dict(options.settings))
    else:
        torch.manual_seed(options.seed)
        config = fresh_config(options, device)
        net = cast(SamMed3d, build("sam-med3d", **config))
    spacing = (told or {}).get("spacing_mm", SPACING_MM)
    return net, told, float(options.spacing[0] if options.spacing else spacing)


def fresh_config(options: TrainingOptions, device: torch.device) -> dict[str, Any]:
    """Give the sizes of a net that is trained from scratch.

    The released ones at 768 channels a token. Other widths keep its grid of tokens, and with it
    the size of a low-resolution mask; below 384 channels they have 4 blocks.
    """
    width, side = ON_CPU if kind_of(device) == "cpu" else ON_GPU
    width = options.width or width
    if options.patch is not None:
        side = options.patch[0]
    given = dict(options.settings)
    if side % GRID and "patch_size" not in given:
        raise OptionError(f"--patch is {side}; wanted is a multiple of {GRID}")
    if width % _PROMPT:
        raise OptionError(f"--width is {width}; sam-med3d wants a multiple of {_PROMPT}")
    config: dict[str, Any] = {"image_size": side, "patch_size": side // GRID, "embed_dim": width}
    released = SamMed3dConfig()
    if width != released.embed_dim:
        small = width < _SMALL
        depth = _DEPTH if small else released.depth
        config |= {
            "depth": depth,
            "heads": width // (_HEAD if small else _PROMPT),
            "global_blocks": tuple(range(1, depth, 2) if small else released.global_blocks),
            "prompt_dim": min(released.prompt_dim, width),
            "decoder_mlp": min(released.decoder_mlp, 4 * width),
            "iou_hidden": min(released.iou_hidden, width),
        }
    return config | given


def settle_clicks(
    options: TrainingOptions, device: torch.device, net: SamMed3d, spacing_mm: float, organs: int
) -> tuple[ClickCourse, Clicking]:
    """Fill in what was left open, and give the recipe's part on clicks.

    Parameters
    ----------
    net
        As it begins.
    organs
        Organs of the training cases themselves.

    Raises
    ------
    OptionError
        If the recipe is for other nets.
    """
    name = recipe_for(options.recipe, clicks=True)
    recipe, clicking = named_recipe(name), clicking_of(name)
    kind, config = kind_of(device), net.config
    batch = options.batch_size or BATCH[kind]
    most = MOST_STEPS_CPU if kind == "cpu" else MOST_STEPS_GPU
    passes = -(-(options.epochs or PASSES) * organs // (batch * options.accumulate))
    steps = passes if options.epochs else min(max(FEWEST_STEPS, passes), most)
    settled = ClickCourse(
        model=options.model,
        config=vars(config).copy(),
        width=config.embed_dim,
        steps=options.steps or steps,
        batch_size=batch,
        accumulate=options.accumulate,
        lr=options.lr or recipe.lr_3d,
        device=device.type,
        seed=options.seed,
        minutes=options.minutes,
        patch=(config.image_size,) * 3,
        recipe=name,
        precision=choose_precision(options.precision, device),
        workers=0,
        patience=options.patience,
        keep_every=None,
        clicks=options.clicks or clicking.clicks,
        spacing_mm=spacing_mm,
        freeze_encoder=options.freeze_encoder,
        weights=options.weights,
    )
    return settled, clicking
