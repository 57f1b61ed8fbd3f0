"""A net's answer as the mean over a picture and its mirror images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from torch import Tensor

from medprep.models.targets import Targets
from medprep.organs import mirror_partners

Answer = Callable[[Tensor], Tensor]
"""From (B, C, ...) to logits (B, K, ...)."""


def mirrored_channels(targets: Targets) -> tuple[int, ...] | None:
    """Give for each output of a net the one that answers for it in the patient's mirror image.

    Returns
    -------
    tuple or None
        The same numbers where no organ has a side. None where a mirror image would be labelled
        wrongly: an organ of one side whose partner the net does not know.
    """
    partners = mirror_partners(targets.names)
    if partners is None:
        return None
    labels = range(len(targets.names) + 1)
    held: list[tuple[int, ...]] = [(label,) for label in labels]
    if not targets.exclusive:
        held = [channel.labels for channel in targets.overlapping]
    mirrored = [tuple(sorted(partners.get(label, label) for label in one)) for one in held]
    if any(one not in held for one in mirrored):
        return None
    return tuple(held.index(one) for one in mirrored)


def mirrored(
    answer: Answer, axes: Sequence[int], across: int | None, channels: Sequence[int] | None
) -> Answer:
    """Give a net that is asked for every combination of flips, and answers with the mean logits.

    Parameters
    ----------
    answer
        The net.
    axes
        Axes of its input to flip, 2 for the first one of the picture; none gives the net itself.
    across
        The one among them that exchanges the patient's left and right, if any.
    channels
        As `mirrored_channels` gives them; wanted where there is one across.
    """
    flips = [some for many in range(len(axes) + 1) for some in combinations(axes, many)]
    if len(flips) == 1:
        return answer

    def mean(x: Tensor) -> Tensor:
        total = answer(x)
        for flip in flips[1:]:
            logits = answer(x.flip(flip)).flip(flip)
            if across in flip and channels is not None:
                logits = logits[:, list(channels)]
            total = total + logits
        return total / len(flips)

    return mean
