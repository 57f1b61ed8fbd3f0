"""Displacements of an elastic deformation, and their place in the one transform."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.interpolate import BSpline

from medprep.augmentation.elastic import Displacements
from medprep.augmentation.native2d import move_slice
from medprep.augmentation.native3d import move_volume
from medprep.augmentation.spatial import index_matrix, index_rows
from medprep.augmentation.steps import Elastic, Plan, Spatial
from medprep.errors import OptionError
from medprep.geometry import Geometry

ELASTIC = Elastic(7, 11.0, 3.0)


def whole(elastic: Elastic, shape: tuple[int, ...], spacing: tuple[float, ...]) -> np.ndarray:
    """All displacements in voxels, ``[axis, ...]``."""
    field = Displacements(elastic, shape, spacing, np.diag(1 / np.asarray(spacing)))
    if len(shape) == 2:
        return field.plane()
    return np.stack([field.plane(index) for index in range(shape[0])], axis=1)


def test_displacements_are_a_cubic_b_spline_of_what_was_drawn() -> None:
    shape, spacing = (9, 30, 25), (4.0, 1.0, 1.5)
    basis = []
    for size, step in zip(shape, spacing, strict=True):
        place = np.arange(size) * step / ELASTIC.spacing_mm
        points = int(place[-1]) + 4
        spline = BSpline(np.arange(-3, points + 1), np.eye(points), 3)
        basis.append(spline(place))
    points = [weights.shape[1] for weights in basis]
    drawn = np.random.default_rng(7).normal(0, 3, (3, *points))
    wanted = np.einsum("xabc,sa,rb,ck->xsrk", drawn, basis[0], basis[1], basis[2].T)
    wanted /= np.reshape(spacing, (3, 1, 1, 1))
    np.testing.assert_allclose(whole(ELASTIC, shape, spacing), wanted, atol=1e-5)


def test_voxels_move_about_as_far_as_is_said() -> None:
    spacing, size = 2.0, 120
    flat = whole(Elastic(1, 10, 5), (size, size), (spacing, spacing)) * spacing
    assert flat.std() == pytest.approx(0.5 * 5, rel=0.15)
    solid = whole(Elastic(1, 10, 5), (50, 50, 50), (spacing,) * 3) * spacing
    assert solid.std() == pytest.approx(0.34 * 5, rel=0.15)


def test_a_seed_gives_its_own_displacements_each_time() -> None:
    first, again, other = (whole(Elastic(s, 9, 2), (20, 20), (1.0, 1.0)) for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert np.abs(first - other).max() > 1


def test_a_slice_is_bent_after_it_was_turned() -> None:
    spacing = (1.7, 0.8)
    picture = ndimage.zoom(np.random.default_rng(2).random((12, 14)), 6, order=1) * 100
    picture = picture.astype(np.float32)
    plan = Plan(Spatial(("LR",), (35, 0, 0), (1, 1.1, 0.8), elastic=ELASTIC))
    labels = np.zeros(picture.shape, np.uint8)
    moved, _ = move_slice(picture, labels, plan, spacing, "PL", {})
    rows = np.asarray(index_rows(plan, picture.shape, spacing, "PL"))
    bent = np.indices(picture.shape) + whole(ELASTIC, picture.shape, spacing)
    source = np.einsum("ij,jrc->irc", rows[:, :2], bent) + rows[:, 2, None, None]
    inside = np.logical_and(
        *((at > 0) & (at < n - 1) for at, n in zip(source, picture.shape, strict=True))
    )
    witness = ndimage.map_coordinates(picture, source, order=1)
    assert np.count_nonzero(inside) > 1000
    assert np.abs(moved - witness)[inside].max() < 0.05


def test_a_volume_is_bent_after_it_was_turned() -> None:
    direction = np.linalg.qr(np.array([[0.1, 0.2, 1.0], [-0.1, 1.0, 0.1], [1.0, 0.1, -0.2]]))[0]
    geometry = Geometry.from_parts((24, 48, 44), (3, 1.2, 0.9), (1, 2, 3), direction)
    picture = ndimage.zoom(np.random.default_rng(2).random((6, 12, 11)), 4, order=1) * 100
    picture = picture.astype(np.float32)
    plan = Plan(Spatial(("LR",), (25, 8, -6), (1.1, 1, 0.8), elastic=ELASTIC))
    labels = np.zeros(picture.shape, np.uint8)
    (moved,), _ = move_volume([picture], labels, plan, geometry, {})
    matrix = index_matrix(plan, geometry)[:3]
    bent = np.indices(picture.shape) + whole(ELASTIC, picture.shape, geometry.spacing_mm)
    source = np.einsum("ij,jsrc->isrc", matrix[:, :3], bent) + matrix[:, 3, None, None, None]
    inside = np.all(
        [(at > 0) & (at < n - 1) for at, n in zip(source, picture.shape, strict=True)], axis=0
    )
    witness = ndimage.map_coordinates(picture, source, order=1)
    assert np.count_nonzero(inside) > 5000
    assert np.abs(moved - witness)[inside].max() < 0.1


@pytest.mark.parametrize(
    "elastic", [Elastic(1, 0.5, 1), Elastic(1, 9, -1), Elastic(1, float("nan"), 1)]
)
def test_what_cannot_be_grown_is_refused(elastic: Elastic) -> None:
    with pytest.raises(OptionError, match="points at least as far apart as voxels"):
        Displacements(elastic, (9, 9), (1.0, 2.0), np.eye(2))
