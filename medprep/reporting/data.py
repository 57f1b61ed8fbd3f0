"""What a report is made of: plain records, filled by whoever has the numbers.

Nothing here is computed and nothing holds a date, a path or a patient's name. A section whose
records are empty is left out of the report. What the report says about the data itself is in
`medprep.reporting.quality`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medprep.metrics.overlap import Summary
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
class ScoreRow:
    """How one organ of one case agrees with its reference.

    Parameters
    ----------
    dice
        Volume Dice; None where the organ is in neither and so not scored.
    slice_dice_empty_one, slice_dice_empty_skipped
        Mean of the slices' Dice where an empty slice counts 1, or is left out.
    empty_slices, slices
        Slices with the organ in neither, of how many.
    missing
        There is no prediction: ``dice`` is what a missing one counts.
    """

    case: str
    organ: str
    dice: float | None
    slice_dice_empty_one: float | None = None
    slice_dice_empty_skipped: float | None = None
    empty_slices: int = 0
    slices: int = 0
    missing: bool = False


@dataclass(frozen=True)
class OrganScore:
    """One organ over all cases: volume Dice, both means of slices, and what was left out.

    A ``region`` is several organs together; it is not counted once more in the headline.
    """

    organ: str
    dice: Summary
    slice_dice_empty_one: Summary
    slice_dice_empty_skipped: Summary
    missing: int
    empty_in_both: int
    region: bool = False


@dataclass(frozen=True)
class ScoreTable:
    """The scores of one run.

    Parameters
    ----------
    run
        Name of the model.
    fold
        Whose cases were scored: ``test`` or ``val``.
    reference
        Which labels they were scored against: ``extracted`` or ``cleaned``.
    convention
        What a missing organ does to a volume Dice, in words.
    patients
        How many were scored.
    rows
        One for each case and organ.
    organs
        One for each organ.
    """

    run: str
    fold: str
    reference: str
    convention: str
    patients: int
    rows: tuple[ScoreRow, ...]
    organs: tuple[OrganScore, ...]


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
        One for each scored run; the first one is the report's headline.
    commands
        Lines that repeat the work, the source's path left out.
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
    scores: tuple[ScoreTable, ...] = ()
    commands: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
