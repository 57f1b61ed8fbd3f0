"""Overlap and volume of one organ in two label maps, by volume and by slice.

Names and definitions follow Metrics Reloaded (Maier-Hein et al. 2024,
doi:10.1038/s41592-023-02151-z); Dice (1945, doi:10.2307/1932409), IoU: Jaccard (1912,
doi:10.1111/j.1469-8137.1912.tb05611.x).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SLICE_CONVENTIONS: dict[Literal["one", "skip"], str] = {
    "one": "slices with the label in neither reference nor prediction count as 1",
    "skip": "slices with the label in neither reference nor prediction are left out",
}
"""What an empty slice does to a mean over slices; stands beside every such mean."""


@dataclass(frozen=True)
class Overlap:
    """How the voxels of one organ agree. A metric that is not defined is None.

    An organ in neither map has no metric. In one map only, what compares the two is 0, and what is
    a share of nothing is None.

    Parameters
    ----------
    reference_voxels, predicted_voxels, intersection
        Voxels in each, and in both.
    """

    reference_voxels: int
    predicted_voxels: int
    intersection: int

    @property
    def dice(self) -> float | None:
        """Twice the common voxels by the voxels of both, 0 to 1; equals the F1 score."""
        return _share(2 * self.intersection, self.reference_voxels + self.predicted_voxels)

    @property
    def iou(self) -> float | None:
        """Common voxels by those in either (Jaccard), 0 to 1."""
        either = self.reference_voxels + self.predicted_voxels - self.intersection
        return _share(self.intersection, either)

    @property
    def precision(self) -> float | None:
        """Share of the prediction that is right; None where nothing is predicted."""
        return _share(self.intersection, self.predicted_voxels)

    @property
    def recall(self) -> float | None:
        """Share of the reference that was found (sensitivity); None where there is none."""
        return _share(self.intersection, self.reference_voxels)

    @property
    def volume_similarity(self) -> float | None:
        """1 - | |P| - |R| | / (|P| + |R|), wherever they lie (Taha and Hanbury 2015)."""
        apart = _share(abs(self._difference), self.reference_voxels + self.predicted_voxels)
        return None if apart is None else 1.0 - apart

    @property
    def volume_difference_percent(self) -> float | None:
        """Predicted less reference volume, percent of the reference's; None where that is 0."""
        return _share(100 * self._difference, self.reference_voxels)

    @property
    def absolute_volume_difference_percent(self) -> float | None:
        """Size of `volume_difference_percent`: the CHAOS challenge's RAVD."""
        return _share(100 * abs(self._difference), self.reference_voxels)

    def volume_difference_ml(self, voxel_ml: float) -> float | None:
        """Predicted less reference volume in ml; None where the organ is in neither."""
        in_either = self.reference_voxels or self.predicted_voxels
        return self._difference * voxel_ml if in_either else None

    def absolute_volume_difference_ml(self, voxel_ml: float) -> float | None:
        """Size of `volume_difference_ml`."""
        difference = self.volume_difference_ml(voxel_ml)
        return None if difference is None else abs(difference)

    @property
    def _difference(self) -> int:
        return self.predicted_voxels - self.reference_voxels


def _share(part: int, of: int) -> float | None:
    return part / of if of else None
