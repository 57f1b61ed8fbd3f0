"""What a split asks of each case beyond its name: who, where, on what scanner, with which organs.

Headers and masks are read only for what is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medprep.dicom.blobs import Blob
from medprep.errors import DicomError, MedprepError
from medprep.execute import Failure, choose_jobs, map_cases
from medprep.organs import BINARY, OrganTable
from medprep.sources.base import SourceCase
from medprep.stages.base import Context

Ask = Literal["identity", "origin", "label", "volume"]
"""``identity``: PatientID, PatientName. ``origin``: site and scanner. The others read masks."""

_DICOM = ("dicom", "dicom-tree", "dicom-masks")


@dataclass(frozen=True)
class CaseFacts:
    """What was found; all of it is private but `organs` and `volume`.

    Parameters
    ----------
    patient_id, patient_name
        PatientID and PatientName.
    site
        InstitutionName (0008,0080), else StationName (0008,1010).
    scanner
        Manufacturer (0008,0070) and ManufacturerModelName (0008,1090).
    organs
        Organs that the mask holds; None where unknown.
    volume
        Of all organs together: ml, or voxels where the files know no millimetres (PNG pairs);
        None where unknown.
    unread
        What could not be read, and why.
    """

    patient_id: str = ""
    patient_name: str = ""
    site: str = ""
    scanner: str = ""
    organs: tuple[str, ...] | None = None
    volume: float | None = None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Task:
    case: SourceCase
    ask: frozenset[Ask]
    table: OrganTable


def read_facts(
    cases: Sequence[SourceCase], ask: Collection[Ask], table: OrganTable, context: Context
) -> dict[str, CaseFacts]:
    """Read what is asked of every case.

    Parameters
    ----------
    cases
        Those to read; only labelled ones are asked for their masks.
    ask
        What to read; nothing gives no facts, without a look at any file.
    table
        The organs of the masks.

    Returns
    -------
    dict
        Case to facts. A case that cannot be read has empty ones that say why.
    """
    asked = frozenset(ask)
    tasks = []
    for case in cases:
        own: set[Ask] = set()
        if case.reader in _DICOM and case.pictures:
            own |= asked & {"identity", "origin"}
        if case.masks:
            own |= asked & {"label", "volume"}
        if own:
            tasks.append(_Task(case, frozenset(own), table))
    if not tasks:
        return {}
    heavy = bool(asked & {"label", "volume"})
    jobs = choose_jobs(context.jobs, len(tasks)) if heavy else 1
    cluster = context.cluster if heavy else None
    found: dict[str, CaseFacts] = {}
    context.progress.start("split: masks" if heavy else "split: headers", len(tasks))
    for task, outcome in map_cases(
        _read, tasks, jobs=jobs, limit_s=context.case_timeout_s, cluster=cluster
    ):
        if isinstance(outcome, Failure):
            outcome = CaseFacts(unread=(outcome.message,))
        found[task.case.case] = outcome
        context.progress.advance()
    context.progress.finish()
    return found


def _read(task: _Task) -> CaseFacts:
    facts: dict[str, Any] = {}
    unread: list[str] = []
    parts = [
        ("identity" in task.ask, _identity),
        ("origin" in task.ask, _origin),
        (bool(task.ask & {"label", "volume"}), _masks),
    ]
    for wanted, read in parts:
        if wanted:
            try:
                read(task, facts)
            except MedprepError as error:
                unread.append(error.message)
    return CaseFacts(**facts, unread=tuple(unread))


def _identity(task: _Task, facts: dict[str, Any]) -> None:
    from medprep.dicom.tags import NoDicomError, read_tags

    path = task.case.pictures[0]
    try:
        tags = read_tags(Blob.of(path)).tags
    except NoDicomError as error:
        raise DicomError(
            "its first picture is no DICOM; see what lies in its folder: medprep scan", path=path
        ) from error
    facts["patient_id"] = str(tags.get("PatientID", ""))
    facts["patient_name"] = str(tags.get("PatientName", ""))


def _origin(task: _Task, facts: dict[str, Any]) -> None:
    from medprep.dicom.tags import read_dataset

    dataset = read_dataset(Blob.of(task.case.pictures[0]))

    def text(keyword: str) -> str:
        return " ".join(str(dataset.get(keyword) or "").split())

    facts["site"] = text("InstitutionName") or text("StationName")
    facts["scanner"] = " ".join(filter(None, map(text, ("Manufacturer", "ManufacturerModelName"))))


def _masks(task: _Task, facts: dict[str, Any]) -> None:
    counts, voxel_ml = _voxels(task)
    facts["organs"] = tuple(sorted(organ for organ, count in counts.items() if count))
    if voxel_ml is not None:
        facts["volume"] = sum(counts.values()) * voxel_ml


def _voxels(task: _Task) -> tuple[Counter[str], float | None]:
    """Count the voxels of each organ, and give the size of one; 1 where nobody knows it."""
    case = task.case
    if case.reader == "dicom-masks":
        return _series_voxels(case)
    if case.reader == "nifti":
        from medprep.formats import nifti

        labels = nifti.read_label_map(case.masks[0])
        size = float(np.prod(labels.geometry.spacing_mm)) / 1000
        return organ_voxels(np.bincount(labels.array.ravel()), task.table), size
    from medprep.formats import png

    levels = np.zeros(65536, np.int64)
    for path in case.masks:
        found = np.bincount(png.read(path).ravel())
        levels[: len(found)] += found
    size_ml = 1.0 if case.reader == "png" else _voxel_ml(case.pictures)
    return organ_voxels(levels, task.table), size_ml


def organ_voxels(levels: np.ndarray[Any, Any], table: OrganTable) -> Counter[str]:
    """Give the voxels of each organ from the voxels of each grey level, as ``extract`` has them.

    Parameters
    ----------
    levels
        Number of voxels by grey level.
    table
        What the levels mean; those in no range are left out.
    """
    from medprep.labels.ranges import BINARY_THRESHOLD

    if table == BINARY and levels[2:].any():
        return Counter({BINARY.organs[0].name: int(levels[BINARY_THRESHOLD:].sum())})
    return Counter(
        {
            organ.name: int(sum(levels[low : high + 1].sum() for low, high in organ.ranges))
            for organ in table.organs
        }
    )


def _series_voxels(case: SourceCase) -> tuple[Counter[str], float]:
    from medprep.dicom.series import read_series
    from medprep.sources.organ_masks import files_by_organ

    counts: Counter[str] = Counter()
    size = 1.0
    for organ, files in files_by_organ(case.masks).items():
        volume = read_series(files).volume
        counts[organ] = int(np.count_nonzero(volume.array))
        size = float(np.prod(volume.geometry.spacing_mm)) / 1000
    return counts, size


def _voxel_ml(pictures: Sequence[Path]) -> float | None:
    """Give a voxel's size from the first and the last header; None where they do not say it."""
    from medprep.dicom.tags import NoDicomError, read_tags

    try:
        ends = [read_tags(Blob.of(path)).tags for path in (pictures[0], pictures[-1])]
    except (IndexError, NoDicomError):
        return None
    spacing = ends[0].get("PixelSpacing")
    places = [tags.get("ImagePositionPatient", ()) for tags in ends]
    if not (isinstance(spacing, tuple) and len(spacing) == 2):
        return None
    gap = ends[0].get("SliceThickness")
    if len(pictures) > 1 and all(isinstance(one, tuple) and len(one) == 3 for one in places):
        length = float(np.linalg.norm(np.subtract(places[1], places[0])))
        gap = length / (len(pictures) - 1)
    size = float(spacing[0]) * float(spacing[1]) * gap / 1000 if isinstance(gap, float) else None
    return size if size is not None and np.isfinite(size) and size > 0 else None
