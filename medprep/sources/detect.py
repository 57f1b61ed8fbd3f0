"""Say what a folder holds, and read a case's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.stacks import Policy
from medprep.errors import GeometryError, LabelError, SourceError
from medprep.files import walk_files
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.places.paths import inside
from medprep.places.seen import listed_once
from medprep.sources.base import Preset, Reader, SourceCase, SourceSet
from medprep.sources.chaos import choose_chaos, find_chaos
from medprep.sources.dicom_masks import find_dicom_masks
from medprep.sources.dicom_tree import find_tree
from medprep.sources.msd import find_msd
from medprep.sources.nnunet import find_nnunet
from medprep.sources.organ_masks import place_note, turned_to
from medprep.sources.pairs import describe_pairs, find_pairs
from medprep.volume import Volume, compact

_ENDINGS_NAMED = 5


@dataclass(frozen=True)
class Picture:
    """A case's picture as read from its source.

    Parameters
    ----------
    volume
        The grey values on their grid.
    order
        Index in the source's files of each slice: what its masks must be sorted by.
    window
        The source's own display window (low, high), or None.
    spacing_known
        False for PNG, which carries no millimetres: the grid counts pixels then.
    notes
        What a person should know.
    acquisition
        How it was made, in BIDS terms and without a word about the patient.
    inverted
        Whether low numbers are meant to look bright.
    """

    volume: Volume
    order: tuple[int, ...]
    window: tuple[float, float] | None
    spacing_known: bool
    notes: tuple[str, ...]
    acquisition: Mapping[str, Any] = field(default_factory=dict)
    inverted: bool = False


def open_source(root: Path, preset: Preset | None = None, key: bytes = b"") -> SourceSet:
    """Find out what a folder holds.

    Parameters
    ----------
    root
        The folder, or an archive of it.
    preset
        What to take it for, or None to find out.
    key
        Of the pseudonyms of patients, where the source names them.

    Raises
    ------
    SourceError
        If it is missing, empty, or holds nothing medprep knows.
    """
    root = inside(root)
    if not root.is_dir():
        raise SourceError(
            "no such folder; wanted is the folder of the data set, or an archive of it", path=root
        )
    with listed_once():
        return _found(root, preset, key)


def _found(root: Path, preset: Preset | None, key: bytes) -> SourceSet:
    if preset is None or preset.startswith("chaos-"):
        cases, passed_over = find_chaos(root)
        if cases:
            return choose_chaos(cases, preset, passed_over)
    found = _described(root, preset, key) or _paired(root, preset, key)
    if found is None and preset in (None, "dicom"):
        found = find_tree(root, key)
    if found is not None:
        return found
    raise SourceError(_what_is_there(root, preset), path=root)


def _described(root: Path, preset: Preset | None, key: bytes) -> SourceSet | None:
    """Try the layouts that say themselves what they are."""
    found = None
    if preset in (None, "dicom-masks"):
        found = find_dicom_masks(root, key)
    if found is None and preset in (None, "nnunet"):
        found = find_nnunet(root)
    if found is None and preset in (None, "msd"):
        found = find_msd(root)
    return found


def _paired(root: Path, preset: Preset | None, key: bytes) -> SourceSet | None:
    readers: tuple[Reader, ...] = ("nifti", "png")
    for reader in readers:
        if preset not in (None, f"{reader}-pairs"):
            continue
        pairs, passed_over = find_pairs(root, reader)
        if not pairs:
            continue
        if preset is None and reader == "png" and not any(case.masks for case in pairs):
            tree = find_tree(root, key)  # a tree of DICOM may hold a logo or a preview
            if tree is not None:
                return tree
        return describe_pairs(pairs, reader, passed_over)
    return None


def read_picture(
    reader: Reader,
    paths: Sequence[Path],
    modality: str,
    *,
    sequence: str = "",
    policy: Policy = Policy(),  # noqa: B008 - frozen
) -> Picture:
    """Read a case's picture.

    Parameters
    ----------
    reader
        How.
    paths
        Its files.
    modality
        Where the files do not say it.
    sequence
        Which volume of a DICOM tree's series; of a NIfTI file of several the first one's name.
    policy
        What to do with gaps and tilt of DICOM.

    Raises
    ------
    DicomError, FormatError, GeometryError
        If its files cannot be used; the message says which and why.
    """
    if reader in ("dicom", "dicom-masks", "dicom-tree"):
        from medprep.dicom.series import read_series, read_stack, tags_of
        from medprep.dicom.sidecar import sidecar

        if reader == "dicom-tree":
            series = read_stack(paths, sequence, policy)
        else:
            series = read_series(paths, policy)
        volume = series.volume
        acquisition = sidecar(tags_of(series.first), volume.geometry, series.notes)
        return Picture(
            volume, series.order, series.window, True, series.notes, acquisition, series.inverted
        )
    if reader == "nifti":
        volume = nifti.read(paths[0], volume=0 if sequence else None)
        array = compact(volume.array)
        odd = nifti.oddities(paths[0])
        return Picture(Volume(array, volume.geometry, modality), (0,), None, True, odd)
    pixels = png.read(paths[0])[np.newaxis]
    grid = Geometry.from_parts(pixels.shape, (1.0, 1.0, 1.0))
    return Picture(Volume(pixels, grid, modality), (0,), None, False, ("no millimetres known",))


def read_mask(
    reader: Reader, paths: Sequence[Path], order: Sequence[int], grid: Geometry
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Read a case's mask onto its picture's grid.

    Masks of the reader ``dicom-masks`` may overlap: `dicom_masks.read_organ_masks` reads those.

    Parameters
    ----------
    reader
        How: ``nifti``, or slices as pictures.
    paths
        Mask files in the order of the picture's files.
    order
        `Picture.order`: pairs are made by name first, then sorted together.
    grid
        The picture's grid.

    Returns
    -------
    ndarray
        ``[slice, row, column]`` grey levels, uint8 or uint16.
    tuple of str
        What a person should know.

    Raises
    ------
    LabelError
        If the number of masks or a mask's size differs from the picture's.
    GeometryError
        If a NIfTI mask lies elsewhere than its picture.
    """
    if reader == "nifti":
        return _nifti_mask(paths[0], grid)
    if len(paths) != len(order):
        raise LabelError(
            f"{len(paths)} masks for {len(order)} slices; wanted is one mask for each slice",
            path=paths[0].parent,
        )
    return np.stack([_plane(paths[index], n, grid) for n, index in enumerate(order)]), ()


def _plane(path: Path, number: int, grid: Geometry) -> NDArray[Any]:
    plane = png.read(path)
    if plane.shape != grid.shape[1:]:
        raise LabelError(
            f"slice {number}: the mask is {plane.shape[0]} x {plane.shape[1]} pixels, its "
            f"picture {grid.shape[1]} x {grid.shape[2]}",
            path=path,
        )
    return plane


def _nifti_mask(path: Path, grid: Geometry) -> tuple[NDArray[Any], tuple[str, ...]]:
    labels = nifti.read_label_map(path)
    array, own, turned = turned_to(labels.array, labels.geometry, grid)
    if own.shape != grid.shape:
        raise LabelError(f"the mask has {own.shape} voxels, its picture {grid.shape}", path=path)
    try:
        note = place_note(own, grid)
    except GeometryError as error:
        raise GeometryError(error.message, path=path) from error
    odd = tuple(f"mask: {one}" for one in nifti.oddities(path))
    return array, (*odd, *filter(None, (turned, note)))


def _what_is_there(root: Path, preset: Preset | None) -> str:
    endings = Counter(path.suffix.casefold() for path in walk_files(root))
    if not endings:
        return "the folder is empty"
    named = endings.most_common(_ENDINGS_NAMED)
    listed = ", ".join(f"{count} {ending or '(no ending)'}" for ending, count in named)
    if len(endings) > len(named):
        listed += f" and {len(endings) - len(named)} other endings"
    wanted = preset or (
        "the CHAOS layout (folders DICOM_anon), folders PATIENT_DICOM and MASKS_DICOM, a "
        "dataset.json of nnU-Net or the Decathlon, NIfTI pairs, PNG pairs or DICOM"
    )
    return f"found {listed}; wanted is {wanted}"


__all__ = ["Picture", "SourceCase", "SourceSet", "open_source", "read_mask", "read_picture"]
