"""How good weights are on patients they were not trained on."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from medprep.errors import MedprepError, TrainingError
from medprep.models.preparation import Preparation
from medprep.models.targets import Targets
from medprep.models.windows import predict_volume
from medprep.training.cache import Store, Stored
from medprep.training.dataset import Decoded, TrainingCase, decode
from medprep.training.distributed import ALONE, Crew

OVERLAP = 0.25
"""Of the windows in which a volume is seen: a prediction takes more, a validation comes often."""


@dataclass(frozen=True)
class _Held:
    """A case, as the net sees it unless that is made anew each time, its labels on its own grid."""

    seen: Stored | Decoded
    labels: Stored
    voxels: int
    has_organ: bool


class Validation:
    """Cases held at hand to be predicted again and again.

    Parameters
    ----------
    cases
        May be none.
    preparation
        Of the net.
    store
        Keeps them; of shards one is unpacked at a time.
    crew
        Who does a part of the cases each.

    Raises
    ------
    TrainingError
        If one cannot be prepared.
    """

    def __init__(
        self,
        cases: Sequence[TrainingCase],
        preparation: Preparation,
        store: Store,
        crew: Crew = ALONE,
    ) -> None:
        self._crew, self._count = crew, len(cases)
        mine = [cases[number] for number in crew.places(len(cases))]
        self._held = [_hold(one, preparation, store) for one in decode(mine, (), store)]
        self._has_organ = any(crew.gather(any(held.has_organ for held in self._held)))

    def voxels(self) -> int:
        """Give how many voxels the net sees of them, each once."""
        return sum(self._crew.gather(sum(held.voxels for held in self._held)))

    def mean_dice(
        self, net: nn.Module, preparation: Preparation, device: torch.device
    ) -> float | None:
        """Give the mean volume Dice over cases and organs, or regions.

        One that is in neither reference nor prediction of a case is left out. None where no case
        has an organ, and without cases: an empty prediction, which is right there, has no Dice,
        and any other one is worth nothing.

        Parameters
        ----------
        net
            In eval mode, on ``device``.
        preparation
            The net's: its patch may have become smaller meanwhile.
        """
        if not self._has_organ:
            return None
        count = self._crew.count
        parts = self._crew.gather([_dice_of(held, net, preparation, device) for held in self._held])
        scores = [
            one for number in range(self._count) for one in parts[number % count][number // count]
        ]
        return float(np.mean(scores)) if scores else None


def _hold(one: Decoded, preparation: Preparation, store: Store) -> _Held:
    shape = preparation.shape_in_net(one.shape, one.grid.spacing_mm)
    seen = one if one.shard is not None else store.add(_to_net(one, preparation))
    return _Held(seen, one.labels, math.prod(shape), one.has_organ)


def _to_net(one: Decoded, preparation: Preparation) -> NDArray[np.float32]:
    try:
        arrays = [picture.array for picture in one.pictures]
        return preparation.to_net(arrays, one.grid.spacing_mm, one.windows)
    except MedprepError as error:
        raise TrainingError(f"{one.case} cannot be used: {error.message}") from error


def _dice_of(
    held: _Held, net: nn.Module, preparation: Preparation, device: torch.device
) -> list[float]:
    """Give the Dice of each organ or region of a case."""
    seen_by = held.seen
    array = _to_net(seen_by, preparation) if isinstance(seen_by, Decoded) else seen_by.array
    array = np.require(array, requirements="W")  # of a file: a copy in memory
    seen = predict_volume(net, array, preparation, device, overlap=OVERLAP)
    reference = held.labels.array
    predicted = preparation.to_grid(seen, reference.shape)
    return _dice(reference, predicted, _groups(preparation.targets))


def _groups(targets: Targets) -> list[tuple[int, ...]]:
    """Give the labels of each organ, or of each region where these were asked for."""
    if targets.exclusive:
        return [(label,) for label in targets.names]
    return [channel.labels for channel in targets.overlapping]


def _dice(
    reference: NDArray[np.uint8], predicted: NDArray[np.uint8], groups: Iterable[tuple[int, ...]]
) -> list[float]:
    found: list[float] = []
    for labels in groups:
        ours, theirs = (
            array == labels[0] if len(labels) == 1 else np.isin(array, labels)
            for array in (reference, predicted)
        )
        both = np.count_nonzero(ours) + np.count_nonzero(theirs)
        if both:
            found.append(2.0 * np.count_nonzero(ours & theirs) / both)
    return found
