"""What was found about a mask, for a person."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.labels.alignment.fit import Fit, Placement
from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.stamp import Stamp


def evidence_of(
    picture: NDArray[Any],
    levels: Levels,
    stamp: Stamp,
    given: Fit,
    mended: Fit,
    placement: Placement,
) -> str:
    """Say in numbers what is better after a correction."""
    before = _inside(picture, levels, stamp, Placement())
    after = _inside(picture, levels, stamp, placement)
    return (
        f"{_doing(placement)} mends it: grey values inside {before} -> {after}, "
        f"contrast to a ring outside {given.ring:.2f} -> {mended.ring:.2f}, "
        f"above and below {given.caps:.2f} -> {mended.caps:.2f}, "
        f"gradient on the border {given.border:.2f} -> {mended.border:.2f} (each of 1)"
    )


def stranger_words(given: Fit, seat: float, wanted: float) -> tuple[str, str]:
    """Say why no correction helps, and what to do."""
    evidence = (
        "sits nowhere: no turn or shift of it fits, and as given it is only "
        f"{seat:.2f} of 3 better than copies moved aside (wanted is {wanted}): contrast to a ring "
        f"outside {given.ring:.2f}, above and below {given.caps:.2f}, gradient on the border "
        f"{given.border:.2f} (each of 1)"
    )
    return evidence, "look at it: it may belong to another picture, or outline what is not seen"


def mend_of(
    placement: Placement,
    shift: tuple[int, int, int],
    spacing_mm: tuple[float, float, float] | None,
) -> str:
    """Name the options of extract that mend a mask, or say what to do where none does."""
    options = {
        "--mask-order reversed": placement.reversed_slices,
        "--mask-transpose": placement.transposed,
        "--mask-flip x": placement.flip_x,
        "--mask-flip y": placement.flip_y,
    }
    if any(options.values()):
        return " ".join(option for option, wanted in options.items() if wanted)
    slices, rows, columns = shift
    if slices:
        return (
            f"move the mask by {slices:+d} slices: look for a slice missing or doubled, and at "
            "how pictures and masks were paired"
        )
    far = ""
    if spacing_mm is not None:
        far = f" ({math.hypot(rows * spacing_mm[1], columns * spacing_mm[2]):.1f} mm)"
    return (
        f"move the mask by {rows:+d} rows and {columns:+d} columns{far}: look for a crop or a "
        "padding of one of the two"
    )


def _doing(placement: Placement) -> str:
    words = {
        "reversing its slices": placement.reversed_slices,
        "transposing it": placement.transposed,
        "flipping it in x": placement.flip_x,
        "flipping it in y": placement.flip_y,
        "moving it by slices": placement.shift[0] != 0,
        "moving it in the plane": placement.shift[1:] != (0, 0),
    }
    return " and ".join(word for word, wanted in words.items() if wanted)


def _inside(picture: NDArray[Any], levels: Levels, stamp: Stamp, placement: Placement) -> str:
    """Give mean and SD of the grey values inside the organ of the longest outline."""
    organ = max(stamp.organs, key=lambda one: one.weight)
    n, rows, columns = placement.move(organ.inside, stamp.shape)
    rows, columns = rows * levels.factor, columns * levels.factor
    seen = (n >= 0) & (n < picture.shape[0]) & (rows >= 0) & (rows < picture.shape[1])
    seen &= (columns >= 0) & (columns < picture.shape[2])
    if not seen.any():
        return "unknown (it lies outside)"
    values = picture[n[seen], rows[seen], columns[seen]].astype(np.float64)
    return f"mean {values.mean():.4g} SD {values.std():.3g}"
