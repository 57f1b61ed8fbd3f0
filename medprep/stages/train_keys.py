"""What a net is known by: what was asked for, and the weights that came of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from medprep.files import digest
from medprep.workspace.database import Artifact

_ASKED = "asked"
"""Of a net's facts: the key of its options and inputs, by which it is up to date."""


def as_made(net: Artifact, folder: Path) -> Artifact:
    """Give a net that was just trained the key of its weights, on which predictions rest.

    A clock, a GPU or another number of threads makes other weights of what is asked for again.

    Parameters
    ----------
    net
        With the key of what was asked for.
    folder
        Where its files lie.
    """
    weights = json.loads((folder / "model.json").read_text("utf-8"))["sha256"]
    return replace(net, key=digest([net.key, weights]), facts={**net.facts, _ASKED: net.key})


def as_asked(net: Artifact | None) -> Artifact | None:
    """Give a recorded net with the key of what was asked for; an older one has no other."""
    return net and replace(net, key=net.facts.get(_ASKED, net.key))
