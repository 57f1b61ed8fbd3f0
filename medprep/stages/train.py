"""Train a net on the training fold and keep the weights that do best on the validation fold."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medprep.errors import OptionError, TrainingError
from medprep.files import AtomicFiles, safe_name
from medprep.formats.windowing import Scale16
from medprep.models.registry import require_model
from medprep.stages import leak_gate
from medprep.stages.base import Context, Summary, artifact_input, is_up_to_date, names_of, task
from medprep.stages.split import role
from medprep.stages.tables import read_log
from medprep.training.options import TrainingOptions
from medprep.workspace.database import Artifact, CaseRow, Input
from medprep.workspace.workspace import Workspace, fold_key

if TYPE_CHECKING:
    from medprep.training.dataset import AugmentedSlices, TrainingCase
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

    name: ClassVar[str] = "train"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def __post_init__(self) -> None:
        require_model(self.model)
        self._training_options()
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
        cases = _Cases.of(workspace, self.fold)
        options = self._training_options()
        made = task("train", _VERSION, run, cases.inputs, asdict(options), None)
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
        result = train(*learnt, options, folder, made.key, context.progress)
        _draw_curve(folder)
        names = ("model.safetensors", "model.json", "log.csv", "curve.png")
        files = tuple(workspace.layout.relative(folder / name) for name in names)
        summary.facts = _facts(self, cases, result) | {"leaks": leaks}
        workspace.database.put(Artifact("train", run, made.key, made.inputs, files, summary.facts))
        summary.made.append(run)
        summary.lines.extend([leaks] if leaks else [])
        summary.lines.extend(_lines(cases, result))
        return summary

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


@dataclass(frozen=True)
class _Cases:
    """What one training reads, and the inputs that this makes it depend on."""

    train: list[TrainingCase]
    augmented: list[AugmentedSlices]
    val: list[TrainingCase]
    names: dict[int, str]
    inputs: list[Input]
    missing: list[str]

    @classmethod
    def of(cls, workspace: Workspace, fold: int) -> _Cases:
        rows = workspace.database.cases()
        _require_held_out(rows, workspace, fold)
        made = {stage: workspace.current(stage) for stage in ("convert", "clean", "augment")}
        cases = cls([], [], [], {}, [], [])
        for row in rows:
            into = {"train": cases.train, "val": cases.val}.get(role(row, fold))
            if into is None:
                continue
            if row.name not in made["clean"]:
                cases.missing.append(row.name)
                continue
            into.append(_case(workspace, row, made))
            cases.names.update(names_of(made["clean"][row.name].facts))
            stages = ["convert", "clean"]
            if into is cases.train and row.name in made["augment"]:
                cases.augmented.extend(_augmented(workspace, row, made))
                stages.append("augment")
            cases.inputs.append(Input("source", f"{row.name}/fold", fold_key(row)))
            cases.inputs.extend(artifact_input(made[stage][row.name]) for stage in stages)
        if not cases.train:
            raise TrainingError(
                "no training case has labels; look at what failed before: medprep status"
            )
        return cases


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


def _case(workspace: Workspace, row: CaseRow, made: dict[str, dict[str, Artifact]]) -> TrainingCase:
    from medprep.training.dataset import TrainingCase

    window = made["convert"][row.name].facts["window"]
    layout = workspace.layout
    return TrainingCase(
        row.name, layout.image(row.name), layout.cleaned(row.name), (window["low"], window["high"])
    )


def _augmented(
    workspace: Workspace, row: CaseRow, made: dict[str, dict[str, Artifact]]
) -> list[AugmentedSlices]:
    from medprep.training.dataset import AugmentedSlices

    image = made["convert"][row.name].facts
    window = (0.0, 255.0)
    if image["scale16"] is not None:
        scale = Scale16(**image["scale16"])
        low, high = (image["window"][end] for end in ("low", "high"))
        window = ((low - scale.intercept) / scale.slope, (high - scale.intercept) / scale.slope)
    folder = workspace.layout.augmented(row.name)
    slices = []
    for copy in range(1, made["augment"][row.name].facts["copies"] + 1):
        paths = [sorted((folder / f"{copy}" / kind).glob("*.png")) for kind in ("images", "labels")]
        slices.append(AugmentedSlices(row.name, tuple(paths[0]), tuple(paths[1]), window))
    return slices


def _draw_curve(folder: Path) -> None:
    from medprep.reporting.figures import training_curve

    with AtomicFiles() as files:
        files.file(folder / "curve.png").write_bytes(training_curve(read_log(folder / "log.csv")))


def _facts(stage: Train, cases: _Cases, result: TrainingResult) -> dict[str, Any]:
    return {
        "options": asdict(stage),
        "train": [case.case for case in cases.train],
        "val": [case.case for case in cases.val],
        "names": {str(value): name for value, name in cases.names.items()},
        **asdict(result),
    }


def _lines(cases: _Cases, result: TrainingResult) -> list[str]:
    used = result.resolved
    lines = [
        f"{used['model']}, width {used['width']}, {result.parameters:,} parameters, "
        f"{len(cases.names)} organs, on {used['device']}",
        f"{result.steps} steps of {used['batch_size']} slices of {used['patch'][0]} x "
        f"{used['patch'][1]}, from {result.slices} slices of {len(cases.train)} cases and "
        f"{result.augmented_slices} augmented ones",
        f"kept: {result.choice}"
        + ("" if result.validation_dice is None else f" ({result.validation_dice:.4f})"),
    ]
    if cases.missing:
        lines.append(f"without labels because they failed before: {', '.join(cases.missing)}")
    if not result.repeatable:
        lines.append("this run cannot be repeated to the last digit (a clock or a GPU)")
    return lines
