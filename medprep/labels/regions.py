"""Targets that overlap: masks that share voxels as one label map and named sets of labels.

A tumour lies inside its liver. A label map holds one number a voxel, so what several masks share
gets a label of its own, and a mask of more than one label becomes a *region*, a named set of
labels, as in nnU-Net.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import LabelError

Mixture = tuple[str, ...]
"""The names of all masks that hold a voxel, in the order of the masks."""

_MOST_MASKS = 64
"""Each mask has a bit of a 64-bit number."""
_MOST_LABELS = 255


@dataclass(frozen=True)
class Scheme:
    """How the mixtures of a data set are numbered.

    Parameters
    ----------
    values
        Mixture to label value 1, 2, ...
    names
        Label value to name.
    regions
        Region to the names of its labels.
    """

    values: Mapping[Mixture, int]
    names: Mapping[int, str]
    regions: Mapping[str, tuple[str, ...]]


def find_mixtures(masks: Mapping[str, NDArray[np.bool_]]) -> dict[Mixture, int]:
    """Count the voxels of each set of masks that holds any.

    Parameters
    ----------
    masks
        Name to bool array ``[slice, row, column]``; all of one shape, at most 64. None gives none.

    Raises
    ------
    LabelError
        If there are too many masks or their shapes differ.
    """
    bits, _, order = _held(masks)
    found, counts = np.unique(bits, return_counts=True)
    return {_mixture(int(one), order): int(count) for one, count in zip(found, counts, strict=True)}


def number_mixtures(found: Iterable[Mixture], order: Sequence[str]) -> Scheme:
    """Give every mixture of a data set a label, and every mask that is several labels a region.

    A voxel of one mask bears its name. Where a mask always lies inside the same others (a tumour
    in a liver), its voxels bear its name too. Any other mixture is named after all its masks,
    joined by ``+``. What would be a region of a label's name is called ``whole_`` and that name.

    Parameters
    ----------
    found
        All mixtures of all cases.
    order
        The masks' names: labels are numbered in this order, mixtures last.

    Raises
    ------
    LabelError
        If there are more than 255 mixtures.
    """
    mixtures = set(found)
    called = {mixture: _name(mixture, mixtures) for mixture in mixtures}
    rank = {name: place for place, name in enumerate(order)}
    ordered = sorted(called, key=lambda one: (rank.get(called[one], len(rank)), one))
    if len(ordered) > _MOST_LABELS:
        raise LabelError(
            f"the masks overlap in {len(ordered)} ways; a label map holds {_MOST_LABELS}: take "
            "fewer organs (--organ NAME)"
        )
    values = {mixture: value for value, mixture in enumerate(ordered, 1)}
    names = {value: called[mixture] for mixture, value in values.items()}
    regions = {}
    for mask in order:
        parts = tuple(called[mixture] for mixture in ordered if mask in mixture)
        if parts and parts != (mask,):
            regions[f"whole_{mask}" if mask in names.values() else mask] = parts
    return Scheme(values, names, regions)


def merge_masks(masks: Mapping[str, NDArray[np.bool_]], scheme: Scheme) -> NDArray[np.uint8]:
    """Merge the masks of one case into a label map; nothing is lost.

    Parameters
    ----------
    masks
        As `find_mixtures` takes them; at least one.
    scheme
        Holds every mixture of this case.

    Returns
    -------
    ndarray
        Same shape, uint8.
    """
    bits, voxel, order = _held(masks)
    labels = np.zeros(next(iter(masks.values())).shape, np.uint8)
    found, inverse = np.unique(bits, return_inverse=True)
    values = [scheme.values[_mixture(int(one), order)] for one in found]
    labels.reshape(-1)[voxel] = np.array(values, np.uint8)[inverse]
    return labels


def _held(
    masks: Mapping[str, NDArray[np.bool_]],
) -> tuple[NDArray[Any], NDArray[np.int64], list[str]]:
    """Give the masks of each voxel that has any, a bit for each; and where these voxels are."""
    order = list(masks)
    shapes = {mask.shape for mask in masks.values()}
    if len(order) > _MOST_MASKS or len(shapes) > 1:
        raise LabelError(
            f"{len(order)} masks of shapes {sorted(shapes)}; wanted are at most {_MOST_MASKS} of "
            "one shape"
        )
    kind = np.min_scalar_type((1 << len(order)) - 1)
    held = np.zeros(shapes.pop() if shapes else 0, kind)
    for bit, mask in enumerate(masks.values()):
        held[mask] |= kind.type(1 << bit)
    voxel = np.flatnonzero(held)
    return held.reshape(-1)[voxel], voxel, order


def _mixture(bits: int, order: Sequence[str]) -> Mixture:
    return tuple(name for bit, name in enumerate(order) if bits >> bit & 1)


def _name(mixture: Mixture, mixtures: set[Mixture]) -> str:
    """Name a mixture after the one mask that occurs in no other mixture, else after all."""
    if len(mixture) == 1:
        return mixture[0]
    inner = [mask for mask in mixture if not any(mask in one for one in mixtures - {mixture})]
    return inner[0] if len(inner) == 1 else "+".join(mixture)
