"""Several processes that torchrun has started: the first does the work, the others help to train.

``torchrun --nproc-per-node 2 -m medprep_cli train`` starts the whole command line in each. Only the
first one reads options and a workspace; the others wait until it trains.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def run(work: Callable[[], T]) -> T | None:
    """Do the work here, or help the process that does it; None where this one helped."""
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return work()
    from medprep.training import loop  # first: it says how torch's threads wait
    from medprep.training.distributed import together

    with together() as crew:
        if crew.leads:
            return work()
        loop.follow(crew)
    return None
