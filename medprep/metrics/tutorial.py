"""The number that the CHAOS liver tutorial calls Dice, and what others call so, beside it.

What is reported of the tutorial: its net gives logits, its sigmoid is commented out; the logit,
clipped to 0..1, is written as an 8-bit picture; that picture is compared with the reference's
picture, both divided by 255, by the soft product 2 sum(a b) / (sum(a) + sum(b)); each slice's value
is rounded to 3 digits; a slice that is empty in both counts as 1; the figure is the mean of slices
(0.89 there). What is not reported is how a fraction becomes a grey level: here it is rounded to the
nearest one, as torchvision's ``save_image`` does.

The number is no overlap of two masks. A sure net whose logit of liver is 0.9 loses a tenth; a
single grey pixel in an empty slice turns a 1 into a 0; a mask's smoothed edge has no full agreement
even with itself. `hard_slice_dice` and `volume_dice` are of masks: what is 128 or brighter.

Pictures are ``[slice, row, column]`` uint8.
"""

from __future__ import annotations

from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError

THRESHOLD = 128
"""Where a picture is a mask: at and above the middle of its levels."""
DIGITS = 3
"""Of a slice's Dice in the tutorial."""

SAYS = (
    "tutorial: soft Dice of 8-bit pictures of clipped logits, each slice rounded to 3 digits, "
    "slices empty in both count as 1, mean of slices"
)
"""The convention in words; stands beside every such number."""

Picture = NDArray[np.uint8]


def logit_picture(logits: NDArray[np.floating]) -> Picture:
    """Draw logits as the tutorial does: clipped to 0..1, then 0 to 255; NaN is 0.

    Parameters
    ----------
    logits
        Any shape, float.
    """
    clipped = np.clip(np.nan_to_num(logits, nan=0.0), 0, 1)
    return np.asarray(np.floor(clipped * 255 + 0.5), np.uint8)


def soft_slice_dice(reference: Picture, predicted: Picture) -> list[float]:
    """Give each slice's soft Dice, rounded to 3 digits; 1 where both are black.

    Raises
    ------
    GeometryError
        If the shapes differ or there are not three axes.
    LabelError
        If the pictures are not uint8.
    """
    _require_pictures(reference, predicted)
    found = []
    for one, other in zip(reference, predicted, strict=True):
        ours, theirs = one.ravel() / 255, other.ravel() / 255
        both = float(ours.sum() + theirs.sum())
        found.append(round(2 * float(ours @ theirs) / both, DIGITS) if both else 1.0)
    return found


def tutorial_dice(reference: Picture, predicted: Picture) -> float | None:
    """Give the tutorial's own number, the mean of `soft_slice_dice`; None without a slice.

    Raises
    ------
    GeometryError, LabelError
        As `soft_slice_dice`.
    """
    found = soft_slice_dice(reference, predicted)
    return fmean(found) if found else None


def hard_slice_dice(
    reference: Picture, predicted: Picture, threshold: int = THRESHOLD
) -> list[float | None]:
    """Give the Dice of each slice's masks; None where both are empty.

    Parameters
    ----------
    reference, predicted
        Pictures.
    threshold
        A mask is what is at least so bright.

    Raises
    ------
    GeometryError, LabelError
        As `soft_slice_dice`.
    """
    both, common = _mask_counts(reference, predicted, threshold)
    return [2.0 * float(n) / float(of) if of else None for n, of in zip(common, both, strict=True)]


def volume_dice(reference: Picture, predicted: Picture, threshold: int = THRESHOLD) -> float | None:
    """Give the Dice of the masks of all slices together; None where both are empty.

    Parameters
    ----------
    reference, predicted, threshold
        As `hard_slice_dice` has them.

    Raises
    ------
    GeometryError, LabelError
        As `soft_slice_dice`.
    """
    both, common = _mask_counts(reference, predicted, threshold)
    return 2.0 * float(common.sum()) / float(both.sum()) if both.any() else None


def _mask_counts(
    reference: Picture, predicted: Picture, threshold: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each slice's pixels of both masks together, and those in both."""
    _require_pictures(reference, predicted)
    ours, theirs = reference >= threshold, predicted >= threshold
    in_plane = (1, 2)
    both = ours.sum(axis=in_plane, dtype=np.int64) + theirs.sum(axis=in_plane, dtype=np.int64)
    return both, (ours & theirs).sum(axis=in_plane, dtype=np.int64)


def _require_pictures(reference: Picture, predicted: Picture) -> None:
    if reference.shape != predicted.shape or reference.ndim != 3:
        raise GeometryError(
            f"pictures are [slice, row, column] on one grid, not {reference.shape} and "
            f"{predicted.shape}"
        )
    for which, pictures in (("reference", reference), ("prediction", predicted)):
        if pictures.dtype != np.uint8:
            raise LabelError(f"pictures hold 8 bits (uint8), those of the {which} {pictures.dtype}")
