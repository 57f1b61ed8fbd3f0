"""NRRD and MetaImage: what SimpleITK reads back is the same volume on the same grid."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import FormatError, GeometryError, WriteError
from medprep.files import AtomicFiles
from medprep.formats import itk
from medprep.geometry import Geometry

GRID = Geometry.from_parts((3, 4, 5), (2.5, 0.75, 1.25), (10.5, -20.25, 30))
ENDINGS = pytest.mark.parametrize("ending", [".nrrd", ".mha"])


def random_grid(seed: int, shear: float) -> Geometry:
    chance = np.random.default_rng(seed)
    affine = np.eye(4)
    affine[:3, :3] = np.linalg.qr(chance.normal(size=(3, 3)))[0] * chance.uniform(0.2, 8, 3)
    affine[:3, 0] += shear * affine[:3, 1]
    affine[:3, 3] = chance.uniform(-400, 400, 3)
    return Geometry((3, 4, 5), affine)


def corners(picture: sitk.Image, grid: Geometry) -> np.ndarray:
    index = product(*((0, n - 1) for n in grid.shape))
    return np.array([picture.TransformIndexToPhysicalPoint(one[::-1]) for one in index])


@ENDINGS
@settings(max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    shear=st.sampled_from([0.0, 0.3]),
    kind=st.sampled_from(["u1", "i1", "u2", "i2", ">i2", "i4", "f4", "f8"]),
)
def test_volume_and_grid_come_back(ending: str, seed: int, shear: float, kind: str) -> None:
    grid = random_grid(seed, shear)
    array = np.arange(60).reshape(grid.shape).astype(kind)
    with tempfile.TemporaryDirectory() as folder:
        final = Path(folder) / f"a{ending}"
        with AtomicFiles(durable=False) as files:
            itk.write(files.file(final), array, grid)
        assert [path.name for path in Path(folder).iterdir()] == [final.name]
        picture = sitk.ReadImage(str(final))
    found = sitk.GetArrayFromImage(picture)
    assert found.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(found, array)
    assert np.abs(corners(picture, grid) - grid.corners_mm).max() < 1e-9


@ENDINGS
def test_colour(tmp_path: Path, ending: str) -> None:
    array = np.arange(180, dtype=np.uint8).reshape(3, 4, 5, 3)
    itk.write(tmp_path / f"a{ending}", array, GRID)
    picture = sitk.ReadImage(str(tmp_path / f"a{ending}"))
    assert np.array_equal(sitk.GetArrayFromImage(picture), array)
    assert np.allclose(corners(picture, GRID), GRID.corners_mm)


@ENDINGS
def test_equal_volumes_give_equal_files_without_a_date(tmp_path: Path, ending: str) -> None:
    for name in ("a", "b"):
        itk.write(tmp_path / f"{name}{ending}", np.ones((3, 4, 5), np.uint16), GRID)
    content = (tmp_path / f"a{ending}").read_bytes()
    assert content == (tmp_path / f"b{ending}").read_bytes()
    assert b"date" not in content.lower()
    if ending == ".nrrd":
        packed = content.partition(b"\n\n")[2]
        assert packed[:2] == b"\x1f\x8b"
        assert packed[4:8] == bytes(4), "a gzip time"


@pytest.mark.parametrize(
    ("name", "ending"), [(".a.mha.nrrd.1.part", ".nrrd"), (".a.nrrd.mha.1.part", ".mha")]
)
def test_the_last_ending_decides(tmp_path: Path, name: str, ending: str) -> None:
    itk.write(tmp_path / name, np.ones((3, 4, 5), np.uint16), GRID)
    assert ((tmp_path / name).read_bytes()[:4] == b"NRRD") is (ending == ".nrrd")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="wanted is one of"):
        itk.write(tmp_path / "a.vtk", np.ones((3, 4, 5), np.uint16), GRID)


@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 4, 5), (3, 4, 5, 2)])
def test_another_shape_than_the_grid_s_is_refused(tmp_path: Path, shape: tuple) -> None:
    with pytest.raises(GeometryError, match="on a grid of"):
        itk.write(tmp_path / "a.mha", np.ones(shape, np.uint16), GRID)


def test_a_type_that_itk_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="ITK holds no float16"):
        itk.write(tmp_path / "a.mha", np.ones((3, 4, 5), np.float16), GRID)


@ENDINGS
def test_an_error_keeps_the_path_to_itself(tmp_path: Path, ending: str) -> None:
    path = tmp_path / "DOE^JANE" / f"a{ending}"
    with pytest.raises(WriteError) as raised:
        itk.write(path, np.ones((3, 4, 5), np.uint16), GRID)
    assert raised.value.path == str(path)
    assert "DOE" not in raised.value.message


# So few bytes that ITK itself notices nothing: they leave its buffer when the file is closed.
_ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from medprep.errors import WriteError
from medprep.formats import itk
from medprep.geometry import Geometry

path, room = Path(sys.argv[1]), int(sys.argv[2])
noise = np.random.default_rng(0).integers(0, 30000, (2, 10, 16)).astype(np.int16)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
try:
    itk.write(path, noise, Geometry.from_parts(noise.shape, (1, 1, 1)))
except WriteError:
    sys.exit(3)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size there")
@ENDINGS
@pytest.mark.parametrize("lacking", ["all", "the end"])
def test_a_full_disk_is_noticed_to_the_last_byte(tmp_path: Path, ending: str, lacking: str) -> None:
    path = tmp_path / f"a{ending}"

    def exit_code(room: int) -> int:
        command = [sys.executable, "-c", _ON_A_FULL_DISK, str(path), str(room)]
        return subprocess.run(command, check=False, capture_output=True).returncode

    assert exit_code(1 << 20) == 0
    size = path.stat().st_size
    path.unlink()
    assert exit_code(0 if lacking == "all" else size - 1) == 3
    assert not list(tmp_path.iterdir())
