"""Score pictures of logits as the CHAOS liver tutorial does, and as others do, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError, NothingDoneError
from medprep.evaluations.greys import read_grey
from medprep.evaluations.options import EvaluateFolders
from medprep.evaluations.pairs import Pair, find_pairs
from medprep.evaluations.places import Place
from medprep.execute import Failure, choose_jobs, map_cases, workers_at
from medprep.files import json_bytes, write_bytes
from medprep.metrics.tutorial import (
    SAYS,
    THRESHOLD,
    hard_slice_dice,
    tutorial_dice,
    volume_dice,
)
from medprep.places.paths import path_of
from medprep.progress import Progress, Silent
from medprep.reporting.text import counted, table


@dataclass(frozen=True)
class TutorialScore:
    """A stack of pictures by every convention; None where nothing is left to score.

    Parameters
    ----------
    soft_slices
        The tutorial's own number (`medprep.metrics.tutorial`).
    hard_slices_empty_one, hard_slices_empty_skipped
        Mean of the slices' Dice of masks (128 or brighter), slices empty in both as 1 or left out.
    volume
        Dice of all slices' masks as one.
    slices, empty
        How many, and how many of them are empty in both.
    """

    model: str
    case: str
    soft_slices: float | None
    hard_slices_empty_one: float | None
    hard_slices_empty_skipped: float | None
    volume: float | None
    slices: int
    empty: int


@dataclass(frozen=True)
class TutorialOutcome:
    """What `evaluate_pictures` gives; ``failed`` is ``model/case`` to failure."""

    scores: tuple[TutorialScore, ...]
    failed: dict[str, Failure]
    notes: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 where all is well, 8 where a stack is missing, extra or cannot be scored."""
        return 8 if self.failed else 0

    @property
    def lines(self) -> list[str]:
        """What a person should read."""
        header = [
            "model", "case", "soft slices", "hard slices, empty 1", "hard, empty left out",
            "volume", "slices", "empty",
        ]  # fmt: skip
        rows = [[_cell(value) for value in asdict(one).values()] for one in self.scores]
        return [
            *self.notes,
            *table(header, rows).splitlines(),
            f"convention of soft slices: {SAYS}",
            f"hard: masks are pixels of {THRESHOLD} or brighter; volume: all slices as one",
            "pictures of a folder may be of several patients: these are means over slices, not by "
            "patient",
            *(f"FAILED {name}: {failure}" for name, failure in self.failed.items()),
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "scores": [asdict(one) for one in self.scores],
            "convention": SAYS,
            "failed": {name: str(failure) for name, failure in self.failed.items()},
            "exit_code": self.exit_code,
        }


def evaluate_pictures(
    options: EvaluateFolders,
    *,
    jobs: int = 0,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> TutorialOutcome:
    """Score each model's stacks of 8-bit PNGs against the reference's.

    Parameters
    ----------
    jobs, cluster, progress
        As `evaluate_folders` has them.

    Raises
    ------
    SourceError
        If nothing is found, or nothing matches.
    NothingDoneError
        If no stack could be scored.
    """
    found_scores: dict[tuple[str, str], TutorialScore] = {}
    failed: dict[str, Failure] = {}
    notes: list[str] = []
    tasks: list[tuple[str, Pair]] = []
    for model, predicted in zip(options.models, options.predicted, strict=True):
        found = find_pairs(path_of(options.reference), path_of(predicted))
        notes += [note for note in found.notes if note not in notes]
        tasks += [(model, pair) for pair in found.pairs]
        extra = Failure("extra", "predicted, but there is no reference")
        failed |= {f"{model}/{place}": extra for place in found.extra}
    count = choose_jobs(jobs, len(tasks))
    read = [options.reference, *options.predicted]
    with workers_at(cluster, progress or Silent(), read=read) as workers:
        for (model, pair), score in map_cases(_score, tasks, jobs=count, cluster=workers):
            if isinstance(score, Failure):
                failed[f"{model}/{pair.case}"] = score
            else:
                found_scores[model, pair.case] = score
    names = [(model, pair.case) for model, pair in tasks]
    scores = [found_scores[name] for name in names if name in found_scores]
    if not scores:
        raise NothingDoneError(f"nothing could be scored; first: {next(iter(failed.values()))}")
    outcome = TutorialOutcome(tuple(scores), failed, tuple(notes))
    if options.output is not None:
        write_bytes(Path(options.output, "tutorial.json"), json_bytes(outcome.to_dict()))
    return outcome


def _score(task: tuple[str, Pair]) -> TutorialScore:
    model, pair = task
    if pair.predicted is None:
        raise LabelError("no prediction: a failure; predict the case, or take its reference away")
    ours, theirs = _pictures(pair.reference), _pictures(pair.predicted)
    if len(ours) != len(theirs):
        raise LabelError(
            f"the reference has {counted(len(ours), 'picture')}, the prediction {len(theirs)}; "
            "wanted are as many, in the same natural order"
        )
    hard = hard_slice_dice(ours, theirs)
    return TutorialScore(
        model,
        pair.case,
        tutorial_dice(ours, theirs),
        _mean([1.0 if one is None else one for one in hard]),
        _mean([one for one in hard if one is not None]),
        volume_dice(ours, theirs),
        len(hard),
        hard.count(None),
    )


def _pictures(place: Place) -> NDArray[np.uint8]:
    """Read a stack; a picture with more than 8 bits is none of the tutorial's."""
    array = read_grey(place).array
    if array.dtype != np.uint8:
        raise LabelError(f"pictures have 8 bits, these {array.dtype}", path=place.path)
    return array


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if values else None


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4f}" if isinstance(value, float) else str(value)
