"""From the workspace's records to the report's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from medprep.formats import nifti
from medprep.formats.png import palette
from medprep.formats.windowing import Window, to_8bit
from medprep.metrics.overlap import Summary as ScoreSummary
from medprep.reporting.data import (
    CleaningRow,
    Dataset,
    FailedCase,
    FoldRow,
    LabelRow,
    OrganScore,
    Overlay,
    ReportData,
    ScoreRow,
    ScoreTable,
    SeriesRow,
    Training,
)
from medprep.stages.tables import read_log, repeat_command
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.workspace import Workspace

MOST_OVERLAYS = 12
"""So many cases the report draws; the others are in the workspace."""


def gather(workspace: Workspace, version: str) -> ReportData:
    """Read everything that is up to date in a workspace."""
    meta = workspace.require_split()
    database = workspace.database
    rows = database.cases()
    made = {s: workspace.current(s) for s in ("convert", "extract", "clean", "train")}
    return ReportData(
        title=str(meta["preset"]),
        version=version,
        dataset=_dataset(meta, rows),
        series=tuple(_series(row, made["convert"].get(row.name)) for row in rows),
        folds=_folds(rows),
        organs=_organs(made["extract"]),
        labels=tuple(one for artifact in made["extract"].values() for one in _labels(artifact)),
        cleaning=tuple(one for artifact in made["clean"].values() for one in _cleaning(artifact)),
        failures=tuple(
            FailedCase(one.subject, one.stage, one.code, one.message) for one in database.failures()
        ),
        overlays=_overlays(workspace, made),
        training=tuple(_training(workspace, one) for one in made["train"].values()),
        scores=_scores(workspace, made["train"]),
        commands=(repeat_command(workspace, "SOURCE"),),
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
        names.update({int(value): name for value, name in artifact.facts["names"].items()})
    colours = palette(256)
    return tuple((names[value], colours[value]) for value in sorted(names))


def _labels(artifact: Artifact) -> list[LabelRow]:
    voxel_ml = artifact.facts["voxel_ml"]
    return [
        LabelRow(artifact.subject, organ, voxels, None if voxel_ml is None else voxels * voxel_ml)
        for organ, voxels in artifact.facts["voxels"].items()
    ]


def _cleaning(artifact: Artifact) -> list[CleaningRow]:
    return [
        CleaningRow(artifact.subject, row["name"], row["removed"], row["filled"], row["after"])
        for row in artifact.facts["rows"]
    ]


def _overlays(
    workspace: Workspace, made: Mapping[str, Mapping[str, Artifact]]
) -> tuple[Overlay, ...]:
    """Draw the slice with most organ of some cases, evenly taken from all."""
    from medprep.reporting.figures import overlay

    layout = workspace.layout
    cases = sorted(made["clean"] or made["extract"])
    path = layout.cleaned if made["clean"] else layout.labels
    drawn = []
    for case in cases[:: max(1, -(-len(cases) // MOST_OVERLAYS))]:
        labels = nifti.read_label_map(path(case)).array
        number = int(np.count_nonzero(labels, axis=(1, 2)).argmax())
        window = Window(**made["convert"][case].facts["window"])
        picture = to_8bit(nifti.read(layout.image(case)).array[number], window)
        upright = _upright(made["convert"][case].facts["orientation_lps"])
        png = overlay(picture[upright], labels[number][upright], palette(256))
        drawn.append(Overlay(case, f"slice {number + 1} of {len(labels)}", png))
    return tuple(drawn)


def _upright(orientation: str) -> tuple[slice, slice]:
    """Turn a slice as radiologists look at it: front or head up, patient's right to the left."""
    rows, columns = orientation[1], orientation[2]
    return slice(None, None, -1 if rows in "AS" else 1), slice(
        None, None, -1 if columns in "RA" else 1
    )


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


def _scores(workspace: Workspace, trained: Mapping[str, Artifact]) -> tuple[ScoreTable, ...]:
    tables = []
    scored = {subject.split("/")[0] for subject in workspace.current("dice")}
    for run in trained:
        path = workspace.layout.metrics(run, ".json")
        if run in scored and path.is_file():
            tables.append(_score_table(json.loads(path.read_text())))
    return tuple(tables)


def _score_table(record: dict[str, Any]) -> ScoreTable:
    kinds = ("dice", "slice_dice_empty_one", "slice_dice_empty_skipped")
    columns = (*kinds, "empty_slices", "slices", "missing")
    rows = tuple(
        ScoreRow(row["case"], row["organ"], **{name: row[name] for name in columns if name in row})
        for row in record["rows"]
    )
    organs = tuple(
        OrganScore(
            organ=one["organ"],
            **{kind: ScoreSummary(**one[kind]) for kind in kinds},
            missing=one["missing"],
            empty_in_both=one["empty_in_both"],
        )
        for one in record["organs"]
    )
    return ScoreTable(
        record["run"],
        record["fold"],
        record["reference"],
        record["convention"],
        record["patients"],
        rows,
        organs,
    )
