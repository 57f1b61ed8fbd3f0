"""The commands as functions: same names, same options, same results.

Each takes the workspace by name and gives an `Outcome`; a stage that is missing before it runs
with the options it had last, or its defaults. ``jobs`` above 1 starts processes by "spawn", so a
script that asks for them must guard its own start: ``if __name__ == "__main__":``. ``cluster``
(``local:N`` or a scheduler's address) works cases on Dask instead, and starts processes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medprep.augmentation.engines import Engine
from medprep.dicom.stacks import Gaps, Tilt
from medprep.exports import run as exports
from medprep.exports.run import Export, ExportFormat, ExportOutcome
from medprep.folds.strata import Criterion
from medprep.inference.options import Axis
from medprep.labels.corrections import Flip, Order
from medprep.labels.holes import Holes
from medprep.labels.rules import Preset as RuleSet
from medprep.pipeline import Outcome, run
from medprep.progress import Progress
from medprep.sources.base import Preset
from medprep.stages.augment import Augment
from medprep.stages.augment_case import Dimensions
from medprep.stages.check import Check
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert, Format
from medprep.stages.evaluate import Evaluate
from medprep.stages.extract import Extract
from medprep.stages.predict import Format as PredictionFormat
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.split import LeaveOut, Split
from medprep.stages.train import Train
from medprep.training.fingerprint import Normalise
from medprep.training.options import Precision
from medprep.training.recipes import Loss, Target

WORKSPACE = Path("medprep-work")


def split(
    source: Path | str,
    *,
    preset: Preset | None = None,
    train: float = Split.train,
    val: float = Split.val,
    test: float = Split.test,
    folds: int = Split.folds,
    inner_folds: int = Split.inner_folds,
    leave_out: LeaveOut | None = None,
    stratify: Sequence[Criterion] = (),
    site_from: str | None = None,
    patient_pattern: str | None = None,
    splits: str | None = None,
    allow_leaks: bool = False,
    seed: int = Split.seed,
    resplit: bool = False,
    id_key: str | None = None,
    leak_check: bool = True,
    workspace: Path | str = WORKSPACE,
    cluster: str | None = None,
    artifacts: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Find the cases of a data set and put their patients into folds; see `Split`."""
    stage = Split(
        str(source), preset, train, val, test, folds, inner_folds, leave_out, tuple(stratify),
        site_from, patient_pattern, splits, allow_leaks, seed, resplit, id_key, leak_check,
    )  # fmt: skip
    return run([stage], workspace, cluster=cluster, artifacts=artifacts, progress=progress)


def convert(
    *,
    format: Format = Convert.format,
    window: str = Convert.window,
    gaps: Gaps = Convert.gaps,
    tilt: Tilt = Convert.tilt,
    shards: bool = Convert.shards,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Turn every case into NIfTI and PNG slices; see `Convert`."""
    stage = Convert(format, window, gaps, tilt, shards)
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def extract(
    *,
    organ: Sequence[str] = (),
    label: Sequence[tuple[str, int, int]] = (),
    unmapped: Literal["error", "background"] = Extract.unmapped,
    table: str | None = None,
    snap: bool = False,
    split_pair: Sequence[str] = (),
    mask_order: Order = Extract.mask_order,
    mask_flip: Sequence[Flip] = (),
    mask_transpose: bool = False,
    strict: bool = False,
    format: Literal["nifti", "png"] = Extract.format,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Turn masks into label maps; see `Extract`."""
    stage = Extract(
        tuple(organ), tuple(label), unmapped, table, snap, tuple(split_pair), mask_order,
        tuple(mask_flip), mask_transpose, strict, format,
    )  # fmt: skip
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def extract_liver(
    *, workspace: Path | str = WORKSPACE, jobs: int = 1, cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:  # fmt: skip
    """Turn masks into label maps of the liver."""
    liver = ("liver",)
    return extract(organ=liver, workspace=workspace, jobs=jobs, cluster=cluster, progress=progress)


def clean(
    *,
    rules: RuleSet = Clean.rules,
    keep: int | None = None,
    keep_of: Sequence[tuple[str, int]] = (),
    min_piece_ml: float | None = None,
    fill_holes: Holes | None = None,
    smooth_radius: int | None = None,
    split_pairs: bool | None = None,
    min_case_ml: float | None = None,
    min_case_side_mm: float | None = None,
    min_ml: float | None = None,
    min_side_mm: float | None = None,
    max_background_percent: float | None = None,
    yes: bool = False,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Remove from the labels what cannot be an organ; see `Clean`."""
    stage = Clean(
        rules, keep, tuple(keep_of), min_piece_ml, fill_holes, smooth_radius, split_pairs,
        min_case_ml, min_case_side_mm, min_ml, min_side_mm, max_background_percent, yes,
    )  # fmt: skip
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def check(
    *,
    strict: bool = False,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Look whether masks sit on their pictures, and what stands in two folds; see `Check`."""
    return run([Check(strict)], workspace, jobs=jobs, cluster=cluster, progress=progress)


def augment(
    *,
    copies: int = Augment.copies,
    seed: int = Augment.seed,
    recipe: str = Augment.recipe,
    engine: Engine | None = None,
    dimensions: Dimensions = Augment.dimensions,
    preview: bool = False,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Make augmented copies of the training cases; see `Augment`."""
    stage = Augment(copies, seed, recipe, engine, dimensions, preview)
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def train(
    *,
    model: str = Train.model,
    width: int | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    device: str = Train.device,
    seed: int = Train.seed,
    fold: int | str = Train.fold,
    run_name: str | None = None,
    minutes: float | None = None,
    allow_leaks: bool = False,
    augment: str | None = None,
    recipe: str = Train.recipe,
    target: Target | None = None,
    loss: Loss | None = None,
    class_weight: Sequence[float] = (),
    patch: str | None = None,
    spacing: str | None = None,
    memory: float | None = None,
    normalise: Normalise | None = None,
    workers: int = Train.workers,
    compile: bool = False,
    precision: Precision = Train.precision,
    accumulate: int = Train.accumulate,
    patience: int | None = None,
    tensorboard: bool = False,
    block: int | None = None,
    workspace: Path | str = WORKSPACE,
    progress: Progress | None = None,
) -> Outcome:
    """Train a net on the training fold; see `Train` (``run_name`` is its ``run``)."""
    stage = Train(
        model, width, epochs, steps, batch_size, lr, device, seed, fold, run_name, minutes,
        allow_leaks, augment, recipe, target, loss, tuple(class_weight), patch, spacing, memory,
        normalise, workers, compile, precision, accumulate, patience, tensorboard, block=block,
    )  # fmt: skip
    return run([stage], workspace, progress=progress)


def predict(
    *,
    run_name: str | None = None,
    cases: Literal["held-out", "all"] = Predict.cases,
    device: str = Predict.device,
    overlap: float = Predict.overlap,
    mirror: Sequence[Axis] = (),
    format: PredictionFormat = Predict.format,
    workspace: Path | str = WORKSPACE,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Predict label maps on the original grids; see `Predict`."""
    stage = Predict(run_name, cases, device, overlap, tuple(mirror), format)
    return run([stage], workspace, cluster=cluster, progress=progress)


def dice(
    *,
    run_name: str | Sequence[str] = (),
    reference: Literal["extracted", "cleaned"] = Evaluate.reference,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Score the predictions of held-out patients by Dice; see `Evaluate`."""
    stage = Evaluate(_names(run_name), reference, ("dice",))
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def evaluate(
    *,
    run_name: str | Sequence[str] = (),
    reference: Literal["extracted", "cleaned"] = Evaluate.reference,
    metrics: Sequence[str] = (),
    preset: str = Evaluate.preset,
    tolerance: Sequence[str] = (),
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> Outcome:
    """Score the predictions of held-out patients; see `Evaluate` (``run_name`` is its ``run``)."""
    stage = Evaluate(_names(run_name), reference, tuple(metrics), preset, tuple(tolerance))
    return run([stage], workspace, jobs=jobs, cluster=cluster, progress=progress)


def _names(one_or_more: str | Sequence[str]) -> tuple[str, ...]:
    return (one_or_more,) if isinstance(one_or_more, str) else tuple(one_or_more)


def report(*, workspace: Path | str = WORKSPACE, progress: Progress | None = None) -> Outcome:
    """Write ``report.html``; see `Report`."""
    return run([Report()], workspace, progress=progress)


def export(
    format: ExportFormat,
    output: Path | str,
    *,
    dataset_id: int = Export.dataset_id,
    name: str | None = None,
    run_name: str | None = None,
    overwrite: bool = False,
    workspace: Path | str = WORKSPACE,
    progress: Progress | None = None,
) -> ExportOutcome:
    """Write the workspace's data in the form another program takes; see `Export`."""
    options = Export(format, str(output), dataset_id, name, run_name)
    return exports.export(options, Path(workspace), overwrite=overwrite, progress=progress)
