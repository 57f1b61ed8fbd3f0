"""Which nets a stage of a plan trains or asks, and whom they leave out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from medprep.stages.base import Stage
from medprep.stages.evaluate import Evaluate
from medprep.stages.predict import Predict
from medprep.stages.run_names import members
from medprep.stages.split import Split, role
from medprep.stages.train import Train
from medprep.workspace.database import Artifact, CaseRow


@dataclass(frozen=True)
class Runs:
    """The nets of a stage.

    Parameters
    ----------
    names
        What they are asked for by.
    nets
        Each net's name, and its fold; none of other stages, or where nobody knows how many.
    training
        Whether they are trained.
    """

    names: tuple[str, ...] = ()
    nets: tuple[tuple[str, int], ...] = ()
    training: bool = False

    @classmethod
    def of(
        cls, stage: Stage, chain: Sequence[Stage], trained: Mapping[str, Artifact], folds: int
    ) -> Runs:
        """Find those of a stage of a chain."""
        if isinstance(stage, Train):
            return cls((stage.run_id,), _trained_by(stage, folds), True)
        if not isinstance(stage, Predict | Evaluate):
            return cls()
        named = stage.run if isinstance(stage, Evaluate) else (stage.run,) if stage.run else ()
        trainings = [one for one in chain if isinstance(one, Train)]
        if not named and trainings:
            last = trainings[-1]
            return cls((last.run_id,), _trained_by(last, folds))
        known = {net: fold for one in trainings for net, fold in _trained_by(one, folds)}
        known |= {net: int(one.facts["options"]["fold"]) for net, one in trained.items()}
        nets = [net for run in named for net in ([run] if run in known else members(run, known))]
        return cls(tuple(named), tuple((net, known[net]) for net in nets))

    def has(self, case: str, made: Collection[str]) -> bool:
        """Tell whether what a stage makes of a case is among what was made."""
        if self.training:
            return bool(self.nets) and all(net in made for net, _ in self.nets)
        if self.names:
            return all(f"{name}/{case}" in made for name in self.names)
        return case in made

    def holds_out(self, row: CaseRow) -> bool:
        """Tell whether a net was not taught by a case."""
        folds = {fold for _, fold in self.nets}
        return any(role(row, fold) != "train" for fold in folds) if folds else row.fold != "train"

    def note(self, stage: Stage) -> str:
        """Say what several nets do."""
        if len(self.nets) < 2 or isinstance(stage, Evaluate):
            return ""
        if self.training:
            return f"{len(self.nets)} nets, {self.nets[0][0]} to {self.nets[-1][0]}"
        return f"each by those of {len(self.nets)} nets that do not learn from its patient"


def folds_of(split: Split) -> int:
    """Give the number of folds that a split will make; 0 where only the data say it."""
    return 0 if split.leave_out or split.splits else split.folds * max(1, split.inner_folds)


def is_as_trained(stage: Train, folds: int, trained: Mapping[str, Artifact]) -> bool:
    """Tell whether the nets that there are were trained with these options."""
    several = stage.of_folds(folds)
    return all(
        one.run_id in trained and Train(**trained[one.run_id].facts["options"]) == one
        for one in several
    )


def _trained_by(stage: Train, folds: int) -> tuple[tuple[str, int], ...]:
    return tuple((one.run_id, int(one.fold)) for one in stage.of_folds(folds))
