"""Read masks that are DICOM series, one for each organ, onto their picture's grid.

Slices are paired by where they lie along the slice normal, not by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.series import Series, read_series
from medprep.errors import DicomError, GeometryError, LabelError, SourceError
from medprep.files import natural_key
from medprep.geometry import SAME_GRID_MM, Geometry
from medprep.sources.dataset_json import organ_name
from medprep.turns import Turn

MASKS = "masks_dicom"
"""The folder that holds one folder for each organ, in lower case."""


def files_by_organ(paths: Iterable[Path]) -> dict[str, list[Path]]:
    """Sort mask files by the organ whose folder they lie in; files in natural order.

    Parameters
    ----------
    paths
        Files below ``MASKS_DICOM``; the folder in it names the organ: ``leftkidney`` is
        ``left_kidney``.

    Raises
    ------
    SourceError
        If two folders name one organ.
    """
    folders: dict[str, Path] = {}
    organs: dict[str, list[Path]] = {}
    for path in sorted(paths, key=lambda one: natural_key(one.as_posix())):
        folder = _organ_folder(path)
        organ = re.sub(r"^(left|right)(?=[a-z])", r"\1_", organ_name(folder.name))
        if folders.setdefault(organ, folder) != folder:
            raise SourceError(f"two folders hold masks of {organ}; take one away", path=folder)
        organs.setdefault(organ, []).append(path)
    return organs


def _organ_folder(path: Path) -> Path:
    """Give the folder right below ``MASKS_DICOM``; packed sets have it inside itself."""
    folder = path.parent
    for above in path.parents:
        if above.name.casefold() == MASKS:
            return folder
        folder = above
    return path.parent


def read_organ_masks(
    organs: Mapping[str, Sequence[Path]], grid: Geometry, order: Sequence[int] = ()
) -> tuple[dict[str, NDArray[np.bool_]], tuple[str, ...]]:
    """Read a case's masks onto its picture's grid.

    Parameters
    ----------
    organs
        DICOM slices of each organ, as `files_by_organ` gives them. A stack of fewer slices than
        the picture's is put where it lies.
    grid
        The picture's grid.
    order
        `Picture.order`: only for masks whose headers state no position. They are taken in the
        order of their names, the n-th for the picture's n-th file.

    Returns
    -------
    dict
        Organ to bool array of the grid's shape. No files give an empty one.
    tuple of str
        What a person should know.

    Raises
    ------
    DicomError
        If a slice cannot be read or the stack is no even grid.
    LabelError
        If a mask holds more than one grey level besides 0, or does not fit its picture.
    GeometryError
        If a mask lies elsewhere than its picture.
    """
    masks: dict[str, NDArray[np.bool_]] = {}
    notes: list[str] = []
    for organ, files in organs.items():
        try:
            series = read_series(files)
            mask = _set_pixels(series)
            if series.first.position_mm is None:
                masks[organ], note = _by_order(mask, series, grid, order)
            else:
                masks[organ], note = _by_place(mask, series.volume.geometry, grid)
        except (DicomError, LabelError, GeometryError) as error:
            path = error.path or files[0].parent
            raise type(error)(f"mask of {organ}: {error.message}", path=path) from error
        if note:
            notes.append(f"mask of {organ}: {note}")
    return masks, tuple(notes)


def _set_pixels(series: Series) -> NDArray[np.bool_]:
    """Tell the organ from the background, which is the stored number 0."""
    # Masks are copies of the picture's headers: a CT's intercept of -1024 moves their 0 too.
    array = series.volume.array
    mask = np.asarray(array != series.first.intercept)
    levels = np.unique(array[mask])
    if len(levels) > 1:
        named = ", ".join(f"{level:g}" for level in levels[:5])
        raise LabelError(
            f"holds {len(levels)} grey levels besides the background ({named}); wanted is one"
        )
    return mask


def _by_order(
    mask: NDArray[np.bool_], series: Series, grid: Geometry, order: Sequence[int]
) -> tuple[NDArray[np.bool_], str]:
    if mask.shape != grid.shape or len(order) != len(mask):
        raise LabelError(f"no positions, and {mask.shape} voxels; its picture has {grid.shape}")
    by_file = np.empty_like(mask)
    by_file[list(series.order)] = mask
    return by_file[list(order)], "no position in its headers: slices are paired by file order"


def _by_place(
    mask: NDArray[np.bool_], own: Geometry, grid: Geometry
) -> tuple[NDArray[np.bool_], str]:
    mask, own, turned = turned_to(mask, own, grid)
    if own.shape[1:] != grid.shape[1:]:
        raise LabelError(
            f"has slices of {own.shape[1]} x {own.shape[2]} pixels, its picture "
            f"{grid.shape[1]} x {grid.shape[2]}"
        )
    first = round(float((np.linalg.inv(grid.affine) @ own.affine[:, 3])[0]))
    below, above = max(0, first), min(grid.shape[0], first + own.shape[0])
    if above - below < own.shape[0]:
        raise GeometryError(
            f"its {own.shape[0]} slices begin at slice {first + 1} of the picture's "
            f"{grid.shape[0]}: they lie outside"
        )
    note = place_note(own, _part(grid, below, above))
    whole = np.zeros(grid.shape, np.bool_)
    whole[below:above] = mask
    if above - below < grid.shape[0] and not note:
        note = f"only slices {below + 1} to {above} of {grid.shape[0]} have one"
    return whole, "; ".join(filter(None, (turned, note)))


def _part(grid: Geometry, below: int, above: int) -> Geometry:
    affine = grid.affine.copy()
    affine[:3, 3] += below * affine[:3, 0]
    return Geometry((above - below, *grid.shape[1:]), affine)


def turned_to(
    mask: NDArray[Any], own: Geometry, grid: Geometry
) -> tuple[NDArray[Any], Geometry, str]:
    """Turn a mask whose axes run in another order or direction than its picture's.

    Returns
    -------
    ndarray, Geometry
        The mask and its grid, no voxel interpolated; as they were where no turn is needed or
        none would do.
    str
        What happened; empty for nothing.
    """
    turn = Turn.between(own, grid)
    turned = own if turn is None else turn.geometry(own)
    if turn is None or (turned.shape == own.shape and turned.distance_mm(own) == 0):
        return mask, own, ""
    return np.ascontiguousarray(turn.array(mask)), turned, f"the mask was turned: {turn.said}"


def place_note(own: Geometry, grid: Geometry) -> str:
    """Compare where a mask lies with where its picture does; both have one shape.

    Returns
    -------
    str
        Empty within `SAME_GRID_MM`; up to half a voxel a note with the millimetres.

    Raises
    ------
    GeometryError
        If the corners are farther apart than half a voxel's smallest side.
    """
    apart = own.distance_mm(grid)
    if apart > 0.5 * min(grid.spacing_mm):
        raise GeometryError(
            f"mask and picture lie {apart:.3g} mm apart, more than half a voxel: one of the two "
            "headers is wrong, or the mask was drawn on another grid"
        )
    if apart > SAME_GRID_MM:
        return f"mask and picture lie {apart:.3g} mm apart: the picture's grid is taken"
    return ""
