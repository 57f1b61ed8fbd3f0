"""From the workspace's records to the report's."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from hashlib import sha256

from medprep.colours import colours_of
from medprep.reporting.data import (
    Dataset,
    FailedCase,
    FoldRow,
    ReportData,
    SeriesRow,
    Training,
)
from medprep.stages import leak_gate
from medprep.stages.base import names_of
from medprep.stages.check import CHECK_SET
from medprep.stages.report_quality import gather_quality
from medprep.stages.report_scores import gather_scores
from medprep.stages.run_names import OUT_OF_FOLD, families
from medprep.stages.tables import read_log, repeat_command
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.workspace import Workspace

_STAGES = ("convert", "extract", "clean", "check", CHECK_SET, leak_gate.GATE, "train")


def gather(workspace: Workspace, version: str) -> ReportData:
    """Read everything that is up to date in a workspace."""
    meta = workspace.require_split()
    database = workspace.database
    rows = database.cases()
    made = {stage: workspace.current(stage) for stage in _STAGES}
    quality, scores = gather_quality(workspace, made), gather_scores(workspace, made)
    return ReportData(
        title=str(meta["preset"]),
        version=version,
        dataset=_dataset(meta, rows),
        series=tuple(_series(row, made["convert"].get(row.name)) for row in rows),
        folds=_folds(rows),
        organs=_organs(made["clean"] or made["extract"]),
        check=quality.check,
        leaks=quality.leaks,
        labels=quality.labels,
        label_notes=quality.label_notes,
        cleaning=quality.cleaning,
        failures=tuple(
            FailedCase(one.subject, one.stage, one.code, one.message) for one in database.failures()
        ),
        thumbnails=quality.thumbnails,
        overlays=quality.overlays,
        training=tuple(_training(workspace, one) for one in made["train"].values()),
        scores=scores.models,
        contrasts=scores.contrasts,
        score_notes=scores.notes,
        commands=(repeat_command(workspace, "SOURCE"),),
        hashes=_hashes(workspace, made["train"]),
        versions=database.steps()["report"].versions,
    )


def _dataset(meta: dict[str, object], rows: list[CaseRow]) -> Dataset:
    notes = meta["notes"]
    assert isinstance(notes, list)
    return Dataset(
        str(meta["preset"]),
        ", ".join(sorted({row.modality for row in rows if row.modality})),
        len(rows),
        len({row.patient for row in rows}),
        sum(row.labelled for row in rows),
        tuple(notes),
    )


def _series(row: CaseRow, image: Artifact | None) -> SeriesRow:
    shape = spacing = None
    orientation = ""
    if image is not None:
        slices, height, width = image.facts["shape"]
        shape, orientation = (slices, height, width), image.facts["orientation_lps"]
        if image.facts["spacing_known"]:
            between, down, across = image.facts["spacing_mm"]
            spacing = (between, down, across)
    return SeriesRow(
        row.name,
        row.patient,
        row.sequence,
        row.modality,
        shape,
        spacing,
        orientation,
        row.labelled,
        row.fold,
    )


def _folds(rows: list[CaseRow]) -> tuple[FoldRow, ...]:
    found = []
    for fold in ("train", "val", "test", ""):
        own = [row for row in rows if row.fold == fold]
        if own:
            found.append(FoldRow(fold, len({row.patient for row in own}), len(own)))
    return tuple(found)


def _organs(extracted: Mapping[str, Artifact]) -> tuple[tuple[str, tuple[int, int, int]], ...]:
    names: dict[int, str] = {}
    for artifact in extracted.values():
        names.update(names_of(artifact.facts))
    colours = colours_of(names)
    return tuple((names[value], colours[value]) for value in sorted(names))


def _training(workspace: Workspace, artifact: Artifact) -> Training:
    facts = artifact.facts
    log = read_log(workspace.layout.model(artifact.subject) / "log.csv")
    return Training(
        artifact.subject,
        facts["steps"],
        facts["best_step"],
        facts["validation_dice"],
        facts["choice"],
        log,
        facts["resolved"],
    )


def _hashes(workspace: Workspace, runs: Collection[str]) -> dict[str, str]:
    """Give the SHA-256 of the split, of each model's weights and of its scores."""
    layout = workspace.layout
    found = {}
    for run in runs:
        told = layout.model(run) / "model.json"
        if told.is_file():
            weights = layout.relative(layout.model(run) / "model.safetensors")
            found[weights] = json.loads(told.read_text("utf-8"))["sha256"]
    several = [name + ending for name in families(runs) for ending in ("", OUT_OF_FOLD)]
    scores = [layout.metrics(run, ".json") for run in [*runs, *several]]
    paths = [layout.root / "splits.json", *scores]
    for path in paths:
        if path.is_file():
            found[layout.relative(path)] = sha256(path.read_bytes()).hexdigest()
    return found
