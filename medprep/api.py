"""The commands as functions: same names, same options, same results.

Each takes the workspace by name and gives an `Outcome`; a stage that is missing before it runs
with the options it had last, or its defaults. ``jobs`` above 1 starts processes by "spawn", so a
script that asks for them must guard its own start: ``if __name__ == "__main__":``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from medprep.dicom.stacks import Gaps, Policy, Tilt
from medprep.pipeline import Outcome, run
from medprep.progress import Progress
from medprep.sources.base import Preset
from medprep.stages.augment import Augment
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert, Format
from medprep.stages.dice import Dice
from medprep.stages.extract import Extract
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.split import Split
from medprep.stages.train import Train
from medprep.trees import run as trees
from medprep.trees.options import ConvertTree, TreeFormat
from medprep.trees.run import TreeOutcome
from medprep.trees.survey import Survey, survey

WORKSPACE = Path("medprep-work")


def split(
    source: Path | str,
    *,
    preset: Preset | None = None,
    train: float = Split.train,
    val: float = Split.val,
    test: float = Split.test,
    folds: int = Split.folds,
    seed: int = Split.seed,
    resplit: bool = False,
    id_key: str | None = None,
    workspace: Path | str = WORKSPACE,
    progress: Progress | None = None,
) -> Outcome:
    """Find the cases of a data set and put their patients into folds; see `Split`."""
    stage = Split(str(source), preset, train, val, test, folds, seed, resplit, id_key)
    return run([stage], workspace, progress=progress)


def convert(
    *,
    format: Format = Convert.format,
    window: str = Convert.window,
    gaps: Gaps = Convert.gaps,
    tilt: Tilt = Convert.tilt,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Turn every case into NIfTI and PNG slices; see `Convert`."""
    return run([Convert(format, window, gaps, tilt)], workspace, jobs=jobs, progress=progress)


def convert_tree(
    source: Path | str,
    output: Path | str,
    *,
    format: TreeFormat = ConvertTree.format,
    window: str = ConvertTree.window,
    gaps: Gaps = "error",
    tilt: Tilt = "error",
    stack: bool = False,
    colour: bool = False,
    include: Sequence[str] = (),
    id_key: str | None = None,
    jobs: int = 0,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TreeOutcome:
    """Convert any DICOM tree into a folder, without a workspace; see `ConvertTree`."""
    options = ConvertTree(
        str(source), str(output), format, window, Policy(gaps, tilt), stack, colour,
        tuple(include), id_key,
    )  # fmt: skip
    return trees.convert_tree(options, jobs=jobs, overwrite=overwrite, progress=progress)


def scan(source: Path | str, *, include: Sequence[str] = ()) -> Survey:
    """Say what a DICOM tree holds; nothing is written. Its names are under no key."""
    return survey(Path(source), b"", include=tuple(include))


def extract(
    *,
    organ: Sequence[str] = (),
    label: Sequence[tuple[str, int, int]] = (),
    unmapped: Literal["error", "background"] = Extract.unmapped,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Turn masks into label maps; see `Extract`."""
    stage = Extract(tuple(organ), tuple(label), unmapped)
    return run([stage], workspace, jobs=jobs, progress=progress)


def extract_liver(
    *, workspace: Path | str = WORKSPACE, jobs: int = 1, progress: Progress | None = None
) -> Outcome:
    """Turn masks into label maps of the liver."""
    return extract(organ=("liver",), workspace=workspace, jobs=jobs, progress=progress)


def clean(
    *,
    largest: bool = Clean.largest,
    min_volume_ml: float = Clean.min_volume_ml,
    fill_holes: bool = Clean.fill_holes,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Remove from the labels what cannot be an organ; see `Clean`."""
    stage = Clean(largest, min_volume_ml, fill_holes)
    return run([stage], workspace, jobs=jobs, progress=progress)


def augment(
    *,
    copies: int = Augment.copies,
    seed: int = Augment.seed,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Make augmented copies of the training slices; see `Augment`."""
    return run([Augment(copies, seed)], workspace, jobs=jobs, progress=progress)


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
    fold: int = Train.fold,
    run_name: str | None = None,
    minutes: float | None = None,
    workspace: Path | str = WORKSPACE,
    progress: Progress | None = None,
) -> Outcome:
    """Train a net on the training fold; see `Train` (``run_name`` is its ``run``)."""
    stage = Train(
        model, width, epochs, steps, batch_size, lr, device, seed, fold, run_name, minutes
    )
    return run([stage], workspace, progress=progress)


def predict(
    *,
    run_name: str | None = None,
    cases: Literal["held-out", "all"] = Predict.cases,
    device: str = Predict.device,
    workspace: Path | str = WORKSPACE,
    progress: Progress | None = None,
) -> Outcome:
    """Predict label maps on the original grids; see `Predict`."""
    return run([Predict(run_name, cases, device)], workspace, progress=progress)


def dice(
    *,
    run_name: str | None = None,
    reference: Literal["extracted", "cleaned"] = Dice.reference,
    workspace: Path | str = WORKSPACE,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Outcome:
    """Score the predictions of held-out patients; see `Dice`."""
    return run([Dice(run_name, reference)], workspace, jobs=jobs, progress=progress)


def report(*, workspace: Path | str = WORKSPACE, progress: Progress | None = None) -> Outcome:
    """Write ``report.html``; see `Report`."""
    return run([Report()], workspace, progress=progress)


def sample_data(folder: Path | str, *, seed: int = 2026) -> None:
    """Write a made-up data set in the CHAOS layout into an empty folder."""
    from medprep.sources.phantom import make_chaos

    make_chaos(Path(folder), seed=seed)
