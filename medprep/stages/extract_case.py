"""One case's masks into one label map: read, put right, told apart, looked at, written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.colours import colours_of
from medprep.errors import AlignmentError
from medprep.files import AtomicFiles
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.labels.alignment import Alignment, Fault, check_alignment
from medprep.labels.corrections import Correction
from medprep.labels.pairs import Pair, part, renumber, with_parts
from medprep.labels.ranges import extract_labels, require_one_level, threshold_binary
from medprep.labels.regions import Scheme, merge_masks
from medprep.labels.sides import check_sides
from medprep.labels.snapping import snap_levels
from medprep.organs import OrganTable
from medprep.sources.base import Reader
from medprep.sources.detect import read_mask
from medprep.sources.dicom_masks import read_organ_masks
from medprep.stages.base import CaseResult
from medprep.volume import LabelMap
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import LedgerFile, at_hand, by_organ

_FAULTS: dict[Fault, str] = {
    "none": "right",
    "reversed": "to be in reverse order",
    "flip_x": "mirrored in x",
    "flip_y": "mirrored in y",
    "transposed": "transposed",
    "slice_up": "too many slices up",
    "slice_down": "too many slices down",
    "shifted": "shifted",
    "stranger": "that of another picture",
}


@dataclass(frozen=True)
class ExtractCase:
    """What extracting one case needs; `medprep.stages.extract.Extract` says what it means."""

    layout: Layout
    case: str
    reader: Reader
    files: tuple[LedgerFile, ...]
    image: dict[str, Any]
    wanted: OrganTable
    table: OrganTable
    pairs: tuple[Pair, ...]
    scheme: Scheme | None
    correction: Correction
    unmapped: Literal["error", "background"]
    snap: bool
    strict: bool
    slices: bool
    binary: bool


@dataclass
class _Found:
    """Labels, and what happened on the way to them."""

    labels: NDArray[Any]
    names: dict[int, str]
    notes: list[str]
    thresholded: int = 0
    snapped: int = 0
    unmapped: Mapping[int, int] = field(default_factory=dict)


def extract_case(work: ExtractCase) -> CaseResult:
    """Write a case's label map and give its facts.

    Raises
    ------
    AlignmentError
        If the mask does not sit on its picture and ``strict`` is set.
    """
    grid = Geometry.from_dict(work.image)
    found = _read(work, grid)
    _part_pairs(found, work.pairs, grid)
    seen = {
        "alignment": _aligned(work, found.labels, grid),
        "sides": [str(one) for one in check_sides(found.labels, grid, found.names)],
    }
    # Of a single slice too little is seen: what is found there is a hint.
    if work.strict and grid.shape[0] > 1 and doubts(seen):
        raise AlignmentError(f"{'; '.join(doubts(seen))}; without --strict it is taken as it is")
    layout = work.layout
    targets = [layout.labels(work.case)]
    with AtomicFiles() as files:
        nifti.write(files.file(targets[0]), LabelMap(found.labels, grid, found.names))
        if work.slices:
            targets.append(layout.label_slices(work.case))
            folder = files.folder(targets[1])
            png.write_label_slices(folder, found.labels, colours_of(found.names))
    facts = _facts(work, found, grid) | seen
    return CaseResult(tuple(layout.relative(path) for path in targets), facts)


def doubts(facts: Mapping[str, Any]) -> list[str]:
    """Give what a person should look at, of the facts of a case."""
    alignment = facts["alignment"]
    return [*([alignment["text"]] if alignment["flagged"] else []), *facts["sides"]]


def _read(work: ExtractCase, grid: Geometry) -> _Found:
    with at_hand(work.files) as paths:
        return _read_files(work, paths, grid)


def _read_files(work: ExtractCase, paths: Sequence[Path], grid: Geometry) -> _Found:
    order = work.image["source_order"]
    if work.scheme is not None:
        wanted = {name for mixture in work.scheme.values for name in mixture}
        organs = {n: own for n, own in by_organ(work.files, paths).items() if n in wanted}
        masks, notes = read_organ_masks(organs, grid, order)
        masks = {name: work.correction.apply(mask) for name, mask in masks.items()}
        labels = merge_masks(masks, work.scheme) if masks else np.zeros(grid.shape, np.uint8)
        return _Found(labels, dict(work.scheme.names), list(notes))
    grey, notes = read_mask(work.reader, paths, order, grid)
    grey = work.correction.apply(grey)
    thresholded = snapped = 0
    if work.binary:
        if grey.dtype == np.uint8:
            require_one_level(grey)
        grey, thresholded = threshold_binary(grey)
    elif work.snap:
        others = [one for one in work.table.organs if one.name not in work.wanted.names]
        grey, snapped = snap_levels(grey, (*work.wanted.organs, *others))
    labels, counts = extract_labels(grey, work.wanted, work.table, work.unmapped)
    names = dict(enumerate(work.wanted.names, 1))
    return _Found(labels, names, list(notes), thresholded, snapped, counts.unmapped)


def _part_pairs(found: _Found, pairs: tuple[Pair, ...], grid: Geometry) -> None:
    parted, how = part(found.labels, grid, found.names, pairs)
    found.labels, found.names = renumber(parted, found.names, pairs)
    found.notes.extend(filter(None, how.split("; ")))


def _aligned(work: ExtractCase, labels: NDArray[Any], grid: Geometry) -> dict[str, Any]:
    """Look whether the mask sits on the picture."""
    picture = nifti.read(work.layout.image(work.case)).array
    spacing = grid.spacing_mm if work.image["spacing_known"] else None
    found = check_alignment(picture, labels, spacing)
    return {**asdict(found), "text": told(found)}


def told(found: Alignment) -> str:
    """Give a finding in one line."""
    mend = f"; mend: {found.mend}" if found.mend else ""
    return f"the mask seems {_FAULTS[found.fault]}: {found.evidence}{mend}"


def _facts(work: ExtractCase, found: _Found, grid: Geometry) -> dict[str, Any]:
    regions = dict(work.wanted.regions) if work.scheme is None else work.scheme.regions
    voxels = np.bincount(found.labels.reshape(-1), minlength=max(found.names, default=0) + 1)
    return {
        "names": {str(value): name for value, name in found.names.items()},
        "regions": with_parts(regions, work.pairs),
        "voxels": {name: int(voxels[value]) for value, name in found.names.items()},
        "voxel_ml": grid.voxel_ml if work.image["spacing_known"] else None,
        "thresholded_pixels": found.thresholded,
        "snapped_pixels": found.snapped,
        "unmapped": {str(level): count for level, count in found.unmapped.items()},
        "notes": found.notes,
    }
