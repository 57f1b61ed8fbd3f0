"""medprep's own side of the benchmark of augmentation, in memory and from disk to disk."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from peers_augment import AMPLITUDE, DEGREES, GRID, ZOOM, Job, Made, Pair

from medprep.augmentation.engines import apply_to_slice, apply_to_volume
from medprep.augmentation.recipe import Recipe, Step, draw, generator_of
from medprep.augmentation.steps import Plan
from medprep.formats import png
from medprep.geometry import Geometry
from medprep.opencv import load_cv2

_AXIAL = np.array([[0, 0, 1, 0], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]], float)


def recipe(job: Job) -> Recipe:
    """Say what the peers are told: turned and enlarged always, flipped half of the time."""
    return Recipe(
        flip=0.5,
        flip_axes=("LR",),
        rotate_degrees=Step(1, -DEGREES, DEGREES),
        rotate_3d_degrees=None if job.flat else DEGREES,
        zoom=Step(1, 1, ZOOM),
        elastic_amplitude_mm=Step(float(job.elastic), AMPLITUDE, AMPLITUDE),
        elastic_spacing_mm=GRID,
    )


def drawer(job: Job) -> Callable[[int], Plan]:
    """Give what draws the plan of a pair's number from a generator of its own."""
    told = recipe(job)
    shape = (1, *job.shape) if job.flat else job.shape

    def plan_of(number: int) -> Plan:
        generator = generator_of(0, "case", 1, number)
        return draw(
            told,
            generator,
            shape=shape,
            spacing_mm=(1.0, 1.0, 1.0),
            flips=("LR",),
            dimensions=2 if job.flat else 3,
        )

    return plan_of


def moves(job: Job) -> Made:
    """Draw and apply, in memory."""
    load_cv2()  # imports do not count, and it is one that waits for its first use
    plan_of = drawer(job)
    grid = None if job.flat else Geometry(job.shape, _AXIAL)

    def move(pair: Pair, number: int) -> tuple[Any, Any]:
        plan = plan_of(number)
        if job.flat:
            return apply_to_slice("native", *pair, plan, (1.0, 1.0), "PL", {})
        return apply_to_volume(*pair, plan, grid, {})

    return (lambda pair: pair), move


def disk(job: Job, source: Path, target: Path, threads: int) -> None:
    """Read, draw, apply and write every pair of PNGs once."""
    plan_of = drawer(job)
    for folder in ("images", "labels"):
        (target / folder).mkdir(parents=True)

    def one(task: tuple[int, str]) -> None:
        number, name = task
        picture = png.read(source / "images" / name)
        labels = png.read(source / "labels" / name)
        plan = plan_of(number)
        picture, labels = apply_to_slice("native", picture, labels, plan, (1.0, 1.0), "PL", {})
        png.write_grey(target / "images" / name, picture)
        png.write_labels(target / "labels" / name, labels)

    tasks = list(enumerate(sorted(path.name for path in (source / "images").iterdir())))
    if threads == 1:
        for task in tasks:
            one(task)
        return
    with ThreadPoolExecutor(threads) as crew:
        list(crew.map(one, tasks))
