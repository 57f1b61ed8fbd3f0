"""Make small workspaces by hand: records and files as the stages leave them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume
from medprep.workspace.database import Artifact, CaseRow, Input
from medprep.workspace.workspace import Workspace

GRID = Geometry.from_parts(
    (4, 6, 5), (3, 0.7, 0.8), (-10, 20, 5), ((0, 0.6, 0.8), (0, 0.8, -0.6), (-1, 0, 0))
)
"""Oblique and of uneven spacing, so that a lost axis shows."""


@dataclass
class Made:
    """A case to be made."""

    fold: str = "train"
    part: int | None = None
    patient: str = ""
    modality: str = "MR"
    names: Mapping[int, str] | None = field(default_factory=lambda: {1: "liver", 2: "spleen"})
    """None: without labels."""
    array: np.ndarray | None = None
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: tuple[int, ...] = (0, 1, 2, 3)
    converted: bool = True
    spacing_known: bool = True


def picture_of(name: str) -> np.ndarray:
    """Voxels that no other case has."""
    return np.random.default_rng(len(name) * 1000 + sum(name.encode())).integers(
        0, 900, GRID.shape, np.int16
    )


def labels_of(made: Made) -> np.ndarray:
    if made.array is not None:
        return made.array.astype(np.uint8)
    values = [0, *(made.names or {})]
    return np.resize(np.array(values, np.uint8), GRID.shape)


def make_workspace(
    root: Path,
    cases: Mapping[str, Made],
    *,
    preset: str = "nifti-pairs",
    folds: int = 1,
    cleaned: bool = False,
    run: Mapping[int, str] | None = None,
) -> Path:
    """Write a workspace; with ``run``, names of a trained model that predicted every case."""
    with Workspace(root) as workspace:
        meta: dict[str, Any] = {
            "preset": preset, "organs": [], "notes": [], "ledger": "", "folds": folds,
        }  # fmt: skip
        workspace.database.put_split(meta, [_row(name, made) for name, made in cases.items()])
        for name, made in cases.items():
            _convert(workspace, name, made)
            if made.names is not None:
                _label(workspace, name, made, cleaned=cleaned)
        if run is not None:
            _predict(workspace, cases, run)
    return root


def _row(name: str, made: Made) -> CaseRow:
    return CaseRow(
        name, made.patient or name, "", made.modality, "nifti", made.names is not None,
        made.fold if made.names is not None else "", made.part, 4, 100, f"p-{name}", f"m-{name}",
    )  # fmt: skip


def _convert(workspace: Workspace, name: str, made: Made) -> None:
    if not made.converted:
        return
    path = workspace.layout.image(name)
    path.parent.mkdir(exist_ok=True)
    nifti.write(path, Volume(picture_of(name), GRID, made.modality))
    facts = {
        **GRID.to_dict(), "modality": made.modality, "spacing_known": made.spacing_known,
        "source_order": list(made.order),
    }  # fmt: skip
    inputs = (Input("source", f"{name}/picture", f"p-{name}"),)
    workspace.database.put(Artifact("convert", name, f"c-{name}", inputs, (), facts))


def _label(workspace: Workspace, name: str, made: Made, *, cleaned: bool) -> None:
    names = {str(value): organ for value, organ in (made.names or {}).items()}
    regions = {region: list(members) for region, members in made.regions.items()}
    inputs = (Input("source", f"{name}/mask", f"m-{name}"),)
    facts = {"names": names, "regions": regions}
    for stage, path in (
        ("extract", workspace.layout.labels(name)),
        *((("clean", workspace.layout.cleaned(name)),) if cleaned else ()),
    ):
        path.parent.mkdir(exist_ok=True)
        array = labels_of(made)
        if stage == "clean":
            array = np.where(array == 1, 1, 0).astype(np.uint8)
        nifti.write(path, LabelMap(array, GRID))
        workspace.database.put(Artifact(stage, name, f"{stage}-{name}", inputs, (), facts))


def _predict(workspace: Workspace, cases: Mapping[str, Made], run: Mapping[int, str]) -> None:
    names = {str(value): organ for value, organ in run.items()}
    facts = {"names": names, "options": {"fold": 0, "model": "unet2d"}}
    workspace.database.put(Artifact("train", "unet", "t", (), (), facts))
    for name in cases:
        path = workspace.layout.prediction("unet", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        array = np.resize(np.array([0, *run], np.uint8), GRID.shape).copy()
        array[:, 0, 0] = 0
        array[0, 0, 0] = next(iter(run))
        nifti.write(path, LabelMap(array, GRID))
        workspace.database.put(Artifact("predict", f"unet/{name}", "x", (), (), {}))
