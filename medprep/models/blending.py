"""Overlapping windows over a volume, their logits blended by Gaussian weights.

The definition is that of MONAI's ``SlidingWindowInferer`` with ``mode="gaussian"`` (Cardoso et al.
2022, arXiv:2211.02701): where windows lie, what each voxel of one weighs, the weighted mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, product

import torch
from torch import Tensor, nn

from medprep.models.layout import quickest
from medprep.models.mirroring import Answer

OVERLAP = 0.5
_SIGMA = 0.125
"""Of the Gaussian, in sides of the window."""
_LEAST_WEIGHT = 1e-3

Rows = tuple[int, int]
"""First row, and the one after the last."""


def window_starts(size: int, side: int, overlap: float) -> list[int]:
    """Give where windows begin along an axis of ``size``, which is not shorter than they are."""
    step = max(1, int(side * (1 - overlap)))
    return [*range(0, size - side, step), size - side]


def importance(patch: Sequence[int]) -> Tensor:
    """Give the weight of each voxel of a window: a Gaussian about its centre, never nothing."""
    weights = torch.ones(())
    for side in patch:
        places = torch.arange(side, dtype=torch.float32) - (side - 1) / 2
        weights = weights[..., None] * torch.exp(places**2 / (-2 * (_SIGMA * side) ** 2))
    return weights.clamp(min=max(float(weights.min()), _LEAST_WEIGHT))


@torch.inference_mode()
def blend(
    net: nn.Module, picture: Tensor, patch: Sequence[int], *, overlap: float = OVERLAP
) -> Tensor:
    """Give the logits of a whole volume at once.

    Parameters
    ----------
    net
        In eval mode.
    picture
        (C, D, H, W) where the net is. One that is smaller than the patch is set in zeros, amid it.
    patch
        Sides of the window.
    overlap
        Of neighbouring windows, as a share of their sides.

    Returns
    -------
    Tensor
        (K, D, H, W).
    """
    size = picture.shape[1:]
    missing = [max(0, side - have) for side, have in zip(patch, size, strict=True)]
    pads = [amount for more in reversed(missing) for amount in (more // 2, more - more // 2)]
    picture = nn.functional.pad(picture, pads)
    rows = (0, picture.shape[2])
    planes = slide(net, quickest(net), picture, patch, picture.device, overlap, 1, rows)
    whole = torch.cat([some.clone() for some in planes], 1)
    inside = (slice(more // 2, more // 2 + have) for more, have in zip(missing, size, strict=True))
    return whole[(slice(None), *inside)]


def slide(
    answer: Answer,
    layout: torch.memory_format,
    picture: Tensor,
    patch: Sequence[int],
    device: torch.device,
    overlap: float,
    together: int,
    rows: Rows,
) -> Iterator[Tensor]:
    """Yield the logits of a volume some planes at a time.

    Parameters
    ----------
    answer
        The net, on ``device``.
    layout
        Of its input.
    picture
        (C, D, H, W), no side shorter than the patch's.
    patch, overlap
        As `blend` has them.
    together
        Windows that go through the net at once.
    rows
        Those that are wanted; windows that do not reach them are left out.

    Yields
    ------
    Tensor
        (K, n, rows, W) on the device, good until the next is asked for. Held are the planes that
        one window covers.
    """
    depth, height, width = picture.shape[1:]
    starts = [
        window_starts(size, side, overlap)
        for size, side in zip((depth, height, width), patch, strict=True)
    ]
    reaching = [one for one in starts[1] if one < rows[1] and one + patch[1] > rows[0]]
    weights = importance(patch).to(device)
    sums = torch.empty(0)
    weighed = torch.zeros(patch[0], rows[1] - rows[0], width, device=device)
    for begin, end in pairwise([*starts[0], depth]):
        spots = [(begin, *spot) for spot in product(reaching, starts[2])]
        for number in range(0, len(spots), together):
            boxes = spots[number : number + together]
            seen = torch.stack([_cut(picture, box, patch) for box in boxes])
            logits = answer(seen.to(device, memory_format=layout))
            if not sums.numel():
                sums = torch.zeros(logits.shape[1], *weighed.shape, device=device)
            for box, own in zip(boxes, logits, strict=True):
                _add(sums, weighed, own, weights, box, rows)
        done = end - begin
        sums[:, :done] /= weighed[:done]
        yield sums[:, :done]
        _roll(sums, 1, done)
        _roll(weighed, 0, done)


def _cut(picture: Tensor, box: Sequence[int], patch: Sequence[int]) -> Tensor:
    sides = (slice(start, start + side) for start, side in zip(box, patch, strict=True))
    return picture[(slice(None), *sides)]


def _add(
    sums: Tensor, weighed: Tensor, own: Tensor, weights: Tensor, box: Sequence[int], rows: Rows
) -> None:
    """Add a window's weighted logits to what is held."""
    _, first, left = box
    height, width = weights.shape[1:]
    wanted = slice(max(0, rows[0] - first), rows[1] - first)
    held = slice(max(0, first - rows[0]), max(0, first + height - rows[0]))
    columns = slice(left, left + width)
    sums[:, :, held, columns] += own[:, :, wanted] * weights[:, wanted]
    weighed[:, held, columns] += weights[:, wanted]


def _roll(held: Tensor, axis: int, done: int) -> None:
    """Move what is held along by the planes that are done; what comes in is empty."""
    kept = held.shape[axis] - done
    for place in range(0, kept, done):  # no more at once than moves without running into itself
        many = min(done, kept - place)
        held.narrow(axis, place, many).copy_(held.narrow(axis, place + done, many))
    held.narrow(axis, kept, done).zero_()
