"""What Augmentor's operations do to a slice, as a plan for the native engine."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from medprep.augmentation.steps import Plan, Spatial


def _moved(scale: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Cut at ``start``, then enlarge: from (row, column, 1) to the same, at pixels' corners."""
    matrix = np.eye(3)
    matrix[[0, 1], [0, 1]] = scale
    matrix[:2, 2] = -scale * start
    return matrix


def _about(linear: np.ndarray, source: np.ndarray, target: np.ndarray) -> np.ndarray:
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = target - linear @ source
    return matrix


def _crop(plan: Plan, sides: np.ndarray) -> np.ndarray:
    if plan.crop is None:
        return np.eye(3)
    left = np.floor(sides * plan.crop[1])
    return _moved(sides / left, np.rint((sides - left) * plan.crop_at[1:]))


def _zoom(factor: float, sides: np.ndarray) -> np.ndarray:
    large = np.rint(sides * round(factor, 2))
    grown = _moved(large / sides, np.zeros(2))
    return _moved(np.ones(2), np.floor(large / 2 - sides / 2)) @ grown


def _shear(degrees: float, sides: np.ndarray) -> np.ndarray:
    """Rows slide along columns; what leaves the slice is cut off on one side."""
    lean = math.tan(math.radians(degrees))
    room = math.ceil(abs(lean) * sides[0])
    matrix = np.eye(3)
    matrix[1, 0] = lean
    matrix[1, 2] = room if lean < 0 else 0
    return _moved(np.array((1, sides[1] / (sides[1] - room))), np.array((0, room))) @ matrix


def _rotate(degrees: float, sides: np.ndarray) -> np.ndarray:
    if degrees == 0:
        return np.eye(3)
    angle = math.radians(abs(degrees))
    cos, sin = math.cos(angle), math.sin(angle)
    half = np.array((sides[0] * cos + sides[1] * sin, sides[1] * cos + sides[0] * sin)) / 2
    canvas = np.ceil(sides / 2 + half) - np.floor(sides / 2 - half)
    # Augmentor's inner rectangle, its slip in the formula of E (a sum for a quotient) included.
    ratio = math.tan(angle)
    cut = ratio * (canvas[0] - canvas[1] * ratio) - ratio**2
    above = ratio * (canvas[1] - cut)
    start = np.array((round(above), round(cut)))
    end = np.array((round(canvas[0] - above), round(canvas[1] - cut)))
    signed = math.radians(degrees)
    turn = np.array(((math.cos(signed), -math.sin(signed)), (math.sin(signed), math.cos(signed))))
    return _moved(sides / (end - start), start) @ _about(turn, sides / 2, canvas / 2)


def native_plan(plan: Plan, shape: tuple[int, int], spacing_mm: float, orientation: str) -> Plan:
    """Give the plan that moves a slice of square pixels as Augmentor does with ``plan``.

    Inner rectangles and rounded places become zoom, shear and translation.
    """
    sides, spatial = np.array(shape, float), plan.spatial
    signs = np.array(
        [-1 if any(one in axis for axis in spatial.flip) else 1 for one in orientation]
    )
    flip = _about(np.diag(signs), sides / 2, sides / 2)
    whole = _rotate(spatial.rotate_degrees[0], sides) @ _shear(spatial.shear_degrees[0], sides)
    whole = whole @ _zoom(spatial.zoom[1], sides) @ flip @ _crop(plan, sides)
    linear = whole[:2, :2] @ np.diag(signs)
    angle = math.atan2(-linear[0, 1], linear[1, 1])
    cos, sin = math.cos(angle), math.sin(angle)
    lower = np.array(((cos, sin), (-sin, cos))) @ linear
    rows, columns = (whole @ (*(sides / 2), 1))[:2] - sides / 2
    moved = Spatial(
        flip=spatial.flip,
        rotate_degrees=(math.degrees(angle), 0, 0),
        zoom=(1, lower[0, 0], lower[1, 1]),
        shear_degrees=(math.degrees(math.atan2(lower[1, 0], lower[0, 0])), 0, 0),
        translate_mm=(0, rows * spacing_mm, columns * spacing_mm),
    )
    return replace(plan, spatial=moved, crop=None)
