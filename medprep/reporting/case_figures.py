"""Figures of single cases and patients: Dice slice by slice, volumes."""

from __future__ import annotations

import numpy as np

from medprep.metrics.evaluation import LabelScore
from medprep.reporting.agreement import Agreement
from medprep.reporting.drawing import QUIET, SERIES, brief, new_figure, plain_style, png_of

_DOTS = 60
"""Slices that have room for a dot each."""
_MARKED = "#d55e00"


def along(label: LabelScore, slice_number: int | None) -> bytes:
    """Draw an organ's Dice in each slice of a case, from the first to the last.

    Slices with the organ in neither reference nor prediction are left blank; ``slice_number`` is
    marked.
    """
    shown = [(n, one) for n, one in enumerate(label.slice_dice, 1) if one is not None]
    with plain_style():
        figure = new_figure(2.0)
        axes = figure.subplots()
        if slice_number is not None:
            axes.axvline(slice_number, color=_MARKED, linewidth=1.2, linestyle=(0, (4, 2)))
        values = [np.nan if one is None else one for one in label.slice_dice]
        axes.plot(range(1, len(values) + 1), values, color=SERIES[0], linewidth=1.3)
        dots = "o" if len(shown) <= _DOTS else "."
        axes.plot(*zip(*shown, strict=True) if shown else ((), ()), dots, color=SERIES[0],
                  markersize=3.5)  # fmt: skip
        axes.set_xlim(0.5, len(values) + 0.5)
        axes.set_ylim(-0.03, 1.03)
        axes.set_xlabel("Slice")
        axes.set_ylabel("Dice")
        return png_of(figure)


def volumes(one: Agreement) -> bytes:
    """Draw the difference of each patient's volumes over their mean (Bland and Altman)."""
    pairs = np.array(list(one.volumes_ml.values()), float).reshape(-1, 2)
    differences = pairs[:, 1] - pairs[:, 0]
    with plain_style():
        figure = new_figure(2.4, 3.0)
        axes = figure.subplots()
        axes.axhline(0, color=QUIET, linewidth=0.8)
        for value, dashes in ((one.low_ml, (0, (4, 2))), (one.mean_ml, "-"),
                              (one.high_ml, (0, (4, 2)))):  # fmt: skip
            if value is not None:
                axes.axhline(value, color=_MARKED, linewidth=1.2, linestyle=dashes)
                axes.annotate(f"{value:,.1f}", (1, value), (3, 0), va="center", fontsize=8.5,
                              xycoords=("axes fraction", "data"), textcoords="offset points",
                              color=_MARKED, annotation_clip=False)  # fmt: skip
        axes.plot(pairs.mean(axis=1), differences, "o", color=SERIES[0], markersize=5, alpha=0.75,
                  markeredgewidth=0)  # fmt: skip
        axes.margins(x=0.08, y=0.12)
        axes.set_title(brief(one.organ), fontsize=9.5, fontweight="bold", loc="left")
        axes.set_xlabel("Mean of the two volumes, ml")
        axes.set_ylabel("Predicted less\nreference, ml")
        return png_of(figure)
