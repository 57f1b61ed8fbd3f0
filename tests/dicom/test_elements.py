"""Headers that are cut off, in another order of bytes, or hold nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from pydicom import Dataset
from pydicom.uid import DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian

from medprep.dicom import tags as reader
from medprep.dicom.blobs import Blob
from medprep.dicom.elements import is_vr
from medprep.dicom.headers import read_slices
from medprep.errors import DicomError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def test_names_of_value_representations() -> None:
    from pydicom.valuerep import STANDARD_VR

    two_letters = {bytes((a, b)) for a in range(65, 91) for b in range(65, 91)}
    assert {vr for vr in two_letters if is_vr(vr)} == {vr.encode() for vr in STANDARD_VR}
    assert not is_vr(b"")
    assert not is_vr(b"\0\0")


def test_every_cut_of_a_header_is_broken(tmp_path: Path) -> None:
    """Nothing before the pixel data may be lost without a word."""
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    content = path.read_bytes()
    pixels = content.rindex(b"\xe0\x7f\x10\x00OW") + 12
    for end in range(132, pixels):
        path.write_bytes(content[:end])
        with pytest.raises(DicomError):
            read_slices(Blob.of(path))


@pytest.mark.parametrize("implicit", [True, False])
@pytest.mark.parametrize("zeros", [8, 1000, 1 << 24])
def test_a_header_that_was_never_written_to_its_end(
    tmp_path: Path, implicit: bool, zeros: int
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    whole = pydicom.dcmread(path)
    if implicit:
        whole.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
        pydicom.dcmwrite(path, whole, implicit_vr=True, little_endian=True)
    content = path.read_bytes()
    head = content[: content.index(b"\x20\x00\x37\x00")]
    undefined = b"\xff" * 4
    vr = b"" if implicit else b"SQ\0\0"
    item = b"\x20\x00\x36\x00" + vr + undefined + b"\xfe\xff\x00\xe0" + undefined
    for begun in (b"", item):
        path.write_bytes(head + begun + bytes(zeros))
        with pytest.raises(DicomError, match="zeros at byte"):
            reader.read_tags(Blob.of(path))


@pytest.mark.parametrize(
    ("implicit", "little", "syntax"),
    [
        (True, True, reader.IMPLICIT),
        (False, True, reader.EXPLICIT),
        (False, False, reader.BIG_ENDIAN),
    ],
)
def test_the_syntax_of_files_that_do_not_state_it(
    tmp_path: Path, implicit: bool, little: bool, syntax: str
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.zeros((3, 3), np.int16), EchoTime="4.5")
    bare = Dataset(pydicom.dcmread(path))
    pydicom.dcmwrite(path, bare, implicit_vr=implicit, little_endian=little)
    tags = reader.read_tags(Blob.of(path)).tags
    assert (tags["TransferSyntaxUID"], tags["EchoTime"], tags["Rows"]) == (syntax, 4.5, 3.0)


def test_a_deflated_file_that_only_pydicom_reads(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16), EchoTime="4.5")
    whole = pydicom.dcmread(path)
    whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    inner = whole
    for _ in range(20):  # deeper than the short reader goes
        item = Dataset()
        item.is_undefined_length_sequence_item = True
        inner.ReferencedImageSequence = [item]
        inner["ReferencedImageSequence"].is_undefined_length = True
        inner = item
    whole.save_as(path)
    record = reader.read_tags(Blob.of(path))
    assert record.pixels_at == -1
    assert record.tags["TransferSyntaxUID"] == reader.DEFLATED
    assert (record.tags["EchoTime"], record.tags["Rows"]) == (4.5, 3.0)


@pytest.mark.parametrize("name", ["no_meta.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"])
def test_samples_that_hold_no_object(name: str) -> None:
    """A byte too many before the first element; nothing but private elements of group 1."""
    path = Path(pydicom.__file__).parent / "data" / "test_files" / name
    with pytest.raises(DicomError, match="not readable as DICOM"):
        reader.read_tags(Blob.of(path))
