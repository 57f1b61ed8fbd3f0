"""NIfTI: nibabel and SimpleITK are the witnesses."""

from __future__ import annotations

import gzip
import os
import re
import struct
import tracemalloc
import warnings
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from medprep.errors import FormatError, GeometryError, LabelError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.volume import LabelMap, Volume

RAS = np.diag([-1.0, -1, 1, 1])
TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "i8", "u8")
AXES = list(product(permutations(range(3)), product((1, -1), repeat=3)))
FLOAT_NOISE_MM = 1e-3
"""An affine of float32 at half a metre."""


def picture(
    direction: np.ndarray | None = None,
    kind: str = "i2",
    shape: tuple[int, int, int] = (3, 4, 5),
    spacing: tuple[float, float, float] = (3, 0.8, 0.7),
    origin: tuple[float, float, float] = (-120.5, 33.25, 410),
) -> Volume:
    array = (np.arange(np.prod(shape)) % 120).reshape(shape).astype(kind)
    if direction is None:
        return Volume(array, Geometry.from_parts(shape, spacing, origin))
    return Volume(array, Geometry.from_parts(shape, spacing, origin, direction))


def require_witnesses_agree(path: Path, volume: Volume) -> None:
    """Compare with nibabel (affine, qform as sform, data) and SimpleITK (grid, data)."""
    seen = nibabel.load(path)
    wanted = RAS @ volume.geometry.affine[:, [2, 1, 0, 3]]
    assert np.abs(seen.affine - wanted).max() < 1e-4
    assert seen.header["sform_code"] == seen.header["qform_code"] == 1
    assert seen.header.get_xyzt_units()[0] == "mm"
    assert np.array_equal(np.asarray(seen.dataobj).T, volume.array)
    # A rotation near a half turn is a quaternion near a = 0, whose float32 knows it to 3e-4.
    assert np.abs(seen.get_qform() - wanted)[:3, :3].max() < 1e-3 * max(volume.geometry.spacing_mm)
    assert np.allclose(seen.get_qform()[:3, 3], wanted[:3, 3], atol=1e-4)
    witness = sitk.ReadImage(str(path))
    grid = volume.geometry
    assert np.allclose(witness.GetOrigin(), grid.origin_mm, atol=1e-4)
    assert np.allclose(witness.GetSpacing(), grid.spacing_mm[::-1], atol=1e-5)
    direction = np.array(witness.GetDirection()).reshape(3, 3)
    assert np.allclose(direction, grid.direction[:, ::-1], atol=1e-3)
    assert np.array_equal(sitk.GetArrayFromImage(witness), volume.array)


def require_comes_back(path: Path, volume: Volume) -> None:
    again = nifti.read(path)
    assert again.array.dtype == volume.array.dtype
    assert np.array_equal(again.array, volume.array)
    assert again.geometry.allclose(volume.geometry, FLOAT_NOISE_MM)


@pytest.mark.parametrize(("order", "signs"), AXES)
def test_all_48_orientations(tmp_path: Path, order: tuple, signs: tuple) -> None:
    direction = np.zeros((3, 3))
    direction[order, range(3)] = signs
    volume = picture(direction)
    nifti.write(tmp_path / "a.nii", volume)
    require_comes_back(tmp_path / "a.nii", volume)
    require_witnesses_agree(tmp_path / "a.nii", volume)


@given(st.integers(0, 2**32), st.sampled_from([1, 1e-2, 1e-4]))
@settings(max_examples=60)
def test_any_oblique_orientation(
    tmp_path_factory: pytest.TempPathFactory, seed: int, tilt: float
) -> None:
    chance = np.random.default_rng(seed)
    base = np.zeros((3, 3))
    base[chance.permutation(3), range(3)] = chance.choice([-1, 1], 3)
    turned = np.linalg.qr(base + tilt * chance.normal(size=(3, 3)))[0]
    spacing = tuple(chance.uniform(0.2, 8, 3))
    volume = picture(turned, spacing=spacing, origin=tuple(chance.uniform(-400, 400, 3)))
    path = tmp_path_factory.getbasetemp() / "oblique.nii"
    nifti.write(path, volume)
    require_comes_back(path, volume)
    require_witnesses_agree(path, volume)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_type(tmp_path: Path, name: str, kind: str) -> None:
    volume = picture(kind=kind)
    nifti.write(tmp_path / name, volume)
    require_comes_back(tmp_path / name, volume)
    assert nibabel.load(tmp_path / name).get_data_dtype() == np.dtype(kind)
    require_witnesses_agree(tmp_path / name, volume)


def test_big_endian_arrays_are_written_right(tmp_path: Path) -> None:
    volume = picture(kind=">i2")
    nifti.write(tmp_path / "a.nii", volume)
    require_witnesses_agree(tmp_path / "a.nii", volume)


def test_a_slice_of_one_voxel_and_a_single_slice(tmp_path: Path) -> None:
    for shape in ((1, 1, 1), (1, 4, 5), (4, 1, 5)):
        volume = picture(shape=shape)
        nifti.write(tmp_path / "a.nii", volume)
        require_comes_back(tmp_path / "a.nii", volume)
        require_witnesses_agree(tmp_path / "a.nii", volume)


def test_gzip_bytes_are_equal_each_time_and_everywhere(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        nifti.write(tmp_path / folder / f"{folder}.nii.gz", picture())
        os.utime(tmp_path)
    one, other = ((tmp_path / f / f"{f}.nii.gz").read_bytes() for f in ("one", "other"))
    assert one == other
    assert one[4:8] == bytes(4), "no time"
    nifti.write(tmp_path / "a.nii", picture())
    assert gzip.decompress(one) == (tmp_path / "a.nii").read_bytes()
    assert b"one" not in one


def test_the_temporary_name_decides_too(tmp_path: Path) -> None:
    nifti.write(tmp_path / ".a.nii.gz.12.part", picture())
    assert (tmp_path / ".a.nii.gz.12.part").read_bytes()[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("dtype", [bool, np.float16, np.complex64])
def test_other_types_are_refused(tmp_path: Path, dtype: type) -> None:
    volume = picture()
    with pytest.raises(FormatError, match=np.dtype(dtype).name):
        nifti.write(tmp_path / "a.nii", Volume(volume.array.astype(dtype), volume.geometry))


def test_a_sheared_grid_is_not_written(tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[0, 1] = 0.2
    with pytest.raises(GeometryError, match="right angles"):
        nifti.write(
            tmp_path / "a.nii", Volume(np.zeros((2, 2, 2), "u1"), Geometry((2, 2, 2), affine))
        )


def test_too_many_voxels_on_an_axis_are_refused(tmp_path: Path) -> None:
    volume = picture(shape=(1, 1, 32768))
    with pytest.raises(FormatError, match=r"32768.*a.nii"):
        nifti.write(tmp_path / "a.nii", volume)


# What others write -----------------------------------------------------------------------------


def by_nibabel(
    path: Path, array: np.ndarray, affine: np.ndarray | None = None, **fields: object
) -> Path:
    """Write ``[column, row, slice]`` with nibabel and set header fields."""
    if affine is None:
        affine = np.diag([0.7, 0.8, 3.0, 1])
    saved = nibabel.Nifti1Image(array, affine, dtype=array.dtype)
    for name, value in fields.items():
        saved.header[name] = value
    nibabel.save(saved, path)
    return path


def patched(path: Path, form: str, offset: int, *values: float) -> Path:
    """Change header fields behind nibabel's back."""
    content = bytearray(path.read_bytes())
    struct.pack_into(form, content, offset, *values)
    path.write_bytes(content)
    return path


COUNTED = np.arange(60, dtype=np.int16).reshape(5, 4, 3)


def test_nibabels_own_files(tmp_path: Path) -> None:
    affine = np.array([[0, 0, 3, 9.5], [0.7, 0, 0, -8], [0, -0.8, 0, 7], [0, 0, 0, 1]])
    found = nifti.read(by_nibabel(tmp_path / "a.nii.gz", COUNTED, affine))
    assert np.array_equal(found.array, COUNTED.T)
    assert np.allclose(RAS @ found.geometry.affine[:, [2, 1, 0, 3]], affine)


def test_simpleitks_own_files(tmp_path: Path) -> None:
    volume = picture(np.linalg.qr(np.arange(9).reshape(3, 3) % 5 + np.eye(3))[0])
    made = sitk.GetImageFromArray(volume.array)
    made.SetOrigin(volume.geometry.origin_mm)
    made.SetSpacing(volume.geometry.spacing_mm[::-1])
    made.SetDirection(volume.geometry.direction[:, ::-1].ravel())
    sitk.WriteImage(made, str(tmp_path / "a.nii.gz"))
    require_comes_back(tmp_path / "a.nii.gz", volume)


def test_big_endian_files(tmp_path: Path) -> None:
    saved = nibabel.Nifti1Image(COUNTED, np.diag([1, 2, 3, 1.0]))
    swapped = nibabel.Nifti1Image(COUNTED, None, saved.header.as_byteswapped(">"))
    swapped.set_sform(saved.affine)
    nibabel.save(swapped, tmp_path / "a.nii")
    assert (tmp_path / "a.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    found = nifti.read(tmp_path / "a.nii")
    assert np.array_equal(found.array, COUNTED.T)
    assert found.array.dtype == np.dtype("i2"), "the machine's own order"
    assert found.geometry.spacing_mm == (3, 2, 1)


def test_a_fourth_axis_of_one_volume_is_dropped(tmp_path: Path) -> None:
    found = nifti.read(by_nibabel(tmp_path / "a.nii", COUNTED[..., None]))
    assert np.array_equal(found.array, COUNTED.T)
    with pytest.raises(FormatError, match="one volume: split the file"):
        nifti.read(by_nibabel(tmp_path / "b.nii", np.stack([COUNTED] * 2, -1)))


def test_a_single_plane_is_a_volume_of_one_slice(tmp_path: Path) -> None:
    found = nifti.read(by_nibabel(tmp_path / "a.nii", COUNTED[..., 0]))
    assert np.array_equal(found.array, COUNTED[..., :1].T)


def test_scaled_values(tmp_path: Path) -> None:
    path = by_nibabel(tmp_path / "a.nii", COUNTED)
    found = nifti.read(patched(path, "<2f", 112, 0.5, -10))
    assert found.array.dtype == np.float32
    assert np.array_equal(found.array, COUNTED.T * 0.5 - 10)
    assert np.array_equal(found.array, np.asarray(nibabel.load(path).dataobj).T)


@pytest.mark.parametrize(
    "scale", [(np.nan, np.nan), (0, 7), (np.inf, 0), (1, 0), (np.nan, 3), (1, np.nan)]
)
def test_no_scale_and_rubbish_for_a_scale_change_nothing(tmp_path: Path, scale: tuple) -> None:
    found = nifti.read(patched(by_nibabel(tmp_path / "a.nii", COUNTED), "<2f", 112, *scale))
    assert found.array.dtype == np.int16
    assert np.array_equal(found.array, COUNTED.T)


def test_the_qform_serves_where_there_is_no_sform(tmp_path: Path) -> None:
    volume = picture(np.linalg.qr(np.arange(9).reshape(3, 3) % 5 + np.eye(3))[0])
    path = tmp_path / "a.nii"
    nifti.write(path, volume)
    found = nifti.read(patched(path, "<h", 254, 0))
    assert found.geometry.allclose(volume.geometry, 0.01)
    assert np.allclose(
        RAS @ found.geometry.affine[:, [2, 1, 0, 3]], nibabel.load(path).affine, atol=1e-4
    )


def test_a_quaternion_longer_than_one_is_a_half_turn(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nifti.write(path, picture())
    patched(path, "<h", 254, 0)
    found = nifti.read(patched(path, "<3f", 256, 0, 0, 1.01)).geometry
    assert found.spacing_mm == pytest.approx((3, 0.8, 0.7))
    assert np.allclose(found.direction, picture().geometry.direction)


def test_the_sform_rules_where_both_disagree(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nifti.write(path, picture())
    patched(path, "<6f", 256, 0, 0, 0, 1, 2, 3)
    assert nifti.read(path).geometry.allclose(picture().geometry, FLOAT_NOISE_MM)
    assert np.allclose(nibabel.load(path).affine, RAS @ picture().geometry.affine[:, [2, 1, 0, 3]])


def test_what_is_odd_about_a_grid_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    nifti.write(path, picture())
    assert nifti.oddities(path) == ()
    plain = tmp_path / "a.nii"
    nifti.write(plain, picture())
    patched(plain, "<3f", 268, 1, 2, 3)
    (told,) = nifti.oddities(plain)
    assert re.fullmatch(r"sform and qform lie \d+(\.\d+)? mm apart: sform is taken", told)
    affine = np.diag([1.0, 1, 1, 1])
    affine[0, 1] = 1e-4
    (told,) = nifti.oddities(by_nibabel(tmp_path / "b.nii", COUNTED, affine))
    assert told == "axes off right angles by less than 1e-04: made exact"
    with pytest.raises(GeometryError, match="not finite"):
        nifti.oddities(patched(plain, "<f", 280, np.nan))


def test_without_both_the_spacing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    nifti.write(path, picture())
    assert nifti.read(patched(path, "<2h", 252, 0, 0)).geometry.spacing_mm == pytest.approx(
        (3, 0.8, 0.7)
    )


@pytest.mark.parametrize(("unit", "factor"), [(1, 1000), (2, 1), (3, 0.001), (0, 1)])
def test_metres_and_micrometres_become_millimetres(
    tmp_path: Path, unit: int, factor: float
) -> None:
    path = by_nibabel(tmp_path / "a.nii", COUNTED, xyzt_units=unit + 8)
    found = nifti.read(path).geometry
    assert found.spacing_mm == pytest.approx(np.array([3, 0.8, 0.7]) * factor)
    if unit:
        assert found.spacing_mm[::-1] == pytest.approx(sitk.ReadImage(str(path)).GetSpacing())


def test_float_noise_in_the_directions_is_mended_and_shear_refused(tmp_path: Path) -> None:
    for shear, fine in ((5e-4, True), (5e-3, False)):
        affine = np.diag([1.0, 1, 1, 1])
        affine[0, 1] = shear
        path = by_nibabel(tmp_path / "a.nii", COUNTED, affine)
        if fine:
            direction = nifti.read(path).geometry.direction
            assert np.allclose(direction.T @ direction, np.eye(3), atol=1e-12)
        else:
            with pytest.raises(GeometryError, match=r"right angles.*a.nii"):
                nifti.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0])
def test_an_impossible_affine_is_refused(tmp_path: Path, value: float) -> None:
    path = tmp_path / "a.nii"
    nifti.write(path, picture())
    with pytest.raises(GeometryError, match=r"affine.*a.nii"):
        nifti.read(patched(path, "<12f", 280, *[value] * 12))


# What nobody should write ----------------------------------------------------------------------


def shortened(path: Path, by: int) -> None:
    path.write_bytes(path.read_bytes()[:-by])


@pytest.mark.parametrize("by", [1, 4, 8, 40])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_short_is_refused(tmp_path: Path, name: str, by: int) -> None:
    path = tmp_path / name
    nifti.write(path, picture(shape=(9, 9, 9)))
    shortened(path, by)
    with pytest.raises(FormatError, match=rf"(cut short|before the end).*{name}"):
        nifti.read(path)


def test_a_wrong_checksum_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    noise = np.random.default_rng(0).integers(0, 30000, (20, 200, 200), np.int16)
    nifti.write(path, Volume(noise, Geometry.from_parts(noise.shape, (1, 1, 1))))
    content = bytearray(path.read_bytes())
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(FormatError, match="CRC"):
        nifti.read(path)


def test_gzip_in_several_members_is_read(tmp_path: Path) -> None:
    nifti.write(tmp_path / "a.nii", picture())
    content = (tmp_path / "a.nii").read_bytes()
    parts = (content[:100], content[100:400], content[400:])
    (tmp_path / "a.nii.gz").write_bytes(b"".join(map(gzip.compress, parts)))
    require_comes_back(tmp_path / "a.nii.gz", picture())


def test_a_small_file_that_unpacks_to_much_is_not_unpacked(tmp_path: Path) -> None:
    nifti.write(tmp_path / "a.nii", picture())
    bomb = gzip.compress((tmp_path / "a.nii").read_bytes() + bytes(100_000_000), 1)
    (tmp_path / "a.nii.gz").write_bytes(bomb)
    tracemalloc.start()
    require_comes_back(tmp_path / "a.nii.gz", picture())
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


Harm = Callable[[Path], object]


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.write_bytes(b""), "too short"),
        (lambda path: path.write_bytes(b"\x1f\x8b"), "cannot be read"),
        (lambda path: path.write_bytes(bytes(400)), "single-file NIfTI-1"),
        (lambda path: patched(path, "4s", 344, b"ni1\0"), "single-file NIfTI-1"),
        (lambda path: patched(path, "<i", 0, 540), "single-file NIfTI-1"),
        (lambda path: patched(path, "<h", 40, 9), "impossible axes"),
        (lambda path: patched(path, "<h", 40, 1), "impossible axes"),
        (lambda path: patched(path, "<h", 44, -4), "impossible axes"),
        (lambda path: patched(path, "<h", 42, 0), "impossible axes"),
        (lambda path: patched(path, "<3h", 42, 32767, 32767, 32767), "impossible size"),
        (lambda path: patched(path, "<h", 70, 128), "data type 128"),
        (lambda path: patched(path, "<h", 70, 12345), "data type 12345"),
        (lambda path: patched(path, "<f", 108, float("nan")), "begin at byte nan"),
        (lambda path: patched(path, "<f", 108, float("inf")), "begin at byte inf"),
        (lambda path: patched(path, "<f", 108, 0), "begin at byte 0"),
        (lambda path: patched(path, "<f", 108, 1e6), "cut short"),
        (lambda path: path.unlink(), "no regular file"),
        (lambda path: (path.unlink(), path.mkdir()), "no regular file"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused(tmp_path: Path, harm: Harm, told: str) -> None:
    path = tmp_path / "a.nii"
    nifti.write(path, picture())
    harm(path)
    with pytest.raises(FormatError, match=told) as raised:
        nifti.read(path)
    assert raised.value.path == str(path)
    assert str(path) not in raised.value.message


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii.gz")
    with pytest.raises(FormatError, match="no regular file"):
        nifti.read(tmp_path / "a.nii.gz")


@given(st.data())
@settings(max_examples=200)
def test_damage_is_never_a_crash(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / data.draw(st.sampled_from(["x.nii", "x.nii.gz"]))
    nifti.write(path, picture())
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            nifti.read_label_map(path)
        except (FormatError, GeometryError, LabelError) as error:
            assert error.path == str(path)


# Label maps ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", TYPES)
def test_labels_of_any_type_become_small_ones(tmp_path: Path, kind: str) -> None:
    labels = (COUNTED % 5).astype(kind)
    saved = nibabel.Nifti1Image(labels, np.eye(4), dtype=labels.dtype)
    nibabel.save(saved, tmp_path / "a.nii")
    found = nifti.read_label_map(tmp_path / "a.nii")
    assert found.array.dtype == np.uint8
    assert np.array_equal(found.array, labels.T)


def test_labels_that_are_nearly_whole_are_rounded(tmp_path: Path) -> None:
    labels = (COUNTED % 3) * 0.9999
    labels[labels == 0] = -1e-4
    found = nifti.read_label_map(by_nibabel(tmp_path / "a.nii", labels))
    assert np.array_equal(found.array, COUNTED.T % 3)
    with pytest.raises(FormatError, match=r"no whole numbers.*b.nii"):
        nifti.read_label_map(by_nibabel(tmp_path / "b.nii", labels * 0.99))


def test_scaled_labels_are_the_scaled_numbers(tmp_path: Path) -> None:
    path = patched(by_nibabel(tmp_path / "a.nii", COUNTED % 3), "<2f", 112, 2, 1)
    assert np.array_equal(nifti.read_label_map(path).array, COUNTED.T % 3 * 2 + 1)


@pytest.mark.parametrize(("value", "kind"), [(256, np.uint16), (65535, np.uint16), (255, np.uint8)])
def test_large_labels_need_16_bits(tmp_path: Path, value: int, kind: type) -> None:
    labels = np.zeros((2, 2, 2), np.int32)
    labels[1, 0, 1] = value
    found = nifti.read_labels(by_nibabel(tmp_path / "a.nii", labels))
    assert found.dtype == kind
    assert found[1, 0, 1] == value


@pytest.mark.parametrize("value", [-1, 65536, np.nan, np.inf, 0.5])
def test_values_that_are_no_labels_are_refused(tmp_path: Path, value: float) -> None:
    labels = np.zeros((2, 2, 2))
    labels[0, 0, 0] = value
    with pytest.raises(FormatError, match=r"a label map holds.*a.nii"):
        nifti.read_label_map(by_nibabel(tmp_path / "a.nii", labels))


def test_a_label_map_comes_back(tmp_path: Path) -> None:
    volume = picture(kind="u1")
    nifti.write(tmp_path / "a.nii.gz", LabelMap(volume.array, volume.geometry, {1: "liver"}))
    found = nifti.read_label_map(tmp_path / "a.nii.gz")
    assert np.array_equal(found.array, volume.array)
    assert found.geometry.allclose(volume.geometry, FLOAT_NOISE_MM)
    assert b"liver" not in gzip.decompress((tmp_path / "a.nii.gz").read_bytes())
