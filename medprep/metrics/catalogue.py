"""The metrics by name: unit, direction, and what each of them says.

Names follow Metrics Reloaded (Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z), those of the
CHAOS challenge Kavur et al. 2021, doi:10.1016/j.media.2020.101950.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from medprep.errors import OptionError

Family = Literal["overlap", "volume", "surface", "chaos"]
Better = Literal["high", "low", "zero"]


@dataclass(frozen=True)
class Metric:
    """What a person should know of a metric.

    Parameters
    ----------
    name
        In options, tables and records.
    family
        What it is computed from.
    unit
        ``mm``, ``ml``, ``%`` or nothing.
    better
        Which values are good ones: the highest, the lowest, or those nearest to zero.
    title
        Over a column.
    meaning
        One line.
    """

    name: str
    family: Family
    unit: str
    better: Better
    title: str
    meaning: str

    @property
    def limits(self) -> tuple[float, float]:
        """The least and the greatest value there can be."""
        if self.better == "zero":
            return (-math.inf, math.inf)
        if self.better == "low":
            return (0.0, math.inf)
        return (0.0, 100.0 if self.family == "chaos" else 1.0)


_ALL = (
    Metric("dice", "overlap", "", "high", "Dice", "twice the common voxels by the voxels of both"),
    Metric("iou", "overlap", "", "high", "IoU", "common voxels by those in either (Jaccard)"),
    Metric(
        "precision", "overlap", "", "high", "Precision", "share of the prediction that is right"
    ),
    Metric("recall", "overlap", "", "high", "Recall", "share of the reference that was found"),
    Metric(
        "volume_similarity", "volume", "", "high", "Volume similarity",
        "1 - difference of the volumes by their sum, wherever they lie",
    ),
    Metric(
        "volume_difference_ml", "volume", "ml", "zero", "Volume difference",
        "predicted less reference",
    ),
    Metric(
        "volume_difference_percent", "volume", "%", "zero", "Volume difference",
        "predicted less reference, of the reference",
    ),
    Metric(
        "absolute_volume_difference_ml", "volume", "ml", "low", "Absolute volume difference",
        "size of the difference",
    ),
    Metric(
        "absolute_volume_difference_percent", "volume", "%", "low", "Absolute volume difference",
        "size of the difference, of the reference",
    ),
    Metric("hd_mm", "surface", "mm", "low", "HD", "largest distance of the surfaces (Hausdorff)"),
    Metric("hd95_mm", "surface", "mm", "low", "HD95", "95th percentile of their distances"),
    Metric("assd_mm", "surface", "mm", "low", "ASSD", "mean of the distances, both ways together"),
    Metric("masd_mm", "surface", "mm", "low", "MASD", "mean of the two ways' mean distances"),
    Metric("nsd", "surface", "", "high", "NSD", "share of the surfaces within the tolerance"),
    Metric("ravd_percent", "chaos", "%", "low", "RAVD", "relative absolute volume difference"),
    Metric("mssd_mm", "chaos", "mm", "low", "MSSD", "maximum symmetric surface distance"),
    Metric("chaos_dice_score", "chaos", "", "high", "Dice score", "CHAOS points, 0 to 100"),
    Metric("chaos_ravd_score", "chaos", "", "high", "RAVD score", "CHAOS points, 0 to 100"),
    Metric("chaos_assd_score", "chaos", "", "high", "ASSD score", "CHAOS points, 0 to 100"),
    Metric("chaos_mssd_score", "chaos", "", "high", "MSSD score", "CHAOS points, 0 to 100"),
    Metric("chaos_score", "chaos", "", "high", "CHAOS score", "mean of the four, 0 to 100"),
)  # fmt: skip

METRICS: Mapping[str, Metric] = MappingProxyType({one.name: one for one in _ALL})

CHAOS = (
    "dice", "ravd_percent", "assd_mm", "mssd_mm", "chaos_dice_score", "chaos_ravd_score",
    "chaos_assd_score", "chaos_mssd_score", "chaos_score",
)  # fmt: skip
"""What the challenge reports, in its order."""


def require_metrics(names: Iterable[str]) -> tuple[str, ...]:
    """Give metrics in the order of `METRICS`, each once.

    Raises
    ------
    OptionError
        If one of the names is no metric's, or there is none.
    """
    wanted = list(names)
    if strange := [name for name in wanted if name not in METRICS]:
        raise OptionError(f"no metric '{strange[0]}'; there are {', '.join(METRICS)}")
    if not wanted:
        raise OptionError(f"no metric is asked for; there are {', '.join(METRICS)}")
    return tuple(name for name in METRICS if name in wanted)
