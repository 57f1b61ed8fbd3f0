"""Clicks made on a batch, as the net reads them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medprep.models.prompts.clicks import Click, next_click
from medprep.training.clicking.batches import ClickBatch


class Clicker:
    """Clicks into each cube of a batch where its mask is wrong.

    Parameters
    ----------
    batch
        Its first clicks, its masks and its chance.
    """

    def __init__(self, batch: ClickBatch) -> None:
        self._batch = batch
        self._made: list[list[Click]] = []

    def click(self, predicted: NDArray[np.bool_]) -> None:
        """Make one click more in each cube.

        Parameters
        ----------
        predicted
            (B, S, S, S).
        """
        batch, new = self._batch, []
        rows = zip(predicted, batch.masks, batch.firsts, batch.chances, strict=True)
        for mask, reference, first, chance in rows:
            if first is not None and not self._made:
                new.append(first)
                continue
            new.append(next_click(mask, reference, "random", _draw(chance)))
        self._made.append(new)

    def points(self, device: torch.device, *, newest_only: bool) -> tuple[Tensor, Tensor]:
        """Give places (B, N, 3) and labels (B, N) of the newest clicks, or of all."""
        made = self._made[-1:] if newest_only else self._made
        places = torch.tensor([[one.place for one in column] for column in zip(*made, strict=True)])
        labels = torch.tensor([[one.positive for one in column]
                               for column in zip(*made, strict=True)])  # fmt: skip
        return places.float().to(device), labels.long().to(device)


class _draw:
    """Draws whole numbers from a generator."""

    def __init__(self, chance: np.random.Generator) -> None:
        self._chance = chance

    def __call__(self, many: int) -> int:
        return int(self._chance.integers(many))
