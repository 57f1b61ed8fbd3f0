"""Phantom patients in the layout of CHAOS, with the traps of its headers.

Equal arguments give equal bytes: chance comes from the seed and the patient's number alone, UIDs
are hashes of them, pixels are rounded far above float noise, and what is packed is packed in a way
that does not change from one build of a library to another.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError, WriteError
from medprep.files import PART, AtomicFiles
from medprep.geometry import Geometry
from medprep.sources.phantom_anatomy import LIVER, Abdomen, Contrast, cut, draw_abdomen, paint

if TYPE_CHECKING:
    from pydicom import Dataset

Modality = Literal["MR", "CT"]
Trap = Literal[
    "implicit", "explicit", "own-series-uids", "oblique", "strangers", "comma-names",
    "z-descends", "intercept-1000",
]  # fmt: skip
TRAPS: dict[tuple[Modality, int], frozenset[Trap]] = {
    ("MR", 1): frozenset({"implicit"}),
    ("MR", 2): frozenset({"explicit", "own-series-uids"}),
    ("MR", 3): frozenset({"oblique"}),
    ("MR", 5): frozenset({"strangers"}),
    ("CT", 2): frozenset({"implicit", "comma-names", "z-descends"}),
    ("CT", 5): frozenset({"explicit", "intercept-1000"}),
}
"""What is odd about which patient; where no syntax is named, pixels are RLE Lossless."""

_GREY_STEP = 63
"""MR masks hold label times this (CHAOS: 0, 63, 126, 189, 252)."""
_STRANGERS = {"Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".DS_Store": b"\0\0\0\1Bud1"}
_SMALLEST = 32


@dataclass(frozen=True)
class _Protocol:
    """One series of a patient: where it goes, how files are named, what its headers claim.

    The n-th slice of the file names has the number ``first + n * step``.
    """

    contrast: Contrast
    folder: str
    picture: str
    first: int
    step: int
    echo_ms: float = 0.0
    echo: int = 1


_T1 = (
    _Protocol("t1in", "T1DUAL/DICOM_anon/InPhase", "IMG-0004-{:05d}.dcm", 2, 2, 4.6, 2),
    _Protocol("t1out", "T1DUAL/DICOM_anon/OutPhase", "IMG-0004-{:05d}.dcm", 1, 2, 2.3, 1),
)
_T2 = (_Protocol("t2", "T2SPIR/DICOM_anon", "IMG-0002-{:05d}.dcm", 1, 1, 70.0),)
_CT = _Protocol("ct", "DICOM_anon", "IMG-0002-{:05d}.dcm", 1, 1)
_CT_COMMA = _Protocol("ct", "DICOM_anon", "i{:04d},0000b.dcm", 30, 1)


@dataclass(frozen=True)
class _Patient:
    modality: Modality
    number: int
    seed: int

    @property
    def traps(self) -> frozenset[Trap]:
        return TRAPS.get((self.modality, self.number), frozenset())

    def chance(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.modality == "CT", self.number, stream])

    def uid(self, *parts: object) -> str:
        from pydicom.uid import generate_uid

        words = ("medprep phantom", self.seed, self.modality, self.number, *parts)
        return str(generate_uid(entropy_srcs=["/".join(map(str, words))]))

    def body(self, height_mm: float) -> Abdomen:
        return draw_abdomen(self.chance(0), height_mm)


def make_chaos(
    folder: Path,
    *,
    seed: int = 2026,
    mr_patients: Sequence[int] = (1, 2, 3, 5, 8, 10, 13, 15, 19, 20),
    unlabelled: Sequence[int] = (4, 6),
    ct_patients: Sequence[int] = (1, 2, 5),
    slices: tuple[int, int] = (12, 16),
    size: int = 96,
) -> None:
    """Write phantom patients in the CHAOS layout: ``Train_Sets`` and ``Test_Sets``.

    Parameters
    ----------
    folder
        New or empty.
    seed
        Another one gives other patients; a patient does not depend on which others are made.
    mr_patients, ct_patients
        Numbers of the patients with masks. MR has T1 in and out of phase, and T2.
    unlabelled
        Numbers of MR patients without masks: T1 only, of the fewest slices.
    slices
        Fewest and most slices of a series.
    size
        Rows and columns of a slice.

    Raises
    ------
    OptionError
        If a patient's number is below 1 or stands twice, or seed, slices or size are too low.
    WriteError
        If the folder is not empty or cannot be written.
    """
    _check_options(seed, [*mr_patients, *unlabelled], ct_patients, slices, size)
    _check_empty(folder)
    with AtomicFiles() as files:
        if mr_patients or ct_patients:
            train = files.folder(folder / "Train_Sets")
            for number in mr_patients:
                patient = _Patient("MR", number, seed)
                _write_mr(train / "MR" / str(number), patient, slices, size, labelled=True)
            for number in ct_patients:
                patient = _Patient("CT", number, seed)
                _write_ct(train / "CT" / str(number), patient, slices, size)
        if unlabelled:
            test = files.folder(folder / "Test_Sets")
            for number in unlabelled:
                patient, few = _Patient("MR", number, seed), (slices[0], slices[0])
                _write_mr(test / "MR" / str(number), patient, few, size, labelled=False)


def _check_options(
    seed: int, mr: Sequence[int], ct: Sequence[int], slices: tuple[int, int], size: int
) -> None:
    if seed < 0:
        raise OptionError(f"seed is {seed}; wanted is 0 or more")
    for modality, numbers in (("MR", mr), ("CT", ct)):
        if len(set(numbers)) < len(numbers) or min(numbers, default=1) < 1:
            raise OptionError(
                f"{modality} patients are {list(numbers)}; wanted are different numbers above 0"
            )
    if not 1 <= slices[0] <= slices[1]:
        raise OptionError(f"slices run from {slices[0]} to {slices[1]}; wanted is 1 <= low <= high")
    if size < _SMALLEST:
        raise OptionError(f"size is {size}; wanted is {_SMALLEST} pixels or more")


def _check_empty(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WriteError("this is a file; wanted is a new or empty folder", path=folder)
    found = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    kept = [name for name in found if not name.endswith(PART)]
    if kept:
        raise WriteError(
            f"the folder is not empty (it holds '{kept[0]}'); wanted is a new or empty one",
            path=folder,
        )


def _write_mr(
    place: Path, patient: _Patient, slices: tuple[int, int], size: int, *, labelled: bool
) -> None:
    rng = patient.chance(1)
    height, gain = rng.uniform(190, 210), rng.uniform(220, 400)
    body = patient.body(height)
    tilt_deg = 8.0 if "oblique" in patient.traps else 0.0
    for protocols in (_T1, _T2) if labelled else (_T1,):
        count = int(rng.integers(slices[0], slices[1] + 1))
        grid = _grid(count, size, height / count, rng.uniform(368, 384) / size, tilt_deg)
        sections = cut(body, grid)
        for protocol in protocols:
            signal = np.rint(gain * paint(sections, protocol.contrast, rng))
            header = _mr_header(patient, protocol, grid, gain)
            _write_series(place, patient, protocol, header, signal, grid)
        if labelled:
            ground = _made(place / protocols[0].folder.split("/")[0] / "Ground")
            for number, labels in zip(_numbers(protocols[0], count), sections.labels, strict=True):
                name = protocols[0].picture.format(number).replace(".dcm", ".png")
                _write_png(ground / name, labels * _GREY_STEP, 8)


def _write_ct(place: Path, patient: _Patient, slices: tuple[int, int], size: int) -> None:
    rng = patient.chance(1)
    count = int(rng.integers(slices[0], slices[1] + 1))
    grid = _grid(count, size, 2.0, rng.uniform(368, 384) / size, 0.0)
    sections = cut(patient.body(2.0 * count), grid)
    intercept = -1000 if "intercept-1000" in patient.traps else -1024
    stored = np.rint(paint(sections, "ct", rng)) - intercept
    labels = (sections.labels == LIVER).astype(np.uint8)
    if "z-descends" in patient.traps:
        stored, labels = stored[::-1], labels[::-1]
    protocol = _CT_COMMA if "comma-names" in patient.traps else _CT
    _write_series(place, patient, protocol, _ct_header(patient, intercept), stored, grid)
    ground = _made(place / "Ground")
    first = protocol.first - (protocol is _CT)  # the masks of CHAOS count from 0
    for number, plane in enumerate(labels, first):
        _write_png(ground / f"liver_GT_{number:03d}.png", plane, 1)


def _grid(count: int, size: int, step_mm: float, pixel_mm: float, tilt_deg: float) -> Geometry:
    """Give an axial stack around the scanner's centre, turned about the left-right axis."""
    cosine, sine = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    direction = np.array([[0, 0, 1], [-sine, cosine, 0], [cosine, sine, 0]], np.float64)
    spacing = np.array([round(step_mm, 2), round(pixel_mm, 4), round(pixel_mm, 4)])
    shape = (count, size, size)
    origin = -(direction * spacing) @ ((np.array(shape) - 1) / 2)
    return Geometry.from_parts(shape, spacing.tolist(), origin.tolist(), direction)


def _numbers(protocol: _Protocol, count: int) -> range:
    return range(protocol.first, protocol.first + count * protocol.step, protocol.step)
