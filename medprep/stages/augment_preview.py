"""Cases beside their augmented copies, as one picture for people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.colours import colours_of
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.reporting.montage import montage_png, thumbnail_png
from medprep.reporting.quality import Thumbnail
from medprep.stages.augment_case import pixels_of
from medprep.stages.base import names_of
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace

_CASES, _COPIES = 6, 5
"""So many cases, and of each so many copies, are drawn at most."""

Pair = tuple[NDArray[Any], NDArray[Any]]


def preview_png(workspace: Workspace) -> bytes:
    """Draw some cases, each in a row with its copies, with the outlines of their labels.

    In 2D all of a row show one slice, of those with most organs the one with most of them; in 3D
    each volume chooses for itself.
    """
    made = {stage: workspace.current(stage) for stage in ("convert", "clean", "augment")}
    shown: list[Thumbnail] = []
    columns = 1
    for case in sorted(made["augment"])[:_CASES]:
        row = _Row(workspace, case, made)
        pairs = row.pairs()
        columns = len(pairs)
        for number, pair in enumerate(pairs):
            called = f"{case} copy {number}" if number else case
            shown.append(Thumbnail(called, row.drawn(*pair)))
    return montage_png(shown, columns)


class _Row:
    """A case and its copies."""

    def __init__(
        self, workspace: Workspace, case: str, made: dict[str, dict[str, Artifact]]
    ) -> None:
        self._layout, self._case = workspace.layout, case
        self._image = made["convert"][case].facts
        self._facts = made["augment"][case].facts
        self._colours = colours_of(names_of(made["clean"][case].facts))
        labels = nifti.read_label_map(self._layout.cleaned(case))
        self._labels, self._grid = labels.array, labels.geometry

    def pairs(self) -> list[Pair]:
        """Give the case and its copies as ``[slice, row, column]``."""
        folder = self._layout.augmented(self._case)
        copies = range(1, min(self._facts["copies"], _COPIES) + 1)
        picture = nifti.read(self._layout.image(self._case)).array
        if self._facts["dimensions"] == 3:
            found = [_volume(folder, copy) for copy in copies]
            return [(picture, self._labels), *found]
        number = max(range(len(self._labels)), key=lambda one: _shows(self._labels[one]))
        part = slice(number, number + 1)
        found = [_slice(folder / f"{copy}", f"{number:03d}.png") for copy in copies]
        return [(self._pixels(picture[part]), self._labels[part]), *found]

    def drawn(self, picture: NDArray[Any], labels: NDArray[Any]) -> bytes:
        """Draw one of them."""
        window = self._image["window"]["low"], self._image["window"]["high"]
        if self._facts["dimensions"] == 2:
            ends = np.array([[window[0]], [window[1]]])
            low, high = sorted(self._pixels(ends).ravel())
            window = float(low), float(high)
        grid = Geometry(picture.shape, self._grid.affine)
        return thumbnail_png(picture, labels, grid, self._colours, window)

    def _pixels(self, values: NDArray[Any]) -> NDArray[Any]:
        return pixels_of(values, self._image, self._facts.get("inverted", False))


def _shows(labels: NDArray[Any]) -> tuple[int, int]:
    """Count organs and their pixels."""
    return np.unique(labels[labels > 0]).size, int((labels > 0).sum())


def _volume(folder: Path, copy: int) -> Pair:
    picture = nifti.read(folder / f"{copy}.nii.gz").array
    return picture, nifti.read_labels(folder / f"{copy}-labels.nii.gz")


def _slice(folder: Path, name: str) -> Pair:
    picture, labels = png.read(folder / "images" / name), png.read(folder / "labels" / name)
    return picture[None], labels[None]
