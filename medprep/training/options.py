"""What a training is told, what it settles on, and how it ended; read without torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Literal, get_args

from medprep.errors import OptionError
from medprep.models.registry import ModelInfo, describe, require_model
from medprep.training.fingerprint import NORMALISATIONS, Normalise
from medprep.training.recipes import LOSSES, TARGETS, Loss, Target, recipe_for

Precision = Literal["auto", "float32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class TrainingOptions:
    """Options of a training; None is settled from the recipe, the machine and the data.

    Parameters
    ----------
    model
        Name of the net.
    width
        Channels of its first level, or of a token.
    epochs, steps
        Length, by one of the two.
    batch_size
        Slices or patches a step.
    lr
        Peak learning rate.
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    seed
        Another seed gives other weights and batches.
    minutes
        Train for this time instead of a number of steps; not repeatable.
    recipe
        One of ``recipes.toml``.
    target
        ``classes`` (softmax) or ``regions`` (sigmoid).
    loss, class_weights
        See `medprep.training.losses`.
    patch
        Rows and columns, or slices, rows and columns.
    memory
        GiB that a step may take: patch and batch follow from it.
    spacing
        Millimetres between slices, rows and columns of what the net sees.
    normalise
        See `medprep.training.fingerprint.Fingerprint.scalings`.
    workers
        Processes that make batches ahead; 0 makes them in this one.
    compile
        Let torch compile the net.
    precision
        ``bf16``: mixed precision. ``auto`` takes it on a GPU that has it.
    accumulate
        Batches whose gradients make one step.
    patience
        Stop after so many validations without a better one; None goes on to the end.
    block
        Cases that each place of a batch is shown at a time; None draws from all in each step.
    clicks
        Of nets that answer clicks: answers a step.
    freeze_encoder
        Of those: leave the image encoder as it is.
    weights
        Of those: a file of weights to begin with.
    encoder_from
        Of a UNETR: a file of weights of such a net, whose encoder it begins with.
    settings
        Of nets that answer clicks: fields of the config, by name.

    Raises
    ------
    OptionError
        If a value cannot be used.
    """

    model: str = "unet2d"
    width: int | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    device: str = "auto"
    seed: int = 0
    minutes: float | None = None
    recipe: str = "default"
    target: Target | None = None
    loss: Loss | None = None
    class_weights: tuple[float, ...] = ()
    patch: tuple[int, ...] | None = None
    memory: float | None = None
    spacing: tuple[float, float, float] | None = None
    normalise: Normalise | None = None
    workers: int = 0
    compile: bool = False
    precision: Precision = "auto"
    accumulate: int = 1
    patience: int | None = None
    clicks: int | None = None
    freeze_encoder: bool = False
    weights: str | None = None
    encoder_from: str | None = None
    settings: tuple[tuple[str, Any], ...] = ()
    block: int | None = None

    def __post_init__(self) -> None:
        info = trainable(self.model)
        recipe_for(self.recipe, clicks=info.answers_clicks)
        self._check_numbers()
        self._check_kind(info)
        closed: tuple[tuple[str, tuple[str, ...]], ...] = (
            ("target", TARGETS),
            ("loss", LOSSES),
            ("normalise", NORMALISATIONS),
            ("precision", PRECISIONS),
        )
        for name, wanted in closed:
            value = getattr(self, name)
            if value is not None and value not in wanted:
                raise OptionError(f"--{name} is '{value}'; wanted is {', '.join(wanted)}")

    def _check_numbers(self) -> None:
        for name in _ABOVE_0:
            value = getattr(self, name)
            several = value if isinstance(value, tuple) else (value,)
            if value is not None and not all(one > 0 for one in several):
                shown = " ".join(map(str, several))
                raise OptionError(f"--{name.replace('_', '-')} is {shown}; wanted is above 0")
        given = [n for n in ("epochs", "steps", "minutes") if getattr(self, n) is not None]
        if len(given) > 1:
            raise OptionError(f"--{' and --'.join(given)} are both given; wanted is one length")
        for name in ("seed", "workers"):
            if getattr(self, name) < 0:
                raise OptionError(f"--{name} is {getattr(self, name)}; wanted is 0 or more")

    def _check_kind(self, info: ModelInfo) -> None:
        """Refuse what the other kind of net takes."""
        out = list(_NOT_CLICKED if info.answers_clicks else _CLICKED)
        if info.answers_clicks or not info.name.startswith("unetr"):
            out.append("encoder_from")
        for name in out:
            if getattr(self, name):
                raise OptionError(
                    f"--{_SAID.get(name, name).replace('_', '-')} does not go with --model "
                    f"{info.name}"
                )
        if not info.answers_clicks:
            return
        for name, many in (("patch", 3), ("spacing", 3)):
            sides = getattr(self, name)
            if sides is not None and (len(sides) != many or len(set(sides)) > 1):
                raise OptionError(
                    f"--{name} is {' '.join(map(str, sides))}; {info.name} sees a cube: wanted "
                    "are three equal sides"
                )
        if self.weights is not None and (self.width or self.patch):
            raise OptionError("--width and --patch are those of the --weights; leave them out")


_NOT_CLICKED = (
    "target",
    "loss",
    "class_weights",
    "normalise",
    "memory",
    "compile",
    "workers",
    "block",
)
_CLICKED = ("clicks", "freeze_encoder", "weights", "settings")
_SAID = {"class_weights": "class_weight", "settings": "set"}
_ABOVE_0 = (
    "width", "epochs", "steps", "batch_size", "lr", "minutes", "class_weights", "patch", "memory",
    "spacing", "accumulate", "patience", "clicks", "block",
)  # fmt: skip


def trainable(model: str) -> ModelInfo:
    """Give what is known of a net that can be trained here.

    Raises
    ------
    OptionError
        If there is none of this name.
    """
    require_model(model)
    return next(info for info in describe() if info.name == model)


NAMES: tuple[str, ...] = tuple(one.name for one in fields(TrainingOptions))


@dataclass(frozen=True)
class Course:
    """What every training settles on.

    Parameters
    ----------
    config
        What the net is built from.
    width
        The part of it that ``--width`` changes.
    patch
        Sides of what the net is shown.
    keep_every
        Weights are kept after so many steps, and each multiple, rounded up; None keeps none.
    """

    model: str
    config: dict[str, Any]
    width: int
    steps: int
    batch_size: int
    accumulate: int
    lr: float
    device: str
    seed: int
    minutes: float | None
    patch: tuple[int, ...]
    recipe: str
    precision: Literal["float32", "bf16"]
    workers: int
    patience: int | None
    keep_every: Fraction | None


@dataclass(frozen=True)
class Settled(Course):
    """What the training of a net that gives labels really uses."""

    target: Target
    loss: Loss
    class_weights: tuple[float, ...]
    deep_supervision: bool
    compile: bool
    encoder_from: str | None
    block: int | None
    spacing_mm: tuple[float, float, float] | None


@dataclass(frozen=True)
class ClickCourse(Course):
    """What the training of a net that answers clicks really uses.

    Parameters
    ----------
    spacing_mm
        Between voxels of the cube that it sees.
    """

    clicks: int
    spacing_mm: float
    freeze_encoder: bool
    weights: str | None


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
        Sizes; of a net for volumes the first two count volumes.
    resolved
        Every option as used; ``augment`` is what the online recipe is called.
    recipe
        The online recipe; None without one.
    began_from
        The file whose weights, or whose encoder, it began with: its name, its digest, whether it
        or what it began with was ``foreign``, and what of it was taken; None: from scratch.
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
    began_from: dict[str, Any] | None = None
