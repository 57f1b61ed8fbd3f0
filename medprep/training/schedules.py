"""How the learning rate changes while a net is trained."""

from __future__ import annotations

import math

from medprep.training.recipes import Schedule

POWER = 0.9
"""Of the polynomial, as in DeepLab (Chen et al. 2017, arXiv:1606.00915) and nnU-Net."""
MILESTONES = (0.6, 0.9)
"""Epochs 120 and 180 of SAM-Med3D's 200."""
_FIRST = 1e-2
"""Share of the peak that a warm-up begins with."""


def learning_rate(schedule: Schedule, peak: float, part: float, warm_up: float = 0.0) -> float:
    """Give the learning rate at one moment.

    Parameters
    ----------
    schedule
        ``cosine`` falls along half a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983),
        ``polynomial`` as ``(1 - part) ** 0.9``, ``steps`` to a tenth at `MILESTONES`, ``constant``
        not at all.
    peak
        The highest.
    part
        How much of the training is done, from 0; at 1 and later it is over.
    warm_up
        Share of the training in which it rises evenly to the peak, before it goes on as if it had
        fallen all the while.
    """
    if part < warm_up:
        return peak * (part / warm_up + _FIRST)
    if schedule == "steps":
        return peak * 0.1 ** sum(part >= milestone for milestone in MILESTONES)
    left = 1 - min(1.0, part)
    if schedule == "cosine":
        return peak * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))
    return peak * left**POWER if schedule == "polynomial" else peak
