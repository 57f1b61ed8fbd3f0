from __future__ import annotations

import numpy as np
from leak_pictures import body

from medprep.leaks.candidates import CANDIDATES, Start, candidates, coefficients
from medprep.leaks.thumbnails import thumbnail


def first_start(one: np.ndarray, other: np.ndarray) -> Start:
    rows = [coefficients(small) for small in map(thumbnail, (one, other)) if small is not None]
    ((pair,),) = candidates(np.stack(rows), np.array([0, 1]))
    return pair.starts[0]


def test_a_window_says_where_it_lies() -> None:
    whole = body(2)
    cut = whole[:108, 20:]
    into, back = first_start(whole, cut), first_start(cut, whole)
    assert into.zoom > 1 > back.zoom
    assert into.moved[0] < 0 < into.moved[1]
    assert back.moved[0] > 0 > back.moved[1]
    assert (into.way, back.way) == (0, 0)


def test_flips_are_told() -> None:
    picture = body(2)
    for way, flipped in (
        (1, np.flipud(picture)),
        (2, np.fliplr(picture)),
        (3, picture[::-1, ::-1]),
    ):
        assert first_start(picture, flipped) == Start(way, 0.0, 1.0, (0.0, 0.0))


def test_many_alike_are_cut_to_the_best() -> None:
    small = thumbnail(body(2))
    assert small is not None
    rng = np.random.default_rng(3)
    rows = [coefficients(small)]
    rows += [rows[0] + rng.normal(0, 30 * n, 143).astype(np.float32) for n in range(40)]
    (found,) = candidates(np.stack(rows), np.array([0] + [1] * 40))
    assert len(found) == CANDIDATES
    assert found[0].other == 1
    assert sum(pair.other <= 17 for pair in found) > 12
