"""Masks that belong to another picture of the set."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from medprep.execute import Failure
from medprep.files import digest
from medprep.formats import nifti
from medprep.labels.alignment import Sketch, Stranger, find_strangers, sketch
from medprep.stages.base import Context, artifact_input, is_up_to_date
from medprep.workspace.database import Artifact

STAGE = "strangers"
_VERSION = 1


def strangers(context: Context) -> list[Stranger]:
    """Compare every mask with all pictures; the same set is not compared twice.

    A case that cannot be read is left out: it fails elsewhere, with its reason.
    """
    workspace = context.workspace
    images, labels = workspace.current("convert"), workspace.current("extract")
    cases = sorted(labels)
    inputs = tuple(artifact_input(one[case]) for case in cases for one in (images, labels))
    key = digest([STAGE, _VERSION, [asdict(one) for one in inputs]])
    known = workspace.database.artifacts(STAGE).get("set")
    if known is not None and is_up_to_date(context, known, key):
        return [Stranger(**one) for one in known.facts["strangers"]]
    layout = workspace.layout
    payloads = {case: _Case(case, layout.image(case), layout.labels(case)) for case in cases}
    sketches = {}
    context.progress.start(STAGE, len(payloads))
    for case, outcome in context.work(STAGE, _sketch, payloads):
        if outcome is not None and not isinstance(outcome, Failure):
            sketches[case.case] = outcome
        context.progress.advance(1, case.case)
    context.progress.finish()
    # In the order of their names: which cases are neighbours is part of the method.
    found = find_strangers([sketches[case] for case in cases if case in sketches])
    facts = {"strangers": [asdict(one) for one in found]}
    workspace.database.put(Artifact(STAGE, "set", key, inputs, (), facts))
    return found


@dataclass(frozen=True)
class _Case:
    case: str
    image: Path
    labels: Path


def _sketch(one: _Case) -> Sketch | None:
    picture = nifti.read(one.image).array
    return sketch(one.case, picture, nifti.read_label_map(one.labels).array)
