"""The mean probabilities of several nets, each of which sees a volume on a grid of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from medprep.models.blending import Rows
from medprep.models.resampling import Shape
from medprep.models.targets import Targets

_EVEN = 0.5


@dataclass(frozen=True)
class Places:
    """Where voxels of one grid lie between those of another, along one axis.

    Parameters
    ----------
    lower, upper
        The voxel before each place and the one behind it; the same where it is one's middle.
    share
        How far each place is from the former to the latter, from 0 to below 1.
    """

    lower: Tensor
    upper: Tensor
    share: Tensor

    @classmethod
    def of(cls, wanted: Rows, many: int, few: int) -> Places:
        """Place some of ``many`` voxels among ``few`` over the same extent.

        Before the middle of the first and behind that of the last, these go on.
        """
        middles = torch.arange(*wanted, dtype=torch.float64) + 0.5
        exact = (middles * few / many - 0.5).clamp(0, few - 1)
        lower = exact.floor()
        return cls(lower.long(), exact.ceil().long(), (exact - lower).float())

    @property
    def reach(self) -> Rows:
        """The first voxel that is needed, and the one after the last."""
        return int(self.lower[0]), int(self.upper[-1]) + 1

    def within(self, planes: Tensor, axis: int) -> Tensor:
        """Interpolate along an axis that holds what is in `reach`."""
        start = self.reach[0]
        lower, upper = ((one - start).to(planes.device) for one in (self.lower, self.upper))
        share = self.share.to(planes.device)
        share = share.reshape(-1, *(1,) * (planes.ndim - 1 - axis))
        return planes.index_select(axis, lower).lerp(planes.index_select(axis, upper), share)


def probabilities(planes: Iterator[Tensor], targets: Targets) -> Iterator[Tensor]:
    """Yield what logits (K, n, rows, columns) mean."""
    for logits in planes:
        yield logits.softmax(0) if targets.exclusive else logits.sigmoid()


def on_grid(planes: Iterator[Tensor], own: Shape, shape: Shape, rows: Rows) -> Iterator[Tensor]:
    """Bring probabilities linearly onto another grid over the same extent, plane by plane.

    Parameters
    ----------
    planes
        (K, n, rows, columns) of the own grid, those rows that `rows_under` gives.
    own, shape
        Slices, rows and columns of both.
    rows
        Those wanted.

    Yields
    ------
    Tensor
        (K, 1, rows, columns). Held is what came last of ``planes``, and one plane more.
    """
    depth, down, across = (
        Places.of(wanted, many, few)
        for wanted, many, few in zip(((0, shape[0]), rows, (0, shape[2])), shape, own, strict=True)
    )
    held, begin = next(planes), 0
    for lower, upper, share in zip(
        depth.lower.tolist(), depth.upper.tolist(), depth.share.tolist(), strict=True
    ):
        while begin + held.shape[1] <= upper:
            done = min(lower - begin, held.shape[1])
            begin += done
            held = torch.cat([held[:, done:], next(planes)], 1)
        plane = held[:, lower - begin].lerp(held[:, upper - begin], share)
        yield across.within(down.within(plane, 1), 2)[:, None]


def rows_under(rows: Rows, own: Shape, shape: Shape) -> Rows:
    """Give the rows of a grid that are needed for some of another's."""
    return Places.of(rows, shape[1], own[1]).reach


def mean(streams: Sequence[Iterator[Tensor]], targets: Targets) -> Iterator[Tensor]:
    """Yield the mean of several nets' probabilities, as `Targets.decode` takes it."""
    held: list[Tensor | None] = [None] * len(streams)
    while True:
        for place, stream in enumerate(streams):
            if held[place] is None:
                planes = next(stream, None)
                if planes is None:
                    return
                held[place] = planes
        ready = [one for one in held if one is not None]
        many = min(one.shape[1] for one in ready)
        whole = torch.stack([one[:, :many] for one in ready]).mean(0)
        yield whole if targets.exclusive else whole - _EVEN
        held = [one[:, many:] if one.shape[1] > many else None for one in ready]
