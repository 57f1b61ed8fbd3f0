"""Train a net on the training fold and keep the weights that do best on the validation fold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medprep.augmentation.recipe import Recipe, named_recipe
from medprep.errors import OptionError
from medprep.files import AtomicFiles, safe_name
from medprep.models.registry import require_model
from medprep.organs import mirror_partners
from medprep.stages import leak_gate
from medprep.stages.augment import about_flips, recipe_name
from medprep.stages.base import Context, Summary, is_up_to_date, task
from medprep.stages.split import role
from medprep.stages.tables import read_log
from medprep.stages.train_cases import Cases
from medprep.training.options import TrainingOptions
from medprep.workspace.database import Artifact

if TYPE_CHECKING:
    from medprep.training.online import Online
    from medprep.training.options import TrainingResult

_VERSION = 1


@dataclass(frozen=True)
class Train:
    """Options of ``train``; None leaves the choice to the machine and the data, and is told.

    Parameters
    ----------
    model
        Name of the net.
    width
        Channels of its first level.
    epochs, steps
        Length of the training, by one of the two.
    batch_size, lr
        Slices a step; peak learning rate.
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    seed
        Another seed gives other weights and batches.
    fold
        Which part validates, after ``split --folds``.
    run
        Name of the run.
    minutes
        Stop after this time; such a run cannot be repeated exactly.
    allow_leaks
        Train although pictures of the training fold stand in another; every table says so.
    augment
        Recipe by which slices are changed each time they are shown: ``tutorial``, ``nnunet``,
        ``none`` or a TOML file. None: ``none`` where there are augmented copies, else
        ``tutorial``.
    """

    model: str = "unet2d"
    width: int | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    device: str = "auto"
    seed: int = 0
    fold: int = 0
    run: str | None = None
    minutes: float | None = None
    allow_leaks: bool = False
    augment: str | None = None

    name: ClassVar[str] = "train"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def __post_init__(self) -> None:
        require_model(self.model)
        if self.model != "unet2d":
            raise OptionError(f"--model is {self.model}; train trains unet2d, the net for slices")
        self._training_options()
        if self.augment is not None:
            named_recipe(self.augment)
        if self.fold < 0:
            raise OptionError(f"--fold is {self.fold}; wanted is 0 or more")
        if self.run is not None and safe_name(self.run) != self.run:
            raise OptionError(
                f"--run is '{self.run}'; wanted are lower-case letters, digits, - and _, such "
                f"as '{safe_name(self.run)}'"
            )

    @property
    def run_id(self) -> str:
        """The run's name."""
        return self.run or f"{self.model}-fold{self.fold}"

    def perform(self, context: Context) -> Summary:
        """Train, or go on with a training that was stopped."""
        workspace, run = context.workspace, self.run_id
        cases = Cases.of(workspace, self.fold)
        options, online = self._training_options(), self._online(cases)
        settings = asdict(options)
        if online is not None:
            settings["augment"] = asdict(online.recipe)
        made = task("train", _VERSION, run, cases.inputs, settings, None)
        summary = Summary("train")
        known = workspace.database.artifacts("train").get(run)
        if is_up_to_date(context, known, made.key):
            summary.kept.append(run)
            return summary
        leaks = self._leaks(context)
        from medprep.training.loop import train

        workspace.database.forget("train", [run])
        folder = workspace.layout.model(run)
        learnt = (cases.train, cases.augmented, cases.val, cases.names)
        result = train(*learnt, options, folder, made.key, context.progress, online)
        _draw_curve(folder)
        names = ("model.safetensors", "model.json", "log.csv", "curve.png")
        files = tuple(workspace.layout.relative(folder / name) for name in names)
        summary.facts = _facts(self, cases, result) | {"leaks": leaks}
        workspace.database.put(Artifact("train", run, made.key, made.inputs, files, summary.facts))
        summary.made.append(run)
        summary.lines.extend([leaks] if leaks else [])
        summary.lines.extend(_lines(cases, result))
        if online is not None and cases.across(online.recipe):
            organs, off = cases.names.values(), online.mirror is None
            summary.lines.extend(about_flips(organs if off else (), () if off else organs))
        return summary

    def _online(self, cases: Cases) -> Online | None:
        """Settle what happens to slices as they are shown."""
        from medprep.training.online import Online

        called = self.augment or ("none" if cases.augmented else "tutorial")
        recipe = named_recipe(called)
        if recipe == Recipe.preset("none"):
            return None
        return Online(recipe, recipe_name(called), mirror_partners(cases.names))

    def _leaks(self, context: Context) -> str:
        """Say what of the training fold also stands in another; refuse unless it is allowed."""
        rows = context.workspace.database.cases()
        roles = {row.name: role(row, self.fold) for row in rows}
        found = leak_gate.across(leak_gate.find(context), roles)
        leak_gate.require_none(found, self.allow_leaks)
        told = [leak_gate.tell(found)] if found else []
        patients = leak_gate.torn(rows, roles)  # a given split may part them, if it was allowed
        told += [f"patients in two folds: {', '.join(patients)}"] if patients else []
        return f"TRAINED ACROSS A LEAK: {'; '.join(told)}" if told else ""

    def _training_options(self) -> TrainingOptions:
        given = {
            name: getattr(self, name)
            for name in (
                "model",
                "width",
                "epochs",
                "steps",
                "batch_size",
                "lr",
                "device",
                "seed",
                "minutes",
            )
            if getattr(self, name) is not None
        }
        return TrainingOptions(**given)


def _draw_curve(folder: Path) -> None:
    from medprep.reporting.figures import training_curve

    with AtomicFiles() as files:
        files.file(folder / "curve.png").write_bytes(training_curve(read_log(folder / "log.csv")))


def _facts(stage: Train, cases: Cases, result: TrainingResult) -> dict[str, Any]:
    return {
        "options": asdict(stage),
        "train": [case.case for case in cases.train],
        "val": [case.case for case in cases.val],
        "names": {str(value): name for value, name in cases.names.items()},
        **asdict(result),
    }


def _lines(cases: Cases, result: TrainingResult) -> list[str]:
    used = result.resolved
    lines = [
        f"{used['model']}, width {used['width']}, {result.parameters:,} parameters, "
        f"{len(cases.names)} organs, on {used['device']}",
        f"{result.steps} steps of {used['batch_size']} slices of {used['patch'][0]} x "
        f"{used['patch'][1]}, from {result.slices} slices of {len(cases.train)} cases and "
        f"{result.augmented_slices} augmented ones"
        + ("" if used["augment"] == "none" else f", changed as they are shown ({used['augment']})"),
        f"kept: {result.choice}"
        + ("" if result.validation_dice is None else f" ({result.validation_dice:.4f})"),
    ]
    if cases.missing:
        lines.append(f"without labels because they failed before: {', '.join(cases.missing)}")
    if not result.repeatable:
        lines.append("this run cannot be repeated to the last digit (a clock or a GPU)")
    return lines
