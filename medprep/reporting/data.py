"""What a report is made of: plain records, filled by whoever has the numbers.

Nothing here is computed and nothing holds a date, a path or a patient's name. A section whose
records are empty is left out of the report. What the report says about the data itself is in
`medprep.reporting.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from medprep.metrics.contrasts import Contrast
from medprep.metrics.evaluation import CaseScore, Evaluation, LabelScore
from medprep.reporting.quality import (
    CleaningRow,
    DataCheck,
    LabelRow,
    Leaks,
    Overlay,
    Thumbnail,
)

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""

ERROR_COLOURS: Mapping[str, Colour] = MappingProxyType(
    {"found": (86, 180, 233), "missed": (213, 94, 0), "extra": (240, 228, 66)}
)
"""What is in both, in the reference only, in the prediction only: three of Okabe and Ito's colours,
apart in lightness too."""


@dataclass(frozen=True)
class Dataset:
    """The data set as a whole.

    Parameters
    ----------
    preset
        Kind of data set.
    modality
        DICOM modality, several joined by a comma.
    cases, patients, labelled
        How many cases and patients there are, and how many cases have labels.
    notes
        What was noticed when it was read; one sentence each.
    """

    preset: str
    modality: str
    cases: int
    patients: int
    labelled: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SeriesRow:
    """One case: what its series looks like and where it stands in the split.

    Parameters
    ----------
    shape
        Slices, rows, columns; None where the case was not converted.
    spacing_mm
        Between slices, rows and columns; None where unknown.
    orientation
        Three letters: where each array axis points.
    fold
        ``train``, ``val``, ``test``, or ``""`` without labels.
    """

    case: str
    patient: str
    sequence: str
    modality: str
    shape: tuple[int, int, int] | None
    spacing_mm: tuple[float, float, float] | None
    orientation: str
    labelled: bool
    fold: str


@dataclass(frozen=True)
class FoldRow:
    """How many patients and cases a fold holds; ``fold`` is ``""`` for those without labels."""

    fold: str
    patients: int
    cases: int


@dataclass(frozen=True)
class FailedCase:
    """A case that a stage could not do, with the error's code and public message."""

    case: str
    stage: str
    code: str
    reason: str


@dataclass(frozen=True)
class LogRow:
    """One line of a training log; None where that step measured no such thing."""

    step: int
    loss: float | None
    dice: float | None


@dataclass(frozen=True)
class Training:
    """One trained model.

    Parameters
    ----------
    run
        Its name.
    steps, best_step
        Steps done, and the step whose weights were kept.
    validation_dice
        Of the kept weights; None without a validation fold.
    choice
        How the kept weights were chosen, in words.
    log
        Loss and validation Dice over the steps.
    options
        Name to value, as used.
    """

    run: str
    steps: int
    best_step: int
    validation_dice: float | None
    choice: str
    log: tuple[LogRow, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class ErrorPlane:
    """A plane of a case with its errors in colour.

    Parameters
    ----------
    title
        Which plane.
    png
        The picture.
    width_mm
        How much of the patient it shows.
    """

    title: str
    png: bytes
    width_mm: float


@dataclass(frozen=True)
class ErrorMap:
    """Planes through an error, and the slice it is in: counted from 1 along the first axis."""

    planes: tuple[ErrorPlane, ...]
    slice_number: int


@dataclass(frozen=True)
class WorstCase:
    """An organ of a case that scored badly, and a look at it."""

    case: CaseScore
    label: LabelScore
    errors: ErrorMap


@dataclass(frozen=True)
class ModelScores:
    """The scores of one model.

    Parameters
    ----------
    evaluation
        All its scored cases.
    conventions
        How its numbers came to be, a sentence each.
    worst
        Some of its worst cases, the worst first.
    """

    evaluation: Evaluation
    conventions: tuple[str, ...]
    worst: tuple[WorstCase, ...] = ()


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows.

    Parameters
    ----------
    title
        Its heading.
    version
        Of medprep.
    organs
        Each organ's name and the colour that the overlays draw it in.
    check, leaks
        What was found; None where nobody looked.
    labels, label_notes
        Statistics of each organ in each case, and how they are to be read; one sentence each.
    cleaning, cleaning_notes
        Every decision in the order in which they were taken, and what the rules are.
    thumbnails
        One for each case with labels.
    overlays
        Some of these cases, large.
    scores
        One for each scored model.
    contrasts
        Every two of them beside each other.
    score_notes
        What of the scores is not shown and why; one sentence each.
    commands
        Lines that repeat the work, the source's path left out.
    hashes
        SHA-256 of files, named relative to the workspace.
    versions
        Program to version.
    """

    title: str
    version: str
    dataset: Dataset
    series: tuple[SeriesRow, ...] = ()
    folds: tuple[FoldRow, ...] = ()
    organs: tuple[tuple[str, Colour], ...] = ()
    check: DataCheck | None = None
    leaks: Leaks | None = None
    labels: tuple[LabelRow, ...] = ()
    label_notes: tuple[str, ...] = ()
    cleaning: tuple[CleaningRow, ...] = ()
    cleaning_notes: tuple[str, ...] = ()
    failures: tuple[FailedCase, ...] = ()
    thumbnails: tuple[Thumbnail, ...] = ()
    overlays: tuple[Overlay, ...] = ()
    training: tuple[Training, ...] = ()
    scores: tuple[ModelScores, ...] = ()
    contrasts: tuple[Contrast, ...] = ()
    score_notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
