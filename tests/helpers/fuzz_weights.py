"""Damaged files of weights: `fuzz.py` says how to run it."""

from __future__ import annotations

import contextlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path

import torch
from mutations import as_json, changed, damaged

from medprep.errors import MedprepError
from medprep.models.checkpoint import load_model, save_model
from medprep.models.foreign import import_weights, read_foreign
from medprep.models.preparation import Preparation
from medprep.models.registry import build
from medprep.models.scaling import Scaling
from medprep.models.targets import Targets

_LENGTHS = (0, 1, 2**31, 2**62, 2**64 - 1)
_SIZES = (0, -1, 3, 10**6, 10**12, 2**63, 1.5, "8", None, [8])
_NET = "unet2d"


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one damaged file, loaded as ours or as somebody else's."""
    torch.set_num_threads(1)
    net = build(_NET, width=2, out_channels=2)
    preparation = Preparation(2, (Scaling("window"),), None, (16, 16), Targets({1: "liver"}))
    own, pickled = folder / "own.safetensors", folder / "other.pth"
    save_model(own, _NET, net, {"preparation": preparation.to_dict()})
    torch.save({"state_dict": net.state_dict()}, pickled)
    contents = own.read_bytes(), pickled.read_bytes()

    def case(chance: random.Random) -> None:
        if chance.random() < 0.3:
            path = folder / "x.pth"
            path.write_bytes(damaged(contents[1], chance, span=len(contents[1])))
            readers: tuple[Callable[[Path], object], ...] = (read_foreign, _imported)
        else:
            path = folder / "x.safetensors"
            path.write_bytes(_damaged(contents[0], chance))
            readers = (_loaded, read_foreign)
        for read in readers:
            with contextlib.suppress(MedprepError):
                read(path)

    return case


def _loaded(path: Path) -> object:
    _, record = load_model(path, torch.device("cpu"))
    return Preparation.from_record(record)


def _imported(path: Path) -> object:
    return import_weights(path, _NET, path.with_suffix(".made"), overwrite=True)


def _damaged(content: bytes, chance: random.Random) -> bytes:
    size = struct.unpack_from("<Q", content)[0]
    if chance.random() < 0.25:
        return damaged(content, chance, span=size)
    head, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    record = json.loads(head["__metadata__"]["medprep"])
    kind = chance.randrange(4)
    if kind == 0:
        head = changed(head, chance)
    elif kind == 1:
        key = chance.choice(list(record["config"]))
        record["config"][key] = chance.choice(_SIZES)
        head["__metadata__"]["medprep"] = json.dumps(record)
    else:
        record = changed(record, chance)
        head["__metadata__"]["medprep"] = as_json(record).decode("utf-8", "replace")
    packed = as_json(head)
    length = chance.choice(_LENGTHS) if chance.random() < 0.1 else len(packed)
    return struct.pack("<Q", length) + packed + body
