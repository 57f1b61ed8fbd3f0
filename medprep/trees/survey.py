"""Look at a tree: which volumes it gives, which it cannot give, and what else lies in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.dicom.blobs import Blob
from medprep.dicom.grouping import Stack, group
from medprep.dicom.names import name_stacks
from medprep.dicom.records import SliceHeader
from medprep.dicom.roles import OPTIONAL
from medprep.dicom.scan import Passed, Scan, scan
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.errors import MedprepError, OptionError
from medprep.execute import Failure
from medprep.execute.headers import reader
from medprep.places.paths import is_far_text

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

SYNTAXES = {
    "1.2.840.10008.1.2": "implicit little-endian",
    "1.2.840.10008.1.2.1": "explicit little-endian",
    "1.2.840.10008.1.2.1.99": "deflated",
    "1.2.840.10008.1.2.2": "big-endian",
    "1.2.840.10008.1.2.4.50": "JPEG baseline",
    "1.2.840.10008.1.2.4.51": "JPEG extended",
    "1.2.840.10008.1.2.4.57": "JPEG lossless",
    "1.2.840.10008.1.2.4.70": "JPEG lossless",
    "1.2.840.10008.1.2.4.80": "JPEG-LS",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near-lossless",
    "1.2.840.10008.1.2.4.90": "JPEG 2000 lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.201": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.202": "HTJ2K lossless",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    "1.2.840.10008.1.2.5": "RLE",
}


@dataclass(frozen=True)
class Found:
    """One volume that a tree holds.

    Parameters
    ----------
    name
        Public.
    stack
        Its slices.
    plan
        How they become a volume; None where they do not.
    failure
        Why they do not, or None.
    """

    name: str
    stack: Stack
    plan: Plan | None
    failure: Failure | None

    @property
    def first(self) -> SliceHeader:
        """A slice of it."""
        return self.stack.slices[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What looks odd."""
        if self.failure is not None:
            return (self.failure.message,)
        return self.stack.notes if self.plan is None else self.plan.notes

    def to_dict(self) -> dict[str, Any]:
        """Give a row of the scan's table."""
        origin, plane = self.first.origin, self.first.plane
        step = None if self.plan is None else round(self.plan.geometry.spacing_mm[0], 4)
        return {
            "name": self.name,
            "modality": origin.modality,
            "series": origin.number,
            "description": origin.description,
            "slices": len(self.stack.slices),
            "rows": plane.rows,
            "columns": plane.columns,
            "spacing_mm": [step, *(round(float(one), 4) for one in plane.spacing_mm)],
            "orientation_lps": "" if self.plan is None else self.plan.geometry.orientation,
            "syntax": SYNTAXES.get(self.first.encoding.syntax, self.first.encoding.syntax),
            "odd": list(self.notes),
            "usable": self.failure is None,
            "folder": str(_folder(self.first.blob)),
        }


def _folder(blob: Blob) -> Path:
    return (blob.file if is_far_text(blob.path) else Path(str(blob))).parent


@dataclass(frozen=True)
class Survey:
    """What a tree holds.

    Parameters
    ----------
    volumes
        By patient, study and series.
    patients, studies, series
        Their numbers.
    others
        DICOM objects that give no volume.
    broken
        Files that cannot be read.
    strangers
        Files that are no DICOM.
    """

    volumes: tuple[Found, ...]
    patients: int
    studies: int
    series: int
    others: tuple[Passed, ...]
    broken: tuple[Passed, ...]
    strangers: tuple[str, ...]

    @property
    def refused(self) -> list[Found]:
        """Those that cannot become a volume."""
        return [one for one in self.volumes if one.failure is not None]

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs. Holds paths: for the person who owns the tree."""
        return {
            "patients": self.patients,
            "studies": self.studies,
            "series": self.series,
            "volumes": [one.to_dict() for one in self.volumes],
            "others": [{"path": one.path, "role": one.why} for one in self.others],
            "broken": [{"path": one.path, "why": one.why} for one in self.broken],
            "no_dicom": len(self.strangers),
        }


def check_roles(include: Iterable[str]) -> None:
    """Refuse roles that hold no picture.

    Raises
    ------
    OptionError
        Names the ones there are.
    """
    for role in include:
        if role not in OPTIONAL:
            raise OptionError(f"no role '{role}' to include (have {', '.join(OPTIONAL)})")


def survey(
    root: Path,
    key: bytes,
    *,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    include: tuple[str, ...] = (),
    advance: Callable[[int], None] | None = None,
    cluster: Cluster | None = None,
    without: Path | None = None,
) -> Survey:
    """Scan a tree, sort its slices into stacks, and check each.

    Parameters
    ----------
    root
        Folder, zip archive or file.
    key
        Of the patients' pseudonyms.
    policy
        What to do with gaps and tilt.
    include
        Roles to take besides images, of `roles.OPTIONAL`.
    advance
        Called with the number of files read, now and then.
    cluster
        Where headers are read; None reads them here.
    without
        A folder of the tree to leave out: what is made of it may lie there.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    """
    found = scan(root, include=include, advance=advance, read=reader(cluster), without=without)
    stacks = group(found.slices)
    volumes: list[Found] = []
    for stack, name in zip(stacks, name_stacks(stacks, key), strict=True):
        volumes.extend(_laid_out(stack, name, policy))
    return _counted(volumes, found)


def _laid_out(stack: Stack, name: str, policy: Policy) -> list[Found]:
    try:
        return [Found(name + plan.suffix, stack, plan, None) for plan in lay_out(stack, policy)]
    except MedprepError as error:
        return [Found(name, stack, None, Failure(error.code, error.message, error.path))]


def _counted(volumes: list[Found], found: Scan) -> Survey:
    origins = [one.first.origin for one in volumes]
    return Survey(
        tuple(volumes),
        len({origin.patient for origin in origins}),
        len({(origin.patient, origin.study) for origin in origins}),
        len({(origin.patient, origin.study, origin.series) for origin in origins}),
        tuple(found.others),
        tuple(found.broken),
        tuple(found.strangers),
    )
