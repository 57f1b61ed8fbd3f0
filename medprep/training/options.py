"""What a training is told, and what it settles on when it is told nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from medprep.errors import OptionError

CPU_WIDTH, GPU_WIDTH = 16, 64
"""The original's width is 64; a quarter of it is what a laptop CPU trains in minutes."""

PASSES = 30
"""Passes over the training slices that the default number of steps makes, within its bounds."""
FEWEST_STEPS = 200
MOST_STEPS_CPU, MOST_STEPS_GPU = 600, 10_000
"""Caps of the default: about seven minutes for 256 x 256 slices on two cores at width 16."""

_PIXELS_A_STEP = 4 * 256 * 256
_SMALLEST_BATCH, _LARGEST_BATCH = 2, 8


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training; None is settled by `settle` from the machine and the data.

    Parameters
    ----------
    model
        Name of the net.
    width
        Channels of its first level.
    epochs, steps
        Length, by one of the two.
    batch_size
        Slices a step.
    lr
        Peak learning rate.
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    seed
        Another seed gives other weights and batches.
    minutes
        Train for this time instead of a number of steps; not repeatable.
    """

    model: str = "unet2d"
    width: int | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    lr: float = 2e-3
    device: str = "auto"
    seed: int = 0
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name in ("width", "epochs", "steps", "batch_size", "lr", "minutes"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise OptionError(f"--{name.replace('_', '-')} is {value}; wanted is above 0")
        given = [n for n in ("epochs", "steps", "minutes") if getattr(self, n) is not None]
        if len(given) > 1:
            raise OptionError(f"--{' and --'.join(given)} are both given; wanted is one length")
        if self.seed < 0:
            raise OptionError(f"--seed is {self.seed}; wanted is 0 or more")


@dataclass(frozen=True)
class Settled:
    """What a training really uses."""

    model: str
    width: int
    steps: int
    batch_size: int
    lr: float
    device: str
    seed: int
    minutes: float | None
    patch: tuple[int, int]


def settle(options: TrainingOptions, device: str, slices: int, patch: tuple[int, int]) -> Settled:
    """Fill in what was left open.

    Parameters
    ----------
    device
        Type of the device that was chosen.
    slices
        Number of training slices, augmented ones not counted: more copies of the same patients
        shall not make a training longer by themselves.
    patch
        Rows and columns of what the net is shown.
    """
    gpu = device != "cpu"
    pixels = patch[0] * patch[1]
    fitting = max(_SMALLEST_BATCH, min(_LARGEST_BATCH, _PIXELS_A_STEP // pixels))
    batch_size = options.batch_size or fitting
    steps = options.steps
    if steps is None:
        passes = options.epochs or PASSES
        steps = -(-passes * slices // batch_size)
        if options.epochs is None:
            most = MOST_STEPS_GPU if gpu else MOST_STEPS_CPU
            steps = max(FEWEST_STEPS, min(steps, most))
    return Settled(
        options.model,
        options.width or (GPU_WIDTH if gpu else CPU_WIDTH),
        steps,
        batch_size,
        options.lr,
        device,
        options.seed,
        options.minutes,
        patch,
    )


@dataclass(frozen=True)
class TrainingResult:
    """How a training ended.

    Parameters
    ----------
    steps, best_step
        Steps done, and the step whose weights were kept.
    validation_dice
        Mean Dice of the kept weights over validation cases and organs; None without such.
    choice
        How the kept weights were chosen, in words.
    repeatable
        False after ``--minutes``, or on a device that is not a CPU.
    slices, augmented_slices, parameters, threads
        Sizes.
    resolved
        Every option as used; ``augment`` is what the online recipe is called.
    recipe
        The online recipe; None without one.
    """

    steps: int
    best_step: int
    validation_dice: float | None
    choice: str
    repeatable: bool
    slices: int
    augmented_slices: int
    parameters: int
    threads: int
    resolved: dict[str, Any]
    recipe: dict[str, Any] | None
