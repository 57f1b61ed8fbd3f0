"""Where else in the plane a mask might sit: all shifts at once, by Fourier transforms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medprep.labels.alignment.fit import Placement, divergence, measure
from medprep.labels.alignment.levels import Levels
from medprep.labels.alignment.stamp import Points, Stamp

_COARSE_SIDE = 64
_BINS = 8
_MOST_SLICES = 24
_PEAKS = 3


def best_shift(levels: Levels, stamp: Stamp) -> tuple[int, int, int]:
    """Give the in-plane shift (0, rows, columns), in pixels of `Levels`, that sits best.

    A coarse map of the divergence between inside and ring for every shift up to half the picture
    gives a few peaks; each is followed on the full grid by the whole measure.
    """
    factor = -(-max(levels.level.shape[1:]) // _COARSE_SIDE)
    starts = [(0, 0), *_peaks(_map(levels, stamp, factor))]
    found = [_climb(levels, stamp, (y * factor, x * factor), factor) for y, x in starts]
    _, best = max(found)
    return (0, *best)


def _map(levels: Levels, stamp: Stamp, factor: int) -> NDArray[np.float64]:
    """Give the divergence at shifts ``[-half, half)`` of rows and columns, in coarse pixels."""
    from scipy import fft

    chosen = _slices(stamp)
    shares = _bin_shares(levels.level[chosen], factor)
    size = shares.shape[2:]
    # A picture and a half is room for shifts of half a picture without one end meeting the other.
    padded = [int(fft.next_fast_len(n + n // 2 + 1, real=True)) for n in size]
    spectrum = fft.rfft2(shares, padded, workers=1)
    total = np.zeros((2 * (size[0] // 2) + 1, 2 * (size[1] // 2) + 1))
    for organ in stamp.organs:
        counts = []
        for points in (organ.inside, organ.ring):
            laid = fft.rfft2(_counts(points, chosen, size, factor), padded, workers=1)
            product = np.einsum("sbyx,syx->byx", spectrum, laid.conj(), optimize=False)
            counts.append(_centred(fft.irfft2(product, padded, workers=1), size))
        inside, ring = counts
        seen = inside.sum(axis=0) >= 0.5 * inside.sum(axis=0).max()
        total += organ.weight * np.where(seen, divergence(inside, ring), 0.0)
    return total / sum(organ.weight for organ in stamp.organs)


def _slices(stamp: Stamp) -> NDArray[np.int64]:
    every = np.arange(stamp.low[0], stamp.high[0] + 1)
    if every.size <= _MOST_SLICES:
        return every
    return every[np.linspace(0, every.size - 1, _MOST_SLICES).astype(np.int64)]


def _bin_shares(level: NDArray[np.uint8], factor: int) -> NDArray[np.float32]:
    """Give ``[slice, bin, row, column]``: the share of a coarse pixel's pixels in each bin."""
    slices, rows, columns = level.shape
    coarse = (-(-rows // factor), -(-columns // factor))
    shares = np.zeros((slices, _BINS, *coarse), np.float32)
    row, column = np.arange(rows) // factor, np.arange(columns) // factor
    place = row[:, None] * coarse[1] + column
    for plane, share in zip(level, shares, strict=True):
        index = (plane >> 5).astype(np.int64) * (coarse[0] * coarse[1]) + place
        counted = np.bincount(index.reshape(-1), minlength=share.size)
        share[:] = counted.reshape(share.shape) / factor**2
    return shares


def _counts(
    points: Points, chosen: NDArray[np.int64], size: tuple[int, ...], factor: int
) -> NDArray[np.float32]:
    """Count points in each coarse pixel of the chosen slices."""
    number = np.full(int(max(points[0].max(initial=0), chosen.max())) + 1, -1)
    number[chosen] = np.arange(chosen.size)
    plane = number[points[0]]
    seen = plane >= 0
    index = np.ravel_multi_index(
        (plane[seen], points[1][seen] // factor, points[2][seen] // factor), (chosen.size, *size)
    )
    counted = np.bincount(index, minlength=chosen.size * size[0] * size[1])
    return counted.reshape(chosen.size, *size).astype(np.float32)


def _centred(counts: NDArray[np.float32], size: tuple[int, ...]) -> NDArray[np.float32]:
    half = [n // 2 for n in size]
    rolled = np.roll(counts, half, axis=(1, 2))
    cut: NDArray[np.float32] = rolled[:, : 2 * half[0] + 1, : 2 * half[1] + 1]
    return np.maximum(cut, 0)  # the transform leaves -1e-6 where there is nothing


def _peaks(fits: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Give the highest local maxima as shifts in coarse pixels."""
    from scipy.ndimage import maximum_filter

    tops = np.flatnonzero((maximum_filter(fits, 5) == fits) & (fits > 0))
    best = tops[np.argsort(fits.reshape(-1)[tops])[::-1][:_PEAKS]]
    rows, columns = np.unravel_index(best, fits.shape)
    half = fits.shape[0] // 2, fits.shape[1] // 2
    return [(int(y) - half[0], int(x) - half[1]) for y, x in zip(rows, columns, strict=True)]


def _climb(
    levels: Levels, stamp: Stamp, start: tuple[int, int], step: int
) -> tuple[float, tuple[int, int]]:
    """Follow the measure uphill in ever smaller steps."""
    seen: dict[tuple[int, int], float] = {}

    def total(place: tuple[int, int]) -> float:
        if place not in seen:
            seen[place] = measure(levels, stamp, Placement(shift=(0, *place))).total
        return seen[place]

    place = start
    while step >= 1:
        beside = [
            (place[0] + a, place[1] + b) for a, b in ((-step, 0), (step, 0), (0, -step), (0, step))
        ]
        best = max(beside, key=total)
        if total(best) > total(place):
            place = best
        else:
            step //= 2
    return total(place), place
