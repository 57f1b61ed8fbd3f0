"""Score predictions of held-out patients by Dice, with every convention named."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from medprep.errors import NothingDoneError, OptionError
from medprep.execute import Failure
from medprep.files import json_bytes, write_bytes
from medprep.formats import nifti
from medprep.metrics.overlap import (
    EMPTY_CONVENTION,
    SLICE_CONVENTIONS,
    overlap_rows,
    slice_mean_dice,
    summarise,
)
from medprep.stages.base import CaseResult, Context, Summary, artifact_input, run_cases, task
from medprep.stages.predict import find_run, held_out
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

_VERSION = 1


@dataclass(frozen=True)
class Dice:
    """Options of ``dice``.

    Parameters
    ----------
    run
        Which model; None takes the one trained last.
    reference
        ``extracted``: the labels as the data set has them; ``cleaned``: after ``clean``.
    """

    run: str | None = None
    reference: Literal["extracted", "cleaned"] = "extracted"

    name: ClassVar[str] = "dice"
    needs: ClassVar[tuple[str, ...]] = ("predict",)

    def __post_init__(self) -> None:
        if self.reference not in ("extracted", "cleaned"):
            raise OptionError(f"--reference is '{self.reference}'; wanted is extracted or cleaned")

    def perform(self, context: Context) -> Summary:
        """Score every held-out case that has a prediction, and count those that have none."""
        workspace = context.workspace
        trained = find_run(workspace, self.run)
        run = trained.subject
        rows = workspace.database.cases()
        fold, chosen = held_out(rows, int(trained.facts["options"]["fold"]))
        names = _names(trained)
        references = workspace.current({"extracted": "extract", "cleaned": "clean"}[self.reference])
        predictions = workspace.current("predict")
        tasks, missing = [], {}
        for row in chosen:
            prediction, reference = predictions.get(f"{run}/{row.name}"), references.get(row.name)
            if reference is None or prediction is None:
                which = "reference" if reference is None else "prediction"
                missing[row.name] = Failure("missing", f"no {which}: counted as a Dice of 0")
                continue
            payload = _Payload(workspace.layout, row.name, run, self.reference, names)
            inputs = [artifact_input(prediction), artifact_input(reference)]
            tasks.append(
                task(
                    "dice",
                    _VERSION,
                    f"{run}/{row.name}",
                    inputs,
                    {"reference": self.reference},
                    payload,
                )
            )
        summary = run_cases(context, "dice", tasks, _score)
        failed = {subject.split("/", 1)[1]: failure for subject, failure in summary.failed.items()}
        if tasks and len(failed) == len(tasks):
            raise NothingDoneError(f"none of the {len(tasks)} predictions could be scored")
        summary.failed = missing | failed
        record = self._record(workspace, trained, fold, chosen, list(summary.failed))
        write_bytes(workspace.layout.metrics(run, ".json"), json_bytes(record))
        write_bytes(workspace.layout.metrics(run, ".csv"), _csv(record))
        summary.lines.extend(record["text"])
        summary.facts = record
        return summary

    def _record(
        self,
        workspace: Workspace,
        trained: Artifact,
        fold: str,
        chosen: list[CaseRow],
        missing: list[str],
    ) -> dict[str, Any]:
        run = trained.subject
        names = _names(trained)
        current = workspace.current("dice")
        scored = {
            row.name: current[f"{run}/{row.name}"].facts["rows"]
            for row in chosen
            if f"{run}/{row.name}" in current
        }
        rows = [{"case": case, **row} for case, found in sorted(scored.items()) for row in found]
        rows += [
            {"case": case, "organ": name, "dice": 0.0, "missing": True}
            for case in missing
            for name in names.values()
        ]
        organs = [_organ_summary(name, rows) for name in names.values()]
        record = {
            "run": run,
            "fold": fold,
            "reference": self.reference,
            "patients": len({row.patient for row in chosen}),
            "leaks": trained.facts.get("leaks", ""),
            "convention": EMPTY_CONVENTION,
            "slice_conventions": dict(SLICE_CONVENTIONS),
            "missing": missing,
            "organs": organs,
            "rows": rows,
        }
        return {**record, "text": _text(record)}


def _names(trained: Artifact) -> dict[int, str]:
    return {int(value): name for value, name in trained.facts["names"].items()}


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    run: str
    reference: str
    names: dict[int, str]


def _score(work: _Payload) -> CaseResult:
    layout = work.layout
    path = layout.labels if work.reference == "extracted" else layout.cleaned
    reference = nifti.read_label_map(path(work.case))
    predicted = nifti.read_label_map(layout.prediction(work.run, work.case))
    predicted.geometry.require_same(reference.geometry)
    rows = []
    for row in overlap_rows(reference.array, predicted.array, work.names):
        ones, left_out = (
            slice_mean_dice(reference.array, predicted.array, row.label, empty)
            for empty in ("one", "skip")
        )
        rows.append(
            {
                "organ": row.name,
                "dice": row.dice,
                "slice_dice_empty_one": ones.value,
                "slice_dice_empty_skipped": left_out.value,
                "empty_slices": ones.empty,
                "slices": reference.array.shape[0],
                "reference_voxels": row.reference_voxels,
                "predicted_voxels": row.predicted_voxels,
                "missing": False,
            }
        )
    return CaseResult((), {"rows": rows})


def _organ_summary(organ: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    own = [row for row in rows if row["organ"] == organ]
    kinds = ("dice", "slice_dice_empty_one", "slice_dice_empty_skipped")
    short = {
        kind: asdict(summarise([row[kind] for row in own if row.get(kind) is not None]))
        for kind in kinds
    }
    empty = sum(1 for row in own if row["dice"] is None)
    return {
        "organ": organ,
        **short,
        "empty_in_both": empty,
        "missing": sum(r["missing"] for r in own),
    }


def _text(record: dict[str, Any]) -> list[str]:
    which = {
        "test": "test patients",
        "val": "VALIDATION patients (no test fold: they chose the weights)",
    }
    lines = [f"volume Dice of {which[record['fold']]} against the {record['reference']} labels:"]
    for one in record["organs"]:
        short = one["dice"]
        if not short["n"]:
            lines.append(f"{one['organ']}: in no case")
            continue
        spread = "" if short["sd"] is None else f" SD {short['sd']:.4f}"
        slices = one["slice_dice_empty_one"]["mean"]
        by_slice = "" if slices is None else f"; mean of slices {slices:.4f} (empty slices count 1)"
        gone = f"; {one['missing']} missing, counted 0" if one["missing"] else ""
        empty = (
            f"; {one['empty_in_both']} empty in both, not scored" if one["empty_in_both"] else ""
        )
        lines.append(
            f"{one['organ']}: {short['mean']:.4f}{spread} (n={short['n']}){by_slice}{gone}{empty}"
        )
    lines.append(f"convention: {record['convention']}")
    return [*lines, record["leaks"]] if record["leaks"] else lines


def _csv(record: dict[str, Any]) -> bytes:
    columns = (
        "case", "organ", "dice", "slice_dice_empty_one", "slice_dice_empty_skipped",
        "empty_slices", "slices", "reference_voxels", "predicted_voxels", "missing", "leaks",
    )  # fmt: skip
    text = io.StringIO()
    table = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({**row, "leaks": record["leaks"]} for row in record["rows"])
    return text.getvalue().encode()
