"""Predict label maps on the original grids of a workspace, and pictures to look at."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from medprep.colours import colours_of, palette_of
from medprep.errors import OptionError
from medprep.files import AtomicFiles
from medprep.formats import nifti, png
from medprep.formats.windowing import Window, to_8bit
from medprep.inference.options import Axis, PredictorOptions
from medprep.places.paths import is_far
from medprep.reporting.text import counted
from medprep.stages.base import (
    CaseResult,
    CaseTask,
    Context,
    Summary,
    artifact_input,
    run_cases,
    task,
)
from medprep.stages.runs import Run, find_run
from medprep.workspace.database import Artifact
from medprep.workspace.layout import Layout

Format = Literal["nifti", "png"]
_VERSION = 1


@dataclass(frozen=True)
class Predict:
    """Options of ``predict``.

    Parameters
    ----------
    run
        Which model, or what the models of all folds are called together; None takes what was
        trained last.
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
        run = find_run(workspace, self.run)
        tasks, counts = self._tasks(context, run)
        # One process: the net itself uses all processors, and its numbers depend on how many.
        # On a cluster, a case to a process, as many threads in each as here: the same numbers.
        if context.cluster is not None:
            _send_weights(workspace.layout, run)
        summary = run_cases(context, "predict", tasks, _predict, jobs=1)
        summary.lines.extend([*run.notes(), *_who(run, counts)])
        unlabelled = [row.name for row in workspace.database.cases() if not row.labelled]
        if unlabelled:
            summary.lines.append(f"without labels, so never scored: {', '.join(unlabelled)}")
        summary.facts = {"run": run.name}
        if len(run.nets) > 1:
            summary.facts["nets"] = [net.subject for net in run.nets]
        if self.mirror and tasks:
            summary.lines.extend(self._notes(workspace.layout, run))
        return summary

    def _tasks(self, context: Context, run: Run) -> tuple[list[CaseTask], Counter[str]]:
        """Give each case's task, those of the same nets together, and count who is what."""
        workspace = context.workspace
        images, labels = workspace.current("convert"), workspace.current("extract")
        counts = Counter[str]()
        found = []
        threads = None if context.cluster is None else _threads()
        seen = workspace.layout if context.cluster is None else _seen_by_workers(workspace.layout)
        for row in workspace.database.cases():
            kind, nets = run.of(row)
            if row.name not in images or (self.cases == "held-out" and kind == "train"):
                continue
            image, reference = images[row.name], labels.get(row.name)
            known = (*nets, image, reference)
            inputs = [artifact_input(one) for one in known if one is not None]
            payload = _Payload(
                workspace.layout,
                row.name,
                run.name,
                tuple(net.subject for net in nets),
                image.facts,
                reference is not None,
                self._how(),
                self.format,
                run.names,
                threads,
                tuple(weights(seen, net.subject) for net in nets),
            )
            options = self._changed() | _grids(nets) | _channels(nets)
            made = task("predict", _VERSION, f"{run.name}/{row.name}", inputs, options, payload)
            found.append((payload.nets, made))
            counts[kind] += 1
        order = {net.subject: place for place, net in enumerate(run.nets)}
        found.sort(key=lambda one: (len(one[0]), [order[net] for net in one[0]]))
        return [made for _, made in found], counts

    def _changed(self) -> dict[str, Any]:
        """Give the options that change what is made; defaults of later ones are left out."""
        later = {"overlap": self.overlap, "mirror": list(self.mirror), "format": self.format}
        usual = {"overlap": Predict.overlap, "mirror": [], "format": Predict.format}
        changed = {name: value for name, value in later.items() if value != usual[name]}
        return {"device": self.device, **changed}

    def _notes(self, layout: Layout, run: Run) -> tuple[str, ...]:
        from medprep.inference.predict import load_predictor

        return load_predictor(weights(layout, run.nets[0].subject), self._how()).notes


def _channels(nets: Sequence[Artifact]) -> dict[str, Any]:
    """Give a word for nets of regions: before they were kept in order, channels were exchanged."""
    asked = {net.facts.get("resolved", {}).get("target") for net in nets}
    return {"channels": "in order"} if "regions" in asked else {}


def _grids(nets: Sequence[Artifact]) -> dict[str, Any]:
    """Tell nets of different spacings, whose grids an earlier version took for the first one's."""
    spacings = [net.facts.get("resolved", {}).get("spacing_mm") for net in nets]
    return {} if all(one == spacings[0] for one in spacings) else {"grids": "own"}


def weights(layout: Layout, net: str) -> Path:
    """Give the file of a net's weights."""
    return layout.model(net) / "model.safetensors"


def _seen_by_workers(layout: Layout) -> Layout:
    """Give the layout by which workers find weights: they may not see the workspace's folder."""
    return layout if layout.far is None else Layout(layout.far)


def _send_weights(layout: Layout, run: Run) -> None:
    """Lay a run's weights where workers see them, if that is elsewhere."""
    seen = _seen_by_workers(layout)
    for net in run.nets:
        target = weights(seen, net.subject)
        if is_far(target):
            with AtomicFiles() as files:
                shutil.copyfile(weights(layout, net.subject), files.file(target))


def _who(run: Run, counts: Mapping[str, int]) -> list[str]:
    """Say which nets labelled what, where there are several."""
    if len(run.nets) == 1:
        return []
    told = (
        ("test", "test case", "by nets that neither learnt from the patient nor were chosen by it"),
        ("val", "case", "out of fold: by nets that did not learn from the patient, and whose "
         "weights it helped to choose"),
        ("", "case", "of no fold: by all nets together"),
        ("train", "training case", "by all nets together"),
    )  # fmt: skip
    return [f"{counted(counts[kind], noun)} {how}" for kind, noun, how in told if counts[kind]]


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    run: str
    nets: tuple[str, ...]
    image: dict[str, Any]
    labelled: bool
    how: PredictorOptions
    format: Format
    names: dict[int, str]
    threads: int | None
    weights: tuple[Path, ...]


def _threads() -> int:
    from medprep.inference.predict import threads_here

    return threads_here()


def _predict(work: _Payload) -> CaseResult:
    from medprep.inference.predict import load_predictor, set_threads

    set_threads(work.threads)
    layout, case, run = work.layout, work.case, work.run
    window = Window(**work.image["window"])
    volume = nifti.read(layout.image(case))
    predictor = load_predictor(work.weights, work.how)
    labels = predictor.predict(volume, (window.low, window.high))
    reference = nifti.read_labels(layout.labels(case)) if work.labelled else None
    targets = [layout.prediction(run, case), layout.prediction_pictures(run, case)]
    with AtomicFiles(most_bytes=labels.nbytes + 3 * volume.array.size) as files:
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
