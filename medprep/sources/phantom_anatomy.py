"""A made-up abdomen: drawn by chance, cut along any grid.

Organs are warped ellipsoids in a nominal abdomen of 330 x 224 x 200 mm, LPS millimetres from its
centre. Nothing comes from a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medprep.geometry import Geometry

Floats = NDArray[np.float64]

LIVER, RIGHT_KIDNEY, LEFT_KIDNEY, SPLEEN = 1, 2, 3, 4
"""Labels of the organs that have masks, in the order of ``organs.CHAOS_MR``."""

NOMINAL_HEIGHT_MM = 200.0
_LONG = 1e4
"""Radius along z of what runs through all slices, as a spine does."""

TISSUES = (
    "air", "fat", "muscle", "liver", "vessel", "spleen", "kidney", "sinus", "bowel", "stomach",
    "pancreas", "blood", "bile", "bone", "fluid", "lung",
)  # fmt: skip
"""Names of the tissues by their numbers."""
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
        What it keeps free of the muscle wall and of the lungs; None for the wall: it may reach into
        both.
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

    def reach(self) -> tuple[float, float]:
        """Give the lowest and highest z, nominal mm, that the organ and its rim can touch."""
        ends = [
            (blob.centre[2], blob.radii[2] * (1 + self.rim_mm / min(blob.radii[:2])))
            for blob in self.blobs
        ]
        return min(z - size for z, size in ends), max(z + size for z, size in ends)

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
    """An abdomen cut along a grid: tissue and label of each voxel ``[slice, row, column]``."""

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
            _drawn(rng, (-58, -10, -30), (104, 110, 104)),
            _drawn(rng, (64, -8, -30), (102, 105, 95)),
        ),
        organs=(*_loops(rng), *_upper(rng), *_behind(rng)),
        vessels=np.stack([np.broadcast_to(hilum, ends.shape), ends], axis=1),
    )


def _drawn(
    rng: np.random.Generator, centre: ArrayLike, radii: ArrayLike, turn_deg: float = 0.0
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
        Organ("bile", (_drawn(rng, (-26, -28, -42), (12, 15, 22), 20),), rim_mm=0),
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
    lowest, highest = points[2].min(axis=(1, 2)), points[2].max(axis=(1, 2))
    for organ in abdomen.organs:
        low, high = organ.reach()
        here = (lowest < high) & (highest > low)  # most organs lie in a few slices only
        depth = np.full(grid.shape, np.inf)
        depth[here] = organ.depth(points[:, here], cavity[here], lung[here])
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
