from __future__ import annotations

import io
from itertools import permutations, product

import numpy as np
import pytest
from leak_pictures import body

from medprep.errors import FormatError
from medprep.geometry import Geometry
from medprep.leaks import Fingerprint, fingerprint, planes
from medprep.turns import Turn

PLANES = [body(1), np.zeros((128, 128), np.uint16), body(2)[:, :90]]


def test_bytes_come_back_and_repeat() -> None:
    one = fingerprint(PLANES)
    content = one.to_bytes()
    assert content == fingerprint(PLANES).to_bytes()
    back = Fingerprint.from_bytes(content)
    assert len(back) == 3
    assert back.to_bytes() == content
    assert list(back.blank) == [False, True, False]
    assert back.shapes.tolist() == [[128, 128], [128, 128], [128, 90]]


def test_none_is_a_fingerprint_too() -> None:
    assert len(Fingerprint.from_bytes(fingerprint([]).to_bytes())) == 0


@pytest.mark.parametrize("damage", [b"", b"PK", b"no zip at all"])
def test_damaged_bytes_are_refused(damage: bytes) -> None:
    with pytest.raises(FormatError, match="not a readable fingerprint"):
        Fingerprint.from_bytes(damage)


def test_another_version_is_refused() -> None:
    target = io.BytesIO()
    np.savez_compressed(target, version=np.array(99), **vars(fingerprint(PLANES)))
    with pytest.raises(FormatError, match="of version 99; wanted is 1"):
        Fingerprint.from_bytes(target.getvalue())


def test_every_cut_is_refused() -> None:
    content = fingerprint(PLANES).to_bytes()
    for length in range(0, len(content), 997):
        with pytest.raises(FormatError):
            Fingerprint.from_bytes(content[:length])


def test_arrays_of_another_shape_are_refused() -> None:
    one = fingerprint(PLANES)
    arrays = dict(vars(one))
    arrays["ways"] = arrays["ways"][:2]
    with pytest.raises(FormatError, match=r"'ways' of a fingerprint is \(2,\) of uint8; wanted"):
        Fingerprint(**arrays)


@pytest.mark.parametrize(
    "plane", [np.zeros(4), np.zeros((2, 3, 4, 5)), np.zeros((8, 8, 2)), np.zeros((8, 8), complex)]
)
def test_planes_of_another_form_are_refused(plane: np.ndarray) -> None:
    with pytest.raises(FormatError, match="wanted are numbers"):
        fingerprint([plane])


def test_numbers_that_are_none_are_the_lowest() -> None:
    plane = body(1).astype(np.float32)
    holed = plane.copy()
    holed[plane == 0] = np.nan
    holed[0, 0] = -np.inf
    lowest = np.where(np.isfinite(holed), holed, holed[np.isfinite(holed)].min())
    assert fingerprint([holed]).to_bytes() == fingerprint([lowest]).to_bytes()
    assert fingerprint([np.full((8, 8), np.nan)]).blank.all()


def test_a_hot_pixel_does_not_darken_the_picture() -> None:
    hot = body(1)
    hot[3, 3] = 65535
    difference = fingerprint([hot]).thumbnails.astype(int) - fingerprint([body(1)]).thumbnails
    assert np.abs(difference).max(initial=0, where=difference != 255) < 20


def test_kept_are_few_kilobytes_a_slice() -> None:
    one = fingerprint(PLANES)
    assert sum(array.nbytes for array in vars(one).values()) < 4800 * len(one)


AXES = {"S": (0, 0, 1), "P": (0, 1, 0), "L": (1, 0, 0)}


def lying(letters: str, shape: tuple[int, int, int]) -> Geometry:
    affine = np.eye(4)
    affine[:3, :3] = np.transpose([AXES[letter] for letter in letters])
    return Geometry(shape, affine)


@pytest.mark.parametrize("shape", [(5, 20, 30), (20, 30, 9), (20, 30, 24), (12, 11, 10), (1, 8, 9)])
@pytest.mark.parametrize("letters", ["SPL", "PSL", "LSP"])
def test_a_volume_is_compared_alike_however_its_axes_are_stored(
    letters: str, shape: tuple[int, int, int]
) -> None:
    array = np.random.default_rng(1).integers(0, 900, shape)
    grid = lying(letters, shape)
    wanted = planes(array, grid)
    for order, flips in product(permutations(range(3)), [(), (0,), (1, 2)]):
        turn = Turn(order, flips)  # type: ignore[arg-type]
        back = planes(turn.array(array), turn.geometry(grid))
        assert any(
            np.array_equal(np.flip(back, axes), wanted)
            for axes in [(), (0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]
        )


@pytest.mark.parametrize(
    ("letters", "shape", "wanted"),
    [
        ("SPL", (5, 64, 64), (5, 64, 64)),  # an axial stack
        ("LSP", (20, 64, 48), (20, 64, 48)),  # a sagittal one, of few slices
        ("PSL", (20, 64, 48), (20, 64, 48)),
        ("LSP", (40, 64, 60), (64, 60, 40)),  # as fine in all directions: axial
        ("LSP", (1, 64, 48), (1, 64, 48)),  # one picture
        ("SPL", (600, 512, 512), (600, 512, 512)),
    ],
)
def test_which_axis_is_the_slice(
    letters: str, shape: tuple[int, int, int], wanted: tuple[int, int, int]
) -> None:
    array = np.broadcast_to(np.uint8(0), shape)
    assert planes(array, lying(letters, shape)).shape == wanted


def test_most_stacks_are_compared_as_they_are_stored() -> None:
    array = np.arange(2 * 8 * 9).reshape(2, 8, 9)
    for letters in ("SPL", "PSL", "LSP"):
        assert planes(array, lying(letters, array.shape)).tobytes() == array.tobytes()
