"""What predicts: one trained net, or the nets of all folds, and which of them labels which case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medprep.errors import CheckpointError
from medprep.stages.base import command_words, names_of
from medprep.stages.run_names import FOLD, OUT_OF_FOLD, families
from medprep.stages.split import role
from medprep.stages.train import ALL, Train
from medprep.training.options import trainable
from medprep.workspace.database import Artifact, CaseRow
from medprep.workspace.workspace import Workspace

_OWN = ("fold", "run", "workers", "tensorboard")
"""Options that nets of one run may differ in without a word."""


@dataclass(frozen=True)
class Held:
    """The cases that score a run.

    Parameters
    ----------
    called
        Name of the scores.
    fold
        What the cases are: ``test``, ``val`` (they chose the weights), or ``""`` where nobody is
        held out.
    rows
        Them.
    parts
        Case to the folds whose nets labelled it; empty where one part is all there is.
    """

    called: str
    fold: str
    rows: list[CaseRow]
    parts: Mapping[str, str]


@dataclass(frozen=True)
class Run:
    """A trained net, or one of each fold.

    Parameters
    ----------
    name
        What it is asked for by, and what its predictions are kept under.
    nets
        In the order of their folds.
    """

    name: str
    nets: tuple[Artifact, ...]

    @property
    def names(self) -> dict[int, str]:
        """Label value to organ name."""
        return names_of(self.nets[0].facts)

    @property
    def leaks(self) -> str:
        """What was allowed although it stands in two folds, or was seen before; or nothing."""
        said = [n.facts.get(kind, "") for kind in ("leaks", "contamination") for n in self.nets]
        return "; ".join(dict.fromkeys(filter(None, said)))

    def of(self, row: CaseRow) -> tuple[str, tuple[Artifact, ...]]:
        """Say what a case is to this run, and which nets label it.

        Returns
        -------
        str, tuple of Artifact
            ``test``, and the nets that neither learnt from its patient nor were chosen by them;
            else ``val``, and the nets that were only chosen by them. All nets otherwise:
            ``""`` where it stands in no fold at all, ``train`` where it does.
        """
        roles = [(role(row, int(net.facts["options"]["fold"])), net) for net in self.nets]
        for kind in ("test", "val"):
            own = tuple(net for found, net in roles if found == kind)
            if own:
                return kind, own
        return ("" if {found for found, _ in roles} == {""} else "train"), self.nets

    def held(self, rows: Sequence[CaseRow]) -> list[Held]:
        """Give who scores it.

        Of one net the test fold, or the validation fold where nobody is in test. Of several both,
        each by itself: what chose no weights, and everybody whose own net they did not teach.
        """
        found: list[Held] = []
        for kind in ("test", "val"):
            own = [(row, nets) for row in rows for is_, nets in [self.of(row)] if is_ == kind]
            if own and (len(self.nets) > 1 or not found):
                found.append(self._held(kind, own))
        return found or [Held(self.name, "", [], {})]

    def _held(self, kind: str, own: Sequence[tuple[CaseRow, tuple[Artifact, ...]]]) -> Held:
        parts = {row.name: folds_of(nets) for row, nets in own}
        several = len(set(parts.values())) > 1
        called = self.name + (OUT_OF_FOLD if kind == "val" and len(self.nets) > 1 else "")
        return Held(called, kind, [row for row, _ in own], parts if several else {})

    def notes(self) -> list[str]:
        """Say what a person should know of its nets together."""
        options = [_shared(net) for net in self.nets]
        differ = sorted({name for own in options for name in own if own[name] != options[0][name]})
        if not differ:
            return []
        return [f"the nets of {self.name} were trained with different {', '.join(differ)}"]


def folds_of(nets: Sequence[Artifact]) -> str:
    """Name the folds of nets: ``fold 1``, ``folds 0, 1, 2``."""
    return _folds([net.facts["options"]["fold"] for net in nets])


def find_run(workspace: Workspace, wanted: str | None) -> Run:
    """Give the run that is named, or the last one that was trained.

    Parameters
    ----------
    wanted
        Name of one net; or what the names of all folds' nets begin with.

    Raises
    ------
    CheckpointError
        If there is none such, a fold has no net, training data have changed since, or it answers
        clicks.
    """
    run = _found(workspace, wanted)
    if any(trainable(net.facts["options"]["model"]).answers_clicks for net in run.nets):
        place = workspace.layout.model(run.nets[0].subject) / "model.safetensors"
        raise CheckpointError(
            f"{run.name} answers clicks, it does not predict by itself: medprep prompt SCAN "
            f"--point X,Y,Z --checkpoint {place}, then medprep dice REFERENCE PROMPTED",
        )
    return run


def _found(workspace: Workspace, wanted: str | None) -> Run:
    trained = workspace.current("train")
    if wanted is None:
        step = workspace.database.steps().get("train")
        options: dict[str, Any] = step.options if step else {}
        if options.get("fold") == ALL:
            return _of_folds(workspace, options.get("run") or str(options["model"]), trained)
        wanted = options.get("run") or f"{options.get('model')}{FOLD}{options.get('fold')}"
    if wanted in trained:
        return Run(wanted, (trained[wanted],))
    return _of_folds(workspace, wanted, trained)


def _of_folds(workspace: Workspace, name: str, trained: Mapping[str, Artifact]) -> Run:
    count = int(str(workspace.require_split()["folds"]))
    wanted = {fold: f"{name}{FOLD}{fold}" for fold in range(count)}
    nets = {
        fold: trained[run]
        for fold, run in wanted.items()
        if run in trained and trained[run].facts["options"]["fold"] == fold
    }
    if not nets:
        have = ", ".join([*trained, *families(trained)]) or "none"
        raise CheckpointError(
            f"no model '{name}' that fits the data as they are now (have {have}); train it: "
            f"medprep train --run {name}"
        )
    missing = [fold for fold in wanted if fold not in nets]
    if missing:
        raise CheckpointError(_missing(workspace, name, missing, next(iter(nets.values())), count))
    several = {tuple(names_of(net.facts).items()) for net in nets.values()}
    if len(several) > 1:
        raise CheckpointError(
            f"the nets of '{name}' know different organs; train them anew, all with one 'clean': "
            f"{_train(next(iter(nets.values())), ALL)}"
        )
    return Run(name, tuple(nets.values()))


def _missing(
    workspace: Workspace, name: str, missing: Sequence[int], known: Artifact, count: int
) -> str:
    """Say which folds have no net, why, and how to get them."""
    recorded = workspace.database.artifacts("train")
    stale = [fold for fold in missing if f"{name}{FOLD}{fold}" in recorded]
    never = [fold for fold in missing if fold not in stale]
    why = [
        f"{_folds(own)} {'was' if len(own) == 1 else 'were'} {what}"
        for own, what in ((never, "not trained"), (stale, "trained on data that have changed"))
        if own
    ]
    fold = missing[0] if len(missing) == 1 else ALL
    return f"'{name}' wants {count} nets: {', and '.join(why)}; run: {_train(known, fold)}"


def _train(known: Artifact, fold: int | str) -> str:
    """Give the command that trains another fold as a known one was trained."""
    stage = Train(**known.facts["options"])
    own = stage.run
    if own is not None:
        family = own.rpartition(FOLD)[0]
        own = family if fold == ALL else f"{family}{FOLD}{fold}"
    return f"medprep {' '.join(command_words(replace(stage, fold=fold, run=own)))}"


def _folds(numbers: Sequence[int]) -> str:
    return f"fold{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))}"


def _shared(net: Artifact) -> dict[str, Any]:
    return {n: value for n, value in net.facts["options"].items() if n not in _OWN}
