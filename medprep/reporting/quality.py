"""What a report says about the data itself: records of checks, leaks, cleaning and labels.

As in `medprep.reporting.data`, nothing is computed here, and nothing holds a path or a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Finding:
    """Something that the check of a case found.

    Parameters
    ----------
    kind
        ``alignment``: whether the mask sits on the picture; ``sides``: left and right names
        against the grid; ``geometry``: the grid itself.
    severity
        ``error`` and ``warning`` stand above the table, a ``note`` only in it.
    fault
        What is wrong, in words: ``the mask's slices are in reverse order``.
    evidence
        The numbers that say so.
    mend
        What to do: options as one types them, or words; ``""`` where nothing helps.
    """

    case: str
    kind: Literal["alignment", "sides", "geometry"]
    severity: Literal["error", "warning", "note"]
    fault: str
    evidence: str
    mend: str = ""


@dataclass(frozen=True)
class DataCheck:
    """What `check` looked at and found.

    Parameters
    ----------
    cases
        How many cases with labels were looked at.
    findings
        What was found; no finding is the good news that all is well.
    notes
        What the check cannot see, how often it errs; one sentence each.
    """

    cases: int
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeakRow:
    """Two pictures or cases that should not be in different folds.

    Parameters
    ----------
    one, other
        Their public names, with the slice where it is about slices.
    folds
        Of the one and of the other.
    kind
        ``same patient``, ``identical``, ``mirrored``, ``near``: in words.
    correlation
        Of their pixels after the change; None where it is about names.
    change
        What makes the other look like the one; ``""`` for nothing.
    slices
        How many of their slices agree; None where it is about names.
    """

    one: str
    other: str
    folds: tuple[str, str]
    kind: str
    correlation: float | None
    change: str = ""
    slices: int | None = None


@dataclass(frozen=True)
class Leaks:
    """What the leak gate compared and found.

    Parameters
    ----------
    compared
        What was compared with what, in words.
    rows
        Pairs across folds.
    trained_across
        Whether a model was trained although there were pairs; None where none was trained.
    notes
        How often the gate errs, what it cannot see; one sentence each.
    """

    compared: str
    rows: tuple[LeakRow, ...] = ()
    trained_across: bool | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CleaningRow:
    """One decision of cleaning: ``before - removed + added == after``, in voxels.

    Parameters
    ----------
    rule
        Its name, as in ``clean.csv``.
    ml
        Volume of ``after``; None where the spacing is unknown.
    dropped
        The rule dropped this organ of this case whole.
    reason
        Why, with the numbers; may be empty.
    """

    case: str
    organ: str
    rule: str
    before: int
    removed: int
    added: int
    after: int
    ml: float | None
    dropped: bool = False
    reason: str = ""


@dataclass(frozen=True)
class LabelRow:
    """One organ in one case, as `medprep.labels.statistics.label_statistics` measured it.

    Parameters
    ----------
    voxels, ml
        Its volume; ``ml`` is None where spacing is unknown.
    components
        Its connected pieces; None where nobody counted.
    faces
        Faces of the volume that it touches: ``last slice``, ``first row``.
    median, iqr, p1, p99
        Grey values of the picture inside it; None without a picture.
    outlier
        Why it stands out among the cases; ``""`` where it does not.
    """

    case: str
    organ: str
    voxels: int
    ml: float | None
    components: int | None = None
    faces: tuple[str, ...] = ()
    median: float | None = None
    iqr: float | None = None
    p1: float | None = None
    p99: float | None = None
    outlier: str = ""


@dataclass(frozen=True)
class Overlay:
    """A case with its labels drawn in.

    Parameters
    ----------
    png
        The file's bytes, as `medprep.reporting.overlay.overlay_png` gives them.
    """

    case: str
    title: str
    png: bytes


@dataclass(frozen=True)
class Thumbnail:
    """A case in small.

    Parameters
    ----------
    png
        The file's bytes, as `medprep.reporting.overlay.thumbnail_png` gives them.
    flags
        What was found about it, in a few words each; none is well.
    """

    case: str
    png: bytes
    flags: tuple[str, ...] = ()
