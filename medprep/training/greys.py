"""What the grey values inside the organs of a training fold are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from medprep.training.marks import spread

_PERCENTILES = (0.5, 99.5)
_MOST = 50_000_000
"""Grey values that are looked at in all: of more than a thousand cases fewer are taken of each."""


@dataclass(frozen=True)
class Greys:
    """Grey values of a channel inside the organs of the training cases.

    Parameters
    ----------
    low, high
        Percentiles 0.5 and 99.5.
    mean, sd
        Of all of them; ``sd`` is above 0.
    """

    low: float
    high: float
    mean: float
    sd: float

    @classmethod
    def of(cls, cases: Sequence[NDArray[Any]]) -> Self:
        """Look at values of each case, of which there are some."""
        most = max(1, _MOST // len(cases))
        values = np.concatenate([spread(own, most).astype(np.float64) for own in cases])
        low, high = np.percentile(values, _PERCENTILES).tolist()
        if not low < high:
            low, high = float(values.min()), float(values.max())
        if not low < high:
            high = low + 1
        return cls(low, high, float(values.mean()), float(values.std()) or 1.0)
