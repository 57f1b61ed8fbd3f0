"""Figures of scores: strips of patients, bars of means, models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import TYPE_CHECKING

import numpy as np

from medprep.metrics.catalogue import METRICS, Metric
from medprep.metrics.contrasts import Contrast
from medprep.metrics.evaluation import Evaluation
from medprep.metrics.statistics import Summary
from medprep.reporting.drawing import (
    INK,
    MARKS,
    QUIET,
    SERIES,
    brief,
    new_figure,
    plain_style,
    png_of,
)
from medprep.reporting.scores import is_share, named, written

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BOX_FROM = 5
"""Patients that a box needs: quartiles of fewer are not worth a picture."""
_FAR = 8
"""A length this many times the median makes the axis logarithmic."""
_FAR_BAR = 4
"""An interval is drawn up to so many times its mean: one failed case can make it endless."""
_ROOM = 1.2
"""Width of an axis of bars that leaves room for numbers."""
_TICKS = (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


def strips(evaluations: Sequence[Evaluation], metric: Metric) -> bytes:
    """Draw every patient's value, a strip for each organ and model.

    From five patients on a box shows the quartiles and the median, a line all of the range. A
    patient without a prediction is a cross; what is not scored is not drawn. Shares end at 1 and
    begin below the lowest one; lengths that reach far are on a logarithmic axis.

    Returns
    -------
    bytes
        A PNG without date or program name.
    """
    organs = _organs(evaluations)
    step = 1 / max(1, len(evaluations))
    found = []
    with plain_style():
        figure = new_figure(_height(organs, evaluations))
        axes = figure.subplots()
        for number, one in enumerate(evaluations):
            for place, organ in enumerate(organs):
                values = one.by_patient(organ, metric.name)
                gone = {c.patient for c, label in one.of(organ) if label.state == "missing"}
                found += list(values.values())
                y = _beside(place, number, len(evaluations))
                _strip(axes, y, step, number, [v for p, v in values.items() if p not in gone],
                       [v for p, v in values.items() if p in gone])  # fmt: skip
        _scale(axes, metric, found)
        _name_organs(axes, organs)
        _legend(axes, evaluations)
        axes.set_xlabel(f"{named(metric)}, a mark for each patient{_logarithmic(axes)}")
        return png_of(figure)


def bars(
    evaluations: Sequence[Evaluation],
    metric: Metric,
    shorts: Sequence[Sequence[tuple[str, Summary]]],
) -> bytes:
    """Draw each organ's mean as a bar with its interval, the models beside each other.

    Parameters
    ----------
    evaluations
        The models.
    metric
        Which.
    shorts
        For each of them its organs in short. Where there is no interval none is drawn.
    """
    organs = _organs(evaluations)
    step = 1 / max(1, len(evaluations))
    with plain_style():
        figure = new_figure(_height(organs, evaluations))
        axes = figure.subplots()
        ends = [0.0]
        for number, own in enumerate(shorts):
            colour = SERIES[number % len(SERIES)]
            for organ, short in own:
                if short.mean is not None:
                    y = _beside(organs.index(organ), number, len(evaluations))
                    ends.append(_bar(axes, y, 0.62 * step, colour, short, metric))
        if metric.better != "zero":
            _bar_limits(axes, metric, max(ends))
        _name_organs(axes, organs)
        _legend(axes, evaluations)
        axes.set_xlabel(f"Mean {named(metric)}")
        return png_of(figure)


def differences(first: Evaluation, second: Evaluation, rows: Sequence[Contrast]) -> bytes:
    """Draw by how much each patient's value differs between two models, a strip for each organ.

    Parameters
    ----------
    first, second
        The models; the difference is the first's value less the second's.
    rows
        One for each organ, all of one metric: what stands for all patients together.
    """
    metric = METRICS[rows[0].metric]
    organs = [row.organ for row in rows]
    with plain_style():
        figure = new_figure(0.95 + 0.5 * len(organs))
        axes = figure.subplots()
        axes.axvline(0, color=QUIET, linewidth=1)
        for place, row in enumerate(rows):
            ours, theirs = (one.by_patient(row.organ, metric.name) for one in (first, second))
            values = sorted(
                _size(ours[one], metric) - _size(theirs[one], metric) for one in ours
                if one in theirs
            )  # fmt: skip
            heights = [place + shift for shift, _ in zip(_shifts(len(values)), values, strict=True)]
            axes.plot(values, heights, "o", color=QUIET, markersize=4.5, alpha=0.6,
                      markeredgewidth=0)  # fmt: skip
            found = row.comparison
            if found.interval is not None:
                span = [found.interval.low, found.interval.high]
                axes.plot(span, [place, place], color=INK, linewidth=2)
            if found.mean_difference is not None:
                axes.plot(found.mean_difference, place, "D", color=SERIES[0], markersize=6.5)
        reach = 1.08 * max(map(abs, axes.get_xlim()))
        axes.set_xlim(-reach, reach)
        _name_organs(axes, organs)
        high = metric.better == "high"
        for x, side, one in ((0, "left", second if high else first),
                             (1, "right", first if high else second)):  # fmt: skip
            axes.annotate(f"{_called(one)} better", (x, 1), (0, 4), "axes fraction",
                          "offset points", ha=side, fontsize=8.5, color=QUIET)  # fmt: skip
        kind = "size of " if metric.better == "zero" else ""
        axes.set_xlabel(f"{kind}{named(metric)}: {_called(first)} less {_called(second)}")
        return png_of(figure)


def _strip(
    axes: Axes,
    y: float,
    step: float,
    number: int,
    values: Sequence[float],
    missing: Sequence[float],
) -> None:
    every = [*values, *missing]
    if len(every) >= _BOX_FROM:
        low, median, high = np.percentile(every, (25, 50, 75))
        axes.plot([min(every), max(every)], [y, y], color=QUIET, linewidth=1)
        axes.barh(y, high - low, 0.56 * step, low, color="white", edgecolor=QUIET, zorder=1.5)
        axes.plot([median, median], [y - 0.28 * step, y + 0.28 * step], color=INK, linewidth=2)
    ranked = sorted(values)
    heights = [y + shift * step for shift in _shifts(len(ranked))]
    axes.plot(ranked, heights, MARKS[number % len(MARKS)], color=SERIES[number % len(SERIES)],
              markersize=4.5, alpha=0.75, markeredgewidth=0)  # fmt: skip
    axes.plot(missing, [y] * len(missing), "x", color=INK, markersize=7, markeredgewidth=2)


def _bar(axes: Axes, y: float, thick: float, colour: str, short: Summary, metric: Metric) -> float:
    """Draw one, its mean written at the right edge; gives how far the axis should go for it."""
    mean = short.mean or 0.0
    axes.barh(y, mean, thick, color=colour, alpha=0.55, zorder=2)
    axes.annotate(written(mean, metric), (1, y), (-2, 0), ("axes fraction", "data"),
                  "offset points", ha="right", va="center", fontsize=8.5, zorder=5)  # fmt: skip
    if short.interval is None:
        return mean
    span = [short.interval.low, short.interval.high]
    axes.plot(span, [y, y], color=INK, linewidth=1.3)
    axes.plot(span, [y, y], "|", color=INK, markersize=7, markeredgewidth=1.3)
    return min(short.interval.high, _FAR_BAR * mean)


def _bar_limits(axes: Axes, metric: Metric, end: float) -> None:
    """Leave room for the means at the right; intervals that reach far go on under them."""
    share = is_share(metric)
    top = 1.0 if share else end or 1.0
    axes.set_xlim(0, top * _ROOM)
    axes.axvspan(top * 1.02, top * _ROOM, color="white", zorder=4)
    axes.set_xticks([tick for tick in axes.get_xticks() if 0 <= tick <= top * 1.001])
    axes.set_xlim(0, top * _ROOM)


def _beside(place: int, number: int, models: int) -> float:
    """Give where a model's strip or bar lies in the place of its organ."""
    return place + 0.86 * (number - (models - 1) / 2) / models


def _shifts(count: int) -> list[float]:
    """Set neighbours in rank apart, so that equal values do not hide each other."""
    return [(-0.13, 0.0, 0.13)[rank % 3] for rank in range(count)]


def _scale(axes: Axes, metric: Metric, values: Sequence[float]) -> None:
    if is_share(metric):
        low = max(0.0, floor(min(values, default=0) * 10 - 0.2) / 10)
        axes.set_xlim(low - 0.03 * (1 - low), 1 + 0.02 * (1 - low))
    elif metric.better == "zero":
        axes.axvline(0, color=QUIET, linewidth=1)
    elif values and max(values) > _FAR * max(float(np.median(values)), 1.0):
        axes.set_xscale("symlog", linthresh=1, linscale=0.6)
        low = max(one for one in _TICKS if one <= max(0.0, min(values)))
        ticks = [one for one in _TICKS if low <= one <= 1.5 * max(values)]
        axes.set_xticks(ticks, [f"{one}" for one in ticks])
        axes.minorticks_off()
        axes.set_xlim(0.85 * low - 0.06, 1.25 * max(values))
    else:
        axes.set_xlim(left=min(0.0, *values) if values else 0.0)


def _logarithmic(axes: Axes) -> str:
    return " (logarithmic)" if axes.get_xscale() != "linear" else ""


def _name_organs(axes: Axes, organs: Sequence[str]) -> None:
    axes.set_ylim(len(organs) - 0.4, -0.6)
    axes.set_yticks(range(len(organs)), [brief(organ) for organ in organs])
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _legend(axes: Axes, evaluations: Sequence[Evaluation]) -> None:
    """Name the models where there are several."""
    if len(evaluations) < 2:
        return
    for number, one in enumerate(evaluations):
        mark, colour = MARKS[number % len(MARKS)], SERIES[number % len(SERIES)]
        axes.plot([], [], mark, color=colour, label=_called(one))
    axes.figure.legend(loc="outside upper left", ncols=2, frameon=False, handletextpad=0.2)


def _called(one: Evaluation) -> str:
    return brief(one.model, 22)


def _organs(evaluations: Sequence[Evaluation]) -> list[str]:
    return list(dict.fromkeys(organ for one in evaluations for organ in one.organs))


def _height(organs: Sequence[str], evaluations: Sequence[Evaluation]) -> float:
    models = len(evaluations)
    each = 0.55 if models < 2 else 0.32 * models + 0.1
    return 0.95 + 0.3 * (models > 1) + max(1, len(organs)) * each


def _size(value: float, metric: Metric) -> float:
    """Give what is good or bad about a value: of a signed difference its size."""
    return abs(value) if metric.better == "zero" else value
