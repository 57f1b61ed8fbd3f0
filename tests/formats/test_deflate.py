"""Packed bytes follow from the content, whichever process packs it."""

from __future__ import annotations

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.formats import nifti
from medprep.formats.deflate import HEAD, packed
from medprep.geometry import Geometry
from medprep.volume import Volume

MANY = """
import hashlib, random
from medprep.formats.deflate import packed

chance, whole = random.Random(1), hashlib.sha256()
for _ in range(20_000):
    head = chance.randbytes(6)  # comes again: who finds it depends on what is filed where
    whole.update(packed(head * 4 + chance.randbytes(8) + head * 3 + bytes(64)))
print(whole.hexdigest())
"""


@given(st.binary(max_size=40) | st.binary(min_size=1, max_size=3).map(lambda one: one * 30_000))
def test_another_library_unpacks_it(content: bytes) -> None:
    assert zlib.decompress(packed(content)) == content
    assert zlib.decompress(packed(memoryview(content))) == content


def test_several_processes_pack_alike() -> None:
    """Each has its memory elsewhere; of ISA-L's own streams some ten of these are then unlike."""
    said = {
        subprocess.run(
            [sys.executable, "-c", MANY], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(said) == 1


@pytest.mark.parametrize("sides", [(1, 1, 1), (3, 40, 50)])
def test_a_nifti_begins_with_a_few_bytes_packed_alone(
    sides: tuple[int, int, int], tmp_path: Path
) -> None:
    path = tmp_path / "a.nii.gz"
    grid = Geometry.from_parts(sides, (1.0, 1.0, 1.0))
    nifti.write(path, Volume(np.zeros(sides, np.int16), grid))
    content = path.read_bytes()
    flushed = content.index(b"\x00\x00\xff\xff") + 4
    assert len(zlib.decompressobj(31).decompress(content[:flushed])) == HEAD
