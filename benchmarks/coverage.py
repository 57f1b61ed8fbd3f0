"""Measure how often each interval of a mean holds the true mean, on made-up cohorts.

    python benchmarks/coverage.py [--cohorts 10000] [--sizes 10 20 50] [--seed 1]

Patients are drawn from four shapes of known mean: normal (0.9, sd 0.03), Beta(18,2), Beta(9,1), and
Beta(18,2) of which one patient in ten failed with 0. For each cohort the interval is computed by
each method as `summarise` does it, t in place of a bootstrap-t without an end, cut to 0..1 for all
but the normal shape, and looked at: does it hold the true mean? A cohort of equal values has no
interval and counts as a miss. Blocks of cohorts share the places they are drawn again from.
A fifth shape decides nothing: eight patients in ten at exactly 1, as a recall may be, the others
Beta(9,1). There bootstrap-t often has no end.

The rule for the default, written before the first run: for each of the twelve settings (four
shapes, n = 10, 20, 50) take how far coverage falls short of what can be had: 95%, or, where a
smaller share of cohorts holds a failed patient at all, that share (1 - 0.9^n: 65% at n = 10, 88% at
20), because values without a failure cannot tell of failures. The method with the smallest worst
shortfall is the default. Methods within one percentage point of it are equal, as the simulation can
hardly tell them apart; among those the one with the smallest mean width, each setting's width
taken relative to t's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medprep.metrics.bootstrap import METHODS, RESAMPLES, mean_bounds

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

CONFIDENCE = 0.95
FAILS = 0.1
FULL = 0.8
EQUAL = 0.01
BLOCK = 250
DECIDING = (10, 20, 50)


def _failing(generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    return generator.beta(18, 2, size) * (generator.random(size) >= FAILS)


def _full(generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    return np.where(generator.random(size) < FULL, 1.0, generator.beta(9, 1, size))


SHAPES: dict[str, tuple[float, Draw]] = {
    "normal": (0.9, lambda generator, size: generator.normal(0.9, 0.03, size)),
    "Beta(18,2)": (0.9, lambda generator, size: generator.beta(18, 2, size)),
    "Beta(9,1)": (0.9, lambda generator, size: generator.beta(9, 1, size)),
    "10% failed": (0.9 * (1 - FAILS), _failing),
    "80% at 1": (FULL + 0.9 * (1 - FULL), _full),
}
"""Name to true mean and to what draws cohorts."""

DECIDING_SHAPES = tuple(SHAPES)[:4]


def measure(shape: str, n: int, cohorts: int, seed: int, resamples: int = RESAMPLES) -> Floats:
    """Give coverage, mean width and coverage where a patient failed: ``[3, method]``."""
    true, draw = SHAPES[shape]
    generator = np.random.default_rng([seed, n, list(SHAPES).index(shape)])
    held, widths, failed = [], [], []
    for start in range(0, cohorts, BLOCK):
        values = draw(generator, (min(BLOCK, cohorts - start), n))
        failed.append((values == 0).any(axis=1))
        bounds = intervals(values, int(generator.integers(1 << 32)), resamples)
        if shape != "normal":
            bounds = np.clip(bounds, 0.0, 1.0)
        held.append((bounds[:, 0] <= true) & (true <= bounds[:, 1]))
        widths.append(np.maximum(bounds[:, 1] - bounds[:, 0], 0.0))
    all_held, had = np.concatenate(held, axis=1), np.concatenate(failed)
    seen = all_held[:, had].mean(axis=1) if had.any() else np.full(len(METHODS), np.nan)
    return np.stack([all_held.mean(axis=1), np.concatenate(widths, axis=1).mean(axis=1), seen])


def intervals(values: Floats, seed: int, resamples: int) -> Floats:
    """Give the ends by each method, ``[method, 2, cohort]``."""
    bounds = np.full((len(METHODS), 2, len(values)), np.inf)
    bounds[:, 1] = -np.inf
    some = np.flatnonzero(np.ptp(values, axis=1))
    for place, method in enumerate(METHODS):
        generator = np.random.default_rng(seed)
        bounds[place][:, some] = mean_bounds(values[some], method, CONFIDENCE, generator, resamples)
    endless = ~np.isfinite(bounds).all(axis=1)[:, None] & np.isin(np.arange(len(values)), some)
    return np.where(endless, bounds[METHODS.index("t")], bounds)


def attainable(shape: str, n: int) -> float:
    """Give the coverage that can be had (see the rule)."""
    return min(CONFIDENCE, 1 - (1 - FAILS) ** n) if shape == "10% failed" else CONFIDENCE


def chosen(found: dict[tuple[str, int], Floats]) -> tuple[str, Floats, Floats]:
    """Give the default by the rule, and each method's worst shortfall and relative width."""
    short = np.stack([np.maximum(attainable(*key) - one[0], 0) for key, one in found.items()])
    worst = short.max(axis=0)
    t = METHODS.index("t")
    width = np.mean([one[1] / one[1][t] for one in found.values()], axis=0)
    equal = np.flatnonzero(worst <= worst.min() + EQUAL)
    return METHODS[equal[np.argmin(width[equal])]], worst, width


def main() -> None:
    """Print the table and what follows from it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cohorts", type=int, default=10_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(DECIDING))
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    print(f"{given.cohorts} cohorts a line; coverage of {CONFIDENCE:.0%} intervals; mean width\n")
    print(f"| shape | n | {' | '.join(METHODS)} | width: {' | '.join(METHODS)} |")
    print(f"|---|---|{'---|' * 2 * len(METHODS)}")
    found, seen = {}, {}
    for shape in SHAPES:
        for n in given.sizes:
            one = found[shape, n] = measure(shape, n, given.cohorts, given.seed)
            if shape == "10% failed":
                seen[n] = one[2]
            cover = " | ".join(f"{value:.1%}" for value in one[0])
            width = " | ".join(f"{value:.4f}" for value in one[1])
            print(f"| {shape} | {n} | {cover} | {width} |", flush=True)
    for n, values in seen.items():
        share = " | ".join(f"{value:.1%}" for value in values)
        print(f"| 10% failed, cohorts with a failed patient | {n} | {share} |")
    if set(DECIDING) <= set(given.sizes):
        name, worst, width = chosen(
            {key: found[key] for key in found if key[0] in DECIDING_SHAPES and key[1] in DECIDING}
        )
        print(f"\nworst shortfall: {dict(zip(METHODS, worst.round(4).tolist(), strict=True))}")
        print(f"width by t's:    {dict(zip(METHODS, width.round(3).tolist(), strict=True))}")
        print(f"default: {name}")
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
