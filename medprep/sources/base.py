"""The shape in which every source hands over its cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medprep.organs import OrganTable

Reader = Literal["dicom", "dicom-tree", "dicom-masks", "nifti", "png"]
Preset = Literal[
    "chaos-mr-t1in",
    "chaos-mr-t1out",
    "chaos-mr-t2",
    "chaos-ct",
    "dicom-masks",
    "nnunet",
    "msd",
    "nifti-pairs",
    "png-pairs",
    "dicom",
]
PRESETS: tuple[Preset, ...] = (
    "chaos-mr-t1in", "chaos-mr-t1out", "chaos-mr-t2", "chaos-ct", "dicom-masks", "nnunet", "msd",
    "nifti-pairs", "png-pairs", "dicom",
)  # fmt: skip


@dataclass(frozen=True)
class SourceCase:
    """One picture with its mask, as files.

    Parameters
    ----------
    case
        Public id, unique in the set, safe as a file name.
    patient
        Public id of the patient; cases that share it never part in a split.
    sequence
        What was measured: ``t1in``, ``t1out``, ``t2``, ``ct``; of a DICOM tree the series number
        and what tells its volumes apart (``003_e2``); or ``""``.
    modality
        DICOM modality, or ``""``.
    identity
        How the source names the patient. Private.
    reader
        How the files are read.
    pictures, masks
        Files in natural order of their names; the n-th mask belongs to the n-th picture. No masks:
        the case is predicted, never scored.
    fold
        ``train`` or ``val`` or ``test`` where the source's folders say so, else ``""``.
    organs
        Where each mask file shows one organ only: the organ of each of ``masks``; else empty.
    """

    case: str
    patient: str
    sequence: str
    modality: str
    identity: str
    reader: Reader
    pictures: tuple[Path, ...]
    masks: tuple[Path, ...]
    fold: Literal["", "train", "val", "test"] = ""
    organs: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceSet:
    """All cases of one preset found in a folder.

    Parameters
    ----------
    preset
        Which of `PRESETS` it is.
    cases
        Sorted by case id.
    table
        The organs of its masks, and the regions they form.
    notes
        What was chosen, what was left out and which option takes it, what looks odd.
    broken
        Path and reason of files that cannot be read and belong to no case. Private.
    splits
        nnU-Net's ``splits_final.json`` that came with the data, or None. Its names are the
        cases' ``identity``.
    """

    preset: Preset
    cases: tuple[SourceCase, ...]
    table: OrganTable
    notes: tuple[str, ...]
    broken: tuple[tuple[str, str], ...] = ()
    splits: Path | None = None

    @property
    def regions(self) -> Mapping[str, tuple[str, ...]]:
        """Named sets of organs, for targets that overlap."""
        return dict(self.table.regions)
