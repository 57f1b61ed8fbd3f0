"""Definitions of the surface metrics, by name.

The same words stand for different numbers: what a border is, how two directed distances become
one, how the 95th percentile is taken. Each definition here says all of it; those named after a
program give that program's numbers. What differs, and why the default is what it is, after
Metrics Reloaded (Maier-Hein et al. 2024, doi:10.1038/s41592-023-02151-z) and Reinke et al. 2024
(doi:10.1038/s41592-023-02150-0), is told in ``docs/metrics-definitions.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Border = Literal["faces", "corners", "windows"]
"""``faces``: voxels with one of 6 neighbours outside; ``corners``: one of 26; ``windows``: the
2x2x2 windows of voxels that lie partly inside, weighted by the area of the surface in them."""

SURFACE = ("hd_mm", "hd95_mm", "assd_mm", "masd_mm", "nsd", "mssd_mm")
"""Metrics measured on surfaces; ``mssd_mm`` is the CHAOS challenge's name of the largest."""

_GENERAL = frozenset(SURFACE) - {"mssd_mm"}


@dataclass(frozen=True)
class Definition:
    """What the surface metrics are taken to be.

    Parameters
    ----------
    name
        In options, tables and records.
    border
        What the surface is made of.
    edge
        Whether what lies beyond the volume is background, so that a mask that touches the
        volume's edge has a border there.
    hd95
        ``larger`` of both directions' percentiles, or the percentile of both ``pooled``.
    assd
        ``pooled``: sum of all distances by their number; ``means``: mean of both directions'.
    slack
        A distance counts for the NSD up to the tolerance times 1 + this; float noise.
    single
        Whether ranks of percentiles and distances at the tolerance are counted in float32.
    offers
        The surface metrics it has.
    says
        One line for below a table.
    """

    name: str
    border: Border
    edge: bool
    hd95: Literal["larger", "pooled"]
    assd: Literal["pooled", "means"]
    slack: float
    single: bool
    offers: frozenset[str]
    says: str

    @property
    def weighted(self) -> bool:
        """Whether each distance counts by the area of its piece of the surface."""
        return self.border == "windows"


EMPTY = (
    "organ in neither: not scored; in one of the two only: distances are the volume's diagonal "
    "(between the outermost points a surface can have), NSD 0"
)
"""What every definition gives where there is no surface to measure to."""

_ALL = (
    Definition(
        "medprep", "faces", True, "larger", "pooled", 1e-9, False, _GENERAL,
        "surfaces are voxels with a background face neighbour, the volume's edge included; "
        "between voxel centres in mm; HD95 is the larger of both directed 95th percentiles, "
        "ASSD the mean of both ways' distances together, NSD counts border voxels",
    ),
    Definition(
        "chaos-code", "faces", False, "larger", "pooled", 1e-9, False,
        frozenset(("hd_mm", "assd_mm", "mssd_mm")),
        "as the CHAOS challenge's program: surfaces are voxels with a background face "
        "neighbour, the volume's edge not included; ASSD of both ways' distances together",
    ),
    Definition(
        "chaos-document", "corners", False, "larger", "pooled", 1e-9, False,
        frozenset(("hd_mm", "assd_mm", "mssd_mm")),
        "as the CHAOS challenge's document: surfaces are voxels with background among their 26 "
        "neighbours, the volume's edge not included; ASSD of both ways' distances together",
    ),
    Definition(
        "surface-distance", "windows", True, "larger", "means", 0.0, False, _GENERAL,
        "as google-deepmind/surface-distance: surfaces are 2x2x2 windows partly inside, each "
        "weighted by its area; HD95 is the larger of both directed percentiles by area, ASSD "
        "(and MASD) the mean of its two averages, NSD by area",
    ),
    Definition(
        "monai", "faces", True, "larger", "pooled", 0.0, True, _GENERAL,
        "as MONAI: surfaces are voxels with a background face neighbour, the volume's edge "
        "included; HD95 is the larger of both directed percentiles, ASSD symmetric, NSD counts "
        "border voxels; in float32",
    ),
    Definition(
        "medpy", "faces", True, "pooled", "pooled", 0.0, False, _GENERAL - {"nsd"},
        "as MedPy: surfaces are voxels with a background face neighbour, the volume's edge "
        "included; HD95 is the percentile of both ways' distances together, ASSD their mean; "
        "no NSD",
    ),
)  # fmt: skip

DEFINITIONS: Mapping[str, Definition] = MappingProxyType({one.name: one for one in _ALL})
