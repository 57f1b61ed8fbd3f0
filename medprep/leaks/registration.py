"""Lay one thumbnail on another: a small turn, zoom and shift, found by Gauss-Newton steps.

The method is that of Lucas and Kanade (IJCAI 1981) with gain and offset of the grey levels among
the unknowns, so that brightness and contrast do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medprep.leaks.forms import MIRRORED_COLUMNS, MIRRORED_ROWS
from medprep.leaks.thumbnails import SIDE
from medprep.opencv import load_cv2

MAX_TURN_DEGREES = 15.0
MAX_ZOOM = 1.3
MAX_SHIFT = 0.25
"""Of the picture's side."""

_STEPS = 6
_STRIDE = 2  # soft pictures: every second pixel says it all
_ENOUGH = 0.05
_FIRST_LOOK, _LEAST_ALIKE = 2, 0.9
_MIN_OVERLAP = 0.6
_BLUR = 1.5
_DETAIL_BLUR = 3.0
_CENTRED = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2


@dataclass(frozen=True)
class Change:
    """A turn and zoom about the middle and a shift, of a thumbnail of a picture.

    Parameters
    ----------
    cosine, sine
        Of the angle, times the scale: what is seen at ``[x, y]`` stood at
        ``[cosine x - sine aspect y + right, sine x / aspect + cosine y + down]``.
    right, down
        In pixels of a thumbnail.
    aspect
        Rows by columns of the picture: its thumbnail is square.
    """

    cosine: float
    sine: float
    right: float
    down: float
    aspect: float

    @classmethod
    def of(cls, degrees: float, zoom: float, moved: tuple[float, float], aspect: float) -> Change:
        """Turn counter-clockwise and magnify, then move by pixels right and down."""
        angle = np.deg2rad(degrees)
        turn = cls(float(np.cos(angle)) / zoom, float(np.sin(angle)) / zoom, 0, 0, aspect)
        right, down = -turn.matrix() @ moved
        return cls(turn.cosine, turn.sine, float(right), float(down), aspect)

    @property
    def degrees(self) -> float:
        """How far it turns, counter-clockwise on the screen."""
        return float(np.rad2deg(np.arctan2(self.sine, self.cosine)))

    @property
    def zoom(self) -> float:
        """How much it magnifies."""
        return 1 / float(np.hypot(self.cosine, self.sine))

    @property
    def moved(self) -> tuple[float, float]:
        """How far it moves in the end, as parts of width and height."""
        right, down = np.linalg.solve(self.matrix(), (-self.right / SIDE, -self.down / SIDE))
        return float(right), float(down)

    def matrix(self) -> NDArray[np.float64]:
        """Give what takes a place seen to where it stood, without the shift, for ``[x, y]``."""
        return np.array(
            [
                [self.cosine, -self.sine * self.aspect],
                [self.sine / self.aspect, self.cosine],
            ]
        )

    def reversed(self, way: int) -> Change:
        """Give the change the other way round; a flip came first, and comes first here too.

        Parameters
        ----------
        way
            The flip, as `medprep.leaks.forms` numbers them.
        """
        size = self.cosine**2 + self.sine**2
        right, down = np.linalg.solve(self.matrix(), (-self.right, -self.down))
        return Change(
            self.cosine / size,
            self.sine / size * (1 if way in (MIRRORED_ROWS, MIRRORED_COLUMNS) else -1),
            float(right) * (-1 if way & MIRRORED_COLUMNS else 1),
            float(down) * (-1 if way & MIRRORED_ROWS else 1),
            self.aspect,
        )

    def is_small(self) -> bool:
        """Whether turn, zoom and shift are within what counts as near."""
        return (
            1 / MAX_ZOOM <= self.zoom <= MAX_ZOOM
            and abs(self.degrees) <= MAX_TURN_DEGREES
            and max(abs(self.right), abs(self.down)) <= MAX_SHIFT * SIDE
        )


@dataclass(frozen=True)
class Fit:
    """How two thumbnails lie on each other at their best.

    Parameters
    ----------
    correlation
        Of the grey levels where both pictures are, from -1 to 1.
    detail
        The same of what a Gaussian blur takes away: edges and texture. Anatomy that two people
        share hardly raises it.
    change
        What takes the moving picture to the fixed one.
    """

    correlation: float
    detail: float
    change: Change


@dataclass(frozen=True, eq=False)
class Prepared:
    """A thumbnail as registration wants it, each float32 ``[SIDE, SIDE]``."""

    grey: NDArray[np.float32]
    detail: NDArray[np.float32]
    soft: NDArray[np.float32]

    @classmethod
    def of(cls, thumbnail: NDArray[np.uint8]) -> Prepared:
        """Prepare a thumbnail ``[SIDE, SIDE]``."""
        cv2 = load_cv2()
        grey = thumbnail.astype(np.float32)
        detail = grey - cv2.GaussianBlur(grey, (0, 0), _DETAIL_BLUR)
        return cls(grey, detail, cv2.GaussianBlur(grey, (0, 0), _BLUR))


@dataclass(frozen=True, eq=False)
class Moving:
    """A thumbnail that can be laid on others.

    Parameters
    ----------
    search
        float32 ``[SIDE, SIDE, 4]``: soft, its gradients along columns and rows, and ones.
    judge
        float32 ``[SIDE, SIDE, 3]``: grey, detail, and ones.
    """

    search: NDArray[np.float32]
    judge: NDArray[np.float32]

    @classmethod
    def of(cls, thumbnail: NDArray[np.uint8]) -> Moving:
        """Prepare a thumbnail ``[SIDE, SIDE]``."""
        one = Prepared.of(thumbnail)
        along_rows, along_columns = np.gradient(one.soft)
        ones = np.ones_like(one.soft)
        return cls(
            np.stack([one.soft, along_columns, along_rows, ones], axis=-1, dtype=np.float32),
            np.stack([one.grey, one.detail, ones], axis=-1, dtype=np.float32),
        )


def register(fixed: Prepared, moving: Moving, start: Change) -> Fit | None:
    """Lay one thumbnail on another.

    Parameters
    ----------
    fixed, moving
        The second is flipped already.
    start
        The change of the moving one, good to about 5 degrees, 10 % and 4 pixels.

    Returns
    -------
    Fit or None
        None where no small change lays them on each other.
    """
    change = start
    for number in range(_STEPS):
        if not change.is_small():
            return None
        step = _step(fixed, moving, change, look=number == _FIRST_LOOK)
        if step is None:
            return None
        change = Change(
            change.cosine + step[0],
            change.sine + step[1],
            change.right + step[2],
            change.down + step[3],
            change.aspect,
        )
        if max(abs(step[0]) * SIDE / 2, abs(step[1]) * SIDE / 2, *map(abs, step[2:])) < _ENOUGH:
            break
    return _judge(fixed, moving, change) if change.is_small() else None


def _step(fixed: Prepared, moving: Moving, change: Change, *, look: bool) -> list[float] | None:
    """Give what to add to cosine, sine, right and down; None where it leads nowhere.

    A ``look`` first asks whether the pictures are alike at all by now.
    """
    grey, right, down, inside = _warp(moving.search, change, _STRIDE)
    seen = inside > 0.999
    goal = fixed.soft[::_STRIDE, ::_STRIDE]
    if look and correlate(goal[seen], grey[seen]) < _LEAST_ALIKE:
        return None
    columns, rows = _CENTRED[None, ::_STRIDE], _CENTRED[::_STRIDE, None]
    turning = down * columns * np.float32(1 / change.aspect)
    turning -= right * rows * np.float32(change.aspect)
    unknowns = np.stack([right * columns + down * rows, turning, right, down, grey, inside])
    unknowns = (unknowns * seen).reshape(6, -1)
    normal = (unknowns @ unknowns.T).astype(np.float64)
    wanted = (unknowns @ goal.ravel()).astype(np.float64)
    # A little of the diagonal keeps a picture without edges in some direction where it is.
    normal[np.diag_indices(6)] = normal.diagonal() * (1 + 1e-4) + 1e-6
    solved = np.linalg.solve(normal, wanted)
    if solved[4] <= 0:
        return None
    step = np.clip(solved[:4] / solved[4], (-0.1, -0.1, -4, -4), (0.1, 0.1, 4, 4))
    return [float(part) for part in step]


def _judge(fixed: Prepared, moving: Moving, change: Change) -> Fit | None:
    grey, detail, inside = _warp(moving.judge, change, 1)
    seen = inside > 0.999
    if seen.mean() < _MIN_OVERLAP:
        return None
    return Fit(
        correlate(fixed.grey[seen], grey[seen]),
        correlate(fixed.detail[seen], detail[seen]),
        change,
    )


def _warp(
    layers: NDArray[np.float32], change: Change, stride: int
) -> tuple[NDArray[np.float32], ...]:
    """Give each layer as it is seen after the change, at every ``stride``-th row and column."""
    cv2 = load_cv2()
    middle = (SIDE - 1) / 2
    turn = change.matrix()
    shift = middle - turn @ (middle, middle) + (change.right, change.down)
    warped = cv2.warpAffine(
        layers,
        np.column_stack([turn * stride, shift]),
        (SIDE // stride, SIDE // stride),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
    )
    return tuple(cv2.split(warped))


def correlate(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Give the correlation of two rows of numbers; 0 where one of them is constant."""
    one, other = one - one.mean(), other - other.mean()
    size = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return float(np.dot(one, other)) / size if size > 0 else 0.0
