"""Figures of training and prediction, as PNG bytes and as pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError
from medprep.reporting.data import Colour, LogRow
from medprep.reporting.drawing import new_figure, plain_style, png_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOSS, _DICE = "#0072b2", "#d55e00"
_LOW = 0.3
"""A Dice below this has its number above it: below there is no room."""
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
    with plain_style():
        figure = new_figure(3.6 if scores else 2.4)
        panels = figure.subplots(2 if scores else 1, 1, sharex=True, squeeze=False)[:, 0]
        _line(panels[0], losses, _LOSS, "Loss")
        if scores:
            _line(panels[1], scores, _DICE, "Validation Dice")
            best = max(scores, key=lambda pair: pair[1])
            panels[1].plot(*best, "o", color=_DICE, markersize=6)
            panels[1].annotate(
                f"{best[1]:.3f} at step {best[0]}",
                best,
                xytext=(0, -16 if best[1] > _LOW else 8),
                textcoords="offset points",
                ha="right" if best[0] > max(step for step, _ in scores) / 2 else "left",
            )
            panels[1].set_ylim(0, 1)
        panels[-1].set_xlabel("Step")
        return png_of(figure)


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
