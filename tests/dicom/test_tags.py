"""The short reader and pydicom must read one file alike."""

from __future__ import annotations

import struct
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_dicom
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from medprep.dicom import tags as reader
from medprep.dicom.blobs import Blob
from medprep.dicom.elements import Unreadable
from medprep.dicom.headers import looks_like_dicom, read_slices
from medprep.dicom.pixels import read_stored
from medprep.errors import DicomError

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SAMPLES = sorted(
    path
    for path in Path(pydicom.__file__).parent.joinpath("data", "test_files").rglob("*")
    if path.is_file()
)


def compare(path: Path) -> bool:
    """Compare both readers on a file; False where the short one hands it to pydicom."""
    blob = Blob.of(path)
    with blob.open() as handle:
        try:
            short = reader._short_read(handle, blob)
        except (Unreadable, DicomError):
            return False
    if not {"SOPClassUID", "MediaStorageSOPClassUID", "Rows"} & short.tags.keys():
        return True  # of no use to anybody: what pydicom finds is refused
    long = reader._by_pydicom(blob, "")
    if short.tags["TransferSyntaxUID"] == reader.DEFLATED:  # pydicom sees what was inflated
        for one in (short, long):
            one.tags.pop("TransferSyntaxUID")
            one.tags.pop("MediaStorageSOPClassUID", None)
    ours, theirs = (
        {k: v for k, v in one.tags.items() if k != "FloatPixels"} for one in (short, long)
    )
    assert same(ours, theirs), {k: (ours.get(k), theirs.get(k)) for k in ours | theirs}
    dataset = pydicom.dcmread(path, force=True)
    if short.pixels_at > 0 and "TransferSyntaxUID" in short.tags:
        content = path.read_bytes()[short.pixels_at :]
        pixels = next(dataset[name].value for name in PIXELS if name in dataset)
        if short.pixels_bytes > 0:
            assert content[: short.pixels_bytes] == pixels[: short.pixels_bytes]
        else:
            assert content[: len(pixels)] == pixels
    return True


PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return repr(sorted(one.items())) == repr(sorted(other.items()))  # NaN is NaN here


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_of_pydicom(path: Path) -> None:
    try:
        pydicom.dcmread(path, stop_before_pixels=True)
    except Exception:
        pytest.skip("pydicom does not read it without force")
    compare(path)


FORBIDDEN_GROUP = {"meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"}
"""Their data sets begin with the group 0001, which no data set may hold (PS3.5 7.8)."""


def test_pydicom_is_handed_big_endian_samples_and_two_odd_ones() -> None:
    marked = [path for path in SAMPLES if is_marked(path)]
    handed, refused = handed_and_refused(marked)
    assert handed == big_endian(marked) | {p for p in marked if p.name in FORBIDDEN_GROUP}
    assert {path.name for path in refused} == {"rtplan_truncated.dcm"}
    assert all(compare(path) for path in set(marked) - handed - refused)


def handed_and_refused(paths: list[Path]) -> tuple[set[Path], set[Path]]:
    """Give the files that the short reader hands to pydicom, and those that it calls broken."""

    class HandedError(Exception):
        pass

    def hand(*_: object) -> None:
        raise HandedError

    handed, refused = set(), set()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_by_pydicom", hand)
        for path in paths:
            try:
                reader.read_tags(Blob.of(path))
            except HandedError:
                handed.add(path)
            except DicomError:
                refused.add(path)
    return handed, refused


def big_endian(paths: list[Path]) -> set[Path]:
    metas = {path: pydicom.filereader.read_file_meta_info(path) for path in paths}
    return {p for p, meta in metas.items() if meta.get("TransferSyntaxUID") == reader.BIG_ENDIAN}


def is_marked(path: Path) -> bool:
    return path.read_bytes()[128:132] == b"DICM"


@pytest.mark.realdata
def test_of_real_files_pydicom_is_handed_the_big_endian_ones(real_data: Path) -> None:
    files = [path for path in real_data.rglob("*.dcm") if is_marked(path)]
    assert len(files) > 300
    assert handed_and_refused(files) == (big_endian(files), set())
    assert all(compare(path) for path in set(files) - big_endian(files))


def test_a_deflated_data_set_is_inflated_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    whole = pydicom.dcmread(path)
    whole.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    whole.save_as(path)
    begun = []
    inflate = zlib.decompressobj
    monkeypatch.setattr(zlib, "decompressobj", lambda *w: begun.append(w) or inflate(*w))
    blob = Blob.of(path)
    _, (one,) = read_slices(blob)
    assert reader.read_dataset(blob).Rows == 3
    assert np.array_equal(read_stored(one), np.eye(3))
    assert len(begun) == 1


def test_a_deflated_data_set_that_begins_nowhere_is_told(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    content = bytearray(path.read_bytes())
    content[136:138] = b"??"  # the VR of the group's length
    path.write_bytes(content)
    with pytest.raises(DicomError, match="where its deflated data set begins"):
        reader.inflated(Blob.of(path))


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    for name in ("a.dcm", "b.IMA", "c.Dicom"):
        (tmp_path / name).touch()
        assert looks_like_dicom(tmp_path / name)
        with pytest.raises(DicomError, match="the file is empty"):
            reader.read_tags(Blob.of(tmp_path / name))
    (tmp_path / "d").touch()
    with pytest.raises(reader.NoDicomError):
        reader.read_tags(Blob.of(tmp_path / "d"))


text = st.text("ABC xyz0123456789.^=-", max_size=20)


@st.composite
def datasets(draw: st.DrawFn, depth: int = 0) -> Dataset:
    """Make a data set of sequences, private blocks and plain tags, some of them wanted."""
    made = Dataset()
    made.PatientName = draw(text)
    made.ImageComments = draw(text)
    made.EchoTime = draw(st.floats(0, 1e4).map(lambda x: f"{x:.6g}"))
    made.ImageType = draw(st.lists(st.sampled_from(["A", "PRIMARY", "M B"]), max_size=4))
    made.DiffusionBValue = draw(st.floats(0, 3000))
    block = made.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0C, "IS", str(draw(st.integers(0, 3000))))
    block.add_new(0x0E, "FD", draw(st.lists(st.floats(-1, 1), min_size=3, max_size=3)))
    block.add_new(0x30, "OB", draw(st.binary(max_size=30).filter(lambda x: len(x) % 2 == 0)))
    if depth < 3:
        for name in ("ReferencedImageSequence", "RequestAttributesSequence"):
            items = draw(st.lists(datasets(depth=depth + 1), max_size=2))
            made.add(pydicom.DataElement(name, "SQ", Sequence(items)))
            made[name].is_undefined_length = draw(st.booleans())
            for item in items:
                item.is_undefined_length_sequence_item = draw(st.booleans())
    return made


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(made=datasets(), implicit=st.booleans())
def test_made_files(made: Dataset, implicit: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_dicom(Path(folder) / "a.dcm", np.arange(6, dtype=np.int16).reshape(2, 3))
        whole = pydicom.dcmread(path)
        whole.update(made)
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        whole.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(path, whole, implicit_vr=implicit, little_endian=True)
        assert compare(path)


def test_without_preamble_and_meta(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16), EchoTime="4.5")
    whole = pydicom.dcmread(path)
    for implicit in (False, True):
        bare = tmp_path / f"bare{implicit}"
        data = Dataset(whole)
        pydicom.dcmwrite(bare, data, implicit_vr=implicit, little_endian=True)
        record = reader.read_tags(Blob.of(bare))
        assert record.tags["EchoTime"] == 4.5
        assert record.pixels_bytes == 18


@pytest.mark.parametrize("length", [0xFFFFFFF0, 0x7FFFFFFF, 1 << 16])
def test_a_length_that_runs_past_the_end(tmp_path: Path, length: int) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    content = path.read_bytes()
    at = content.index(b"\x28\x00\x30\x00DS")  # PixelSpacing becomes a long element
    path.write_bytes(
        content[: at + 4] + b"OB\0\0" + length.to_bytes(4, "little") + content[at + 8 :]
    )
    with pytest.raises(DicomError):
        reader.read_tags(Blob.of(path))


def test_a_deflate_bomb_is_not_inflated(tmp_path: Path) -> None:
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    content = path.read_bytes()
    meta = content[: content.index(b"\x08\x00\x16\x00")]
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join(packer.compress(b"\0" * (1 << 20)) for _ in range(1100)) + packer.flush()
    deflated = meta.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    size = int.from_bytes(meta[140:144], "little") + 2
    at = meta.index(b"\x02\x00\x10\x00UI") + 6
    fixed = deflated[:140] + size.to_bytes(4, "little") + deflated[144:at]
    fixed += (22).to_bytes(2, "little") + deflated[at + 2 :]
    path.write_bytes(fixed + packed)
    with pytest.raises(DicomError, match="deflated bytes become more than"):
        reader.read_tags(Blob.of(path))


def element(tag: str, value: bytes, vr: str = "", length: int | None = None) -> bytes:
    """Give the bytes of an element; implicit where it has no VR."""
    group, number = (int(part, 16) for part in tag.split(","))
    size = len(value) if length is None else length
    head = struct.pack("<HH", group, number) + vr.encode()
    if not vr or vr in ("OB", "OW", "SQ", "UN", "UT"):
        return head + (b"\0\0" if vr else b"") + struct.pack("<I", size) + value
    return head + struct.pack("<H", size) + value


UNDEFINED = 0xFFFFFFFF
ITEM_END, SEQUENCE_END = element("FFFE,E00D", b""), element("FFFE,E0DD", b"")


def item(content: bytes, *, defined: bool = True) -> bytes:
    if defined:
        return element("FFFE,E000", content)
    return element("FFFE,E000", content, length=UNDEFINED) + ITEM_END


def sequence(*items: bytes, vr: str = "SQ", tag: str = "0029,1030") -> bytes:
    return element(tag, b"".join(items) + SEQUENCE_END, vr, UNDEFINED)


nested = element("0018,0081", b"99", "DS") + element("0028,0010", b"\7\0", "US")
nested_implicit = element("0018,0081", b"99") + element("0028,0010", b"\7\0")
icon = element("7FE0,0010", item(b"") + item(b"\xff\xd8\xff\xd9") + SEQUENCE_END, "OB", UNDEFINED)
creator = element("0029,0010", b"MAKER ", "LO")


@pytest.mark.parametrize(
    "inserted",
    [
        sequence(item(nested), item(nested, defined=False)),
        sequence(item(nested_implicit), item(nested_implicit, defined=False), vr="UN"),
        sequence(item(sequence(item(nested, defined=False)), defined=False)),
        sequence(item(sequence(item(nested_implicit), vr=""), defined=False), vr="UN"),
        sequence(item(nested + icon, defined=False)),
        sequence(item(b""), item(b"", defined=False)),
        sequence(),
        element("0029,1030", item(nested), "SQ"),
        element("0029,1030", item(nested, defined=False), "UN"),
        element("0029,1030", b"\xfe\xff\xdd\xe0" * 3, "OB"),
        element("0029,1030", b"", "SQ"),
        element("0029,1030", bytes(70000), "OB"),
        element("0029,1031", b"x" * 8179, "UT"),
    ],
)
def test_what_lies_between(tmp_path: Path, inserted: bytes) -> None:
    pixels = np.arange(12, dtype=np.int16).reshape(3, 4)
    path = write_dicom(tmp_path / "a.dcm", pixels, EchoTime="4.5", WindowCenter="5")
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(content[:at] + creator + inserted + content[at:])
    assert compare(path)
    record = reader.read_tags(Blob.of(path))
    assert record.tags["EchoTime"] == 4.5
    assert record.tags["Rows"] == 3.0
    assert path.read_bytes()[record.pixels_at :] == pixels.tobytes()


@settings(max_examples=80, derandomize=True)
@given(padding=st.integers(8000, 8400), wanted=st.booleans())
def test_no_place_in_the_window_is_special(padding: int, wanted: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_dicom(Path(folder) / "a.dcm", np.eye(3, dtype=np.int16), EchoTime="4.5")
        content = path.read_bytes()
        at = content.index(b"\x28\x00\x02\x00US")
        filler = element("0019,1030", bytes(padding // 2 * 2), "OB")
        more = element("0020,0100", b"7 ", "IS") if wanted else b""
        path.write_bytes(content[:at] + filler + more + content[at:])
        assert compare(path)


def test_sequences_too_deep_for_the_short_reader(tmp_path: Path) -> None:
    inner = nested
    for _ in range(40):
        inner = sequence(item(inner, defined=False))
    path = write_dicom(tmp_path / "a.dcm", np.eye(3, dtype=np.int16))
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\x00OW")
    path.write_bytes(content[:at] + creator + inner + content[at:])
    assert not compare(path)
    assert reader.read_tags(Blob.of(path)).tags["Rows"] == 3.0
