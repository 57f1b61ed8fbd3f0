"""A small workspace with two scored models, and what goes wrong in real ones.

Twelve patients with four organs of ellipsoids. ``steady`` errs at the borders; ``wild`` errs more,
has a far blob in one case, and has no prediction for another. One case has no spleen in reference
and predictions, in another ``wild`` finds no left kidney.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.progress import Silent
from medprep.stages.base import Context
from medprep.stages.evaluate import Evaluate
from medprep.volume import LabelMap, Volume
from medprep.workspace.database import Artifact, CaseRow, Input
from medprep.workspace.workspace import Workspace

ORGANS = {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
MISSING, NO_SPLEEN, NO_KIDNEY, BLOB = "p04-t2", "p07-t2", "p09-t2", "p11-t2"
GRID = Geometry.from_parts(
    (16, 48, 56), (7.0, 4.2, 4.2), (0, 0, 0), ((0, 0, 1), (0, 1, 0), (1, 0, 0))
)
_PARTS = {  # centre and half axes in shares of the grid
    1: ((0.6, 0.42, 0.32), (0.3, 0.25, 0.2)),
    2: ((0.4, 0.62, 0.3), (0.22, 0.1, 0.08)),
    3: ((0.4, 0.62, 0.7), (0.22, 0.1, 0.08)),
    4: ((0.62, 0.5, 0.8), (0.2, 0.14, 0.08)),
}


def make_scored_workspace(root: Path, patients: int = 12, **options: Any) -> Path:
    """Write it, and score both models with the options of `Evaluate`."""
    names = [f"p{number:02d}-t2" for number in range(1, patients + 1)]
    meta: dict[str, Any] = {
        "preset": "phantom", "organs": [], "notes": [], "ledger": "", "folds": 1,
    }  # fmt: skip
    with Workspace(root) as workspace:
        workspace.database.put_split(meta, [_row(name) for name in names])
        facts = {
            "names": {str(k): v for k, v in ORGANS.items()},
            "options": {"fold": 0, "model": "unet2d"},
        }
        for run in ("steady", "wild"):
            workspace.database.put(
                Artifact("train", run, f"t-{run}", (), (), {**facts, **_TRAINED})
            )
            log = workspace.layout.model(run) / "log.csv"
            log.parent.mkdir(parents=True)
            rows = [f"{n},{2.5 / n ** 0.5},{0.9 - 0.8 / n if n % 5 == 0 else ''}\n"
                    for n in range(1, 41)]  # fmt: skip
            log.write_text("step,loss,validation_dice\n" + "".join(rows))
            (log.parent / "model.json").write_text('{"sha256": "' + "ab" * 32 + '"}')
        for number, name in enumerate(names):
            _case(workspace, name, np.random.default_rng(number))
        stage = Evaluate(run=("steady", "wild"), **options)
        stage.perform(Context(workspace, Silent()))
    return root


_TRAINED: dict[str, Any] = {
    "steps": 40, "best_step": 40, "validation_dice": 0.88, "choice": "the last step",
    "resolved": {"model": "unet2d", "width": 16}, "leaks": "",
}  # fmt: skip


def _row(name: str) -> CaseRow:
    return CaseRow(
        name, name[:3], "t2", "MR", "nifti", True, "test", None, 16, 100, f"p-{name}", f"m-{name}"
    )


def _case(workspace: Workspace, name: str, chance: np.random.Generator) -> None:
    layout, database = workspace.layout, workspace.database
    size, shift = chance.uniform(0.85, 1.1), chance.uniform(-0.02, 0.02, 3)
    labels = _labels(size, shift)
    if name == NO_SPLEEN:
        labels[labels == 4] = 0
    grey = 300 + 120 * labels.astype(np.int16) + chance.normal(0, 30, labels.shape)
    body = _inside((0.5, 0.5, 0.5), (2.0, 0.44, 0.46), 1.0, np.zeros(3))
    picture = np.where(body, grey, 0).astype(np.int16)
    _write(layout.image(name), Volume(picture, GRID, "MR"))
    _write(layout.labels(name), LabelMap(labels, GRID))
    source = (Input("source", f"{name}/picture", f"p-{name}"),)
    facts = {
        **GRID.to_dict(), "shape": list(GRID.shape), "modality": "MR", "spacing_known": True,
        "spacing_mm": list(GRID.spacing_mm), "orientation_lps": GRID.orientation,
        "window": {"low": 0.0, "high": 900.0}, "source_order": list(range(GRID.shape[0])),
    }  # fmt: skip
    database.put(Artifact("convert", name, f"c-{name}", source, (), facts))
    masks = (Input("source", f"{name}/mask", f"m-{name}"),)
    found = {
        "names": {str(k): v for k, v in ORGANS.items()}, "regions": {}, "notes": [],
        "voxel_ml": GRID.voxel_ml,
        "voxels": {v: int((labels == k).sum()) for k, v in ORGANS.items()},
    }  # fmt: skip
    database.put(Artifact("extract", name, f"e-{name}", masks, (), found))
    for run, reach in (("steady", 0.012), ("wild", 0.035)):
        if run == "wild" and name == MISSING:
            continue
        theirs = _labels(
            size * (1 + chance.normal(0, 3 * reach)), shift + chance.normal(0, reach, 3)
        )
        theirs[(chance.random(theirs.shape) < reach) & (labels > 0)] = 0
        if name == NO_SPLEEN:
            theirs[theirs == 4] = 0
        if run == "wild" and name == NO_KIDNEY:
            theirs[theirs == 3] = 0
        if run == "wild" and name == BLOB:
            theirs[2:5, 5:10, 45:50] = 1
        _write(layout.prediction(run, name), LabelMap(theirs, GRID))
        database.put(Artifact("predict", f"{run}/{name}", f"x-{run}-{name}", (), (), {}))


def _labels(size: float, shift: NDArray[np.float64]) -> NDArray[np.uint8]:
    labels = np.zeros(GRID.shape, np.uint8)
    for value, (centre, half) in _PARTS.items():
        labels[_inside(centre, half, size, shift)] = value
    return labels


def _inside(
    centre: tuple[float, ...], half: tuple[float, ...], size: float, shift: NDArray[np.float64]
) -> NDArray[np.bool_]:
    axes = np.indices(GRID.shape)
    total = np.zeros(GRID.shape)
    for axis, length, middle, reach, by in zip(
        axes, GRID.shape, centre, half, shift, strict=True
    ):  # fmt: skip
        total += ((axis / (length - 1) - middle - by) / (reach * size)) ** 2
    return np.asarray(total <= 1)


def _write(path: Path, what: Volume | LabelMap) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti.write(path, what)
