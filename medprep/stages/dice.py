"""Score predictions of held-out patients by Dice, with every convention named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, NothingDoneError, OptionError
from medprep.execute import Failure
from medprep.files import csv_of_records, json_bytes, write_bytes
from medprep.formats import nifti
from medprep.metrics.overlap import (
    EMPTY_CONVENTION,
    SLICE_CONVENTIONS,
    overlap_rows,
    slice_mean_dice,
    summarise,
)
from medprep.stages.base import (
    CaseResult,
    Context,
    Summary,
    artifact_input,
    names_of,
    run_cases,
    task,
)
from medprep.stages.predict import find_run, held_out
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

_VERSION = 2


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
        names = names_of(trained.facts)
        references = workspace.current({"extracted": "extract", "cleaned": "clean"}[self.reference])
        self._require_same_labels(references, names)
        regions = _regions(references, names)
        predictions = workspace.current("predict")
        tasks, missing = [], {}
        for row in chosen:
            prediction, reference = predictions.get(f"{run}/{row.name}"), references.get(row.name)
            if reference is None or prediction is None:
                which = "reference" if reference is None else "prediction"
                missing[row.name] = Failure("missing", f"no {which}: counted as a Dice of 0")
                continue
            payload = _Payload(workspace.layout, row.name, run, self.reference, names, regions)
            inputs = [artifact_input(prediction), artifact_input(reference)]
            tasks.append(
                task(
                    "dice",
                    _VERSION,
                    f"{run}/{row.name}",
                    inputs,
                    {"reference": self.reference, "regions": regions},
                    payload,
                )
            )
        summary = run_cases(context, "dice", tasks, _score)
        failed = {subject.split("/", 1)[1]: failure for subject, failure in summary.failed.items()}
        if tasks and len(failed) == len(tasks):
            raise NothingDoneError(f"none of the {len(tasks)} predictions could be scored")
        summary.failed = missing | failed
        targets = [*names.values(), *regions]
        record = self._record(workspace, trained, fold, chosen, list(summary.failed), targets)
        write_bytes(workspace.layout.metrics(run, ".json"), json_bytes(record))
        write_bytes(workspace.layout.metrics(run, ".csv"), _csv(record))
        summary.lines.extend(record["text"])
        summary.facts = record
        return summary

    def _require_same_labels(
        self, references: Mapping[str, Artifact], names: Mapping[int, str]
    ) -> None:
        """Refuse references whose numbers mean other organs than those of the model."""
        for case, one in references.items():
            own = names_of(one.facts)
            if any(own.get(value) != name for value, name in names.items()):
                raise LabelError(
                    f"{case}: the {self.reference} labels are {', '.join(own.values())}, those of "
                    f"the model {', '.join(names.values())}; score with --reference "
                    + ("cleaned" if self.reference == "extracted" else "extracted")
                    + ", or train anew"
                )

    def _record(
        self,
        workspace: Workspace,
        trained: Artifact,
        fold: str,
        chosen: list[CaseRow],
        missing: list[str],
        targets: list[str],
    ) -> dict[str, Any]:
        run = trained.subject
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
            for name in targets
        ]
        known = set(names_of(trained.facts).values())
        organs = [_organ_summary(name, rows) | {"region": name not in known} for name in targets]
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


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    run: str
    reference: str
    names: dict[int, str]
    regions: dict[str, tuple[str, ...]]


def _score(work: _Payload) -> CaseResult:
    layout = work.layout
    path = layout.labels if work.reference == "extracted" else layout.cleaned
    reference = nifti.read_label_map(path(work.case))
    predicted = nifti.read_label_map(layout.prediction(work.run, work.case))
    predicted.geometry.require_same(reference.geometry)
    rows = _rows(reference.array, predicted.array, work.names)
    value_of = {name: value for value, name in work.names.items()}
    for region, members in work.regions.items():
        values = [value_of[name] for name in members]
        ours, theirs = (
            np.isin(one.array, values).astype(np.uint8) for one in (reference, predicted)
        )
        rows += _rows(ours, theirs, {1: region})
    return CaseResult((), {"rows": rows})


def _rows(
    reference: NDArray[Any], predicted: NDArray[Any], names: dict[int, str]
) -> list[dict[str, Any]]:
    rows = []
    for row in overlap_rows(reference, predicted, names):
        ones, left_out = (
            slice_mean_dice(reference, predicted, row.label, empty) for empty in ("one", "skip")
        )
        rows.append(
            {
                "organ": row.name,
                "dice": row.dice,
                "slice_dice_empty_one": ones.value,
                "slice_dice_empty_skipped": left_out.value,
                "empty_slices": ones.empty,
                "slices": reference.shape[0],
                "reference_voxels": row.reference_voxels,
                "predicted_voxels": row.predicted_voxels,
                "missing": False,
            }
        )
    return rows


def _regions(
    references: Mapping[str, Artifact], names: Mapping[int, str]
) -> dict[str, tuple[str, ...]]:
    """Give the regions whose organs were all learnt."""
    found: dict[str, list[str]] = next(
        (one.facts.get("regions", {}) for one in references.values()), {}
    )
    known = set(names.values())
    return {name: tuple(parts) for name, parts in found.items() if known.issuperset(parts)}


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
    return csv_of_records(columns, ({**row, "leaks": record["leaks"]} for row in record["rows"]))
