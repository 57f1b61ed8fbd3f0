"""Follow an organ that is larger than the net's cube, from window to window.

The paper (Wang et al., section 4.3) has a window around the first click and, where the mask
touches its edge, another one half a window on, at whose edge the click is still seen. It leaves
open what a window is told that sees no click: here it is told the voxel that lies deepest in what
the window before it marked of their common half.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medprep.errors import FormatError, OptionError
from medprep.geometry import Geometry
from medprep.inference.prompts.painting import Corner, Marked, merged
from medprep.inference.prompts.points import Place, Point, index_of, require_inside
from medprep.inference.prompts.segment import Logits, Segmenter, Spot, simulate
from medprep.models.prompts.clicks import Click, Draw, Strategy, next_click
from medprep.models.prompts.framing import frame, require_volume
from medprep.models.prompts.grids import SPACING_MM, cropped, lattice, sample
from medprep.models.sam_med3d import SamMed3d
from medprep.turns import Turn
from medprep.volume import Volume

MOST_WINDOWS = 27
"""Three a direction, 38 cm at the released size: what reaches farther has run out of its organ."""


@dataclass(frozen=True, eq=False)
class _Task:
    """A window to look at, with a place (in voxels of the lattice) known to be in the organ."""

    corner: Corner
    hint: NDArray[np.float64] | None = None


class PromptedVolume:
    """A volume that organs are marked in; each window's embedding is made once.

    Parameters
    ----------
    net
        With its weights.
    volume
        Of any spacing and orientation.
    device
        Where to compute.
    spacing_mm
        Between voxels of what the net sees; it was trained so.

    Raises
    ------
    FormatError
        If the volume is in colour, flat, below 8 voxels on a side, or holds NaN.
    """

    def __init__(
        self,
        net: SamMed3d,
        volume: Volume,
        device: torch.device | None = None,
        spacing_mm: float = SPACING_MM,
    ) -> None:
        require_volume(volume)
        self.spacing_mm = spacing_mm
        self.volume = volume
        self.segmenter = Segmenter(net, device)
        self._side = self.segmenter.side
        self._embeddings: dict[tuple[Place, Corner], Tensor] = {}

    def mark(self, points: Sequence[Point]) -> Marked:
        """Mark the organ that points tell of, clicked in their order.

        Parameters
        ----------
        points
            At least one positive; the first positive one is the middle of the first window.

        Raises
        ------
        OptionError
            If no point is positive, or one lies outside the volume.
        FormatError
            If there is nothing around the point to scale the grey values by.
        """
        for point in points:
            require_inside(point, self.volume.geometry, "lps")
        home = next((point.place_mm for point in points if point.positive), None)
        if home is None:
            raise OptionError("wanted is a point that lies in the organ")
        whole = lattice(home, (1, 1, 1), self.spacing_mm)
        at = np.array([index_of(point.place_mm, whole) for point in points])
        # Noise of the patient's coordinates must not move a point between two voxels.
        spots = [Spot(_triple(one), p.positive) for one, p in zip(at.round(6), points, strict=True)]
        found, cut = self._follow(home, spots)
        return merged(found, home, cut, self.spacing_mm)

    def simulate(
        self, mask: NDArray[np.bool_], clicks: int, strategy: Strategy, draw: Draw
    ) -> list[Point]:
        """Make the clicks of a person who knows the organ, all in the window of the first one.

        Parameters
        ----------
        mask
            The organ on the volume's grid.
        clicks, strategy, draw
            As `segment.simulate` takes them.

        Raises
        ------
        LabelError
            If the mask is empty, there or at the net's spacing.
        """
        turn = Turn.to_ras(self.volume.geometry)
        known = turn.array(mask)
        start = next_click(np.zeros_like(known), known, strategy, draw)
        own = turn.geometry(self.volume.geometry)
        home = _triple(own.affine[:3, :3] @ start.place + own.affine[:3, 3])
        corner = self._start(Spot((0.0, 0.0, 0.0), True))
        grid = self.window(home, corner)
        reference, within = (
            sample(one, own, grid, nearest=True).astype(np.bool_)
            for one in (known.view(np.uint8), np.broadcast_to(np.uint8(1), own.shape))
        )
        half = self._side // 2
        rounds = simulate(
            self.segmenter, self._embedding(home, corner), reference, clicks, strategy, draw,
            first=Click((half, half, half), True), within=within,
        )  # fmt: skip
        places = [(one.click, grid.affine[:3] @ [*one.click.place, 1.0]) for one in rounds]
        return [Point(_triple(place), click.positive) for click, place in places]

    def window(self, home: Place, corner: Corner) -> Geometry:
        """Give the grid of a window whose first voxel is counted from that at a place."""
        return cropped(lattice(home, (1, 1, 1), self.spacing_mm), corner, (self._side,) * 3)

    def _follow(self, home: Place, spots: Sequence[Spot]) -> tuple[dict[Corner, Logits], bool]:
        """Look at windows until the organ ends within them."""
        queue = deque([_Task(self._start(Spot((0.0, 0.0, 0.0), True)))])
        queue.extend(
            _Task(self._start(spot))
            for spot in spots
            if spot.positive and not self._sees(queue[0].corner, spot)
        )
        found: dict[Corner, Logits] = {}
        while queue and len(found) < MOST_WINDOWS:
            task = queue.popleft()
            if task.corner in found:
                continue
            seen = [self._in(task.corner, one) for one in spots if self._sees(task.corner, one)]
            if task.hint is not None:
                inside = _triple(task.hint - task.corner)
                seen.insert(0, Spot(inside, True))
            try:
                embedding = self._embedding(home, task.corner)
            except FormatError:
                if task.hint is None:
                    raise
                continue  # a mask that runs out into nothing ends there
            found[task.corner] = self.segmenter.after(embedding, seen)
            queue.extend(self._next(home, task.corner, _told_of(found[task.corner], seen)))
        return found, any(task.corner not in found for task in queue)

    def _start(self, spot: Spot) -> Corner:
        """Give the window, of those half a window apart, whose middle is nearest to a spot."""
        half = self._side // 2
        steps = np.floor(np.array(spot.place) / half + 0.5).astype(int)
        return tuple(int(step) * half - half for step in steps)  # type: ignore[return-value]

    def _sees(self, corner: Corner, spot: Spot) -> bool:
        # One voxel more than it has: the first click is to be seen by the windows on both sides.
        place = np.array(spot.place) - corner
        return bool((place >= -1).all() and (place <= self._side).all())

    def _in(self, corner: Corner, spot: Spot) -> Spot:
        place = np.clip(np.array(spot.place) - corner, 0, self._side - 1)
        return Spot(_triple(place), spot.positive)

    def _embedding(self, home: Place, corner: Corner) -> Tensor:
        key = (home, corner)
        if key not in self._embeddings:
            picture = frame(self.volume, self.window(home, corner))
            self._embeddings[key] = self.segmenter.embed(picture)
        return self._embeddings[key]

    def _next(self, home: Place, corner: Corner, mask: NDArray[np.bool_]) -> Iterator[_Task]:
        """Give the windows into which the organ goes on, within the volume."""
        half = self._side // 2
        for axis in range(3):
            for end, step in ((0, -1), (self._side - 1, 1)):
                touched = np.argwhere(mask.take(end, axis))
                beyond = np.insert(touched, axis, end + step, 1) + corner
                if len(beyond) and self._has_any(home, beyond):
                    there = list(corner)
                    there[axis] += step * half
                    hint = _deepest(mask, axis, half, end > 0) + corner
                    yield _Task((there[0], there[1], there[2]), hint)

    def _has_any(self, home: Place, voxels: NDArray[Any]) -> bool:
        """Tell whether any of these voxels of the lattice lies in the volume."""
        own = self.volume.geometry
        matrix = np.linalg.solve(own.affine, lattice(home, (1, 1, 1), self.spacing_mm).affine)
        index = voxels @ matrix[:3, :3].T + matrix[:3, 3]
        inside = (index >= -0.5 + 1e-6) & (index <= np.array(own.shape) - 0.5 - 1e-6)
        return bool(inside.all(1).any())


def _told_of(logits: Logits, spots: Sequence[Spot]) -> NDArray[np.bool_]:
    """Give what is marked in one piece with a positive point; a stray spot leads nowhere."""
    import cc3d

    pieces = cc3d.connected_components(logits > 0, connectivity=6)
    told = {int(pieces[_voxel(one)]) for one in spots if one.positive} - {0}
    return np.isin(pieces, list(told))


def _voxel(spot: Spot) -> tuple[int, int, int]:
    first, second, third = (int(one + 0.5) for one in spot.place)
    return first, second, third


def _deepest(mask: NDArray[np.bool_], axis: int, half: int, upper: bool) -> NDArray[np.float64]:
    """Give the voxel of the mask that lies deepest in it, in the half that a neighbour shares."""
    import edt

    depth = edt.edt(np.ascontiguousarray(mask), black_border=False)
    shared = [slice(None)] * 3
    shared[axis] = slice(mask.shape[axis] - half, None) if upper else slice(0, half)
    within = depth[tuple(shared)]
    place = np.array(np.unravel_index(int(within.argmax()), within.shape), np.float64)
    if upper:
        place[axis] += mask.shape[axis] - half
    return place


def _triple(numbers: Sequence[float] | NDArray[np.float64]) -> Place:
    first, second, third = numbers
    return float(first), float(second), float(third)
