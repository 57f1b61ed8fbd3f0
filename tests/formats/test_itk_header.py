"""Heads of NRRD and MetaImage that ITK must never see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from medprep.errors import FormatError, GeometryError
from medprep.formats import itk
from medprep.formats.itk_header import require_sane
from medprep.geometry import Geometry


def written(folder: Path, ending: str) -> Path:
    path = folder / f"a{ending}"
    itk.write(path, np.zeros((3, 4, 5), np.int16), Geometry.from_parts((3, 4, 5), (2, 1, 1)))
    return path


@pytest.mark.parametrize(
    ("ending", "was", "now", "told"),
    [
        (".mha", b"NDims = 3", b"NDims = 9999", "9999 axes"),
        (".mha", b"DimSize = 5 4 3", b"DimSize = 5 4 -3", "impossible sides"),
        (".mha", b"DimSize = 5 4 3", b"DimSize = 5 4", "impossible sides"),
        (".mha", b"DimSize = 5 4 3", b"DimSize = 30000 30000 30000", "cannot hold"),
        (".mha", b"= LOCAL", b"= ../b.raw", "holds its own voxels"),
        (".mha", b"ObjectType", b"\0\0", "axes|holds its own"),
        (".nrrd", b"dimension: 3", b"dimension: 2000000000", "2000000000 axes"),
        (".nrrd", b"sizes: 5 4 3", b"sizes: 0 4 3", "impossible sides"),
        (".nrrd", b"sizes: 5 4 3", b"sizes: 32767 32767 32767", "cannot hold"),
        (".nrrd", b"endian: little", b"data file: /etc/passwd", "holds its own voxels"),
        (".nrrd", b"NRRD", b"XXXX", "axes|holds its own"),
    ],
)
def test_a_head_that_itk_cannot_be_trusted_with(
    tmp_path: Path, ending: str, was: bytes, now: bytes, told: str
) -> None:
    path = written(tmp_path, ending)
    require_sane(path)
    content = path.read_bytes()
    assert was in content
    path.write_bytes(content.replace(was, now, 1) if now != b"\0\0" else b"\0" * 500)
    with pytest.raises(FormatError, match=told):
        require_sane(path)
    with pytest.raises(FormatError):
        itk.read(path)


def test_a_grid_that_itk_does_not_take_is_told(tmp_path: Path) -> None:
    grid = Geometry((2, 2, 2), np.diag([1e200, 1, 1, 1]))
    with pytest.raises(GeometryError, match="ITK takes no grid"):
        itk.write(tmp_path / "a.mha", np.zeros((2, 2, 2), np.int16), grid)
