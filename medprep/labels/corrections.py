"""Put a mask that lies wrong on its picture right: turn its stack, mirror it, transpose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, OptionError

Order = Literal["given", "reversed"]
Flip = Literal["x", "y"]


@dataclass(frozen=True)
class Correction:
    """What to do with a mask before it is read, in this order.

    Parameters
    ----------
    transpose
        Exchange rows and columns of each slice.
    flip
        ``x``: mirror the columns, ``y``: the rows of each slice.
    order
        ``reversed``: the last slice of the mask belongs to the first of the picture.

    Raises
    ------
    OptionError
        If a value is none of those.
    """

    order: Order = "given"
    flip: tuple[Flip, ...] = ()
    transpose: bool = False

    def __post_init__(self) -> None:
        if self.order not in ("given", "reversed"):
            raise OptionError(f"--mask-order is '{self.order}'; wanted is given or reversed")
        if not set(self.flip) <= {"x", "y"} or len(set(self.flip)) < len(self.flip):
            raise OptionError(f"--mask-flip is {', '.join(self.flip)}; wanted: x, y, each once")

    def apply(self, mask: NDArray[Any]) -> NDArray[Any]:
        """Give the corrected mask, a view where nothing has to move.

        Parameters
        ----------
        mask
            ``[slice, row, column]``.

        Raises
        ------
        LabelError
            If rows and columns are to be exchanged and are not equally many.
        """
        if self.transpose and mask.shape[1] != mask.shape[2]:
            raise LabelError(
                f"--mask-transpose wants as many rows as columns; this mask has {mask.shape[1]} "
                f"and {mask.shape[2]}"
            )
        turned = mask.transpose(0, 2, 1) if self.transpose else mask
        axes = [axis for axis, name in ((1, "y"), (2, "x")) if name in self.flip]
        axes += [0] if self.order == "reversed" else []
        if not axes and not self.transpose:
            return mask
        return np.ascontiguousarray(np.flip(turned, tuple(axes)))

    def __str__(self) -> str:
        words = ["--mask-transpose"] if self.transpose else []
        words += [f"--mask-flip {axis}" for axis in self.flip]
        words += ["--mask-order reversed"] if self.order == "reversed" else []
        return " ".join(words)
