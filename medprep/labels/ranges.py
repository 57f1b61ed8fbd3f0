"""Grey levels of a mask into labels.

Ranges become labels before any resampling: an interpolated mask holds levels that mean no organ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, UnmappedError
from medprep.opencv import load_cv2
from medprep.organs import Organ, OrganTable

BINARY_THRESHOLD = 128
"""Levels of a binary mask from here on are the organ: half of 255, as interpolation rounds."""

_NOISE = 16
"""How far JPEG moves a level, at most."""

_NAMED = 5
"""So many slices or grey levels a message names before it only counts them."""


@dataclass(frozen=True)
class Counts:
    """How many voxels became what.

    Parameters
    ----------
    organs
        Voxels of each organ wanted, in order; 0 where this mask holds none.
    unmapped
        Voxels of each grey level above 0 that lies in no organ's range, in ascending order.
    unmapped_slices
        The slices that hold them, counted from 0.
    """

    organs: Mapping[str, int]
    unmapped: Mapping[int, int] = field(default_factory=dict)
    unmapped_slices: tuple[int, ...] = ()


def extract_labels(
    grey: NDArray[Any],
    table: OrganTable,
    others: OrganTable,
    unmapped: Literal["error", "background"],
) -> tuple[NDArray[np.uint8], Counts]:
    """Turn the grey levels of a mask into labels 1, 2, ... in the order of a table.

    Parameters
    ----------
    grey
        ``[slice, row, column]``, uint8 or uint16.
    table
        The organs wanted. Where a level is in its ranges, ``others`` is not asked.
    others
        The data set's whole table; organs that are not wanted become background.
    unmapped
        What becomes of a level above 0 in no range of either table.

    Returns
    -------
    labels : ndarray
        Same shape, uint8; no slice gives no slice.
    counts : Counts
        An organ without a voxel here is no error: a patient may lack it.

    Raises
    ------
    UnmappedError
        If a level lies in no range and ``unmapped`` is ``"error"``; names slices, levels, voxels.
    LabelError
        If the mask is of another type or shape, or more than 255 organs are wanted.
    """
    if grey.ndim != 3 or grey.dtype not in (np.uint8, np.uint16):
        raise LabelError(
            "a mask is [slice, row, column] of uint8 or uint16, "
            f"not {grey.ndim} axes of {grey.dtype}"
        )
    if len(table.organs) > 255:
        raise LabelError(f"{len(table.organs)} organs are wanted; a label map holds at most 255")
    labels = np.zeros(grey.shape, np.uint8)
    voxels = dict.fromkeys(table.names, 0)
    strays: dict[int, int] = {}
    slices: list[int] = []
    for index in range(grey.shape[0]):
        # Most rows are background; the others are looked at by one organ after the other.
        held = np.flatnonzero(grey[index].any(axis=1))
        if not held.size:
            continue
        rows = slice(held[0], held[-1] + 1)
        plane, into = grey[index, rows], labels[index, rows]
        _label_plane(plane, table, into, voxels)
        found = _stray_levels(plane, into, others)
        if found:
            slices.append(index)
            for level, count in found.items():
                strays[level] = strays.get(level, 0) + count
    counts = Counts(voxels, dict(sorted(strays.items())), tuple(slices))
    if strays and unmapped == "error":
        raise UnmappedError(_unmapped_message(counts, table, others))
    return labels, counts


def threshold_binary(
    grey: NDArray[Any], at: int = BINARY_THRESHOLD
) -> tuple[NDArray[np.uint8], int]:
    """Turn a binary mask whose edges may be interpolated into 0 and 1.

    Parameters
    ----------
    grey
        Any shape, values 0 to 255. A mask of 0 and 1 only stays as it is, so hand over all slices
        of a volume at once where there are several.
    at
        The lowest level that becomes 1.

    Returns
    -------
    mask : ndarray
        Same shape, uint8, 0 and 1.
    changed : int
        Pixels that were neither 0 nor the full value (255, or 1 where there is none above).

    Raises
    ------
    LabelError
        If the values are no whole numbers from 0 to 255.
    """
    highest = int(grey.max(initial=0)) if grey.dtype.kind in "bu" else -1
    if not 0 <= highest <= 255:
        raise LabelError(
            f"a binary mask holds whole numbers from 0 to 255, not {grey.dtype} up to "
            f"{grey.max(initial=0)}: name its grey levels (--label NAME LOW HIGH)"
        )
    if highest <= 1:
        return grey.astype(np.uint8), 0
    pure = np.count_nonzero(grey == 0) + np.count_nonzero(grey == 255)
    return (grey >= at).astype(np.uint8), grey.size - int(pure)


def require_one_level(grey: NDArray[Any]) -> None:
    """Refuse a mask that shows several organs, before `threshold_binary` makes one of them.

    Blurred edges are thin: a square of 3 x 3 pixels of one level is an organ's inside. What JPEG
    leaves in the background beside a mask of 255 is none.

    Parameters
    ----------
    grey
        ``[slice, row, column]``, uint8.

    Raises
    ------
    LabelError
        If there are such squares of several levels, or only of levels that are no full mask.
    """
    if grey.max(initial=0) <= 1:
        return
    voxels = np.zeros(256, np.int64)
    for plane in grey:
        voxels += _flat_levels(plane)
    full = voxels[BINARY_THRESHOLD:].any()
    levels = [n for n in np.flatnonzero(voxels).tolist() if n > (_NOISE if full else 0)]
    if levels and (levels[-1] < BINARY_THRESHOLD or levels[-1] - levels[0] > 2 * _NOISE):
        found = np.bincount(grey.reshape(-1), minlength=256)
        frequent = sorted(levels, key=lambda level: -found[level])
        held = _first("grey level", [f"{level} (voxels: {found[level]})" for level in frequent])
        raise LabelError(
            f"the mask holds {held}, and nobody says what they mean (of one unnamed organ 0 and "
            "255, or 0 and 1, are expected); name them: --label NAME LOW HIGH or --table NAME|FILE"
        )


def _flat_levels(plane: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count by level the 3 x 3 squares of a plane that hold a single level above 0."""
    cv2 = load_cv2()
    square = np.ones((3, 3), np.uint8)
    lowest = cv2.erode(plane, square, borderValue=0)
    flat = plane[(lowest == cv2.dilate(plane, square)) & (lowest > 0)]
    return np.bincount(flat, minlength=256)


def _label_plane(
    plane: NDArray[Any], table: OrganTable, into: NDArray[np.uint8], voxels: dict[str, int]
) -> None:
    # One plane at a time stays in the processor's cache through all organs.
    cv2 = load_cv2()
    for value, organ in enumerate(table.organs, start=1):
        for low, high in organ.ranges:
            inside = cv2.inRange(plane, low, high)
            count = cv2.countNonZero(inside)
            if count:
                voxels[organ.name] += count
                into |= inside & np.uint8(value)


def _stray_levels(
    plane: NDArray[Any], labels: NDArray[np.uint8], others: OrganTable
) -> dict[int, int]:
    """Give the voxels of each level of a plane above 0 that no range holds."""
    cv2 = load_cv2()
    nonzero = cv2.countNonZero(plane)
    if nonzero == cv2.countNonZero(labels):
        return {}
    known = labels
    for organ in others.organs:
        for low, high in organ.ranges:
            known = known | cv2.inRange(plane, low, high)
    if nonzero == cv2.countNonZero(known):
        return {}
    levels, counts = np.unique(plane[(plane != 0) & (known == 0)], return_counts=True)
    return {int(level): int(count) for level, count in zip(levels, counts, strict=True)}


def _unmapped_message(counts: Counts, table: OrganTable, others: OrganTable) -> str:
    frequent = sorted(counts.unmapped.items(), key=lambda pair: -pair[1])
    levels = _first("grey level", [f"{level} (voxels: {count})" for level, count in frequent])
    slices = _first("slice", [str(number) for number in counts.unmapped_slices])
    ranges = [*table.organs, *(organ for organ in others.organs if organ not in table.organs)]
    return (
        f"no organ's range holds {levels} in {slices} (counted from 0); "
        f"the ranges are {_listed(ranges)}; name more with --label NAME LOW HIGH, "
        "set blurred edges to what is beside them with --snap, "
        "or take the rest as background with --unmapped background"
    )


def _first(word: str, found: list[str]) -> str:
    plural = "s" if len(found) > 1 else ""
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"{word}{plural} {', '.join(found[:_NAMED])}{more}"


def _listed(organs: Iterable[Organ]) -> str:
    return "; ".join(str(organ) for organ in organs) or "none"
