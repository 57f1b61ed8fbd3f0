"""Measure how often each paired test finds a difference where there is none.

    python benchmarks/false_positives.py [--simulations 10000] [--sizes 5 6 8 10 15 20] [--seed 1]

Differences of two models are drawn whose sign is as likely + as -: normal; the difference of two
Beta(9,1), each skewed; the same with one patient in ten failing (0) by either model; normal ones of
three digits, of which a fifth are 0, as where both models give the same; normal ones rounded to
half a standard deviation, so that a fifth are 0 and nearly all have equals. The share of p <= 0.05
should be 5%; exact tests of few patients or few different values give less, as p takes few values.
The last shape is no such case: its mean is 0, its signs are not alike (exponential less 1). It
shows what the tests do where what they ask for is not so.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from medprep.metrics.signed import flipped, wilcoxon

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]

ALPHA = 0.05


def _skewed(generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    return generator.beta(9, 1, size) - generator.beta(9, 1, size)


def _failing(generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    first, second = generator.beta(9, 1, (2, *size)) * (generator.random((2, *size)) >= 0.1)
    return np.asarray(first - second)


def _some_equal(generator: np.random.Generator, size: tuple[int, int]) -> Floats:
    return np.round(generator.normal(0.0, 0.03, size), 3) * (generator.random(size) >= 0.2)


SHAPES: dict[str, Draw] = {
    "normal": lambda generator, size: generator.normal(0.0, 0.03, size),
    "two skewed": _skewed,
    "two skewed, 10% failed": _failing,
    "zeros and some ties": _some_equal,
    "zeros, nearly all tied": lambda generator, size: (
        np.round(generator.normal(0.0, 2.0, size)) / 100
    ),
    "mean 0, not symmetric": lambda generator, size: generator.exponential(1.0, size) - 1.0,
}
"""Name to what draws differences; all but the last are symmetric about 0."""


def measure(shape: str, n: int, simulations: int, seed: int) -> tuple[float, float]:
    """Give the share of p <= 0.05 by Wilcoxon's test and by permutation."""
    generator = np.random.default_rng([seed, n, list(SHAPES).index(shape)])
    found = np.zeros(2)
    for differences in SHAPES[shape](generator, (simulations, n)):
        differing = differences[differences != 0]
        found += wilcoxon(differing).p <= ALPHA, flipped(differing, generator) <= ALPHA
    return float(found[0]) / simulations, float(found[1]) / simulations


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--simulations", type=int, default=10_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 6, 8, 10, 15, 20])
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began = time.perf_counter()
    print(f"share of p <= {ALPHA} of {given.simulations} simulations: Wilcoxon / permutation\n")
    print(f"| differences | {' | '.join(f'n = {n}' for n in given.sizes)} |")
    print(f"|---|{'---|' * len(given.sizes)}")
    for shape in SHAPES:
        print(f"| {shape} ", end="", flush=True)
        for n in given.sizes:
            ranks, mean = measure(shape, n, given.simulations, given.seed)
            print(f"| {ranks:.2%} / {mean:.2%} ", end="", flush=True)
        print("|", flush=True)
    print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
