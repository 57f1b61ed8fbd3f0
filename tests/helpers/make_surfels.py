"""Make medprep/metrics/surfels.json: the triangles of marching cubes in every 2x2x2 window.

    python tests/helpers/make_surfels.py        (needs scikit-image and surface-distance)

The triangles are those of the classic algorithm (Lorensen and Cline 1987) for the side of the
window that holds fewer voxels. Only the order in which a window's triangles are added up is taken
from surface-distance (Apache-2.0), so that sums of areas are equal to the last bit.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).parents[2] / "medprep" / "metrics" / "surfels.json"


def triangles(code: int) -> list[list[int]]:
    """Area vectors of a window's triangles, in eighths of a voxel's face."""
    from skimage.measure import marching_cubes

    fewer = code if code.bit_count() <= 4 else 255 - code
    if fewer == 0:
        return []
    bits = [fewer >> (7 - place) & 1 for place in range(8)]
    window = np.array(bits, float).reshape(2, 2, 2)
    corners, faces, _, _ = marching_cubes(window, 0.5, method="lorensen")
    a, b, c = np.moveaxis(corners[faces].astype(float), 1, 0)
    vectors = np.rint(4 * np.cross(b - a, c - a)).astype(int)
    return [vector.tolist() for vector in vectors if vector.any()]


def ordered_alike(vectors: list[list[int]], model: list[list[float]]) -> list[list[int]]:
    """Put vectors into the order of a model's, the signs left as they are."""
    left, out = list(vectors), []
    for wanted in np.rint(8 * np.abs(model)).astype(int).tolist():
        if any(wanted):
            out.append(next(one for one in left if np.abs(one).tolist() == wanted))
            left.remove(out[-1])
    assert not left
    return out


def main() -> None:
    from surface_distance import lookup_tables

    models = lookup_tables._NEIGHBOUR_CODE_TO_NORMALS
    table = [ordered_alike(triangles(code), models[code]) for code in range(256)]
    lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in table)
    FILE.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
