"""What a step makes small: the one part of a training in which nets differ.

A `medprep.training.session.Session` knows no net. All it does (steps, schedule, log, guard, saved
states, best weights) it does with an `Objective`; `Supervised` is that of nets that are shown
pictures and give labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn

from medprep.models.preparation import Preparation
from medprep.models.registry import build
from medprep.training.batches import Batch
from medprep.training.distributed import ALONE, Crew
from medprep.training.losses import named_loss
from medprep.training.options import Settled
from medprep.training.precision import MEMORY_FORMAT, require_compiler
from medprep.training.supervision import LEVELS, DeepSupervision, supervised
from medprep.training.validation import Validation

VALIDATIONS = 10
"""Times a training looks at its validation cases."""
VALIDATION_SHARE = 0.25
"""Of a training on volumes: where looking takes more of it, it looks less often."""
_FEWEST_VALIDATIONS = 2
_PASSES_OF_A_VALIDATION = 1 / 3 / 0.75**3
"""Training passes that seeing a voxel once in a validation costs: forward alone, and windows that
overlap by a quarter."""

Group = Mapping[str, Any]
"""Parameters that share a learning rate: ``params``, and its ``share`` of the schedule's."""


class Shown(Protocol):
    """What a step is shown."""

    @property
    def cases(self) -> tuple[str, ...]:
        """Whose pictures these are."""


B = TypeVar("B", bound=Shown)
B_contra = TypeVar("B_contra", bound=Shown, contravariant=True)
B_co = TypeVar("B_co", bound=Shown, covariant=True)


class Feed(Protocol[B_co]):
    """What gives the batch of a step."""

    def at(self, step: int) -> B_co:
        """Give it."""


class Objective(Protocol[B_contra]):
    """A net, what is asked of it, and how well it does."""

    @property
    def net(self) -> nn.Module:
        """What is kept."""

    @property
    def whole(self) -> nn.Module:
        """What is trained and saved: the net, and what only its training needs."""

    def groups(self) -> Iterable[Group]:
        """Give what the optimiser changes."""

    def learn(self, batch: B_contra, parts: int) -> float:
        """Add the gradient of a batch, one of the ``parts`` of a step; give its part of the loss.

        Chance is the batch's own, or torch's, which is seeded anew before each step.
        """

    def score(self) -> float | None:
        """Give the mean Dice on the validation cases, the net in eval mode; None without any."""

    def validations(self) -> int:
        """Give how often a training should look at them."""


class Supervised:
    """The objective of a net that is shown pictures and gives the logits of labels.

    Parameters
    ----------
    settled, preparation
        How.
    validation
        What chooses the weights.
    device
        Where.
    crew
        Who trains with this process.
    """

    def __init__(
        self,
        settled: Settled,
        preparation: Preparation,
        validation: Validation,
        device: torch.device,
        crew: Crew = ALONE,
    ) -> None:
        self._settled, self._preparation = settled, preparation
        self._validation, self._device, self._crew = validation, device, crew
        self._format = MEMORY_FORMAT[preparation.dimensions]
        targets = preparation.targets
        torch.manual_seed(settled.seed)
        self.net = build(settled.model, **settled.config)
        whole = self.net
        if settled.deep_supervision:
            whole = DeepSupervision(self.net, LEVELS[settled.model], targets.channels)
        self.whole: nn.Module = whole.to(device, memory_format=self._format)  # type: ignore[call-overload]
        self._forward: Any = crew.wrap(self.whole, device)
        if settled.compile:
            require_compiler(device)
            self._forward = torch.compile(self._forward)
        self._loss = named_loss(
            settled.loss,
            exclusive=targets.exclusive,
            channels=targets.channels,
            weights=settled.class_weights,
            crew=crew,
        )

    def groups(self) -> Iterable[Group]:
        """Give all there is, in one group."""
        return [{"params": list(self.whole.parameters())}]

    def learn(self, batch: Batch, parts: int) -> float:
        """Add the gradient of a batch."""
        loss = self._loss_of(batch) / parts
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def score(self) -> float | None:
        """Give the mean Dice on the validation cases."""
        self.whole.eval()
        self._crew.share(self.net)  # each has its own means in batch normalisation
        return self._validation.mean_dice(self.net, self._preparation, self._device)

    def validations(self) -> int:
        """Give how often a training should look: of volumes, as often as it costs little."""
        settled, seen = self._settled, self._validation.voxels()
        if len(settled.patch) != 3 or not seen:
            return VALIDATIONS
        shown = settled.steps * settled.batch_size * settled.accumulate * math.prod(settled.patch)
        most = int(VALIDATION_SHARE * shown / (seen * _PASSES_OF_A_VALIDATION))
        return max(_FEWEST_VALIDATIONS, min(VALIDATIONS, most))

    def _loss_of(self, batch: Batch) -> Tensor:
        pictures = torch.from_numpy(batch.pictures).to(self._device, memory_format=self._format)
        mixed = self._settled.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            answers = self._forward(pictures)
        levels = answers if isinstance(answers, list) else [answers]
        targets = torch.from_numpy(batch.targets).to(self._device)
        return supervised(self._loss, [one.float() for one in levels], targets)
