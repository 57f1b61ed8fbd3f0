"""Measure how evenly patients are dealt into folds, beside dealing them by chance.

    python benchmarks/evenness.py [--patients 20 60 300] [--draws 20]

Made-up patients with six organs, four volumes and three sites. Printed is the mean over the draws
of the worst fold and value, in patients above or below the exact share.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

import numpy as np

from medprep.folds.spread import Traits, spread

ORGANS = {
    "liver": 0.95, "spleen": 0.9, "right_kidney": 0.8, "left_kidney": 0.8, "pancreas": 0.5,
    "tumour": 0.2,
}  # fmt: skip
DIVISIONS = {"5 equal folds": (1, 1, 1, 1, 1), "0.7 / 0.1 / 0.2": (7, 1, 2)}


def cohort(number: int, seed: int) -> dict[str, Traits]:
    """Make patients up."""
    random = np.random.default_rng(seed)
    return {
        f"p{n:05d}": frozenset(
            [f"label={organ}" for organ, share in ORGANS.items() if random.random() < share]
            + [f"volume={random.integers(4)}", f"site={'aabc'[random.integers(4)]}"]
        )
        for n in range(number)
    }


def worst(patients: Mapping[str, Traits], bin_of: Mapping[str, int], sizes: Sequence[int]) -> float:
    """Give by how many patients the worst value in the worst fold misses its share."""
    values = sorted({value for own in patients.values() for value in own})
    has = np.array([[value in own for value in values] for own in patients.values()])
    bins = np.array([bin_of[patient] for patient in patients])
    counts = np.array([has[bins == number].sum(axis=0) for number in range(len(sizes))])
    shares = np.outer(sizes, has.sum(axis=0)) / len(patients)
    return float(abs(counts - shares).max())


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--patients", type=int, nargs="+", default=[20, 60, 300])
    asked.add_argument("--draws", type=int, default=20)
    given = asked.parse_args()
    for number in given.patients:
        for name, parts in DIVISIONS.items():
            cuts = [number * sum(parts[:n]) // sum(parts) for n in range(len(parts) + 1)]
            sizes = np.diff(cuts).tolist()
            dealt, drawn = [], []
            for seed in range(given.draws):
                patients = cohort(number, seed)
                dealt.append(worst(patients, spread(patients, sizes, seed), sizes))
                bins = np.random.default_rng(seed).permutation(np.repeat(range(len(sizes)), sizes))
                drawn.append(worst(patients, dict(zip(patients, bins, strict=True)), sizes))
            print(
                f"{number:6,} patients, {name:15}: {np.mean(dealt):5.2f}, "
                f"by chance {np.mean(drawn):5.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
