"""Commands that need no workspace as functions: same names, same options, same results.

``jobs`` above 1 starts processes by "spawn", so a script that asks for them must guard its own
start: ``if __name__ == "__main__":``. ``cluster`` works on a Dask cluster instead: the address of
its scheduler, or ``local:N``, which starts processes too.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from medprep.confidentiality import run as confidentiality
from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.run import DeidentifyOutcome
from medprep.confidentiality.table import Clean, Retain
from medprep.dicom.stacks import Gaps, Policy, Tilt
from medprep.evaluations import run as evaluations
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.run import FolderOutcome
from medprep.execute import workers_at
from medprep.inference.options import Axis
from medprep.places.paths import path_of
from medprep.predictions import run as predictions
from medprep.predictions.options import FolderFormat, PredictFolder
from medprep.predictions.run import PredictOutcome
from medprep.progress import Progress, Silent
from medprep.trees import run as trees
from medprep.trees.options import ConvertTree, TreeFormat
from medprep.trees.run import TreeOutcome
from medprep.trees.survey import Survey, survey


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
    cluster: str | None = None,
    progress: Progress | None = None,
) -> TreeOutcome:
    """Convert any DICOM tree into a folder, without a workspace; see `ConvertTree`."""
    options = ConvertTree(
        str(source), str(output), format, window, Policy(gaps, tilt), stack, colour,
        tuple(include), id_key,
    )  # fmt: skip
    return trees.convert_tree(
        options, jobs=jobs, overwrite=overwrite, cluster=cluster,
        progress=progress,
    )  # fmt: skip


def deidentify(
    source: Path | str,
    output: Path | str,
    *,
    retain: Sequence[Retain] = (),
    clean: Sequence[Clean] = (),
    shift_dates: bool = False,
    id_key: str | None = None,
    key_file: str | None = None,
    jobs: int = 0,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> DeidentifyOutcome:
    """Write DICOM by the PS3.15 confidentiality profile; see `Deidentify`. Not anonymous."""
    options = Deidentify(
        str(source), str(output), tuple(retain), tuple(clean), shift_dates, id_key, key_file
    )
    return confidentiality.deidentify(
        options, jobs=jobs, overwrite=overwrite, cluster=cluster,
        progress=progress,
    )  # fmt: skip


def scan(source: Path | str, *, include: Sequence[str] = (), cluster: str | None = None) -> Survey:
    """Say what a DICOM tree holds; nothing is written. Its names are under no key."""
    with workers_at(cluster, Silent(), read=[source]) as workers:
        return survey(path_of(source), b"", include=tuple(include), cluster=workers)


def evaluate_folders(
    reference: Path | str,
    predicted: Path | str | Sequence[Path | str],
    *,
    metrics: Sequence[str] = (),
    preset: str = EvaluateFolders.preset,
    tolerance: Sequence[str] = (),
    organs: str | None = None,
    grid: Path | str | None = None,
    spacing_mm: tuple[float, float, float] | None = None,
    resample: bool = False,
    patient_pattern: str | None = None,
    output: Path | str | None = None,
    jobs: int = 1,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> FolderOutcome:
    """Score files that are in no workspace; see `EvaluateFolders`."""
    several = [predicted] if isinstance(predicted, str | Path) else predicted
    options = EvaluateFolders(
        str(reference), tuple(map(str, several)), tuple(metrics), preset, tuple(tolerance), organs,
        None if grid is None else str(grid), spacing_mm, resample, patient_pattern,
        None if output is None else str(output),
    )  # fmt: skip
    return evaluations.evaluate_folders(
        options, jobs=jobs, overwrite=overwrite, cluster=cluster,
        progress=progress,
    )  # fmt: skip


def predict_folder(
    source: Path | str,
    output: Path | str,
    *,
    run_name: str | None = None,
    checkpoint: Sequence[Path | str] = (),
    format: FolderFormat = PredictFolder.format,
    device: str = PredictFolder.device,
    overlap: float = PredictFolder.overlap,
    mirror: Sequence[Axis] = (),
    window: str = PredictFolder.window,
    gaps: Gaps = "error",
    tilt: Tilt = "error",
    id_key: str | None = None,
    workspace: Path | str | None = None,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> PredictOutcome:
    """Label every volume of a folder; ``run_name`` is of a ``workspace``; see `PredictFolder`."""
    options = PredictFolder(
        str(source), str(output), run_name, tuple(map(str, checkpoint)), format, device, overlap,
        tuple(mirror), window, Policy(gaps, tilt), id_key,
    )  # fmt: skip
    home = None if workspace is None else Path(workspace)
    return predictions.predict_folder(
        options, home, overwrite=overwrite, cluster=cluster,
        progress=progress,
    )  # fmt: skip


def sample_data(folder: Path | str, *, seed: int = 2026) -> None:
    """Write a made-up data set in the CHAOS layout into an empty folder."""
    from medprep.sources.phantom import make_chaos

    make_chaos(Path(folder), seed=seed)
