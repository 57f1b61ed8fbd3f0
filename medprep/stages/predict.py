"""Predict label maps on the original grids of a workspace, and pictures to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medprep.colours import colours_of, palette_of
from medprep.errors import CheckpointError, OptionError
from medprep.files import AtomicFiles
from medprep.formats import nifti, png
from medprep.formats.windowing import Window, to_8bit
from medprep.inference.options import Axis, PredictorOptions
from medprep.stages.base import (
    CaseResult,
    Context,
    Summary,
    artifact_input,
    names_of,
    run_cases,
    task,
)
from medprep.stages.split import role
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

Format = Literal["nifti", "png"]
_VERSION = 1


@dataclass(frozen=True)
class Predict:
    """Options of ``predict``.

    Parameters
    ----------
    run
        Which model; None takes the one trained last.
    cases
        ``held-out``: everything but the training fold (test, validation, without labels);
        ``all``: the training fold too.
    device, overlap, mirror
        As `medprep.inference.options.PredictorOptions` has them.
    format
        NIfTI is always written; ``png`` adds the labels as palette slices.
    """

    run: str | None = None
    cases: Literal["held-out", "all"] = "held-out"
    device: str = PredictorOptions.device
    overlap: float = PredictorOptions.overlap
    mirror: tuple[Axis, ...] = ()
    format: Format = "nifti"

    name: ClassVar[str] = "predict"
    needs: ClassVar[tuple[str, ...]] = ("train",)

    def __post_init__(self) -> None:
        if self.cases not in ("held-out", "all"):
            raise OptionError(f"--cases is '{self.cases}'; wanted is held-out or all")
        if self.format not in get_args(Format):
            raise OptionError(
                f"--format is '{self.format}'; in a workspace wanted is nifti or png, and the form "
                "of CHAOS is made by: medprep export --format chaos"
            )
        object.__setattr__(self, "mirror", tuple(self.mirror))  # JSON has lists only
        self._how()

    def _how(self) -> PredictorOptions:
        return PredictorOptions(self.device, self.overlap, self.mirror)

    def perform(self, context: Context) -> Summary:
        """Predict every case that is up for it."""
        workspace = context.workspace
        trained = find_run(workspace, self.run)
        fold = int(trained.facts["options"]["fold"])
        images, labels = workspace.current("convert"), workspace.current("extract")
        tasks = []
        for row in workspace.database.cases():
            if row.name not in images or (self.cases == "held-out" and role(row, fold) == "train"):
                continue
            image, reference = images[row.name], labels.get(row.name)
            inputs = [artifact_input(one) for one in (trained, image, reference) if one is not None]
            payload = _Payload(
                workspace.layout,
                row.name,
                trained.subject,
                image.facts,
                reference is not None,
                self._how(),
                self.format,
                names_of(trained.facts),
            )
            subject = f"{trained.subject}/{row.name}"
            tasks.append(task("predict", _VERSION, subject, inputs, self._changed(), payload))
        # One process: the net itself uses all processors, and its numbers depend on how many.
        summary = run_cases(context, "predict", tasks, _predict, jobs=1)
        unlabelled = [row.name for row in workspace.database.cases() if not row.labelled]
        if unlabelled:
            summary.lines.append(f"without labels, so never scored: {', '.join(unlabelled)}")
        summary.facts = {"run": trained.subject}
        if self.mirror and tasks:
            summary.lines.extend(self._notes(workspace.layout, trained.subject))
        return summary

    def _changed(self) -> dict[str, Any]:
        """Give the options that change what is made; defaults of later ones are left out."""
        later = {"overlap": self.overlap, "mirror": list(self.mirror), "format": self.format}
        usual = {"overlap": Predict.overlap, "mirror": [], "format": Predict.format}
        changed = {name: value for name, value in later.items() if value != usual[name]}
        return {"device": self.device, **changed}

    def _notes(self, layout: Layout, run: str) -> tuple[str, ...]:
        from medprep.inference.predict import load_predictor

        return load_predictor(weights(layout, run), self._how()).notes


def find_run(workspace: Workspace, wanted: str | None) -> Artifact:
    """Give the trained run that is named, or the last one.

    Raises
    ------
    CheckpointError
        If there is none such, or its training data have changed since.
    """
    runs = workspace.current("train")
    if wanted is None:
        step = workspace.database.steps().get("train")
        options: dict[str, Any] = step.options if step else {}
        if options.get("fold") == "all":
            raise CheckpointError(
                f"the last training made a model for each fold; name one of {', '.join(runs)} by "
                "--run"
            )
        wanted = options.get("run") or f"{options.get('model')}-fold{options.get('fold')}"
    if wanted not in runs:
        have = ", ".join(runs) or "none"
        raise CheckpointError(
            f"no model '{wanted}' that fits the data as they are now (have {have}); train it: "
            f"medprep train --run {wanted}"
        )
    return runs[wanted]


def weights(layout: Layout, run: str) -> Path:
    """Give the file of a run's weights."""
    return layout.model(run) / "model.safetensors"


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    run: str
    image: dict[str, Any]
    labelled: bool
    how: PredictorOptions
    format: Format
    names: dict[int, str]


def _predict(work: _Payload) -> CaseResult:
    from medprep.inference.predict import load_predictor

    layout, case, run = work.layout, work.case, work.run
    window = Window(**work.image["window"])
    volume = nifti.read(layout.image(case))
    predictor = load_predictor(weights(layout, run), work.how)
    labels = predictor.predict(volume, (window.low, window.high))
    reference = nifti.read_labels(layout.labels(case)) if work.labelled else None
    targets = [layout.prediction(run, case), layout.prediction_pictures(run, case)]
    with AtomicFiles() as files:
        nifti.write(files.file(targets[0]), volume.label(labels, {}))
        folder = files.folder(targets[1])
        pictures = to_8bit(volume.array, window)
        _write_triples(folder, pictures, reference, labels, work.names)
        if work.format == "png":
            (folder / "labels").mkdir()
            png.write_label_slices(folder / "labels", labels, colours_of(work.names))
    voxels = np.bincount(labels.ravel()).tolist()
    return CaseResult(tuple(layout.relative(path) for path in targets), {"voxels": voxels})


def _write_triples(
    folder: Path,
    pictures: NDArray[np.uint8],
    reference: NDArray[Any] | None,
    predicted: NDArray[Any],
    names: Mapping[int, str],
) -> None:
    """Write picture, reference and prediction side by side for each slice."""
    from PIL import Image

    from medprep.reporting.figures import triple

    colours = palette_of(colours_of(names))
    for number, picture in enumerate(pictures):
        known = None if reference is None else reference[number]
        panels = triple(picture, known, predicted[number], colours)
        Image.fromarray(panels).save(folder / f"{number:03d}.png")


def held_out(rows: list[CaseRow], fold: int) -> tuple[str, list[CaseRow]]:
    """Give the fold that scores a run: test, or validation where nobody is in test."""
    for name in ("test", "val"):
        chosen = [row for row in rows if role(row, fold) == name]
        if chosen:
            return name, chosen
    return "", []
