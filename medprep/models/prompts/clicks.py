"""Clicks as a person would make them, drawn from a reference: for benchmarks and training.

The strategies are those of SAM-Med3D's authors; ``ritm`` is after Sofiiuk et al.: Reviving
Iterative Training with Mask Guidance (arXiv:2102.06583).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, OptionError

Strategy = Literal["random", "ritm"]
STRATEGIES: tuple[Strategy, ...] = ("random", "ritm")

Draw = Callable[[int], int]
"""Gives a whole number from 0 to below the one it is handed, each as likely."""

Mask = NDArray[np.bool_]

OFFICIAL_SEED = 233


class Click(NamedTuple):
    """A voxel, and whether it lies in the organ."""

    place: tuple[int, int, int]
    positive: bool


def official_draw() -> Draw:
    """Give the draws of the authors' inference, which begins anew with every volume.

    They come from NumPy's old generator: with another one the same clicks could not be made.
    """
    state = np.random.RandomState(OFFICIAL_SEED)
    return lambda many: int(state.randint(many))


def next_click(predicted: Mask, reference: Mask, strategy: Strategy, draw: Draw) -> Click:
    """Draw the next click from where a prediction is wrong; it takes one number from ``draw``.

    Parameters
    ----------
    predicted, reference
        bool arrays of one shape, of three axes.
    strategy
        ``random``: any wrong voxel. ``ritm``: a voxel in the middle of what is missing or of what
        is too much, whichever reaches deeper.
    draw
        As `official_draw`, or ``lambda many: int(rng.integers(many))``.

    Returns
    -------
    Click
        Positive where the prediction misses the organ. Where nothing is wrong: any voxel of the
        organ.

    Raises
    ------
    LabelError
        If the reference is empty, or the shapes differ.
    OptionError
        If there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise OptionError(f"--strategy is '{strategy}'; wanted is {' or '.join(STRATEGIES)}")
    if predicted.shape != reference.shape or reference.ndim != 3:
        raise LabelError(f"a prediction of {predicted.shape} for a mask of {reference.shape}")
    if not reference.any():
        raise LabelError("no voxel to click on: the reference is empty")
    missing, extra = reference & ~predicted, predicted & ~reference
    if not (missing.any() or extra.any()):
        return Click(_one_of(reference, draw), True)
    if strategy == "random":
        place = _one_of(missing | extra, draw)
        return Click(place, bool(missing[place]))
    missing_depth, extra_depth = _depth(missing), _depth(extra)
    positive = bool(missing_depth.max() > extra_depth.max())
    depth = missing_depth if positive else extra_depth
    return Click(_one_of(depth > depth.max() / 2, draw), positive)


def _one_of(mask: Mask, draw: Draw) -> tuple[int, int, int]:
    """Draw a voxel; the last axis runs fastest."""
    flat = np.flatnonzero(mask)
    first, second, third = np.unravel_index(flat[draw(len(flat))], mask.shape)
    return int(first), int(second), int(third)


def _depth(mask: Mask) -> NDArray[np.float32]:
    """Give the distance in voxels to what is not in the mask; outside the array nothing is."""
    import edt

    return np.asarray(edt.edt(np.ascontiguousarray(mask), black_border=True), np.float32)
