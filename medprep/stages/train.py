"""Train a net on the training fold and keep the weights that do best on the validation fold."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from medprep.augmentation.recipe import RECIPE, Recipe, named_recipe
from medprep.errors import OptionError
from medprep.files import AtomicFiles, safe_name
from medprep.models.published import contamination
from medprep.option_files import held_toml, option_name
from medprep.organs import mirror_partners
from medprep.stages import leak_gate
from medprep.stages.augment import recipe_name
from medprep.stages.base import Context, Summary, is_up_to_date, task
from medprep.stages.run_names import require_free_names
from medprep.stages.split import role
from medprep.stages.tables import read_log
from medprep.stages.train_cases import Cases
from medprep.stages.train_keys import as_asked, as_made
from medprep.stages.train_told import told
from medprep.stages.train_words import setting, settings_of, sides
from medprep.training.events import Events, events_of_log, require_tensorboard
from medprep.training.fingerprint import Normalise
from medprep.training.options import NAMES, Precision, TrainingOptions, trainable
from medprep.training.recipes import Loss, Target
from medprep.workspace.database import Artifact

if TYPE_CHECKING:
    from medprep.training.online import Online
    from medprep.training.options import TrainingResult

ALL = "all"
"""Of ``fold``: each in turn."""
_VERSION = 1


@dataclass(frozen=True)
class Train:
    """Options of ``train``; None leaves the choice to the machine and the data, and is told.

    Parameters
    ----------
    model
        Name of the net; whether it sees slices or volumes follows from it.
    width
        Channels of its first level, or of a token.
    epochs, steps
        Length of the training, by one of the two.
    batch_size, lr
        Slices or patches a step; peak learning rate.
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.
    seed
        Another seed gives other weights and batches.
    fold
        Which part validates, after ``split --folds``; ``all`` trains one net for each.
    run
        Name of the run; of several folds each adds its own.
    minutes
        Stop after this time; such a run cannot be repeated exactly.
    allow_leaks
        Train although pictures of the training fold stand in another; every table says so.
    augment
        Recipe by which slices or patches are changed each time they are shown: ``tutorial``,
        ``nnunet``, ``none`` or a TOML file. None: ``none`` where there are augmented copies, else
        ``tutorial``.
    recipe
        How it is trained: ``default``, ``nnunet`` or ``tutorial``.
    target
        ``classes`` that exclude each other (softmax) or ``regions`` that may overlap (sigmoid).
    loss, class_weight
        ``dice-ce``, ``bce`` or ``ce``; with the last a weight of each class, background first.
    patch, spacing
        Sides, as ``32x48x32``; millimetres between slices, rows and columns, as ``1.5x1x1``.
    memory
        GiB that a step may take.
    normalise
        ``window``, ``ct`` or ``mr``.
    workers
        Processes that make batches ahead.
    compile
        Let torch compile the net first.
    precision
        ``float32``, ``bf16`` (mixed) or ``auto``.
    accumulate
        Batches whose gradients make one step.
    patience
        Stop after so many validations without a better one.
    block
        Cases that each place of a batch is shown at a time, so that what is read stays in one
        place; None draws from all in each step.
    tensorboard
        Write the log for TensorBoard too, beside the model; needs the extra of that name.
    clicks, freeze_encoder, weights, set
        Of nets that answer clicks: answers a step; leave the image encoder as it is; a file of
        weights to begin with; fields of the config, as ``heads=6``.
    encoder_from
        Of a UNETR: a file of weights of such a net, whose encoder it begins with.
    """

    model: str = "unet2d"
    width: int | None = None
    epochs: int | None = None
    steps: int | None = None
    batch_size: int | None = None
    lr: float | None = None
    device: str = "auto"
    seed: int = 0
    fold: int | str = 0
    run: str | None = None
    minutes: float | None = None
    allow_leaks: bool = False
    augment: str | None = None
    recipe: str = "default"
    target: Target | None = None
    loss: Loss | None = None
    class_weight: tuple[float, ...] = ()
    patch: str | None = None
    spacing: str | None = None
    memory: float | None = None
    normalise: Normalise | None = None
    workers: int = 0
    compile: bool = False
    precision: Precision = "auto"
    accumulate: int = 1
    patience: int | None = None
    tensorboard: bool = False
    clicks: int | None = None
    freeze_encoder: bool = False
    weights: str | None = None
    encoder_from: str | None = None
    set: tuple[str, ...] = ()
    block: int | None = None

    name: ClassVar[str] = "train"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def __post_init__(self) -> None:
        for several in ("class_weight", "set"):  # JSON has lists only
            object.__setattr__(self, several, tuple(getattr(self, several)))
        self._training_options()
        if self.augment is not None:
            object.__setattr__(self, "augment", held_toml(self.augment, RECIPE))
            named_recipe(self.augment)
        if self.fold != ALL and not (isinstance(self.fold, int) and self.fold >= 0):
            raise OptionError(f"--fold is {self.fold}; wanted is 0 or more, or {ALL}")
        if self.run is not None and safe_name(self.run) != self.run:
            raise OptionError(
                f"--run is '{self.run}'; wanted are lower-case letters, digits, - and _, such "
                f"as '{safe_name(self.run)}'"
            )

    @property
    def run_id(self) -> str:
        """The run's name; of all folds, what their runs' names begin with."""
        if self.fold == ALL:
            return self.run or self.model
        return self.run or f"{self.model}-fold{self.fold}"

    def of_folds(self, count: int) -> tuple[Train, ...]:
        """Give the trainings that this is: one, or one for each of ``count`` folds."""
        if self.fold != ALL:
            return (self,)
        return tuple(
            replace(self, fold=fold, run=self.run and f"{self.run}-fold{fold}")
            for fold in range(count)
        )

    def perform(self, context: Context) -> Summary:
        """Train, or go on with a training that was stopped."""
        if self.tensorboard:
            require_tensorboard()
        known = context.workspace.database.artifacts("train")
        require_free_names(self.run_id, all_folds=self.fold == ALL, known=known)
        if self.fold != ALL:
            return self._perform(context)
        count = int(str(context.workspace.require_split()["folds"]))
        whole = Summary("train", facts={"runs": {}})
        for one in self.of_folds(count):
            context.progress.say(f"    fold {one.fold} of {count}: {one.run_id}")
            part = one._perform(context)
            whole.made += part.made
            whole.kept += part.kept
            whole.lines += [f"{one.run_id}: {line}" for line in part.lines]
            whole.facts["runs"][one.run_id] = part.facts
        return whole

    def _perform(self, context: Context) -> Summary:
        workspace, run = context.workspace, self.run_id
        cases = Cases.of(workspace, int(self.fold), trainable(self.model).dimensions)
        options, online = self._training_options(), self._online(cases)
        settings = settings_of(options)
        if online is not None:
            settings["augment"] = asdict(online.recipe)
        made = task("train", _VERSION, run, cases.inputs, settings, None)
        summary = Summary("train")
        known = workspace.database.artifacts("train").get(run)
        leaks = self._leaks(context)  # what is tested may copy what was learnt, and be new
        if known is not None and is_up_to_date(context, as_asked(known), made.key):
            if self.tensorboard:
                events_of_log(workspace.layout.model(run))
            if known.facts.get("leaks", "") != leaks:
                workspace.database.put(replace(known, facts=known.facts | {"leaks": leaks}))
            summary.kept.append(run)
            summary.lines.extend(filter(None, [leaks]))
            return summary
        from medprep.training.loop import train

        folder = workspace.layout.model(run)
        learnt = (cases.train, cases.augmented, cases.val, cases.names)
        events = Events(folder) if self.tensorboard else None
        result = train(
            *learnt, options, folder, made.key, context.progress, online, cases.regions, events,
            lambda: workspace.database.forget("train", [run]),
        )  # fmt: skip
        _draw_curve(folder)
        names = ("model.safetensors", "model.json", "log.csv", "curve.png")
        files = tuple(workspace.layout.relative(folder / name) for name in names)
        began = contamination(asdict(result), str(workspace.require_split()["preset"]))
        said = {"leaks": leaks, "contamination": began}
        summary.facts = _facts(self, cases, result) | said
        net = Artifact("train", run, made.key, made.inputs, files, summary.facts)
        workspace.database.put(as_made(net, folder))
        summary.made.append(run)
        summary.lines.extend(filter(None, said.values()))
        summary.lines.extend(told(cases, result, online))
        return summary

    def _online(self, cases: Cases) -> Online | None:
        """Settle what happens to slices or patches as they are shown."""
        if trainable(self.model).answers_clicks:
            if self.augment not in (None, "none"):
                raise OptionError(
                    f"--augment {option_name(self.augment)} does not go with --model {self.model}: "
                    "its cubes are flipped, no more; augment beforehand (medprep augment "
                    "--dimensions 3)"
                )
            return None
        from medprep.training.online import Online

        called = self.augment or ("none" if cases.augmented else "tutorial")
        recipe = named_recipe(called)
        if recipe == Recipe.preset("none"):
            return None
        return Online(recipe, recipe_name(called), mirror_partners(cases.names))

    def _leaks(self, context: Context) -> str:
        """Say what of the training fold also stands in another; refuse unless it is allowed."""
        rows = context.workspace.database.cases()
        roles = {row.name: role(row, int(self.fold)) for row in rows}
        found = leak_gate.across(leak_gate.find(context), roles)
        leak_gate.require_none(found, self.allow_leaks)
        told = [leak_gate.tell(found)] if found else []
        patients = leak_gate.torn(rows, roles)  # a given split may part them, if it was allowed
        told += [f"patients in two folds: {', '.join(patients)}"] if patients else []
        return f"TRAINED ACROSS A LEAK: {'; '.join(told)}" if told else ""

    def _training_options(self) -> TrainingOptions:
        given = {name: getattr(self, name) for name in NAMES if hasattr(self, name)}
        return TrainingOptions(
            **given
            | {
                "class_weights": self.class_weight,
                "patch": None if self.patch is None else sides("patch", self.patch, int),
                "spacing": None if self.spacing is None else sides("spacing", self.spacing, float),
                "settings": tuple(map(setting, self.set)),
            }
        )


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
