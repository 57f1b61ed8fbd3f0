"""Damaged NIfTI, NRRD and MetaImage: `fuzz.py` says how to run it."""

from __future__ import annotations

import contextlib
import gzip
import random
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mutations import WORDS, damaged

from medprep.errors import MedprepError
from medprep.formats import itk, nifti
from medprep.geometry import Geometry
from medprep.volume import Volume

_ENDINGS = (".nii", ".nii.gz", ".nrrd", ".mha")
_SIDES = (-32768, -1, 0, 1, 2, 32767)
_FLOATS = (float("nan"), float("inf"), -1.0, 0.0, 1e-40, 1e38, 352.0, 1e10, 0.5)
_FIELDS = {
    "8h": (40,),
    "2h": (70, 252),
    "8f": (76,),
    "f": (108, 112, 116),
    "6f": (256,),
    "12f": (280,),
}


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one damaged file, read in every way there is."""
    geometry = Geometry.from_parts((3, 4, 5), (2, 1, 1))
    corpus = []
    for kind in (np.int16, np.float32, np.uint8):
        volume = Volume(np.arange(60, dtype=kind).reshape(3, 4, 5), geometry, "MR")
        for ending in _ENDINGS:
            path = folder / f"seed{ending}"
            if ending.startswith(".nii"):
                nifti.write(path, volume)
            else:
                itk.write(path, volume.array, geometry)
            corpus.append((ending, path.read_bytes()))

    def case(chance: random.Random) -> None:
        ending, content = chance.choice(corpus)
        path = folder / f"volume{ending}"
        path.write_bytes(_damaged(ending, content, chance))
        readers = (nifti.read, nifti.read_label_map, nifti.oddities, _fourth)
        for read in readers if ending.startswith(".nii") else (itk.read,):
            with contextlib.suppress(MedprepError):
                read(path)

    return case


def _fourth(path: Path) -> object:
    return nifti.read(path, volume=1)


def _damaged(ending: str, content: bytes, chance: random.Random) -> bytes:
    if not ending.startswith(".nii") or chance.random() < 0.3:
        return damaged(content, chance)
    whole = gzip.decompress(content) if ending == ".nii.gz" else content
    made = bytearray(whole)
    for _ in range(chance.randint(1, 4)):
        form = chance.choice(list(_FIELDS))
        at = chance.choice(_FIELDS[form])
        count, kind = int(form[:-1] or 1), form[-1]
        values = list(struct.unpack_from("<" + form, made, at))
        values[chance.randrange(count)] = chance.choice(_SIDES if kind == "h" else _FLOATS)
        struct.pack_into("<" + form, made, at, *values)
    if chance.random() < 0.2:
        made[chance.randrange(348) :][:4] = chance.choice(WORDS)
    if ending == ".nii":
        return bytes(made)
    packed = gzip.compress(bytes(made))
    return damaged(packed, chance) if chance.random() < 0.1 else packed
