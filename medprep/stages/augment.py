"""Make augmented copies of the training cases' slices, picture and labels together."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.paired2d import apply_plan
from medprep.augmentation.plan import TutorialOptions, draw_plan
from medprep.errors import OptionError
from medprep.files import AtomicFiles, json_bytes
from medprep.formats import nifti, png
from medprep.formats.windowing import Scale16, Window, to_8bit, to_16bit
from medprep.organs import mirror_partners
from medprep.stages.base import (
    CaseResult,
    Context,
    Summary,
    artifact_input,
    names_of,
    run_cases,
    task,
)
from medprep.workspace.layout import Layout

_VERSION = 1
_COLUMN_AXIS = 2


@dataclass(frozen=True)
class Augment:
    """Options of ``augment``.

    Parameters
    ----------
    copies
        Augmented copies of each slice.
    seed
        Another seed draws other copies.
    """

    copies: int = 2
    seed: int = 0

    name: ClassVar[str] = "augment"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 1000:
            raise OptionError(f"--copies is {self.copies}; wanted is 1 to 1000")

    def perform(self, context: Context) -> Summary:
        """Augment every training case; held-out patients are never touched."""
        workspace = context.workspace
        images, cleaned = workspace.current("convert"), workspace.current("clean")
        operations = TutorialOptions()
        tasks = []
        silenced: set[str] = set()
        for row in workspace.database.cases():
            if row.fold != "train" or row.name not in cleaned:
                continue
            image, labels = images[row.name], cleaned[row.name]
            names = names_of(labels.facts)
            mirror = _mirror(names, image.facts["orientation_lps"])
            if mirror is None:
                silenced.update(names.values())
            payload = _Payload(
                workspace.layout, row.name, image.facts, self, operations, mirror, len(names)
            )
            inputs = [artifact_input(image), artifact_input(labels)]
            options = {**asdict(self), "operations": asdict(operations)}
            tasks.append(task("augment", _VERSION, row.name, inputs, options, payload))
        summary = run_cases(context, "augment", tasks, _augment)
        if silenced:
            summary.lines.append(
                f"no left-right flips: a mirrored {', '.join(sorted(silenced))} would bear the "
                "wrong side's name"
            )
        made = workspace.database.artifacts("augment")
        slices = sum(made[name].facts["slices"] for name in summary.made)
        summary.lines.append(f"{slices} augmented slices of {len(summary.made)} training cases")
        return summary


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    image: dict[str, Any]
    options: Augment
    operations: TutorialOptions
    mirror: dict[int, int] | None
    organs: int


def _mirror(names: dict[int, str], orientation: str) -> dict[int, int] | None:
    """Say which labels a flip along the columns exchanges; None where it must not be done."""
    across = orientation[_COLUMN_AXIS] in "LR"
    return mirror_partners(names) if across else {}


def pixels_of(values: NDArray[Any], image: dict[str, Any]) -> NDArray[Any]:
    """Give a volume as its slices are stored: 16 bits where ``convert`` wrote them, else 8."""
    if image["scale16"] is not None:
        return to_16bit(values, Scale16(**image["scale16"]))
    return to_8bit(values, Window(**image["window"]))


def _augment(work: _Payload) -> CaseResult:
    layout, case, options = work.layout, work.case, work.options
    pixels = pixels_of(nifti.read(layout.image(case)).array, work.image)
    labels = nifti.read_labels(layout.cleaned(case)).astype(np.uint8)
    target = layout.augmented(case)
    plans: dict[str, Any] = {}
    with AtomicFiles() as files:
        root = files.folder(target)
        for copy in range(1, options.copies + 1):
            pictures_to, labels_to = root / f"{copy}" / "images", root / f"{copy}" / "labels"
            pictures_to.mkdir(parents=True)
            labels_to.mkdir()
            for number, (picture, mask) in enumerate(zip(pixels, labels, strict=True)):
                plan = draw_plan(
                    work.operations, options.seed, case, copy, number, work.mirror is not None
                )
                picture, mask = apply_plan(picture, mask, plan, work.mirror or {})
                png.write_grey(pictures_to / f"{number:03d}.png", picture)
                png.write_labels(labels_to / f"{number:03d}.png", mask)
                plans[f"{copy}/{number:03d}"] = plan.to_dict()
        (root / "plans.json").write_bytes(json_bytes(plans))
    count = options.copies * len(pixels)
    return CaseResult((layout.relative(target),), {"copies": options.copies, "slices": count})
