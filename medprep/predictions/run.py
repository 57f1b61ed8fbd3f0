"""Label every case of a folder, one after the other, and say what became of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import NothingDoneError, WriteError
from medprep.execute import Failure, map_cases, workers_at
from medprep.files import json_bytes, write_bytes
from medprep.models.published import contamination
from medprep.predictions import chaos
from medprep.predictions.inputs import Case, Inputs, find_inputs
from medprep.predictions.nets import Nets, threads_here, weights
from medprep.predictions.options import PredictFolder
from medprep.predictions.work import Made, Targets, label_case
from medprep.progress import Progress, Silent
from medprep.trees.ledger import TreeLedger
from medprep.trees.options import ConvertTree
from medprep.trees.write import VolumeJob
from medprep.workspace.idkey import id_key, save_key
from medprep.workspace.output import held

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster
    from medprep.inference.predict import Predictor

_RECORD = "prediction.json"


@dataclass(frozen=True)
class PredictOutcome:
    """What became of a folder.

    Parameters
    ----------
    made
        Cases labelled now.
    kept
        Names of cases that were there already.
    failed
        Name to failure.
    found
        What the folder holds.
    notes
        What a person should know.
    """

    made: tuple[Made, ...]
    kept: tuple[str, ...]
    failed: dict[str, Failure]
    found: Inputs
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is well, 8 where a case failed or a file cannot be read."""
        return 8 if self.failed or self.found.tree.broken else 0

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs. Holds paths: for the person who owns the pictures."""
        return {
            "made": [asdict(one) for one in self.made],
            "kept": list(self.kept),
            "failed": {name: str(failure) for name, failure in self.failed.items()},
            "broken": [{"path": one.path, "why": one.why} for one in self.found.tree.broken],
            "notes": list(self.notes),
            "exit_code": self.exit_code,
        }


def look_at(
    options: PredictFolder,
    workspace: Path | None = None,
    progress: Progress | None = None,
    *,
    cluster: str | None = None,
) -> Inputs:
    """Find the cases that would be predicted; nothing is written.

    Parameters
    ----------
    cluster
        As for `predict_folder`.

    Raises
    ------
    CheckpointError, OptionError, SourceError
        As `predict_folder`.
    """
    shown = progress or Silent()
    predictor = _predictor(options, workspace)
    with workers_at(cluster, shown, read=[options.source]) as workers:
        return _find(options, predictor, workers, shown)[0]


def predict_folder(
    options: PredictFolder,
    workspace: Path | None = None,
    *,
    overwrite: bool = False,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> PredictOutcome:
    """Label every volume of a folder on its own grid.

    Parameters
    ----------
    options
        What, and by which nets.
    workspace
        Of the run, where one is named.
    overwrite
        Make again what is there.
    cluster
        Work on a Dask cluster: the address of its scheduler, or ``local:N``.
    progress
        Is told each case.

    Raises
    ------
    CheckpointError
        If there is no such run, or a file holds no net that can be used.
    OptionError
        If an option does not fit the nets.
    SourceError
        If there is no such folder or file.
    NothingDoneError
        If it holds no volume, sound or not.
    WriteError
        If the output holds predictions that were made otherwise.
    """
    shown = progress or Silent()
    predictor = _predictor(options, workspace)
    files = weights(options, workspace)
    record = _record(options, predictor, files)
    _require_same(options, record, overwrite)  # before the folder is read
    output = Path(options.output)
    with workers_at(cluster, shown, written=output, read=[options.source, *files]) as workers:
        found, notes = _find(options, predictor, workers, shown)
        failed = dict(found.failed)
        if not (found.cases or failed or found.tree.broken):
            raise NothingDoneError(
                f"no picture to predict in {options.source}; wanted are DICOM, .nii or .nii.gz"
            )
        names = Targets(options.format, output, predictor.organs)
        with held(output, options.private, below=options.format == "chaos"):
            anew = _require_same(options, record, overwrite)  # nobody else can change it now
            todo, kept = _sorted(options, found, names, failed, overwrite)
            if todo:
                # First: stopped in between, labels must not be taken for those of the record.
                names.remove([*todo, *(Case(name, None) for name in failed)] if anew else ())
                write_bytes(output / _RECORD, json_bytes(record))
                if found.tree.volumes:
                    save_key(options.private, _key(options))
            nets = Nets(files, options.how(), None if workers is None else threads_here())
            work = partial(label_case, nets, options.window, names)
            made = _work(work, todo, failed, workers, shown)
            if found.tree.volumes:
                TreeLedger(options.private).write(_jobs(options, found), found.tree, failed)
    return PredictOutcome(tuple(made), tuple(kept), failed, found, (*predictor.notes, *notes))


def _predictor(options: PredictFolder, workspace: Path | None) -> Predictor:
    predictor = Nets(weights(options, workspace), options.how()).load()
    if options.format == "chaos":
        chaos.require_organs(predictor.organs)
    return predictor


def _find(
    options: PredictFolder, predictor: Predictor, workers: Cluster | None, progress: Progress
) -> tuple[Inputs, tuple[str, ...]]:
    found = find_inputs(options, predictor.channels, _key(options), progress, workers)
    if options.format != "chaos":
        return found, found.notes
    cases, notes = chaos.of_first_phase(found.cases)
    return Inputs(cases, found.failed, found.tree, found.notes), (*found.notes, *notes)


def _key(options: PredictFolder) -> bytes:
    return id_key(options.private, None if options.id_key is None else Path(options.id_key))


def _record(
    options: PredictFolder, predictor: Predictor, paths: tuple[Path, ...]
) -> dict[str, Any]:
    """Say what labels depend on beside the pictures."""
    models, known = [], predictor.records
    for path, one in zip(paths, known, strict=True):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        models.append({"model": one["model"], "sha256": content})
    said = "; ".join(dict.fromkeys(filter(None, map(contamination, known))))
    grids = {one.spacing_mm for one in predictor.preparations}
    targets = predictor.preparations[0].targets
    return {
        "labels": {str(label): name for label, name in predictor.organs.items()},
        "models": models,
        "overlap": options.overlap,
        "mirror": sorted(set(options.mirror)),
        "window": options.window if predictor.wants_windows else None,
        **asdict(options.policy),
        # Only where there is something: predictions from before stay those of the same nets.
        **({"contamination": said} if said else {}),
        **({"grids": "own"} if len(grids) > 1 else {}),
        **({} if targets.exclusive else {"channels": list(targets.channel_names)}),
    }


def _require_same(options: PredictFolder, record: dict[str, Any], overwrite: bool) -> bool:
    """Refuse to add to what other nets or options made; True where that is to be made anew."""
    path = Path(options.output, _RECORD)
    if not path.exists():
        return overwrite
    try:
        there = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        there = {}
    differ = sorted(name for name in record if there.get(name) != record[name])
    if differ and not overwrite:
        raise WriteError(
            f"here are predictions made otherwise ({', '.join(differ)}); give another --output, or "
            "--overwrite to make all anew",
            path=path,
        )
    return bool(differ)


def _sorted(
    options: PredictFolder,
    found: Inputs,
    targets: Targets,
    failed: dict[str, Failure],
    overwrite: bool,
) -> tuple[list[Case], list[str]]:
    """Tell what is to be made from what is there."""
    ledger = TreeLedger(options.private)
    others = {job.name for job in _jobs(options, found) if ledger.is_other(job)}
    todo, kept = [], []
    for case in found.cases:
        if overwrite or not targets.are_there(case):
            todo.append(case)
        elif case.name in others:
            failed[case.name] = Failure(
                "other-data",
                "another series was written under this name before; give another --output, or "
                "take the old file away",
            )
        else:
            kept.append(case.name)
    return todo, kept


def _jobs(options: PredictFolder, found: Inputs) -> list[VolumeJob]:
    """Give the volumes of DICOM as the table of sources knows them."""
    how = ConvertTree(options.source, options.output)
    return [VolumeJob(one.name, (one.plan,), how) for one in found.cases if one.plan is not None]


def _work(
    work: Callable[[Case], Made],
    todo: list[Case],
    failed: dict[str, Failure],
    workers: Cluster | None,
    progress: Progress,
) -> list[Made]:
    progress.start("predict", len(todo))
    order = {case.name: place for place, case in enumerate(todo)}
    made = []
    # One process: the net itself uses all processors, and its numbers depend on how many.
    for case, outcome in map_cases(work, todo, jobs=1, cluster=workers):
        if isinstance(outcome, Failure):
            failed[case.name] = outcome
        else:
            made.append(outcome)
        progress.advance(1, case.name)
    progress.finish()
    return sorted(made, key=lambda one: order[one.name])
