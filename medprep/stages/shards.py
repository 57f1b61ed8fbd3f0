"""Write cases in shards, for trainings on sets that no memory holds.

They hold what a training decodes from the NIfTI files, number by number, so that whether there are
any changes no key of anything and no byte of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from medprep.files import AtomicFiles
from medprep.formats.bricks import Bricks
from medprep.geometry import Geometry
from medprep.reporting.text import counted
from medprep.stages.base import CaseResult, Context, Summary, artifact_input, run_cases, task
from medprep.workspace.database import Artifact
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

if TYPE_CHECKING:
    from medprep.training.shards import Shard

PICTURES = "shards"
LABELS = "shard-labels"
_VERSION = 1


@dataclass(frozen=True)
class _Work:
    layout: Layout
    case: str
    told: dict[str, Any] = field(default_factory=dict)
    """Of its picture in shards."""


def write_pictures(context: Context, summary: Summary) -> None:
    """Write the pictures of all converted cases, and add to the summary how it went."""
    workspace = context.workspace
    tasks = [
        task(PICTURES, _VERSION, case, [artifact_input(image)], None, _Work(workspace.layout, case))
        for case, image in workspace.current("convert").items()
    ]
    _add(summary, run_cases(context, PICTURES, tasks, _picture))


def write_labels(context: Context, summary: Summary) -> None:
    """Write the cleaned labels of all cases whose pictures are in shards."""
    workspace = context.workspace
    pictures = workspace.current(PICTURES)
    if not pictures:
        return
    tasks = [
        task(
            LABELS, _VERSION, case, [artifact_input(labels), artifact_input(pictures[case])], None,
            _Work(workspace.layout, case, pictures[case].facts),
        )
        for case, labels in workspace.current("clean").items() if case in pictures
    ]  # fmt: skip
    _add(summary, run_cases(context, LABELS, tasks, _labels))


class Shards:
    """Where the cases of a workspace are in shards that are up to date."""

    def __init__(self, workspace: Workspace) -> None:
        self._layout = workspace.layout
        self._pictures: Mapping[str, Artifact] = workspace.current(PICTURES)
        self._labels: Mapping[str, Artifact] = workspace.current(LABELS)

    def of(self, case: str) -> Shard | None:
        """Give a case's; None where it has none."""
        from medprep.training.shards import Shard

        if case not in self._pictures or case not in self._labels:
            return None
        layout, told = self._layout, self._pictures[case].facts
        paths = layout.shard_labels(case), layout.shard_marks(case)
        return Shard.of([layout.shard_picture(case)], *paths, [told], self._labels[case].facts)


def _add(summary: Summary, part: Summary) -> None:
    """Tell of shards in the summary of the stage that they belong to."""
    what = "pictures" if part.stage == PICTURES else "labels"
    if part.made:
        summary.lines.append(f"{what} of {counted(len(part.made), 'case')} put into shards")
    for case, failure in part.failed.items():
        summary.failed.setdefault(case, failure)


def _picture(work: _Work) -> CaseResult:
    from medprep.training.dataset import read_picture
    from medprep.training.shards import write_picture

    layout, case = work.layout, work.case
    picture = read_picture(layout.image(case), case)
    target = layout.shard_picture(case)
    with AtomicFiles(most_bytes=2 * picture.array.nbytes) as files:
        told = write_picture(files.file(target), picture.array)
    return CaseResult((layout.relative(target),), {**told, "grid": picture.geometry.to_dict()})


def _labels(work: _Work) -> CaseResult:
    from medprep.training.dataset import read_labels
    from medprep.training.shards import write_labels

    layout, case = work.layout, work.case
    labels = read_labels(layout.cleaned(case), case)
    Geometry.from_dict(work.told["grid"]).require_same(labels.geometry)
    picture = Bricks(layout.shard_picture(case)).whole()
    targets = layout.shard_labels(case), layout.shard_marks(case)
    with AtomicFiles(most_bytes=2 * labels.array.nbytes) as files:
        one, other = (files.file(target) for target in targets)
        told = write_labels(one, other, labels.array, [picture], labels.geometry)
    return CaseResult(tuple(layout.relative(target) for target in targets), told)
