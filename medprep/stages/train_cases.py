"""What one training reads, and what it thereby depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from medprep.augmentation.engines import across
from medprep.augmentation.recipe import Recipe
from medprep.errors import OptionError, TrainingError
from medprep.formats.windowing import Scale16
from medprep.stages.base import artifact_input, names_of
from medprep.stages.shards import Shards
from medprep.stages.split import role
from medprep.workspace.database import Artifact, CaseRow, Input
from medprep.workspace.workspace import Workspace, fold_key

if TYPE_CHECKING:
    from medprep.training.dataset import Copies, TrainingCase
    from medprep.training.shards import Shard


@dataclass(frozen=True)
class Cases:
    """What one training reads, and the inputs that this makes it depend on.

    Parameters
    ----------
    train, val
        What is learnt from, and what chooses the weights.
    augmented
        Copies of the former.
    names
        Label value to organ name.
    inputs
        What the training depends on.
    missing
        Cases without labels because they failed before.
    orientations
        Where the axes that the net sees run in the training cases: a letter for rows and columns
        each, for nets of volumes one for slices before them.
    regions
        Region to its organs, as far as all of them are learnt.
    passed_over
        Training cases whose augmented slices are of no use to a net for volumes.
    """

    train: list[TrainingCase]
    augmented: list[Copies]
    val: list[TrainingCase]
    names: dict[int, str]
    inputs: list[Input]
    missing: list[str]
    orientations: set[str]
    regions: dict[str, tuple[str, ...]] = field(default_factory=dict)
    passed_over: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, workspace: Workspace, fold: int, dimensions: int = 2) -> Cases:
        """Find them.

        Parameters
        ----------
        fold
            Which part validates.
        dimensions
            The net's: 2 for slices, 3 for volumes.

        Raises
        ------
        OptionError, TrainingError
            If there is no such fold, nothing to learn from, or nobody is held out.
        """
        rows = workspace.database.cases()
        _require_held_out(rows, workspace, fold)
        made = {stage: workspace.current(stage) for stage in ("convert", "clean", "augment")}
        shards = Shards(workspace)
        cases = cls([], [], [], {}, [], [], set())
        for row in rows:
            into = {"train": cases.train, "val": cases.val}.get(role(row, fold))
            if into is None:
                continue
            if row.name not in made["clean"]:
                cases.missing.append(row.name)
                continue
            into.append(_case(workspace, row, made, shards.of(row.name)))
            labels = made["clean"][row.name].facts
            cases.names.update(names_of(labels))
            cases.regions.update((n, tuple(p)) for n, p in labels.get("regions", {}).items())
            stages = ["convert", "clean"]
            if into is cases.train:
                letters = made["convert"][row.name].facts["orientation_lps"]
                cases.orientations.add(letters[-dimensions:])
                stages += cases._add_copies(workspace, row, made, dimensions)
            cases.inputs.append(Input("source", f"{row.name}/fold", fold_key(row)))
            cases.inputs.extend(artifact_input(made[stage][row.name]) for stage in stages)
        known = set(cases.names.values())
        strange = [name for name, parts in cases.regions.items() if not known.issuperset(parts)]
        for name in strange:
            del cases.regions[name]
        if not cases.train:
            raise TrainingError(
                "no training case has labels; look at what failed before: medprep status"
            )
        return cases

    def _add_copies(
        self,
        workspace: Workspace,
        row: CaseRow,
        made: dict[str, dict[str, Artifact]],
        dimensions: int,
    ) -> list[str]:
        """Add a case's copies, and give the stage that it thereby depends on."""
        if row.name not in made["augment"]:
            return []
        if made["augment"][row.name].facts["dimensions"] < dimensions:
            self.passed_over.append(row.name)
            return []
        self.augmented.extend(_augmented(workspace, row, made))
        return ["augment"]

    def across(self, recipe: Recipe) -> bool:
        """Tell whether a recipe would exchange left and right in what the net sees."""
        return any(across(recipe, letters) for letters in self.orientations)


def _require_held_out(rows: list[CaseRow], workspace: Workspace, fold: int) -> None:
    count = int(str(workspace.require_split()["folds"]))
    if fold >= count:
        raise OptionError(f"--fold is {fold}, but the split has {count}; wanted is below {count}")
    patients = {row.patient for row in rows if row.labelled}
    held_out = {row.patient for row in rows if role(row, fold) in ("val", "test")}
    if not held_out:
        raise TrainingError(
            f"{len(patients)} labelled patient(s), and none is held out: a Dice would mean "
            "nothing. Wanted are two patients or more, in folds that 'split' makes"
        )


def _case(
    workspace: Workspace, row: CaseRow, made: dict[str, dict[str, Artifact]], shard: Shard | None
) -> TrainingCase:
    from medprep.training.dataset import TrainingCase

    window = made["convert"][row.name].facts["window"]
    layout = workspace.layout
    return TrainingCase(
        row.name,
        layout.image(row.name),
        layout.cleaned(row.name),
        (window["low"], window["high"]),
        row.modality,
        shard,
    )


def _augmented(
    workspace: Workspace, row: CaseRow, made: dict[str, dict[str, Artifact]]
) -> list[Copies]:
    from medprep.training.dataset import AugmentedSlices, TrainingCase
    from medprep.training.online import SliceGrid

    image, copies = made["convert"][row.name].facts, made["augment"][row.name].facts
    low_high = (image["window"]["low"], image["window"]["high"])
    folder = workspace.layout.augmented(row.name)
    numbers = range(1, copies["copies"] + 1)
    if copies["dimensions"] == 3:
        names = [(f"{copy}.nii.gz", f"{copy}-labels.nii.gz") for copy in numbers]
        return [TrainingCase(row.name, folder / p, folder / m, low_high) for p, m in names]
    window = (0.0, 255.0)
    if image["scale16"] is not None:
        scale = Scale16(**image["scale16"])
        window = tuple((end - scale.intercept) / scale.slope for end in low_high)
    grid = SliceGrid(tuple(image["spacing_mm"]), image["orientation_lps"][1:])
    slices: list[Copies] = []
    for copy in numbers:
        paths = [sorted((folder / f"{copy}" / kind).glob("*.png")) for kind in ("images", "labels")]
        slices.append(AugmentedSlices(
            row.name, tuple(paths[0]), tuple(paths[1]), window, grid, copies.get("inverted", False)
        ))  # fmt: skip
    return slices
