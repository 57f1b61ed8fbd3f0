"""The order of the chain, and the stages it puts in before those asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import pairwise

from medprep.errors import CheckpointError, OrderError
from medprep.stages.augment import Augment
from medprep.stages.base import CHAIN, Stage
from medprep.stages.check import Check
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.evaluate import Evaluate
from medprep.stages.extract import Extract
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.run_names import families, members
from medprep.stages.split import Split
from medprep.stages.train import ALL, Train
from medprep.workspace.database import Artifact, Step

STAGES: tuple[type[Stage], ...] = (
    Split, Convert, Extract, Clean, Check, Augment, Train, Predict, Evaluate, Report,
)  # fmt: skip
_BY_NAME = {stage.name: stage for stage in STAGES}


def check_order(stages: Sequence[Stage]) -> None:
    """Refuse a chain that cannot work, before anything runs.

    Raises
    ------
    OrderError
        If a stage stands twice or after one that needs it.
    """
    for one, following in pairwise(stages):
        if one.name == following.name:
            twice = "evaluate (dice is one)" if one.name == "evaluate" else one.name
            raise OrderError(f"'{twice}' stands twice in one line")
        if CHAIN.index(one.name) > CHAIN.index(following.name):
            raise OrderError(
                f"'{following.name}' cannot come after '{one.name}'; the order is: "
                + " ".join(CHAIN)
            )


def expand(
    stages: Sequence[Stage],
    recorded: dict[str, Step],
    trained: dict[str, Artifact],
    folds: int = 1,
) -> list[tuple[Stage, bool]]:
    """Put before each stage those it needs, and say of each whether it was asked for.

    A stage that ran before comes with the options it had then, else with its defaults; the
    training of a run that is named comes with the options of that run.

    Parameters
    ----------
    stages
        As asked for.
    recorded, trained
        What ran here before, and the nets that there are.
    folds
        Of the split: the trainings of so many alike nets are one.

    Raises
    ------
    CheckpointError
        If a run is named that is not trained, and will not be.
    """
    _require_runs(stages, trained)

    def needs_of(name: str) -> tuple[str, ...]:
        # Copies that were made once are wanted: stale ones must not silently drop out.
        copies = ("augment",) if name == "train" and "augment" in recorded else ()
        return (*_BY_NAME[name].needs, *copies)

    chain: list[tuple[Stage, bool]] = []
    present = {stage.name for stage in stages}
    done: set[tuple[str, str | None]] = set()

    def require(name: str, run: str | None) -> None:
        # Each run that is named is trained and predicted by itself.
        known = run is not None and bool(_trainings(run, trained, folds))
        own = (name, run) if name in ("train", "predict") and known else (name, None)
        if name in present or own in done or name == "split":
            return
        done.add(own)
        for need in needs_of(name):
            require(need, run)
        if name == "train" and run is not None and known:
            chain.extend((stage, False) for stage in _trainings(run, trained, folds))
        elif name == "predict" and run is not None:
            chain.append((replace(_remembered(name, recorded), run=run), False))  # type: ignore[type-var]
        else:
            chain.append((_remembered(name, recorded), False))

    for stage in stages:
        for run in _runs(stage) or (None,):
            for need in needs_of(stage.name):
                require(need, run)
        chain.append((stage, True))
    return sorted(chain, key=lambda pair: CHAIN.index(pair[0].name))


def _require_runs(stages: Sequence[Stage], trained: dict[str, Artifact]) -> None:
    """Refuse a run that nobody trained, before an hour is spent on training another."""
    known = [
        *trained,
        *families(trained),
        *(stage.run_id for stage in stages if isinstance(stage, Train)),
    ]
    for wanted in (run for stage in stages for run in _runs(stage)):
        if wanted not in known:
            raise CheckpointError(
                f"no model '{wanted}' (have {', '.join(known) or 'none'}); train it: "
                f"medprep train --run {wanted}"
            )


def _trainings(run: str, trained: dict[str, Artifact], folds: int) -> list[Train]:
    """Give what trains a run again: one net, or those of all folds, as one where they are alike."""
    names = [run] if run in trained else members(run, trained)
    stages = [Train(**trained[name].facts["options"]) for name in names]
    alike = {replace(stage, fold=0, run=None) for stage in stages}
    if len(stages) == folds > 1 and len(alike) == 1:  # else one would train what nobody asked for
        return [replace(stages[0], fold=ALL, run=stages[0].run and run)]
    return stages


def _runs(stage: Stage) -> tuple[str, ...]:
    """Give the models that a stage names."""
    if isinstance(stage, Evaluate):
        return stage.run
    return (stage.run,) if isinstance(stage, Predict) and stage.run is not None else ()


def title(stage: Stage) -> str:
    """Give a stage the name that its user knows it by."""
    if isinstance(stage, Extract) and stage.organ == ("liver",) and not stage.label:
        return "extract-liver"
    if isinstance(stage, Evaluate) and stage.metrics == ("dice",):
        return "dice"
    return stage.name


def _remembered(name: str, recorded: dict[str, Step]) -> Stage:
    kind = _BY_NAME[name]
    if name not in recorded:
        return kind()
    # An older medprep may have recorded an option that is no more.
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]
    stage = kind(**{n: value for n, value in recorded[name].options.items() if n in known})
    # What follows asks for the run trained last, whichever was predicted before.
    return replace(stage, run=None) if isinstance(stage, Predict) else stage
