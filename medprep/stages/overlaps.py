"""How the masks of a whole data set overlap, so that a label means the same in every case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from medprep.geometry import Geometry
from medprep.labels.regions import Scheme, find_mixtures, number_mixtures
from medprep.sources.dicom_masks import read_organ_masks
from medprep.stages.base import (
    CaseResult,
    Context,
    artifact_input,
    run_cases,
    source_input,
    task,
)
from medprep.workspace.ledger import LedgerFile, at_hand, by_organ

STAGE = "overlaps"
_VERSION = 1
_READER = "dicom-masks"


def find_scheme(context: Context, organs: Sequence[str], order: Sequence[str]) -> Scheme | None:
    """Look through all masks that are files of their own for each organ.

    Parameters
    ----------
    context
        What to work in; what was looked through before is not read again.
    organs
        Those wanted; none wants all.
    order
        All organs of the data set, in the order of their labels.

    Returns
    -------
    Scheme or None
        None where a mask shows all organs at once by their grey levels.
    """
    workspace = context.workspace
    query = "SELECT name FROM cases WHERE labelled AND reader = ? ORDER BY name"
    rows = [workspace.database.case(name) for (name,) in workspace.database.each(query, _READER)]
    if not rows:
        return None
    images = workspace.current("convert")
    tasks = [
        task(
            STAGE, _VERSION, row.name,
            [source_input(row, "mask"), artifact_input(images[row.name])], list(organs),
            _Payload(
                tuple(workspace.ledger.files(row.name, "mask")), images[row.name].facts,
                tuple(organs),
            ),
        )
        for row in rows
        if row.name in images
    ]  # fmt: skip
    if not tasks:
        return None
    summary = run_cases(context, STAGE, tasks, _find)
    # Such a case fails by itself when it is extracted, with its reason.
    workspace.database.forget(STAGE, list(summary.failed))
    found = workspace.current(STAGE)
    mixtures = {
        tuple(mixture) for one in tasks if one.subject in found
        for mixture in found[one.subject].facts["mixtures"]
    }  # fmt: skip
    return number_mixtures(mixtures, [name for name in order if not organs or name in organs])


@dataclass(frozen=True)
class _Payload:
    files: tuple[LedgerFile, ...]
    image: dict[str, Any]
    organs: tuple[str, ...]


def _find(work: _Payload) -> CaseResult:
    grid = Geometry.from_dict(work.image)
    with at_hand(work.files) as paths:
        found = by_organ(work.files, paths)
        wanted = {n: own for n, own in found.items() if not work.organs or n in work.organs}
        masks, _ = read_organ_masks(wanted, grid, work.image["source_order"])
    return CaseResult((), {"mixtures": [list(one) for one in find_mixtures(masks)]})
