"""Apply a plan to a slice and its labels with Augmentor, without the harm it can do.

Augmentor (Bloice et al. 2019, doi:10.1093/bioinformatics/btz259) hands pictures to Pillow, which
caps 16-bit values and mixes neighbouring labels when it interpolates. Pictures therefore go in as
32-bit floats and labels as a palette, of which Pillow takes the nearest pixel. Augmentor would
draw every angle and place itself, from Python's global generator: here it is told them, and no
global chance is touched.

What a plan asks for becomes Augmentor's operations by their own names, in this order: a crop is
``zoom_random``, flips are ``flip_left_right`` and ``flip_top_bottom``, then ``zoom``, ``shear``
and ``rotate``. Shear and rotate cut to a rectangle inside the result and enlarge it to the slice's
size; zoom is rounded to hundredths. Translations, elastic deformations, angles that are no whole
degrees up to 25, and factors that differ between rows and columns are refused: Augmentor has no
operation for them. Its operations on values change the labels too, so values are changed by
`medprep.augmentation.intensity` instead.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.intensity import recolour
from medprep.augmentation.recipe import Recipe, Step
from medprep.augmentation.spatial import checked_range, exchange
from medprep.augmentation.steps import Plan
from medprep.errors import GeometryError, LabelError, LibraryError, OptionError

LARGEST_DEGREES = 25
"""Augmentor's own bound: beyond it the inner rectangle no longer lies inside the result."""

SMALLEST_CROP = 0.1
"""Augmentor crops to no smaller a share of a side."""

SMALLEST_SIDE = 10
"""Rows and columns a slice needs: of fewer, a crop to a tenth would leave nothing."""

SQUARE = 1e-3
"""Sides of a pixel may differ by this part: Augmentor turns in pixels, not in millimetres."""

_ONE_AT_A_TIME = threading.Lock()

Answers = tuple[float | str, ...]


def apply_plan(
    picture: NDArray[Any],
    labels: NDArray[np.uint8],
    plan: Plan,
    spacing_mm: tuple[float, float],
    orientation: str,
    mirror: Mapping[int, int],
) -> tuple[NDArray[Any], NDArray[np.uint8]]:
    """Move a slice and its labels alike, then change the picture's values.

    Pixels that an operation leaves empty become the picture's lowest value and background.

    Parameters
    ----------
    picture
        ``[row, column]``, uint8, uint16, int16 or float32, finite. Where nothing is interpolated
        (flips) every value comes out as it went in; elsewhere by cubic curves, kept within the
        picture's lowest and highest value.
    labels
        ``[row, column]`` of the same shape, uint8. No new label ever arises.
    plan
        What to do.
    spacing_mm, orientation
        Of rows and columns: distance, and a letter each of where they run.
    mirror
        Labels that a flip across left and right exchanges.

    Returns
    -------
    picture, labels : ndarray
        Same shapes and types, new.

    Raises
    ------
    FormatError
        If the picture is of another type or not finite.
    LabelError
        If the labels are of another type or shape.
    GeometryError
        If the slice is too small, or too long to be turned or sheared.
    OptionError
        If Augmentor cannot do what the plan asks for.
    """
    lowest, highest = checked_range(picture, 2)
    if labels.dtype != np.uint8 or labels.shape != picture.shape:
        raise LabelError(
            f"labels are {picture.shape} of uint8 like their picture, "
            f"not {labels.shape} of {labels.dtype}"
        )
    _check_plan(plan, spacing_mm, orientation)
    _check_shape(picture.shape, plan)
    steps = operations_of(plan, picture.shape, orientation)
    # Operations fill with 0, which in a picture may be anything but its lowest value.
    shift = np.float32(0 if all(name.startswith("flip") for name, _, _ in steps) else lowest)
    pair = [_float_picture(picture, shift), _palette_picture(labels)]
    for name, arguments, answers in steps:
        pair = _performed(pair, name, arguments, answers)
    moved = np.asarray(pair[0]) + shift
    if picture.dtype.kind != "f":
        moved = np.rint(moved)
    moved = np.clip(moved, lowest, highest).astype(picture.dtype)
    turned = exchange(np.array(pair[1], np.uint8), plan.spatial, mirror)
    return recolour(moved, plan.intensity, spacing_mm) if plan.recolours else moved, turned


def operations_of(
    plan: Plan, shape: Sequence[int], orientation: str
) -> list[tuple[str, tuple[float, ...], Answers]]:
    """Give Augmentor's operations of a plan.

    Returns
    -------
    list
        Of each, in order: its name in Augmentor's ``Pipeline``, the arguments after the
        probability, and what Augmentor shall draw.
    """
    spatial, steps = plan.spatial, list[tuple[str, tuple[float, ...], Answers]]()
    if plan.crop is not None and plan.crop[1] < 1:
        side, (_, row, column) = plan.crop[1], plan.crop_at
        rows, columns = (n - math.floor(n * side) for n in shape)
        steps.append(("zoom_random", (side,), (round(column * columns), round(row * rows))))
    for letter, name in zip(orientation, ("flip_top_bottom", "flip_left_right"), strict=True):
        if any(letter in axis for axis in spatial.flip):
            steps.append((name, (), (0,)))
    zoom = spatial.zoom[1]
    if zoom != 1:
        steps.append(("zoom", (zoom, zoom), (zoom,)))
    lean = -spatial.shear_degrees[0]
    if lean:
        # Augmentor adds 1 to what it draws, and counts to the other side.
        steps.append(("shear", (abs(lean), abs(lean)), (lean - 1, "x")))
    turn = int(spatial.rotate_degrees[0])
    if turn:
        answers = (0, turn, 1) if turn > 0 else (turn, 0, 0)
        steps.append(("rotate", (abs(turn), abs(turn)), answers))
    return steps


def require_expressible(recipe: Recipe) -> None:
    """Refuse a recipe of which Augmentor cannot do every plan.

    Raises
    ------
    OptionError
        If so, naming the step.
    """
    for name in ("translate_share", "elastic_amplitude_mm"):
        if getattr(recipe, name).probability > 0:
            raise OptionError(f"the engine augmentor has no {name}; use the engine native")
    for name in ("rotate_degrees", "shear_degrees"):
        step: Step = getattr(recipe, name)
        reach = max(abs(step.low), abs(step.high))
        if step.probability > 0 and not (recipe.whole_degrees and reach <= LARGEST_DEGREES):
            raise OptionError(
                f"{name} from {step.low:g} to {step.high:g}; the engine augmentor wants "
                f"whole_degrees = true and at most {LARGEST_DEGREES}: use the engine native"
            )


def _check_plan(plan: Plan, spacing_mm: tuple[float, float], orientation: str) -> None:
    spatial = plan.spatial
    for axis in spatial.flip:
        if not set(axis) & set(orientation):
            raise OptionError(
                f"a flip along {axis} of a slice whose axes run to {orientation}; wanted is a "
                "flip along one of its axes: draw the plan with those only"
            )
    found = ""
    if spatial.elastic is not None:
        found = "an elastic deformation"
    elif any(spatial.translate_mm[1:]):
        found = f"a translation by {spatial.translate_mm[1:]} mm"
    elif spatial.zoom[1] != spatial.zoom[2] or (plan.crop and plan.crop[1] != plan.crop[2]):
        found = "a zoom or crop that differs between rows and columns"
    elif plan.crop and plan.crop[1] < SMALLEST_CROP:
        found = f"a crop to {plan.crop[1]} of each side, below {SMALLEST_CROP}"
    for angle in (spatial.rotate_degrees[0], spatial.shear_degrees[0]):
        if angle != round(angle) or abs(angle) > LARGEST_DEGREES:
            found = f"an angle of {angle} degrees (whole ones up to {LARGEST_DEGREES})"
        elif angle and not math.isclose(*spacing_mm, rel_tol=SQUARE):
            found = f"an angle on pixels of {spacing_mm[0]} x {spacing_mm[1]} mm (square ones)"
    if found:
        raise OptionError(f"the engine augmentor cannot do {found}; use the engine native")


def _check_shape(shape: tuple[int, ...], plan: Plan) -> None:
    short, long = sorted(shape)
    if short < SMALLEST_SIDE:
        raise GeometryError(
            f"a slice of {shape} pixels is too small to augment: "
            f"{SMALLEST_SIDE} rows and columns are needed"
        )
    turn, lean = (
        math.radians(abs(angles[0]))
        for angles in (plan.spatial.rotate_degrees, plan.spatial.shear_degrees)
    )
    inside = min(
        short * math.cos(turn) - long * math.sin(turn),
        shape[1] - math.ceil(shape[0] * math.tan(lean)),
    )
    if inside < 2:
        raise GeometryError(
            f"a slice of {shape} pixels is too long to be turned by "
            f"{plan.spatial.rotate_degrees[0]:g} and sheared by {plan.spatial.shear_degrees[0]:g} "
            "degrees: nothing is left inside it; augment it without, or use the engine native"
        )


def _performed(
    pair: list[Any], name: str, arguments: tuple[float, ...], answers: Answers
) -> list[Any]:
    """Let Augmentor do one operation to picture and labels."""
    from Augmentor import Pipeline

    # Chance has been decided in the plan: Augmentor's own zero probability fires now and then.
    pipeline = Pipeline()
    getattr(pipeline, name)(1.0, *arguments)
    (operation,) = pipeline.operations
    with _told(answers):
        moved: list[Any] = operation.perform_operation(pair)
    return moved


class _Told:
    """Stands for the module ``random`` and gives what was decided before."""

    def __init__(self, answers: Answers) -> None:
        self.left = list(answers)

    def _next(self, low: float, high: float) -> Any:
        answer = self.left.pop(0) if self.left else None
        if not isinstance(answer, int | float) or not low <= answer <= high:
            raise LibraryError(
                f"Augmentor draws from {low} to {high} where its release 0.2.12 has {answer}; "
                "install that release, or use the engine native"
            )
        return answer

    randint = uniform = _next

    def choice(self, _: Sequence[str]) -> Any:
        return self.left.pop(0)


@contextmanager
def _told(answers: Answers) -> Iterator[None]:
    """Tell Augmentor what to draw."""
    from Augmentor import Operations

    with _ONE_AT_A_TIME:
        chance, Operations.random = Operations.random, _Told(answers)
        try:
            yield
        finally:
            Operations.random = chance


def _float_picture(picture: NDArray[Any], shift: np.float32) -> Any:
    from PIL import Image

    return Image.fromarray(picture.astype(np.float32) - shift)


def _palette_picture(labels: NDArray[np.uint8]) -> Any:
    from PIL import Image

    rows, columns = labels.shape
    return Image.frombytes("P", (columns, rows), labels.tobytes())
