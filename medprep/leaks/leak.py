"""What is found: a record for each pair of cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["identical", "mirrored", "turned", "rescaled", "near"]
KINDS: tuple[Kind, ...] = ("identical", "mirrored", "turned", "rescaled", "near")


@dataclass(frozen=True)
class Leak:
    """Two cases of different groups that hold the same or nearly the same picture.

    Parameters
    ----------
    one, one_slice, other, other_slice
        The cases, in the order of their names, and the pair of slices that agrees best.
    kind
        ``identical``: the same pixels; ``mirrored`` and ``turned``: the same after a flip, or
        after a turn by 90 degrees with or without a flip; ``rescaled``: the same after these and
        an increasing map of the grey levels; ``near``: alike after a flip, small turn, zoom, crop.
    correlation
        Of the grey levels at the best change.
    detail
        Of edges and texture at the best change; by it near-duplicates are told from pictures
        that only show the same anatomy. 1 for the other kinds.
    change
        What makes ``other`` look like ``one``, in this order; turns are counter-clockwise on the
        screen. ``""`` for identical.
    slices
        How many slices agree in this kind, counted in the case that has fewer such.
    """

    one: str
    one_slice: int
    other: str
    other_slice: int
    kind: Kind
    correlation: float
    detail: float
    change: str
    slices: int = 1
