"""Stored numbers of many slices into one array."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import changed_picture, decoded, resaved, slices_of, write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medprep.dicom.assemble import assemble, settled_type
from medprep.dicom.contrasts import Stack
from medprep.dicom.stacks import Plan, Policy, lay_out
from medprep.errors import DicomError

NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)


def stack(folder: Path, *planes: np.ndarray, **tags: list) -> np.ndarray:
    """Write planes one above the other; a list gives each its own tag."""
    return decoded(
        *(
            write_dicom(folder / f"{n}.dcm", plane, (0, 0, n), **{k: v[n] for k, v in tags.items()})
            for n, plane in enumerate(planes)
        )
    )


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="2", RescaleIntercept="-1024")
    assert decoded(path).dtype == np.int16
    assert np.array_equal(decoded(path), NOISE.astype(int) * 2 - 1024)


def test_a_fraction_makes_floats(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope="0.5", RescaleIntercept="1")
    assert decoded(path).dtype == np.float32
    assert np.array_equal(decoded(path), NOISE * 0.5 + 1)


@pytest.mark.parametrize("slope", ["1", "3", "100000"])
def test_large_numbers_do_not_turn_over(tmp_path: Path, slope: str) -> None:
    large = np.array([[2**32 - 1, 2**31], [0, 7]], np.uint32)
    found = decoded(write_dicom(tmp_path / "a.dcm", large, RescaleSlope=slope))
    wanted = (large.astype(object) * int(slope)).astype(float)
    assert np.allclose(found.astype(float), wanted, rtol=1e-7, atol=0)


@pytest.mark.parametrize(
    ("tops", "kind"),
    [
        ((7, 32767), np.int16), ((7, 32768), np.uint16), ((65535, 7, 40000), np.uint16),
    ],
)  # fmt: skip
def test_the_type_widens_when_a_slice_needs_it(tmp_path: Path, tops: tuple, kind: type) -> None:
    planes = [np.array([[0, top], [1, 2]], np.uint16) for top in tops]
    found = stack(tmp_path, *planes)
    assert found.dtype == kind
    assert np.array_equal(found, planes)


def test_below_zero_and_above_32767_take_32_bits(tmp_path: Path) -> None:
    planes = [np.array([[0, top]], np.uint16) for top in (10, 60000)]
    found = stack(tmp_path, *planes, RescaleIntercept=["-5", "-5"])
    assert found.dtype == np.int32
    assert found.tolist() == [[[-5, 5]], [[-5, 59995]]]


def test_an_intercept_that_a_16_bit_sum_must_survive(tmp_path: Path) -> None:
    found = stack(
        tmp_path, np.array([[0, 33000]], np.uint16), np.array([[1024, 2000]], np.uint16),
        RescaleIntercept=["-1024", "-1000"],
    )  # fmt: skip
    assert found.dtype == np.int16
    assert found.tolist() == [[[-1024, 31976]], [[24, 1000]]]


def test_each_slice_has_its_own_slope(tmp_path: Path) -> None:
    plane = np.array([[1, 2]], np.int16)
    found = stack(tmp_path, plane, plane, RescaleSlope=["0.5", "0.25"])
    assert found.dtype == np.float32
    assert found.tolist() == [[[0.5, 1]], [[0.25, 0.5]]]


def test_eight_bits_stay_eight_bits_where_nothing_rescales_them(tmp_path: Path) -> None:
    plane = np.array([[1, 255]], np.uint8)
    assert stack(tmp_path, plane, plane).dtype == np.uint8
    assert stack(tmp_path, plane, plane, RescaleIntercept=["0", "1"]).dtype == np.int16


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless])
def test_an_intercept_in_every_order_of_bytes(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleIntercept="-1024")
    if syntax == RLELossless:
        changed_picture(path, syntax, bytes)
    else:
        resaved(path, syntax)
    assert np.array_equal(decoded(path), NOISE.astype(int) - 1024)


def test_slices_of_several_kinds_widen_in_the_middle(tmp_path: Path) -> None:
    planes = [
        np.array([[1, -2]], np.int16), np.array([[40000, 3]], np.uint16),
        np.array([[7, 3_000_000_000]], np.uint32), np.array([[5, 255]], np.uint8),
    ]  # fmt: skip
    assert stack(tmp_path, *planes[:1], planes[3]).dtype == np.int16
    assert stack(tmp_path, *planes[1:3], planes[3]).dtype == np.uint32
    found = stack(tmp_path, *planes)
    assert found.dtype == np.float32
    assert found.tolist() == [[[1, -2]], [[40000, 3]], [[7, 3e9]], [[5, 255]]]


def test_a_fraction_in_the_middle_makes_all_floats(tmp_path: Path) -> None:
    plane = np.array([[1, 40000]], np.uint16)
    found = stack(tmp_path, plane, plane, plane, RescaleSlope=["1", "0.5", "2"])
    assert found.dtype == np.float32
    assert found.tolist() == [[[1, 40000]], [[0.5, 20000]], [[2, 80000]]]


def test_a_slope_of_whole_numbers_for_each_slice(tmp_path: Path) -> None:
    plane = np.array([[1, 1000]], np.int16)
    found = stack(tmp_path, plane, plane, RescaleSlope=["3", "-2"], RescaleIntercept=["1", "0"])
    assert found.dtype == np.int16
    assert found.tolist() == [[[4, 3001]], [[-2, -2000]]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("slope", ["1e20", "1e300", "-1e38"])
def test_a_slope_of_no_scanner(tmp_path: Path, slope: str) -> None:
    zeros = np.zeros((2, 3), np.uint16)
    assert np.array_equal(
        decoded(write_dicom(tmp_path / "a.dcm", zeros, RescaleSlope=slope)), zeros
    )
    path = write_dicom(tmp_path / "a.dcm", NOISE, RescaleSlope=slope)
    if slope == "1e20":
        assert np.allclose(decoded(path), NOISE * 1e20)
    else:
        with pytest.raises(DicomError, match="values no float holds: RescaleSlope") as raised:
            decoded(path)
        assert raised.value.path == str(path)


@given(
    slopes=st.lists(st.sampled_from([1.0, 2.0, -3.0, 0.5, 70000.0]), min_size=1, max_size=4),
    intercepts=st.lists(st.sampled_from([0.0, -1024.0, 1.0, 0.25]), min_size=4, max_size=4),
    kinds=st.lists(st.sampled_from(["u1", "i1", "u2", "i2", "i4"]), min_size=4, max_size=4),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_values_are_those_of_exact_arithmetic(
    slopes: list[float], intercepts: list[float], kinds: list[str], seed: int
) -> None:
    chance = np.random.default_rng(seed)
    planes = []
    for kind in kinds[: len(slopes)]:
        ends = np.iinfo(kind)
        planes.append(chance.integers(ends.min, ends.max, (2, 3), kind, endpoint=True))
    with tempfile.TemporaryDirectory() as folder:
        found = stack(
            Path(folder), *planes, RescaleSlope=[f"{one:g}" for one in slopes],
            RescaleIntercept=[f"{one:g}" for one in intercepts],
        )  # fmt: skip
    if len(slopes) == 1:
        found = found[None]
    for plane, mine, slope, intercept in zip(planes, found, slopes, intercepts, strict=False):
        wanted = plane.astype(float) * slope + intercept
        assert np.allclose(mine, wanted, rtol=3e-7 if found.dtype.kind == "f" else 0, atol=0.01)
    if found.dtype.kind != "f":
        assert np.iinfo(found.dtype).min <= found.min()


def planned(folder: Path, *planes: np.ndarray, **tags: object) -> Plan:
    slices = [
        slices_of(write_dicom(folder / f"{n}.dcm", plane, (0, 0, n), **tags))[0]
        for n, plane in enumerate(planes)
    ]
    (plan,) = lay_out(Stack(tuple(slices)), Policy())
    return plan


@pytest.mark.parametrize(
    ("tags", "kind", "settled"),
    [
        ({"BitsStored": 12, "HighBit": 11, "RescaleIntercept": "-1024"}, np.uint16, np.int16),
        ({}, np.int16, np.int16),
        ({}, np.uint16, None),
        ({"RescaleIntercept": "-1024"}, np.int16, None),
        ({"RescaleSlope": "0.5"}, np.uint16, np.float32),
        ({"RescaleSlope": "1e10"}, np.uint16, np.float32),
        ({}, np.uint8, np.uint8),
        ({"RescaleIntercept": "1"}, np.uint8, np.int16),
        ({}, np.uint32, None),
    ],
)
def test_the_type_that_headers_settle_is_kept(
    tmp_path: Path, tags: dict, kind: type, settled: type | None
) -> None:
    ends = np.iinfo(kind) if kind is not np.uint16 else np.iinfo(np.int16)
    plan = planned(tmp_path, *[np.full((2, 3), ends.max, kind)] * 2, **tags)
    promised = settled_type(plan)
    assert promised == (None if settled is None else np.dtype(settled))
    planes: list[np.ndarray] = []
    found, _ = assemble(plan, lambda plane: planes.append(plane.copy()))
    if promised is not None:
        assert found.dtype == promised
        assert np.array_equal(found, planes)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_nothing_is_promised_of_pictures_that_state_their_own_bits(
    tmp_path: Path, syntax: str
) -> None:
    path = changed_picture(write_dicom(tmp_path / "a.dcm", NOISE + np.uint16(40000)), syntax, bytes)
    whole = pydicom.dcmread(path)
    whole.BitsStored, whole.HighBit = 12, 11
    whole.save_as(path)
    (plan,) = lay_out(Stack(tuple(slices_of(path))), Policy())
    assert settled_type(plan) is None
    assert assemble(plan)[0].dtype == np.uint16


def test_constant_slices_are_told(tmp_path: Path) -> None:
    flat, full = np.full((4, 6), 7, np.int16), np.arange(24, dtype=np.int16).reshape(4, 6)
    for planes, told in (
        ([full, full + 1], []),
        ([full, flat], ["slice 2 holds a single value"]),
        ([flat, full, flat], ["slices 1, 3 hold a single value each"]),
        ([full, *[flat] * 5], ["slices 2, 3, 4 and 2 more hold a single value each"]),
    ):
        assert assemble(planned(tmp_path, *planes))[1] == told
    (note,) = assemble(planned(tmp_path, flat, flat + 1))[1]
    assert "every slice holds a single value" in note


def test_the_slice_that_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    plane = np.arange(24, dtype=np.int16).reshape(4, 6)
    paths = [write_dicom(tmp_path / f"{n}.dcm", plane, (0, 0, -n)) for n in range(3)]
    paths[1].write_bytes(paths[1].read_bytes()[:-10])
    with pytest.raises(DicomError, match="slice 2: pixel data is cut short") as raised:
        decoded(*paths)
    assert raised.value.path == str(paths[1])


def test_grey_and_colour_are_no_volume(tmp_path: Path) -> None:
    grey = np.arange(24, dtype=np.uint8).reshape(4, 6)
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    paths = [
        write_dicom(tmp_path / "0.dcm", grey),
        write_dicom(tmp_path / "1.dcm", np.stack([grey] * 3, -1), (0, 0, 1), **colour),
    ]
    for order in (paths, paths[::-1]):
        with pytest.raises(DicomError, match="grey and colour"):
            decoded(*order)


def test_colour(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 256, (4, 6, 3)).astype(np.uint8)
    colour = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    plan = planned(tmp_path, values, values[::-1], **colour)
    assert settled_type(plan) == np.uint8
    assert np.array_equal(assemble(plan)[0], [values, values[::-1]])


def test_no_memory_is_an_error_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(tmp_path, NOISE, NOISE)

    def refuse(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "empty", refuse)
    with pytest.raises(DicomError, match=r"no memory for \(2, 64, 64\) voxels"):
        assemble(plan)
