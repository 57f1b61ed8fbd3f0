"""The slices of a plan into one array of the smallest type that holds their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.compressed import BEYOND_BITS_STORED
from medprep.dicom.pixels import PALETTE, read_stored
from medprep.dicom.records import SliceHeader
from medprep.dicom.stacks import Plan
from medprep.errors import DicomError

_WHOLE = (np.int16, np.uint16, np.int32, np.uint32)
_NAMED = 3
_LARGEST = float(np.finfo(np.float32).max)
_LARGEST_WHOLE = 2.0**31
"""A slope or intercept of more is taken as a float: no sum of whole numbers holds it."""


def assemble(
    plan: Plan, on_plane: Callable[[NDArray[Any]], None] | None = None
) -> tuple[NDArray[Any], list[str]]:
    """Decode, rescale (PS3.3 C.11.1.1.2) and stack the slices of a plan.

    Parameters
    ----------
    plan
        Which slices, in which order.
    on_plane
        Called with each finished plane in order, where `settled_type` promises the type.

    Returns
    -------
    ndarray
        ``[slice, row, column]``, with a last axis of 3 in colour. int16 where all values fit,
        else uint16, int32, uint32; uint8 where they are stored as 8 bits and not rescaled;
        float32 where a slope or intercept is no whole number.
    list of str
        What a person should know: constant slices.

    Raises
    ------
    DicomError
        If a slice cannot be decoded; says which.
    """
    volume = _Volume(plan)
    constant = []
    for place, (number, one) in enumerate(zip(plan.order, plan.slices, strict=True)):
        try:
            stored = read_stored(one, volume.array[place])
            alike = volume.put(place, stored, one)
        except DicomError as error:
            raise DicomError(f"slice {number + 1}: {error.message}", path=error.path) from error
        if alike:
            constant.append(number + 1)
        if on_plane is not None:
            on_plane(volume.array[place])
    return volume.array, _constant_notes(constant, len(plan.slices))


def settled_type(plan: Plan) -> np.dtype[Any] | None:
    """Give the type of the volume if the headers alone settle it, else None."""
    kinds = {(one.encoding, one.slope, one.intercept) for one in plan.slices}
    if _is_eight_bit(plan):
        return np.dtype(np.uint8)
    if not all(_is_whole(one) for one in plan.slices):
        return np.dtype(np.float32)
    for encoding, slope, intercept in kinds:
        bits = encoding.allocated if encoding.syntax in BEYOND_BITS_STORED else encoding.stored
        low = -(1 << (bits - 1)) if encoding.signed else 0
        high = low + (1 << bits) - 1
        ends = (low * slope + intercept, high * slope + intercept)
        if min(ends) < -32768 or max(ends) > 32767:
            return None
    return np.dtype(np.int16)


def _is_whole(one: SliceHeader) -> bool:
    whole = one.slope.is_integer() and one.intercept.is_integer() and not one.encoding.is_float
    return whole and max(abs(one.slope), abs(one.intercept)) < _LARGEST_WHOLE


def _is_eight_bit(plan: Plan) -> bool:
    return all(
        (one.encoding.allocated <= 8 or one.encoding.photometric == PALETTE)
        and not one.encoding.signed
        and (one.slope, one.intercept) == (1.0, 0.0)
        for one in plan.slices
    )


class _Volume:
    """An array that widens its type when a slice needs it; most never do."""

    def __init__(self, plan: Plan) -> None:
        first = plan.slices[0]
        shape: tuple[int, ...] = plan.geometry.shape
        if first.encoding.colour:
            shape = (*shape, 3)
        kind: Any = np.int16
        if _is_eight_bit(plan):
            kind = np.uint8
        elif not all(_is_whole(one) for one in plan.slices):
            kind = np.float32
        try:
            self.array: NDArray[Any] = np.empty(shape, kind)
        except MemoryError as error:
            raise DicomError(
                f"no memory for {shape} voxels; take fewer --jobs", path=str(first.blob)
            ) from error
        self._low, self._high = 0, 0

    def put(self, place: int, stored: NDArray[Any], one: SliceHeader) -> bool:
        """Store a plane's values and tell whether all of them are one.

        ``stored`` may lie in the memory of its own place: then its bits are read once more as the
        volume's type.

        Raises
        ------
        DicomError
            If it is colour among grey planes or grey among colours, or its values are too large.
        """
        if stored.shape != self.array[place].shape:
            raise DicomError(
                "grey and colour in one series; wanted is one kind: put the others elsewhere",
                path=str(one.blob),
            )
        lowest, highest = stored.min(), stored.max()
        slope, intercept = int(one.slope), int(one.intercept)
        if max(abs(float(end) * one.slope + one.intercept) for end in (lowest, highest)) > _LARGEST:
            raise DicomError(
                f"values no float holds: RescaleSlope {one.slope:g}, "
                f"RescaleIntercept {one.intercept:g}",
                path=str(one.blob),
            )
        if not self._is_float():
            ends = (int(lowest) * slope + intercept, int(highest) * slope + intercept)
            self._hold(min(ends), max(ends), place)
        if self._is_float():  # from the start, or since this slice
            self.array[place] = stored * one.slope + one.intercept
        elif (slope, intercept) == (1, 0):
            if not np.may_share_memory(stored, self.array[place]):  # else it was read in place
                self.array[place] = stored
        elif slope == 1 and stored.dtype.itemsize == self.array.dtype.itemsize == 2:
            # Sums that fit in 16 bits come out right even where a term does not: modulo 2^16.
            shift = np.array(intercept & 0xFFFF, np.uint16)
            np.add(stored.view(np.uint16), shift, out=self.array[place].view(np.uint16))
        else:
            self.array[place] = stored.astype(np.int64) * slope + intercept
        return bool(lowest == highest)

    def _is_float(self) -> bool:
        return self.array.dtype == np.float32

    def _hold(self, low: int, high: int, place: int) -> None:
        """Widen the type where it does not hold the values from ``low`` to ``high``."""
        self._low, self._high = min(self._low, low), max(self._high, high)
        held = np.iinfo(self.array.dtype)
        if held.min <= self._low and self._high <= held.max:
            return
        kind: Any = np.float32
        for wider in _WHOLE:
            if np.iinfo(wider).min <= self._low and self._high <= np.iinfo(wider).max:
                kind = wider
                break
        if np.dtype(kind).itemsize == self.array.dtype.itemsize == 2:
            self.array = self.array.view(kind)  # no value so far is below 0: the bits are the same
            return
        wide = np.empty(self.array.shape, kind)
        wide[:place] = self.array[:place]
        self.array = wide


def _constant_notes(constant: list[int], count: int) -> list[str]:
    if not constant:
        return []
    if len(constant) == count:
        return ["every slice holds a single value: an empty scan, or a decoder that fails silently"]
    named = ", ".join(map(str, constant[:_NAMED]))
    more = f" and {len(constant) - _NAMED} more" if len(constant) > _NAMED else ""
    if len(constant) == 1:
        return [f"slice {named} holds a single value"]
    return [f"slices {named}{more} hold a single value each"]
