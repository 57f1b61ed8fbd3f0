"""Labels of whole volumes: by overlapping windows, or slice by slice.

What is held of the logits is bounded: planes are labelled as soon as no window reaches them any
more, and a volume too wide for the bound is done in bands of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models.averaging import mean, on_grid, probabilities, rows_under
from medprep.models.blending import OVERLAP, Rows, slide
from medprep.models.layout import quickest
from medprep.models.mirroring import Answer, mirrored, mirrored_channels
from medprep.models.preparation import Preparation
from medprep.models.resampling import Shape

PIXELS_AT_ONCE = 2 * 256 * 256
"""So many pixels go through a net together when it predicts: bounds the memory."""

LOGIT_BYTES = 1 << 29
"""So much memory the logits of a volume take at most while windows are blended, for each net. Only
a band of one row and the depth of a window is never made smaller, and a net on another grid than
the first one's holds up to two rows more."""

_FLOAT_BYTES = 4


@dataclass(frozen=True)
class Manner:
    """How windows are laid and nets are asked.

    Parameters
    ----------
    overlap
        Of neighbouring windows, as a share of their sides, from 0 to below 1.
    mirror_axes
        Axes to flip, 0 for slices, 1 for rows, 2 for columns; for a net of slices the last two.
    across
        The axis that leads from the patient's left to right, if any: where it is flipped, organs
        of a side change places in the answer.
    batch
        Windows or slices that go through the net together; None takes as many as have the pixels
        of four slices of 256 x 256.
    logit_bytes
        As `LOGIT_BYTES`.

    Raises
    ------
    OptionError
        If one is out of bounds.
    """

    overlap: float = OVERLAP
    mirror_axes: tuple[int, ...] = ()
    across: int | None = None
    batch: int | None = None
    logit_bytes: int = LOGIT_BYTES

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < 1:
            raise OptionError(f"overlap is {self.overlap}; wanted is from 0 to below 1")
        axes = self.mirror_axes
        if len(set(axes)) < len(axes) or not {0, 1, 2}.issuperset(axes):
            raise OptionError(f"axes to mirror are {axes}; wanted are some of 0, 1 and 2")
        if self.batch is not None and self.batch < 1:
            raise OptionError(f"a batch of {self.batch}; wanted is 1 or more")


@dataclass(frozen=True)
class Seen:
    """A volume as one net sees it.

    Parameters
    ----------
    net
        In eval mode, on its device.
    array
        ``[channel, slice, row, column]``, as ``preparation.to_net`` gives it.
    preparation
        The net's.
    """

    net: nn.Module
    array: NDArray[np.float32]
    preparation: Preparation

    @property
    def shape(self) -> Shape:
        """Slices, rows and columns."""
        _, slices, rows, columns = self.array.shape
        return slices, rows, columns

    def planes(self, device: torch.device, manner: Manner, rows: Rows) -> Iterator[Tensor]:
        """Yield the logits (K, n, rows, columns) of some planes after the other.

        Each is good until the next is asked for.

        Raises
        ------
        OptionError
            If an axis cannot be mirrored.
        """
        answer, layout = self._answer(manner), quickest(self.net)
        slices, _, columns = self.array.shape[1:]
        if self.preparation.dimensions == 2:
            together = manner.batch or _together(self.array.shape[2:])
            for start in range(0, slices, together):
                some = torch.from_numpy(self.array[:, start : start + together]).transpose(0, 1)
                logits = answer(some.to(device, memory_format=layout))
                yield logits[:, :, slice(*rows)].transpose(0, 1)
            return
        patch = self.preparation.patch
        picture = torch.from_numpy(self.preparation.padded(self.array))
        together = manner.batch or _together(patch)
        for planes in slide(answer, layout, picture, patch, device, manner.overlap, together, rows):
            if slices > 0:
                yield planes[:, :slices, :, :columns]
            slices -= planes.shape[1]

    def bands(self, logit_bytes: int) -> int:
        """Give in how many bands of rows the volume must be done."""
        if self.preparation.dimensions == 2:
            return 1
        _, rows, columns = self.array.shape[1:]
        patch = self.preparation.patch
        numbers = (self.preparation.targets.channels + 1) * patch[0] * max(columns, patch[-1])
        fitting = max(1, logit_bytes // (_FLOAT_BYTES * numbers))
        return -(-int(rows) // int(fitting))

    def _answer(self, manner: Manner) -> Answer:
        preparation, axes = self.preparation, manner.mirror_axes
        if preparation.dimensions == 2 and 0 in axes:
            raise OptionError("a net for slices sees nothing across them: wanted is 1 or 2 to flip")
        channels = mirrored_channels(preparation.targets)
        if manner.across in axes and channels is None:
            raise OptionError(
                "left and right cannot be exchanged: an organ of one side has no partner among "
                f"{', '.join(preparation.targets.names.values())}"
            )
        ahead = preparation.dimensions - 1  # of the picture's first axis, in the net's input
        across = None if manner.across is None else manner.across + ahead
        return mirrored(self.net, [axis + ahead for axis in axes], across, channels)


def predict_volume(
    net: nn.Module,
    array: NDArray[np.float32],
    preparation: Preparation,
    device: torch.device,
    *,
    overlap: float = OVERLAP,
    mirror_axes: Sequence[int] = (),
    across: int | None = None,
    batch: int | None = None,
) -> NDArray[np.uint8]:
    """Label a volume by one net.

    Parameters
    ----------
    net, array, preparation
        As `Seen` has them.
    device
        Where the net is.
    overlap, mirror_axes, across, batch
        As `Manner` has them.

    Returns
    -------
    ndarray
        ``[slice, row, column]``, on the array's grid.

    Raises
    ------
    OptionError
        If an option is out of bounds, or an axis cannot be mirrored.
    """
    manner = Manner(overlap, tuple(mirror_axes), across, batch)
    return predict_together([Seen(net, array, preparation)], device, manner)


@torch.inference_mode()
def predict_together(
    seen: Sequence[Seen], device: torch.device, manner: Manner
) -> NDArray[np.uint8]:
    """Label a volume by one net, or by the mean probabilities of several.

    Parameters
    ----------
    seen
        The same volume, by nets with the same targets, each on the grid that its preparation
        wants; probabilities are brought linearly onto the first one's.
    device
        Where they are.
    manner
        How they are asked.

    Returns
    -------
    ndarray
        ``[slice, row, column]``, on the first one's grid.

    Raises
    ------
    OptionError
        If an axis cannot be mirrored.
    """
    targets, (_, rows, _) = seen[0].preparation.targets, seen[0].shape
    labels = np.empty(seen[0].shape, np.uint8)
    bands = max(one.bands(manner.logit_bytes) for one in seen)
    many = math.ceil(rows / bands)
    for first in range(0, rows, many):
        band = (first, min(first + many, rows))
        place = 0
        for planes in _answers(seen, device, manner, band):
            end = place + planes.shape[1]
            labels[place:end, slice(*band)] = targets.decode(planes.cpu().numpy())
            place = end
    return labels


def _answers(
    seen: Sequence[Seen], device: torch.device, manner: Manner, band: Rows
) -> Iterator[Tensor]:
    """Yield some planes after the other, as `Targets.decode` takes them."""
    if len(seen) == 1:
        return seen[0].planes(device, manner, band)
    targets, shape = seen[0].preparation.targets, seen[0].shape
    streams = []
    for one in seen:
        rows = rows_under(band, one.shape, shape)
        found = probabilities(one.planes(device, manner, rows), targets)
        streams.append(found if one.shape == shape else on_grid(found, one.shape, shape, band))
    return mean(streams, targets)


def _together(sides: Sequence[int]) -> int:
    return max(1, PIXELS_AT_ONCE // math.prod(sides))
