"""Figures as PNG bytes and pixels: equal numbers give equal bytes, whatever the user's settings."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from io import BytesIO
from math import floor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.reporting.data import Colour, LogRow, ScoreRow, ScoreTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _QUIET, _GRID = "#1f2933", "#52606d", "#dde2e7"
_LOSS, _DICE = "#0072b2", "#d55e00"
_STYLE = {
    "axes.edgecolor": _QUIET,
    "axes.grid": True,
    "axes.labelcolor": _INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 9.5,
    "grid.color": _GRID,
    "grid.linewidth": 0.7,
    "savefig.dpi": 200,
    "text.color": _INK,
    "text.parse_math": False,  # a dollar in an organ's name is a dollar
    "xtick.color": _QUIET,
    "ytick.color": _QUIET,
}
_WIDTH_INCH = 4.8
_BOX_FROM = 5
"""Cases that a box needs: quartiles of fewer are not worth a picture."""
_TINT = 0.45
"""Share of a label's colour in a tinted pixel: the tissue below still shows."""


def training_curve(rows: Sequence[LogRow]) -> bytes:
    """Draw the loss, and below it the validation Dice, over the steps.

    Parameters
    ----------
    rows
        In the order of steps. Without a Dice in any of them there is only the loss; no row at
        all gives empty axes.

    Returns
    -------
    bytes
        A PNG without date or program name.
    """
    losses = [(row.step, row.loss) for row in rows if row.loss is not None]
    scores = [(row.step, row.dice) for row in rows if row.dice is not None]
    with _plain_style():
        figure = _figure(3.6 if scores else 2.4)
        panels = figure.subplots(2 if scores else 1, 1, sharex=True, squeeze=False)[:, 0]
        _line(panels[0], losses, _LOSS, "Loss")
        if scores:
            _line(panels[1], scores, _DICE, "Validation Dice")
            best = max(scores, key=lambda pair: pair[1])
            panels[1].plot(*best, "o", color=_DICE, markersize=6)
            panels[1].annotate(
                f"{best[1]:.3f} at step {best[0]}",
                best,
                xytext=(0, -16),
                textcoords="offset points",
                ha="right" if best[0] > max(step for step, _ in scores) / 2 else "left",
            )
            panels[1].set_ylim(0, 1)
        panels[-1].set_xlabel("Step")
        return _png(figure)


def dice_strip(table: ScoreTable) -> bytes:
    """Draw every case's volume Dice, one strip for each organ.

    From five cases on a box shows the quartiles and the median, its whiskers all of the range. A
    missing prediction is a cross; what is not scored is not drawn. The axis ends at 1 and begins
    below the lowest score.

    Returns
    -------
    bytes
        A PNG without date or program name.
    """
    strips = [
        (one.organ, [row for row in table.rows if row.organ == one.organ and row.dice is not None])
        for one in table.organs
    ]
    lowest = min((row.dice or 0.0 for _, rows in strips for row in rows), default=0.0)
    with _plain_style():
        figure = _figure(0.9 + 0.55 * max(1, len(strips)))
        axes = figure.subplots()
        for place, (_, rows) in enumerate(strips):
            _strip(axes, place, rows)
        axes.set_xlim(max(0.0, floor(lowest * 10 - 0.2) / 10) - 0.01, 1.01)
        axes.set_ylim(len(strips) - 0.4, -0.6)
        axes.set_yticks(range(len(strips)), [organ.replace("_", " ") for organ, _ in strips])
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("Volume Dice, one dot for each case")
        return _png(figure)


def triple(
    picture: NDArray[np.uint8],
    reference: NDArray[Any] | None,
    predicted: NDArray[Any],
    colours: Sequence[Colour],
) -> NDArray[np.uint8]:
    """Set a picture, its reference and its prediction side by side.

    Parameters
    ----------
    picture
        ``[row, column]``, uint8.
    reference, predicted
        Labels of the same shape. Without a reference there are two panels.
    colours
        Red, green, blue of each label, background included.

    Returns
    -------
    ndarray
        ``[row, 3 * column, 3]`` or ``[row, 2 * column, 3]``, uint8, red-green-blue.

    Raises
    ------
    LabelError
        If shapes differ or a label has no colour.
    """
    plain = np.repeat(picture[..., None], 3, axis=2)
    panels = [plain]
    for labels in (reference, predicted):
        if labels is not None:
            _require_fitting(picture, labels, colours)
            panels.append(_tinted(plain, labels, colours))
    return np.concatenate(panels, axis=1)


def _tinted(
    plain: NDArray[np.uint8], labels: NDArray[Any], colours: Sequence[Colour]
) -> NDArray[np.uint8]:
    inside = labels > 0
    tint = np.asarray(colours, np.float32)[labels[inside]]
    result = plain.copy()
    result[inside] = np.rint((1 - _TINT) * plain[inside] + _TINT * tint)
    return result


def _require_fitting(
    picture: NDArray[Any], labels: NDArray[Any], colours: Sequence[Colour]
) -> None:
    if picture.ndim != 2 or labels.shape != picture.shape:
        raise LabelError(
            f"labels of shape {labels.shape} do not lie on a picture of shape {picture.shape}; "
            "wanted are two axes, row and column, alike in both"
        )
    highest = int(labels.max(initial=0))
    if highest >= len(colours):
        raise LabelError(f"label {highest} has no colour; wanted are labels below {len(colours)}")


def _line(axes: Axes, points: Sequence[tuple[int, float]], colour: str, name: str) -> None:
    steps, values = [step for step, _ in points], [value for _, value in points]
    axes.plot(steps, values, color=colour, linewidth=1.4)
    axes.set_ylabel(name)


def _strip(axes: Axes, place: int, rows: Sequence[ScoreRow]) -> None:
    values = sorted(row.dice for row in rows if row.dice is not None and not row.missing)
    if len(values) >= _BOX_FROM:
        low, median, high = np.percentile(values, (25, 50, 75))
        axes.plot([values[0], values[-1]], [place, place], color=_QUIET, linewidth=1)
        axes.barh(place, high - low, 0.5, low, color="white", edgecolor=_QUIET, zorder=1.5)
        axes.plot([median, median], [place - 0.25, place + 0.25], color=_INK, linewidth=2)
    # Neighbours in rank stand apart, so equal scores do not hide each other.
    heights = [place + (-0.13, 0.0, 0.13)[rank % 3] for rank in range(len(values))]
    axes.plot(values, heights, "o", color=_LOSS, markersize=5, alpha=0.75, markeredgewidth=0)
    missing = [row.dice for row in rows if row.dice is not None and row.missing]
    axes.plot(missing, [place] * len(missing), "x", color=_DICE, markersize=7, markeredgewidth=2)


def _figure(height_inch: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(_WIDTH_INCH, height_inch), layout="constrained")


def _png(figure: Figure) -> bytes:
    content = BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


@contextlib.contextmanager
def _plain_style() -> Iterator[None]:
    """Draw by our settings alone; the user's own are back afterwards."""
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield
