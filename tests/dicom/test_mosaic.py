"""Siemens mosaics: tiles of one picture as slices."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multiframe import require_same_places

from medprep.dicom.blobs import Blob
from medprep.dicom.dictionary import Tags
from medprep.dicom.mosaic import csa_values, tile_tags
from medprep.dicom.tags import read_tags
from medprep.errors import DicomError

NAMES = ("NumberOfImagesInMosaic", "SliceNormalVector")
Values = dict[str, list[str]]


def csa(values: Values, *, newer: bool = True, items: int = 6) -> bytes:
    """Build a CSA header as nibabel's documentation describes it, each tag with spare items."""
    content = b"SV10\4\3\2\1" if newer else b""
    content += struct.pack("<2I", len(values), 77)
    for name, texts in values.items():
        content += struct.pack("<64si4s3i", name.encode(), len(texts), b"FD", 4, items, 77)
        for number in range(items):
            text = texts[number].encode() + b"\0" if number < len(texts) else b""
            length = len(text)
            first = length if newer else length + items
            content += struct.pack("<4i", first, length, 77, length)
            content += text + b"\0" * (-length % 4)
    return content


def header(count: str = "5", normal: tuple[str, ...] = ("0", "0", "1"), **form: Any) -> bytes:
    return csa({"EchoLinePosition": ["32"], NAMES[0]: [count], NAMES[1]: list(normal)}, **form)


def mosaic(**changes: Any) -> Tags:
    """Give five tiles of 4 x 6 pixels in three rows of three; a tag of value None is left out."""
    tags = {
        "ImageType": ("ORIGINAL", "PRIMARY", "M", "MOSAIC"),
        "Rows": 12.0,
        "Columns": 18.0,
        "ImagePositionPatient": (-100.0, -50.0, 30.0),
        "ImageOrientationPatient": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        "PixelSpacing": (2.0, 3.0),
        "SpacingBetweenSlices": 4.5,
        "SliceThickness": 4.0,
        "EchoTime": 30.0,
        "SiemensImageHeader": header(),
        **changes,
    }
    return {name: value for name, value in tags.items() if value is not None}


def test_tiles_lie_in_rows_and_step_along_the_normal() -> None:
    tiles = tile_tags(mosaic())
    offsets = [(tile["TileRow"], tile["TileColumn"]) for tile in tiles]
    assert offsets == [(0, 0), (0, 6), (0, 12), (4, 0), (4, 6)]
    assert all(type(number) is int for offset in offsets for number in offset)
    for number, tile in enumerate(tiles):
        assert (tile["Rows"], tile["Columns"], tile["FrameIndex"]) == (4.0, 6.0, 0)
        # 8 rows of 2 mm and 12 columns of 3 mm are not the tile's; half of them lie before it.
        assert tile["ImagePositionPatient"] == (-82.0, -42.0, 30 + 4.5 * number)
        assert all(type(value) is float for value in tile["ImagePositionPatient"])
        assert (tile["SpacingBetweenSlices"], tile["EchoTime"]) == (4.5, 30.0)


def test_what_is_handed_in_stays_as_it_was() -> None:
    given_tags = mosaic()
    before = dict(given_tags)
    tile_tags(given_tags)
    assert given_tags == before


@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 30),
    tile=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    down=st.booleans(),
)
@settings(max_examples=50)
def test_the_middle_of_the_picture_is_the_middle_of_the_first_tile(
    seed: int, count: int, tile: tuple[int, int], down: bool
) -> None:
    chance = np.random.default_rng(seed)
    turned = np.linalg.qr(chance.normal(size=(3, 3)))[0]
    along_row, along_column = turned[0], turned[1]
    normal = np.cross(along_row, along_column) * (-1 if down else 1)
    side = next(n for n in range(1, 9) if n * n >= count)
    spacing, corner = chance.uniform(0.5, 4, 2), chance.normal(size=3) * 100
    tiles = tile_tags(
        mosaic(
            Rows=float(side * tile[0]),
            Columns=float(side * tile[1]),
            ImagePositionPatient=tuple(corner.tolist()),
            ImageOrientationPatient=(*along_row.tolist(), *along_column.tolist()),
            PixelSpacing=tuple(spacing.tolist()),
            SiemensImageHeader=header(str(count), tuple(f"{one:.12f}" for one in normal)),
        )
    )

    def middle(start: Any, rows: float, columns: float) -> Any:
        return (
            np.array(start)
            + (rows - 1) / 2 * spacing[0] * along_column
            + (columns - 1) / 2 * spacing[1] * along_row
        )

    whole = middle(corner, side * tile[0], side * tile[1])
    assert len(tiles) == count
    for number, one in enumerate(tiles):
        expected = whole + 4.5 * number * normal
        assert np.allclose(middle(one["ImagePositionPatient"], *tile), expected, atol=1e-6)
        assert (one["TileRow"], one["TileColumn"]) == (
            number // side * tile[0],
            number % side * tile[1],
        )


def test_without_spacing_the_thickness_stands_in() -> None:
    tiles = tile_tags(mosaic(SpacingBetweenSlices=None))
    assert tiles[1]["ImagePositionPatient"][2] == 34


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"SiemensImageHeader": None}, r"\(0029,1010\) lacks NumberOfImagesInMosaic"),
        ({"SiemensImageHeader": csa({NAMES[1]: ["0", "0", "1"]})}, "lacks NumberOfImagesInMosaic"),
        ({"SiemensImageHeader": csa({NAMES[0]: ["5"]})}, "lacks SliceNormalVector"),
        ({"SiemensImageHeader": header(normal=("0", "1"))}, "lacks SliceNormalVector"),
        ({"SiemensImageHeader": header(normal=("0", "x", "1"))}, "lacks SliceNormalVector"),
        ({"SiemensImageHeader": header("nan")}, "lacks NumberOfImagesInMosaic"),
        ({"SiemensImageHeader": header("0")}, "a mosaic of 0 tiles; wanted are 1 to 1024"),
        ({"SiemensImageHeader": header("-4")}, "a mosaic of -4 tiles"),
        ({"SiemensImageHeader": header("2.5")}, r"a mosaic of 2\.5 tiles"),
        ({"SiemensImageHeader": header("4e9"), "Rows": 65536.0, "Columns": 65536.0}, "4e.09 tiles"),
        ({"SiemensImageHeader": header("17")}, "17 tiles do not fit a mosaic of 12 x 18 pixels"),
        ({"SiemensImageHeader": header(normal=("0", "0", "0"))}, "not across its slices"),
        ({"SiemensImageHeader": header(normal=("1", "0", "0"))}, "not across its slices"),
        ({"SiemensImageHeader": header(normal=("3", "0", "1"))}, "not across its slices"),
        ({"Rows": None}, "Rows is missing; wanted is a finite number"),
        ({"Columns": "many"}, "Columns is 'many'"),
        (
            {"ImagePositionPatient": None},
            "ImagePositionPatient is missing; .* 3 finite",
        ),
        ({"ImageOrientationPatient": (1.0,)}, "ImageOrientationPatient .* 6 finite numbers"),
        ({"PixelSpacing": (1.0, float("inf"))}, "PixelSpacing .* 2 finite numbers"),
        ({"SpacingBetweenSlices": 0.0}, r"0\.0 mm apart; wanted is above 0"),
        ({"SpacingBetweenSlices": None, "SliceThickness": None}, "None mm apart"),
    ],
)
def test_what_does_not_say_where_tiles_lie_is_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DicomError, match=told):
        tile_tags(mosaic(**changes))


@pytest.mark.parametrize("newer", [True, False])
def test_both_forms_of_the_header(newer: bool) -> None:
    values = {"First": ["abc", "de"], "Second": [], "Third": ["-0.0123", "", "0.5"]}
    found = csa_values(csa(values, newer=newer), ("First", "Second", "Third", "Fourth"))
    assert found == {"First": ("abc", "de"), "Second": (), "Third": ("-0.0123", "0.5")}
    assert tile_tags(mosaic(SiemensImageHeader=header(newer=newer))) == [
        {**tile, "SiemensImageHeader": header(newer=newer)} for tile in tile_tags(mosaic())
    ]


def test_in_the_older_form_a_wrong_length_ends_the_values_of_its_tag_only() -> None:
    content = csa({"First": ["1"], NAMES[0]: ["5"]}, newer=False, items=1)
    length_at = 8 + 84
    cut = content[: length_at + 16] + content[length_at + 20 :]  # its text is not there
    for wrong in (0, 2**31 - 1):
        damaged = cut[:length_at] + struct.pack("<i", wrong) + cut[length_at + 4 :]
        assert csa_values(damaged, NAMES) == {NAMES[0]: ("5",)}


@pytest.mark.parametrize("newer", [True, False])
def test_a_header_cut_short_or_with_any_length_never_does_harm(newer: bool) -> None:
    content = header(newer=newer)
    whole = csa_values(content, NAMES)
    assert set(whole) == set(NAMES)
    for end in range(len(content)):
        for name, values in csa_values(content[:end], NAMES).items():
            assert values == whole[name][: len(values)]
    for at in range(0, len(content) - 4, 4):
        for lie in (b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0" * 4, b"\xff\0\0\0"):
            csa_values(content[:at] + lie + content[at + 4 :], NAMES)


@given(st.binary(max_size=400), st.booleans())
def test_rubbish_is_no_header(content: bytes, marked: bool) -> None:
    assert csa_values(b"SV10" * marked + content, NAMES) == {}


def tiles_of(path: Path) -> list[Tags]:
    return tile_tags(read_tags(Blob.of(path)).tags)


@pytest.mark.realdata
@pytest.mark.parametrize("number", range(1, 10))
def test_every_voxel_lies_where_dcm2niix_puts_it(real_data: Path, number: int) -> None:
    path = real_data / "dcmqa_ts" / "In" / f"{number}.dcm"
    tiles = tiles_of(path)
    assert len(tiles) == 35
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = pydicom.dcmread(path).pixel_array
    cut = [
        whole[row : row + int(tile["Rows"]), column : column + int(tile["Columns"])]
        for tile in tiles
        for row, column in [(tile["TileRow"], tile["TileColumn"])]
    ]
    reference = nibabel.load(real_data / "dcmqa_ts" / "Ref" / f"{number}.nii")
    voxels = np.asarray(reference.dataobj)
    require_same_places(zip(tiles, cut, strict=True), voxels, reference.affine)


@pytest.mark.realdata
def test_header_and_positions_are_those_of_nibabel(real_data: Path) -> None:
    path = real_data / "dcmqa_ts" / "In" / "1.dcm"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nibabel.nicom import csareader
        from nibabel.nicom.dicomwrappers import MosaicWrapper

        witness = MosaicWrapper(pydicom.dcmread(path))
        content = read_tags(Blob.of(path)).tags["SiemensImageHeader"]
        theirs = csareader.read(content)["tags"]
    ours = csa_values(content, tuple(theirs))
    assert set(ours) == set(theirs)
    for name, tag in theirs.items():
        kind = type(tag["items"][0]) if tag["items"] else str
        assert [kind(text) for text in ours[name]] == [one for one in tag["items"] if one != ""]
    first, second = (np.array(tile["ImagePositionPatient"]) for tile in tiles_of(path)[:2])
    assert np.allclose(first, witness.image_position, atol=1e-6)
    assert np.allclose(second - first, witness.slice_normal * witness.voxel_sizes[2], atol=1e-6)
