"""Which few pictures of another group could be this one, flipped, turned, zoomed or cropped.

A thumbnail becomes its low cosine coefficients. A flip changes signs among them, and a small turn
or zoom is a matrix that takes coefficients to coefficients, so each question is one product of
matrices over all pictures of a block.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.leaks.forms import MIRRORED_COLUMNS, MIRRORED_ROWS
from medprep.leaks.thumbnails import SIDE
from medprep.opencv import load_cv2

CANDIDATES = 16
"""How many pictures are looked at closely for each one."""

_KNOWN = 12
_COMPARED = 8
_LEAST = 0.78
_TURNS = (-7.0, 0.0, 7.0)
_ZOOM = 1.13
_SHIFT = 4.0
_QUERIES, _BASE = 256, 2048
_FLIPS_TRIED, _FLIPS_APART = 2, 0.1
_FLIPS = (0, MIRRORED_ROWS, MIRRORED_COLUMNS, MIRRORED_ROWS | MIRRORED_COLUMNS)
_STILL = (1.0, 0.0, 0.0)
_WINDOWS = tuple((_ZOOM, x, y) for x, y in ((0.0, 0.0), (_SHIFT, _SHIFT), (_SHIFT, -_SHIFT),
                                            (-_SHIFT, _SHIFT), (-_SHIFT, -_SHIFT)))  # fmt: skip


@dataclass(frozen=True)
class Start:
    """A coarse change of the first picture that makes it look like the second.

    Parameters
    ----------
    way
        The flip that comes first, as `medprep.leaks.forms` numbers them.
    degrees, zoom
        Turned counter-clockwise and magnified.
    moved
        In the end, to the right and down, in pixels of a thumbnail.
    """

    way: int
    degrees: float
    zoom: float
    moved: tuple[float, float]


@dataclass(frozen=True)
class Candidate:
    """A pair worth a closer look: places in the list of pictures, and how they may lie."""

    one: int
    other: int
    starts: tuple[Start, ...]


@dataclass(frozen=True)
class _Look:
    """One change to try: of the first picture a flip and a map, of the second a window.

    All looks of one flip stand together.
    """

    start: Start
    flip: NDArray[np.float32]
    first: NDArray[np.float32]
    second: int


def coefficients(thumbnail: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Give the low cosine coefficients but the mean of a thumbnail, float32 ``[143]``."""
    low = load_cv2().dct(thumbnail.astype(np.float32))[:_KNOWN, :_KNOWN]
    found: NDArray[np.float32] = low.ravel()[1:]
    return found


def candidates(table: NDArray[np.float32], groups: NDArray[np.intp]) -> Iterator[list[Candidate]]:
    """Find for each picture those of later groups that it resembles most.

    Parameters
    ----------
    table
        ``[picture, 143]``: what `coefficients` gave, sorted by group.
    groups
        ``[picture]``, rising: number of its group.

    Yields
    ------
    list of Candidate
        For each picture that has any, best first, at most `CANDIDATES`.
    """
    for start in range(0, len(table), _QUERIES):
        rows = np.arange(start, min(start + _QUERIES, len(table)))
        first = int(np.searchsorted(groups, groups[start], side="right"))
        best = np.full((len(rows), CANDIDATES), -1, np.float32)
        where = np.zeros((len(rows), CANDIDATES), np.intp)
        questions = _questions(table[rows])
        for base in range(first, len(table), _BASE):
            columns = np.arange(base, min(base + _BASE, len(table)))
            score = _likeness(questions, table[columns])
            score[groups[columns][None, :] <= groups[rows][:, None]] = -1
            best, where = _keep(best, where, score, base)
        for number, row in enumerate(rows):
            others = where[number][best[number] >= _LEAST]
            if len(others):
                yield _looked_at(questions[:, number], table, int(row), others)


def _keep(
    best: NDArray[np.float32], where: NDArray[np.intp], score: NDArray[np.float32], base: int
) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Merge new scores into the best so far, highest first; of equals the earlier stays."""
    if score.shape[1] > CANDIDATES:
        new = np.argpartition(-score, CANDIDATES - 1, axis=1)[:, :CANDIDATES]
    else:
        new = np.broadcast_to(np.arange(score.shape[1]), score.shape)
    all_best = np.concatenate([best, np.take_along_axis(score, new, axis=1)], axis=1)
    all_where = np.concatenate([where, new + base], axis=1)
    # Rounded: another library of linear algebra must not give another order.
    order = np.lexsort((all_where, -np.round(all_best, 4)), axis=1)[:, :CANDIDATES]
    return (
        np.take_along_axis(all_best, order, axis=1),
        np.take_along_axis(all_where, order, axis=1),
    )


def _questions(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the first pictures under every look, ``[look, question, 63]``."""
    return np.stack([_unit((table * look.flip) @ look.first) for look in _looks()])


def _likeness(questions: NDArray[np.float32], table: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the highest correlation of any look, ``[question, picture]``."""
    windows = [np.ascontiguousarray(_unit(table @ window).T) for window in _window_maps()]
    best = np.full((questions.shape[1], len(table)), -1, np.float32)
    score = np.empty_like(best)
    for question, look in zip(questions, _looks(), strict=True):
        np.matmul(question, windows[look.second], out=score)
        np.maximum(best, score, out=best)
    return best


def _looked_at(
    question: NDArray[np.float32], table: NDArray[np.float32], one: int, others: NDArray[np.intp]
) -> list[Candidate]:
    """Say for each of the others how the one resembles it most, for the two best flips."""
    looks = _looks()
    windows = [_unit(table[others] @ window) for window in _window_maps()]
    scores = np.stack([windows[look.second] @ question[n] for n, look in enumerate(looks)])
    by_flip = np.round(scores, 4).reshape(len(_FLIPS), -1, len(others))
    found = []
    for n, other in enumerate(others):
        best = by_flip[:, :, n].max(axis=1)
        flips = np.argsort(-best, kind="stable")[:_FLIPS_TRIED]
        numbers = [
            int(flip * by_flip.shape[1] + by_flip[flip, :, n].argmax())
            for flip in flips
            if best[flip] >= best.max() - _FLIPS_APART
        ]
        found.append(Candidate(one, int(other), tuple(looks[k].start for k in numbers)))
    return found


def _unit(table: NDArray[Any]) -> NDArray[np.float32]:
    length = np.linalg.norm(table, axis=1, keepdims=True)
    unit: NDArray[np.float32] = table / np.maximum(length, 1e-6)
    return unit


@cache
def _looks() -> tuple[_Look, ...]:
    looks = []
    for way in _FLIPS:
        for degrees in _TURNS:
            for zoom, right, down in (_STILL, *_WINDOWS):
                start = Start(way, degrees, zoom, (right, down))
                looks.append(_Look(start, _signs(way), _map(degrees, zoom, right, down), 0))
            for number, (zoom, right, down) in enumerate(_WINDOWS, 1):
                start = Start(way, degrees, 1 / zoom, (-right / zoom, -down / zoom))
                looks.append(_Look(start, _signs(way), _map(degrees, *_STILL), number))
    return tuple(looks)


@cache
def _window_maps() -> tuple[NDArray[np.float32], ...]:
    return tuple(_map(0.0, *window) for window in (_STILL, *_WINDOWS))


def _signs(way: int) -> NDArray[np.float32]:
    rows, columns = np.mgrid[:_KNOWN, :_KNOWN]
    odd = np.zeros((_KNOWN, _KNOWN), np.intp)
    if way & MIRRORED_ROWS:
        odd = odd + rows
    if way & MIRRORED_COLUMNS:
        odd = odd + columns
    return np.where(odd % 2, -1, 1).astype(np.float32).ravel()[1:]


@cache
def _map(degrees: float, zoom: float, right: float, down: float) -> NDArray[np.float32]:
    """Give the matrix ``[143, 63]`` from coefficients to those compared of the changed picture."""
    cv2 = load_cv2()
    middle = (SIDE - 1) / 2
    change = cv2.getRotationMatrix2D((middle, middle), degrees, zoom)
    change[:, 2] += (right, down)
    rows = []
    for number in range(1, _KNOWN * _KNOWN):
        waves = np.zeros((SIDE, SIDE), np.float32)
        waves.flat[number // _KNOWN * SIDE + number % _KNOWN] = 1
        changed = cv2.warpAffine(
            cv2.idct(waves), change, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
        )
        rows.append(cv2.dct(changed)[:_COMPARED, :_COMPARED].ravel()[1:])
    return np.ascontiguousarray(np.stack(rows))
