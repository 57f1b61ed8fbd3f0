"""Slices to a volume on its grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.assemble import assemble
from medprep.dicom.blobs import Blob, fetched
from medprep.dicom.dictionary import Tags
from medprep.dicom.grouping import Stack, group
from medprep.dicom.headers import read_slices, slice_tags
from medprep.dicom.records import SliceHeader
from medprep.dicom.roles import COLOUR
from medprep.dicom.stacks import Plan, Policy, lay_out, require_alike
from medprep.dicom.tags import NoDicomError, read_tags
from medprep.errors import DicomError
from medprep.geometry import Geometry
from medprep.volume import Volume


@dataclass(frozen=True)
class Series:
    """A volume and what its headers said.

    Parameters
    ----------
    volume
        Slices sorted along the normal ``row x column`` (for axial slices: towards the head).
    order
        Index in the given files of each slice of the volume.
    window
        VOI window of the middle slice in rescaled values, or None.
    notes
        What a person should know: a spacing that only the header claims, say.
    first
        Header of its first slice.
    """

    volume: Volume
    order: tuple[int, ...]
    window: tuple[float, float] | None
    notes: tuple[str, ...]
    first: SliceHeader

    @property
    def inverted(self) -> bool:
        """Whether low numbers are meant to look bright (MONOCHROME1, PS3.3 C.7.6.3.1.2)."""
        return self.first.encoding.photometric == "MONOCHROME1"


def read_series(paths: Sequence[Path], policy: Policy = Policy()) -> Series:  # noqa: B008 - frozen
    """Read files that are said to be one series of grey pictures.

    Parameters
    ----------
    paths
        Its files, in any order; numbered from 1 in messages.
    policy
        What to do with gaps and tilt; ``gaps="split"`` has no meaning here.

    Raises
    ------
    DicomError
        If there is no file, one cannot be read or decoded, sizes, directions or spacings differ,
        two slices share a position, a slice is missing, or the stack is sheared.
    """
    if not paths:
        raise DicomError("no slices; wanted is at least one DICOM file")
    slices: list[SliceHeader] = []
    for number, path in enumerate(paths, 1):
        try:
            slices.extend(_grey_slices(path))
        except DicomError as error:
            raise DicomError(f"slice {number}: {error.message}", path=error.path) from error
    require_alike(slices)
    return read_plan(lay_out(Stack(tuple(slices)), policy)[0])


def read_stack(paths: Sequence[Path], name: str, policy: Policy = Policy()) -> Series:  # noqa: B008
    """Read one volume of a series that may hold several.

    Parameters
    ----------
    paths
        Files of the volume, or of its whole series where a file holds frames of several volumes.
    name
        Ends with the volume's suffix, as `grouping.group` gives it.
    policy
        What to do with gaps and tilt; ``gaps="split"`` has no meaning here.

    Raises
    ------
    DicomError
        As `read_series`, and where no volume of this name is found.
    """
    slices = [one for path in paths for one in _grey_slices(path)]
    stacks = group(slices)
    chosen = stacks
    if len(stacks) > 1:
        chosen = [one for one in stacks if name.endswith(one.suffix)]
    if not chosen:
        raise DicomError(f"none of the {len(stacks)} volumes of this series is {name}")
    best = max(chosen, key=lambda one: len(one.suffix))
    return read_plan(lay_out(best, policy)[0])


def _grey_slices(path: Path) -> list[SliceHeader]:
    blob = Blob.of(path)
    try:
        role, slices = read_slices(blob)
    except NoDicomError:
        raise DicomError("not readable as DICOM", path=path) from None
    if role == COLOUR:
        raise DicomError("a picture in colour; wanted is grey", path=path)
    if not slices:
        raise DicomError(f"no picture but a {role}", path=path)
    return slices


def read_plan(plan: Plan, on_plane: Callable[[NDArray[Any]], None] | None = None) -> Series:
    """Read a planned volume; straighten it or fill its gaps where the plan says so.

    ``on_plane`` is called with each plane in order as it is decoded; it must be None where the
    plan resamples.

    Raises
    ------
    DicomError
        If a slice cannot be decoded.
    """
    with fetched(one.blob for one in plan.slices):
        array, notes = assemble(plan, on_plane)
    geometry = plan.geometry
    if plan.shift_mm is not None:
        array, geometry, more = _straightened(array, geometry, plan.shift_mm)
        notes.append(more)
    if plan.heights_mm is not None:
        array, geometry, more = _filled(array, geometry, plan.heights_mm)
        notes.append(more)
    first = plan.slices[0]
    if first.encoding.photometric == "MONOCHROME1":
        notes.append("MONOCHROME1: low numbers are meant to look bright; 8-bit PNG shows them so")
    if any(one.modality_lut for one in plan.slices):
        notes.append(
            "its Modality LUT (0028,3000) is not applied: grey values are not what it says"
        )
    middle = plan.slices[len(plan.slices) // 2]
    volume = Volume(array, geometry, first.origin.modality)
    return Series(volume, plan.order, middle.window, (*plan.notes, *notes), first)


def tags_of(one: SliceHeader) -> Tags:
    """Read the tags of a slice again; a scan keeps only what it groups by.

    Raises
    ------
    DicomError
        If the file cannot be read any more.
    """
    tags = slice_tags(read_tags(one.blob), one.blob)
    return tags[one.frame if one.tile is None else 0]


def _straightened(
    array: NDArray[Any], geometry: Geometry, shift_mm: NDArray[np.float64]
) -> tuple[NDArray[Any], Geometry, str]:
    from medprep.dicom.resample import straighten

    rows_mm, columns_mm = geometry.spacing_mm[1:]
    straight, before_rows, before_columns = straighten(
        array, shift_mm[:, 0] / rows_mm, shift_mm[:, 1] / columns_mm, array.min()
    )
    affine = geometry.affine.copy()
    affine[:3, 3] -= affine[:3, 1] * before_rows + affine[:3, 2] * before_columns
    shape = straight.shape
    text = f"straightened: slices were moved by up to {np.abs(shift_mm).max():.3g} mm (linear)"
    return straight, Geometry((shape[0], shape[1], shape[2]), affine), text


def _filled(
    array: NDArray[Any], geometry: Geometry, heights_mm: NDArray[np.float64]
) -> tuple[NDArray[Any], Geometry, str]:
    from medprep.dicom.resample import fill_gaps

    rows_mm, columns_mm = geometry.spacing_mm[1:]
    # Along the normal: on a sheared grid neighbouring slices lie farther apart than that.
    step_mm = geometry.voxel_ml * 1000 / (rows_mm * columns_mm)
    even, made_up = fill_gaps(array, heights_mm, step_mm)
    shape = even.shape
    text = f"{int(made_up.sum())} of {shape[0]} slices are interpolated (linear) to an even grid"
    return even, Geometry((shape[0], shape[1], shape[2]), geometry.affine), text
