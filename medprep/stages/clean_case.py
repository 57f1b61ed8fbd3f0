"""One case's share of the cleaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from medprep.colours import colours_of
from medprep.files import AtomicFiles
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.labels.audit import AuditRow
from medprep.labels.cleaning import apply_rules
from medprep.labels.pairs import Pair, part, renumber, with_parts, with_sides
from medprep.labels.rules import Rules
from medprep.stages.base import CaseResult, names_of
from medprep.volume import LabelMap
from medprep.workspace.layout import Layout


@dataclass(frozen=True)
class CleanCase:
    """What cleaning one case needs.

    Parameters
    ----------
    facts
        Of its extraction.
    pairs
        Organs that are two in one label, to be parted.
    slices
        Whether to write label slices beside the picture's.
    """

    layout: Layout
    case: str
    facts: dict[str, Any]
    rules: Rules
    pairs: tuple[Pair, ...]
    slices: bool


def clean_case(work: CleanCase) -> CaseResult:
    """Write a case's cleaned label map and give the account."""
    layout, case = work.layout, work.case
    cleaned, rows, grid = _cleaned(work)
    numbered, names = renumber(cleaned, names_of(work.facts), work.pairs)
    targets = [layout.cleaned(case)]
    with AtomicFiles(most_bytes=2 * numbered.nbytes) as files:
        nifti.write(files.file(targets[0]), LabelMap(numbered, grid, names))
        if work.slices:
            targets.append(layout.slice_labels(case))
            folder = files.folder(targets[1])
            png.write_label_slices(folder, numbered, colours_of(names))
    facts = {
        "names": {str(value): name for value, name in names.items()},
        "regions": with_parts(work.facts["regions"], work.pairs),
        "rows": [asdict(row) for row in rows],
    }
    return CaseResult(tuple(layout.relative(path) for path in targets), facts)


def judge_case(work: CleanCase) -> list[AuditRow]:
    """Give the account without writing anything."""
    return _cleaned(work)[1]


def rows_of(facts: Mapping[str, Any]) -> list[AuditRow]:
    """Give the account that `clean_case` recorded."""
    return [AuditRow(**row) for row in facts["rows"]]


def _cleaned(work: CleanCase) -> tuple[NDArray[Any], list[AuditRow], Geometry]:
    labels = nifti.read_label_map(work.layout.labels(work.case))
    grid = labels.geometry
    names = names_of(work.facts)

    def split(given: NDArray[Any]) -> tuple[NDArray[Any], str]:
        return part(given, grid, names, work.pairs)

    cleaned, rows = apply_rules(
        labels.array, None if work.facts["voxel_ml"] is None else grid,
        with_sides(names, work.pairs), work.rules, split,
    )  # fmt: skip
    return cleaned, rows, grid
