"""Batches of cubes that depend on nothing but a seed and a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medprep.models.prompts.clicks import Click
from medprep.training.clicking.cubes import Cube, Organs
from medprep.training.online import generator_at

FLIPS = 0.5
"""Chance of each axis to run the other way."""
_MASK_ROUND = (2, 9)
"""The answer on the way that comes from the last mask alone is one of these, the end not."""


@dataclass(frozen=True)
class ClickBatch:
    """What a net is shown in one step, and the chance of the clicks that it is given.

    Parameters
    ----------
    pictures
        float32 (B, 1, S, S, S).
    masks
        bool (B, S, S, S).
    firsts
        The first click of each, where its cube was cut around one.
    cases
        Whose the B are.
    chances
        Draw the clicks of each.
    mask_round
        The answer, counted from 0, that comes from the last mask alone.
    """

    pictures: NDArray[np.float32]
    masks: NDArray[np.bool_]
    firsts: tuple[Click | None, ...]
    cases: tuple[str, ...]
    chances: tuple[np.random.Generator, ...]
    mask_round: int

    @classmethod
    def of(
        cls,
        cubes: list[Cube],
        cases: list[str],
        chances: list[np.random.Generator],
        mask_round: int,
    ) -> ClickBatch:
        """Lay cubes together."""
        return cls(
            np.stack([cube.picture for cube in cubes])[:, None],
            np.stack([cube.mask for cube in cubes]),
            tuple(cube.first for cube in cubes),
            tuple(cases),
            tuple(chances),
            mask_round,
        )


class ClickBatches:
    """Batches of organs, each as likely as any other.

    Parameters
    ----------
    organs
        Where they come from; at least one.
    batch_size
        Cubes a batch.
    seed
        With the step it decides everything.
    around_click
        Share of the cubes that are cut around a click.
    """

    def __init__(self, organs: Organs, batch_size: int, seed: int, around_click: float) -> None:
        self._organs, self._batch_size = organs, batch_size
        self._seed, self._around_click = seed, around_click

    def at(self, step: int) -> ClickBatch:
        """Give the batch of a step, counted from 0."""
        cubes, cases, chances = [], [], []
        for place in range(self._batch_size):
            chance = generator_at(self._seed, step, place)
            pair = self._organs.pairs[int(chance.integers(len(self._organs.pairs)))]
            around_click = chance.random() < self._around_click
            flips = tuple(np.flatnonzero(chance.random(3) < FLIPS).tolist())
            cube = (
                self._organs.around_click(pair, chance)
                if around_click
                else self._organs.around_box(pair)
            )
            cubes.append(cube.flipped(flips))
            cases.append(pair.seen.case)
            chances.append(chance)
        whole = generator_at(self._seed, step, self._batch_size)
        return ClickBatch.of(cubes, cases, chances, int(whole.integers(*_MASK_ROUND)))
