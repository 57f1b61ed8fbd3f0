"""Phantom patients in the layout of CHAOS, with the traps of its files.

Equal arguments give equal bytes: chance comes from the seed and the patient's number alone, UIDs
are hashes of them, pixels are rounded far above float noise, and what is packed is packed in a way
that does not change from one build of a library to another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from medprep.errors import OptionError, WriteError
from medprep.files import AtomicFiles
from medprep.geometry import Geometry
from medprep.sources.phantom_anatomy import LIVER, cut, draw_abdomen
from medprep.sources.phantom_files import Modality, Patient, Series, Syntax, write_mask
from medprep.sources.phantom_paint import Contrast, paint

Trap = Literal[
    "implicit", "explicit", "own-series-uids", "oblique", "strangers", "comma-names",
    "z-descends", "intercept-1000",
]  # fmt: skip
TRAPS: dict[tuple[Modality, int], frozenset[Trap]] = {
    ("MR", 1): frozenset({"implicit"}),
    ("MR", 2): frozenset({"own-series-uids"}),
    ("MR", 3): frozenset({"oblique"}),
    ("MR", 5): frozenset({"strangers"}),
    ("CT", 2): frozenset({"implicit", "comma-names", "z-descends"}),
    ("CT", 5): frozenset({"explicit", "intercept-1000"}),
}
"""What is odd about which patient; where no syntax is named, pixels are RLE Lossless."""

_GREY_STEP = 63
"""MR masks hold label times this (CHAOS: 0, 63, 126, 189, 252)."""
_CT_STEP_MM = 2.0
_STRANGERS = {"Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", ".DS_Store": b"\0\0\0\1Bud1"}
_SMALLEST = 32


@dataclass(frozen=True)
class _Protocol:
    """How a contrast is measured, and where it goes: slice n has number ``first + n * step``."""

    contrast: Contrast
    acquisition: str
    folder: str
    name: str
    first: int
    step: int
    echo_ms: float
    echo: int


_T1DUAL = (
    _Protocol("t1in", "T1DUAL", "DICOM_anon/InPhase", "IMG-0004-{:05d}", 2, 2, 4.6, 2),
    _Protocol("t1out", "T1DUAL", "DICOM_anon/OutPhase", "IMG-0004-{:05d}", 1, 2, 2.3, 1),
)
_T2SPIR = (_Protocol("t2", "T2SPIR", "DICOM_anon", "IMG-0002-{:05d}", 1, 1, 70.0, 1),)


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
                _write_mr(train, Patient("MR", number, seed), slices, size, labelled=True)
            for number in ct_patients:
                _write_ct(train, Patient("CT", number, seed), slices, size)
        if unlabelled:
            test = files.folder(folder / "Test_Sets")
            few = (slices[0], slices[0])
            for number in unlabelled:
                _write_mr(test, Patient("MR", number, seed), few, size, labelled=False)


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
    names = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if names:
        raise WriteError(
            f"the folder is not empty (it holds '{names[0]}'); wanted is a new or empty one",
            path=folder,
        )


def _write_mr(
    root: Path, patient: Patient, slices: tuple[int, int], size: int, *, labelled: bool
) -> None:
    place, traps = _place(root, patient), _traps(patient)
    rng = patient.chance(1)
    height_mm, gain = rng.uniform(190, 210), rng.uniform(220, 400)
    body = draw_abdomen(patient.chance(0), height_mm)
    for protocols in (_T1DUAL, _T2SPIR) if labelled else (_T1DUAL,):
        count = int(rng.integers(slices[0], slices[1] + 1))
        tilt_deg = 8.0 if "oblique" in traps else 0.0
        grid = _grid(count, size, height_mm / count, rng.uniform(368, 384) / size, tilt_deg)
        sections = cut(body, grid)
        for protocol in protocols:
            series = Series(
                patient,
                protocol.acquisition,
                grid,
                _syntax(patient),
                window=(0.55 * gain, 1.1 * gain),
                own_uids="own-series-uids" in traps,
                echo_ms=protocol.echo_ms,
                echo=protocol.echo,
            )
            pictures = _made(place / protocol.acquisition / protocol.folder)
            signal = np.rint(gain * paint(sections, protocol.contrast, rng))
            for index, number, name in _files(protocol, count):
                series.write(pictures / f"{name}.dcm", signal[index], index, number)
            if "strangers" in traps:
                _write_strangers(pictures)
        if labelled:
            masks = _made(place / protocols[0].acquisition / "Ground")
            for index, _, name in _files(protocols[0], count):
                write_mask(masks / f"{name}.png", sections.labels[index] * _GREY_STEP, 8)


def _write_ct(root: Path, patient: Patient, slices: tuple[int, int], size: int) -> None:
    place, traps = _place(root, patient), _traps(patient)
    rng = patient.chance(1)
    count = int(rng.integers(slices[0], slices[1] + 1))
    grid = _grid(count, size, _CT_STEP_MM, rng.uniform(368, 384) / size, 0.0)
    # Two millimetres a slice as in CHAOS, so the whole abdomen is pressed flat.
    sections = cut(draw_abdomen(patient.chance(0), _CT_STEP_MM * count), grid)
    intercept = -1000 if "intercept-1000" in traps else -1024
    stored = np.rint(paint(sections, "ct", rng)) - intercept
    series = Series(
        patient,
        "ABDOMEN",
        grid,
        _syntax(patient),
        window=(50, 400),
        origin_mm=(0.0, 0.0, round(rng.uniform(800, 1600), 1)),
        intercept=intercept,
    )
    pictures, masks = _made(place / "DICOM_anon"), _made(place / "Ground")
    order = range(count)[::-1] if "z-descends" in traps else range(count)
    commas = "comma-names" in traps
    for number, index in enumerate(order, 30 if commas else 0):
        name = f"i{number:04d},0000b" if commas else f"IMG-0002-{number + 1:05d}"
        series.write(pictures / f"{name}.dcm", stored[index], index, number + 1)
        liver = (sections.labels[index] == LIVER).astype(np.uint8)
        write_mask(masks / f"liver_GT_{number:03d}.png", liver, 1)


def _files(protocol: _Protocol, count: int) -> list[tuple[int, int, str]]:
    """Give place, number and name of each slice."""
    numbers = [protocol.first + index * protocol.step for index in range(count)]
    return [(index, number, protocol.name.format(number)) for index, number in enumerate(numbers)]


def _grid(count: int, size: int, step_mm: float, pixel_mm: float, tilt_deg: float) -> Geometry:
    """Give an axial stack around the scanner's centre, turned about the left-right axis."""
    cosine, sine = np.cos(np.deg2rad(tilt_deg)), np.sin(np.deg2rad(tilt_deg))
    direction = np.array([[0, 0, 1], [-sine, cosine, 0], [cosine, sine, 0]], np.float64)
    spacing = np.array([round(step_mm, 2), round(pixel_mm, 4), round(pixel_mm, 4)])
    shape = (count, size, size)
    origin = -(direction * spacing) @ ((np.array(shape) - 1) / 2)
    return Geometry.from_parts(shape, spacing.tolist(), origin.tolist(), direction)


def _traps(patient: Patient) -> frozenset[Trap]:
    return TRAPS.get((patient.modality, patient.number), frozenset())


def _syntax(patient: Patient) -> Syntax:
    traps = _traps(patient)
    if "implicit" in traps:
        return "implicit"
    return "explicit" if "explicit" in traps else "rle"


def _place(root: Path, patient: Patient) -> Path:
    return root / patient.modality / str(patient.number)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _write_strangers(folder: Path) -> None:
    for name, start in _STRANGERS.items():
        (folder / name).write_bytes(start + bytes(56))
