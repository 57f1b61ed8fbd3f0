"""The four arms of `arms.py`: their results as JSON lines, and the tables of them."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medprep.files import AtomicFiles
from medprep.organs import CHAOS_MR

ORGANS = dict(enumerate(CHAOS_MR.names, 1))


@dataclass(frozen=True)
class Arm:
    """Bits of a picture, and whether it is augmented."""

    bits: int
    augment: bool

    def __str__(self) -> str:
        return f"{self.bits} bits, augmentation {'on' if self.augment else 'off'}"


ARMS = tuple(Arm(bits, augment) for augment in (False, True) for bits in (8, 16))
PLAIN8, PLAIN16, MOVED8, MOVED16 = ARMS
CONTRASTS: dict[str, dict[Arm, float]] = {
    "16 - 8 bits, augmentation off": {PLAIN16: 1, PLAIN8: -1},
    "16 - 8 bits, augmentation on": {MOVED16: 1, MOVED8: -1},
    "16 - 8 bits, mean of both": {PLAIN16: 0.5, PLAIN8: -0.5, MOVED16: 0.5, MOVED8: -0.5},
    "on - off, 8 bits": {MOVED8: 1, PLAIN8: -1},
    "on - off, 16 bits": {MOVED16: 1, PLAIN16: -1},
    "on - off, mean of both": {MOVED8: 0.5, PLAIN8: -0.5, MOVED16: 0.5, PLAIN16: -0.5},
    "(on - off, 16 bits) - (on - off, 8 bits)": {MOVED16: 1, PLAIN16: -1, MOVED8: -1, PLAIN8: 1},
}


@dataclass
class Results:
    """The file of results: settings first, then a record for each training."""

    path: Path
    settings: dict[str, Any]
    runs: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> Results:
        """Read what there is; settings are empty where there is nothing."""
        lines = path.read_text().splitlines() if path.exists() else []
        records = [json.loads(line) for line in lines]
        return cls(path, records[0] if records else {}, records[1:])

    def save(self) -> None:
        """Write all of it, whole or not at all."""
        with AtomicFiles() as files:
            lines = [json.dumps(record) + "\n" for record in (self.settings, *self.runs)]
            files.file(self.path).write_text("".join(lines))

    def has(self, arm: Arm, seed: int) -> bool:
        """Tell whether a training is done."""
        return any((asdict(arm), seed) == (run["arm"], run["seed"]) for run in self.runs)

    def mean(self, arm: Arm, case: str, seeds: Sequence[int], organ: str | None = None) -> float:
        """Give a patient's mean Dice over seeds and organs, or one organ; NaN where unscored."""
        found = [
            dice
            for run in self.runs
            if run["arm"] == asdict(arm) and run["seed"] in seeds
            for name, dice in run["dice"][case].items()
            if dice is not None and organ in (None, name)
        ]
        return float(np.mean(found)) if found else float("nan")


def report(results: Results) -> str:
    """Set both tables in Markdown."""
    from scipy import stats

    settings = results.settings
    seeds, test = range(settings["seeds"]), settings["test"]
    factor = float(stats.t.ppf(0.975, len(test) - 1))
    rows = ["", f"| arm | {' | '.join(ORGANS.values())} | mean | mean of each seed |"]
    rows.append("|---" * (len(ORGANS) + 3) + "|")
    for arm in ARMS:
        organs = [mean_of(results, {arm: 1}, test, seeds, name) for name in ORGANS.values()]
        by_seed = [mean_of(results, {arm: 1}, test, [seed]) for seed in seeds]
        cells = [f"{value:.3f}" for value in (*organs, mean_of(results, {arm: 1}, test, seeds))]
        rows.append(f"| {arm} | {' | '.join(cells)} | {joined(by_seed, '.3f')} |")
    rows += ["", f"| difference of Dice | mean | 95% interval | of patients {', '.join(test)} | "]
    rows[-1] += "of each seed |"
    rows.append("|---|---|---|---|---|")
    for name, weights in CONTRASTS.items():
        patients = [mean_of(results, weights, [case], seeds) for case in test]
        by_seed = [mean_of(results, weights, test, [seed]) for seed in seeds]
        middle = statistics.mean(patients)
        half = factor * statistics.stdev(patients) / len(patients) ** 0.5
        rows.append(
            f"| {name} | {middle:+.3f} | {middle - half:+.3f} to {middle + half:+.3f} | "
            f"{joined(patients, '+.3f')} | {joined(by_seed, '+.3f')} |"
        )
    spent = sum(run["train_s"] + run["score_s"] for run in results.runs) / 60
    rows += ["", notes(settings, factor, spent, results.runs[0]["parameters"])]
    return "\n".join(rows)


def mean_of(
    results: Results,
    weights: dict[Arm, float],
    cases: Sequence[str],
    seeds: Sequence[int],
    organ: str | None = None,
) -> float:
    """Give the weighted sum of arms, the mean over patients."""
    sums = [
        sum(weight * results.mean(arm, case, seeds, organ) for arm, weight in weights.items())
        for case in cases
    ]
    return float(np.mean(sums))


def joined(values: Sequence[float], form: str) -> str:
    """Set values in a row."""
    return ", ".join(f"{value:{form}}" for value in values)


def notes(settings: dict[str, Any], factor: float, minutes: float, parameters: int) -> str:
    """Say what the tables rest on, and how little that is."""
    return (
        f"{settings['steps']} steps a training, batches of {settings['batch_size']} crops of "
        f"{settings['patch']} x {settings['patch']}, learning rate {settings['lr']:g}, width "
        f"{settings['width']} ({parameters:,} parameters), trained on patients "
        f"{', '.join(settings['train'])}, {minutes:.0f} minutes in all on {settings['cores']} "
        f"cores.\nThe interval is Student's over {len(settings['test'])} patients (mean +- "
        f"{factor:.2f} standard errors), seeds and organs averaged within each: it speaks of "
        "patients like these only if\ntheir differences are normal, and so few can neither show "
        "that nor a small effect. Seeds show how far chance in training alone moves a mean; they "
        "are no\npatients. An interval that holds 0 does not say that there is no difference.\n\n"
        f"    {settings['command']}"
    )
