"""A made-up abdomen: drawn by chance, cut along any grid, painted as MR or CT.

Organs are warped ellipsoids in a nominal abdomen of 330 x 224 x 200 mm, LPS millimetres from its
centre. Nothing comes from a person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from medprep.geometry import Geometry

Contrast = Literal["t1in", "t1out", "t2", "ct"]
Floats = NDArray[np.float64]

LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = 1, 2, 3, 4
"""Labels of the organs that have masks, in the order of ``organs.CHAOS_MR``."""

NOMINAL_HEIGHT_MM = 200.0
_LONG = 1e4
"""Radius along z of what runs through all slices, as a spine does."""


@dataclass(frozen=True)
class Tissue:
    """How a tissue looks: MR signal where fat in phase is about 1, CT in HU, roughness (share)."""

    t1in: float
    t1out: float
    t2: float
    ct: float
    rough: float


TISSUES: dict[str, Tissue] = {
    "air": Tissue(0.0, 0.0, 0.0, -1000, 0.0),
    "fat": Tissue(0.95, 0.82, 0.17, -100, 0.06),
    "muscle": Tissue(0.51, 0.50, 0.33, 70, 0.12),
    "liver": Tissue(0.53, 0.47, 0.36, 105, 0.05),
    "vessel": Tissue(0.42, 0.40, 0.50, 150, 0.05),
    "spleen": Tissue(0.47, 0.47, 0.58, 115, 0.05),
    "kidney": Tissue(0.50, 0.50, 0.64, 165, 0.08),
    "sinus": Tissue(0.66, 0.55, 0.50, 20, 0.15),
    "bowel": Tissue(0.51, 0.46, 0.40, 60, 0.30),
    "stomach": Tissue(0.47, 0.45, 0.42, 45, 0.22),
    "pancreas": Tissue(0.56, 0.51, 0.38, 90, 0.16),
    "blood": Tissue(0.38, 0.37, 0.42, 150, 0.08),
    "bile": Tissue(0.28, 0.28, 0.95, 8, 0.03),
    "bone": Tissue(0.64, 0.50, 0.33, 240, 0.15),
    "fluid": Tissue(0.20, 0.20, 1.00, 5, 0.03),
    "lung": Tissue(0.05, 0.05, 0.04, -850, 0.30),
}
"""Liver, muscle, pancreas, kidney and bowel are alike on purpose: no grey level is the liver's."""

_ID = {name: number for number, name in enumerate(TISSUES)}


@dataclass(frozen=True)
class Blob:
    """An ellipsoid: centre and radii in nominal mm, turned about the body's long axis."""

    centre: Floats
    radii: Floats
    turn_rad: float = 0.0

    def depth(self, points: Floats) -> Floats:
        """Give about the distance in mm from the surface, negative inside; points are (3, ...)."""
        x, y, z = (points[n] - self.centre[n] for n in range(3))
        cosine, sine = np.cos(self.turn_rad), np.sin(self.turn_rad)
        across, along = cosine * x + sine * y, cosine * y - sine * x
        a, b, c = self.radii
        radius = np.sqrt((across / a) ** 2 + (along / b) ** 2 + (z / c) ** 2)
        return np.asarray((radius - 1) * min(a, b), np.float64)


@dataclass(frozen=True)
class Organ:
    """Blobs of one tissue.

    Parameters
    ----------
    rim_mm
        Fat that sets it off from its neighbours.
    wall_gap_mm, lung_gap_mm
        What it keeps free of the muscle wall and of the lungs; None: it may reach into both.
    without
        What it leaves free.
    core
        Tissue more than 13 mm below the surface.
    """

    tissue: str
    blobs: tuple[Blob, ...]
    label: int = 0
    rim_mm: float = 3.0
    wall_gap_mm: float | None = None
    lung_gap_mm: float = 2.0
    without: Blob | None = None
    core: str = ""

    def depth(self, points: Floats, cavity: Floats, lung: Floats) -> Floats:
        """Give about the distance in mm from the surface, negative inside."""
        depth = np.min([blob.depth(points) for blob in self.blobs], axis=0)
        if self.wall_gap_mm is not None:
            free = np.maximum(cavity + self.wall_gap_mm, self.lung_gap_mm - lung)
            depth = np.maximum(depth, free)
        if self.without is not None:
            depth = np.maximum(depth, -self.without.depth(points))
        return np.asarray(depth, np.float64)


@dataclass(frozen=True)
class Abdomen:
    """One phantom patient.

    Parameters
    ----------
    centre_mm, scale
        Where the nominal abdomen lies in the scanner, and its size against the nominal one.
    waves
        (waves, 9): wave vector per nominal mm, phase for x, y, z, and shift in mm of x, y, z.
    fat_mm, wall_mm
        Thickness of the fat below the skin and of the muscle wall.
    domes
        The two halves of the diaphragm: in the upper half, what lies outside is lung.
    organs
        In the order they are painted, later ones over earlier ones.
    vessels
        (vessels, 2, 3): ends of the liver's vessels, nominal mm.
    """

    centre_mm: Floats
    scale: Floats
    waves: Floats
    fat_mm: float
    wall_mm: float
    domes: tuple[Blob, ...]
    organs: tuple[Organ, ...]
    vessels: Floats


@dataclass(frozen=True)
class Sections:
    """An abdomen cut along a grid: number of the tissue and label, both ``[slice, row, column]``."""

    tissue: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def draw_abdomen(rng: np.random.Generator, height_mm: float = NOMINAL_HEIGHT_MM) -> Abdomen:
    """Draw a patient of that height from the lowest to the highest slice."""
    size = rng.normal(1.0, 0.04)
    scale = np.array([size * rng.normal(0.98, 0.03), size, height_mm / NOMINAL_HEIGHT_MM])
    centre = rng.normal(0.0, (5.0, 5.0, 0.025 * height_mm))
    vectors = rng.normal(size=(8, 3))
    vectors *= 2 * np.pi / rng.uniform(90, 220, (8, 1)) / np.linalg.norm(vectors, axis=1)[:, None]
    waves = [vectors, rng.uniform(0, 2 * np.pi, (8, 3)), rng.normal(0, 1.8, (8, 3))]
    hilum = np.array([-40.0, 0.0, 5.0])
    ends = hilum + (-34, -12, 12) + rng.normal(0, (26, 30, 24), (7, 3))
    return Abdomen(
        centre_mm=centre,
        scale=scale,
        waves=np.hstack(waves),
        fat_mm=rng.uniform(7, 17),
        wall_mm=rng.uniform(12, 16),
        domes=(
            _drawn(rng, (-58, -10, -30), (104, 110, 112)),
            _drawn(rng, (64, -8, -30), (102, 105, 100)),
        ),
        organs=(*_loops(rng), *_upper(rng), *_behind(rng)),
        vessels=np.stack([np.broadcast_to(hilum, ends.shape), ends], axis=1),
    )


def _drawn(
    rng: np.random.Generator, centre: Sequence[float], radii: Sequence[float], turn_deg: float = 0.0
) -> Blob:
    return Blob(
        np.asarray(centre) + rng.normal(0, 3.5, 3),
        np.asarray(radii) * np.exp(rng.normal(0, 0.07, 3)),
        float(np.deg2rad(turn_deg + rng.normal(0, 6))),
    )


def _loops(rng: np.random.Generator) -> list[Organ]:
    """Give small bowel by chance, and the two sides of the colon."""
    centres = rng.uniform((-112, -74, -100), (112, 22, -12), (44, 3))
    small = [
        _drawn(rng, centre, rng.uniform((13, 12, 12), (27, 22, 26)), rng.uniform(0, 180))
        for centre in centres
    ]
    large = _drawn(rng, (112, 15, -55), (17, 19, 60)), _drawn(rng, (-112, 10, -85), (18, 20, 36))
    return [
        Organ("bowel", (blob,), rim_mm=2, wall_gap_mm=4, lung_gap_mm=4) for blob in (*small, *large)
    ]


def _upper(rng: np.random.Generator) -> list[Organ]:
    lobes = (
        _drawn(rng, (-74, -6, 14), (70, 78, 74)),
        _drawn(rng, (-6, -46, 30), (66, 36, 36), 12),
    )
    hollow = _drawn(rng, (2, 34, -22), (48, 44, 66))
    stomach = _drawn(rng, (52, -32, 28), (42, 36, 46), 25)
    spleen = _drawn(rng, (100, 34, 22), (29, 46, 46), -25)
    return [
        Organ("pancreas", (_drawn(rng, (18, 6, 0), (58, 13, 17), -12),)),
        Organ("stomach", (stomach,), wall_gap_mm=4),
        Organ("spleen", (spleen,), SPLEEN, wall_gap_mm=3),
        Organ("liver", lobes, LIVER, rim_mm=3.5, wall_gap_mm=3, without=hollow),
        Organ("bile", (_drawn(rng, (-42, -34, -38), (13, 15, 22), 20),), rim_mm=0),
        Organ("blood", (_drawn(rng, (22, -32, 96), (46, 38, 32), 20),)),
    ]


def _behind(rng: np.random.Generator) -> list[Organ]:
    def pair(x: float, y: float, z: float, *radii: float) -> tuple[Blob, Blob]:
        return _drawn(rng, (-x, y, z), radii), _drawn(rng, (x, y, z), radii)

    right = _drawn(rng, (-64, 48, -46), (25, 31, 48), 25)
    left = _drawn(rng, (64, 46, -34), (25, 31, 50), -25)
    vertebra = _drawn(rng, (0, 62, 0), (21, 18, _LONG))
    return [
        Organ("kidney", (right,), RIGHT_KIDNEY, core="sinus"),
        Organ("kidney", (left,), LEFT_KIDNEY, core="sinus"),
        Organ("muscle", pair(36, 50, -80, 15, 18, 70), rim_mm=1.5),
        Organ("blood", (_drawn(rng, (-22, 33, 0), (11, 9, _LONG)),), rim_mm=1.5),
        Organ("blood", (_drawn(rng, (7, 34, 0), (9, 9, _LONG)),), rim_mm=1.5),
        Organ("muscle", pair(40, 82, 0, 32, 17, _LONG), rim_mm=1),
        Organ("bone", (vertebra, _drawn(rng, (0, 94, 0), (5, 11, _LONG))), rim_mm=0),
        Organ("fluid", (_drawn(rng, (0, 86, 0), (8, 6, _LONG)),), rim_mm=0),
    ]


def cut(abdomen: Abdomen, grid: Geometry) -> Sections:
    """Cut a patient along a grid."""
    points = _nominal_points(abdomen, grid)
    outline = (np.abs(points[0] / 165) ** 2.4 + np.abs(points[1] / 112) ** 2.4) ** (1 / 2.4)
    body = (outline - 1) * 112
    cavity = body + abdomen.fat_mm + abdomen.wall_mm
    lung = -np.min([dome.depth(points) for dome in abdomen.domes], axis=0)
    lung[points[2] < 0] = 100
    tissue = np.full(grid.shape, _ID["air"], np.uint8)
    tissue[body < 0] = _ID["fat"]
    tissue[body < -abdomen.fat_mm] = _ID["muscle"]
    tissue[cavity < 0] = _ID["fat"]
    breath = (cavity < 0) & (lung < 0)
    tissue[breath] = _ID["lung"]
    labels = np.zeros(grid.shape, np.uint8)
    for organ in abdomen.organs:
        depth = organ.depth(points, cavity, lung)
        rim = (depth < organ.rim_mm) & (cavity < 0) & ~breath
        tissue[rim], labels[rim] = _ID["fat"], 0
        inner = (depth < 0) & (body < -abdomen.fat_mm / 2)
        tissue[inner], labels[inner] = _ID[organ.tissue], organ.label
        if organ.core:
            tissue[depth < -13] = _ID[organ.core]
    tissue[(labels == LIVER) & (_vessel_distance(abdomen, points) < 4.5)] = _ID["vessel"]
    return Sections(tissue, labels)


def _nominal_points(abdomen: Abdomen, grid: Geometry) -> Floats:
    """(3, slices, rows, columns): where each voxel lies in the nominal abdomen."""
    index = np.indices(grid.shape, np.float64)
    affine = grid.affine
    mm = np.stack([sum(affine[i, j] * index[j] for j in range(3)) + affine[i, 3] for i in range(3)])
    column = (slice(None), None, None, None)
    points = (mm - abdomen.centre_mm[column]) / abdomen.scale[column]
    shift = np.zeros_like(points)
    for wave in abdomen.waves:
        angle = wave[0] * points[0] + wave[1] * points[1] + wave[2] * points[2]
        for axis in range(3):
            shift[axis] += wave[6 + axis] * np.sin(angle + wave[3 + axis])
    return np.asarray(points + shift, np.float64)


def _vessel_distance(abdomen: Abdomen, points: Floats) -> Floats:
    """Give the distance in nominal mm to the nearest vessel's middle line."""
    nearest = np.full(points.shape[1:], np.inf)
    for start, end in abdomen.vessels:
        way = end - start
        away = [points[n] - start[n] for n in range(3)]
        share = np.clip(sum(w * a for w, a in zip(way, away, strict=True)) / (way @ way), 0, 1)
        square = sum((a - share * w) ** 2 for w, a in zip(way, away, strict=True))
        nearest = np.minimum(nearest, np.sqrt(square))
    return nearest


def paint(sections: Sections, contrast: Contrast, rng: np.random.Generator) -> Floats:
    """Give the picture of a cut: MR signal (fat about 1, air 0, Rician noise) or CT in HU.

    Tissues differ from patient to patient by ``rng``; MR has a smooth bias field.
    """
    from scipy.ndimage import gaussian_filter

    levels = np.array([getattr(tissue, contrast) for tissue in TISSUES.values()])
    rough = np.array([tissue.rough for tissue in TISSUES.values()])[sections.tissue]
    grain = gaussian_filter(rng.normal(size=rough.shape), (0.5, 1.3, 1.3))
    grain *= rough / grain.std()
    if contrast == "ct":
        values = levels + rng.normal(0, 6, levels.size) * (levels > -500)
        values = values[sections.tissue] + 60 * grain * (values[sections.tissue] > -500)
        soft = gaussian_filter(values, (0, 0.5, 0.5))
        return np.asarray(soft + rng.normal(0, 14, soft.shape), np.float64)
    values = (levels * np.exp(rng.normal(0, 0.05, levels.size)))[sections.tissue] * (1 + grain)
    signal = gaussian_filter(values, (0, 0.55, 0.55)) * _bias(sections.tissue.shape, rng)
    real, imaginary = rng.normal(0, 0.028, (2, *signal.shape))
    noisy = np.hypot(signal + real, imaginary)
    # Scanners blank the air around the body.
    return np.where(sections.tissue == _ID["air"], 0.0, noisy)


def _bias(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    z, y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij", sparse=True)
    slope = rng.normal(0, (0.05, 0.10, 0.10))
    bend = rng.uniform(0.05, 0.2)
    field = slope[0] * z + slope[1] * y + slope[2] * x + bend * (x**2 + y**2 - 0.5)
    return np.asarray(np.exp(field), np.float64)
