"""Change a picture's values as a plan says; where things lie, and the labels, stay as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.augmentation.spatial import checked_range
from medprep.augmentation.steps import Intensity, Plan
from medprep.errors import FormatError, OptionError
from medprep.opencv import load_cv2

ANISOTROPIC = 3.0
"""Slices further apart than this many pixels are treated one by one (nnU-Net's bound)."""

_REACH = 4.0
"""Standard deviations after which a Gaussian kernel is cut."""

_DEGREE = 3

Floats = NDArray[np.float32]


def is_anisotropic(spacing_mm: Sequence[float]) -> bool:
    """Tell whether a volume's slices lie more than `ANISOTROPIC` times its pixels apart."""
    return len(spacing_mm) == 3 and spacing_mm[0] > ANISOTROPIC * min(spacing_mm[1:])


def recolour(
    picture: NDArray[Any], intensity: Intensity, spacing_mm: Sequence[float]
) -> NDArray[Any]:
    """Change a picture's values.

    Parameters
    ----------
    picture
        ``[row, column]`` or ``[slice, row, column]``, uint8, uint16, int16 or float32; finite.
    intensity
        What to do. Where it asks for nothing, every value stays as it is; so it does where all
        values are equal.
    spacing_mm
        Distance of neighbours along each axis.

    Returns
    -------
    ndarray
        Same shape and type, new, within the picture's lowest and highest value; whole numbers
        are rounded. The same arguments give the same bytes.

    Raises
    ------
    FormatError
        If the picture is of another type, empty or not finite.
    OptionError
        If a value of ``intensity`` cannot be used, or the spacing is not of the picture's axes.
    """
    lowest, highest = checked_range(picture, 3 if picture.ndim == 3 else 2)
    _check(intensity, spacing_mm, picture.ndim)
    if highest - lowest > float(np.finfo(np.float32).max):
        raise FormatError(f"a picture's values from {lowest} to {highest} are too far apart")
    if lowest == highest or not Plan(intensity=intensity).recolours:
        return picture.copy()
    span = np.float32(highest - lowest)
    values = picture.astype(np.float32, order="C")
    values -= np.float32(lowest)
    values /= span
    values = _changed(values, intensity, tuple(spacing_mm))
    values *= span
    values += np.float32(lowest)
    if picture.dtype != np.float32:
        np.rint(values, out=values)
    np.clip(values, lowest, highest, out=values)
    return values.astype(picture.dtype, copy=False)


def _check(intensity: Intensity, spacing_mm: Sequence[float], axes: int) -> None:
    if len(spacing_mm) != axes or not all(step > 0 for step in spacing_mm):
        raise OptionError(f"spacing is {tuple(spacing_mm)} mm; wanted are {axes} steps above 0")
    for name in ("noise_sd", "blur_mm", "brightness", "contrast", "bias"):
        value = getattr(intensity, name)
        if value is not None and not 0 <= value < np.inf:
            raise OptionError(f"{name} is {value}; wanted is a number from 0")
    for name, most in (("low_resolution", 1.0), ("gamma", np.inf)):
        value = getattr(intensity, name)
        if value is not None and not 0 < value <= most:
            raise OptionError(f"{name} is {value}; wanted is above 0 and at most {most}")


def _changed(values: Floats, intensity: Intensity, spacing_mm: tuple[float, ...]) -> Floats:
    """Do all steps to values from 0 to 1, some of them in place."""
    if intensity.noise_sd:
        chance = np.random.Generator(np.random.SFC64(intensity.noise_seed))
        noise = chance.standard_normal(values.shape, np.float32)
        noise *= np.float32(intensity.noise_sd * _moments(values)[1])
        values += noise
    if intensity.blur_mm:
        values = _blurred(values, [intensity.blur_mm / step for step in spacing_mm])
    if intensity.brightness is not None:
        values *= np.float32(intensity.brightness)
    if intensity.contrast is not None:
        mean, _ = _moments(values)
        values *= np.float32(intensity.contrast)
        values += np.float32(mean * (1 - intensity.contrast))
    if intensity.low_resolution is not None:
        factors = [intensity.low_resolution] * values.ndim
        if is_anisotropic(spacing_mm):
            factors[0] = 1.0
        values = _coarse(values, factors)
    if intensity.gamma is not None:
        _bend(values, intensity.gamma, intensity.gamma_inverted)
    if intensity.bias:
        values *= _bias_field(values.shape, intensity.bias, intensity.bias_seed)
    return values


def _moments(values: Floats) -> tuple[float, float]:
    """Give mean and standard deviation."""
    mean, deviation = load_cv2().meanStdDev(values.reshape(values.shape[0], -1))
    return float(mean[0, 0]), float(deviation[0, 0])


def _bend(values: Floats, gamma: float, inverted: bool) -> None:
    """Raise to a power in place; mean and standard deviation stay, as in nnU-Net."""
    np.clip(values, 0, 1, out=values)
    mean, deviation = _moments(values)
    if inverted:
        np.subtract(1, values, out=values)
    load_cv2().pow(values, gamma, values)
    if inverted:
        np.subtract(1, values, out=values)
    bent_mean, bent_deviation = _moments(values)
    scale = deviation / bent_deviation if bent_deviation > 0 else 1.0
    values *= np.float32(scale)
    values += np.float32(mean - bent_mean * scale)


def _blurred(values: Floats, sigmas: list[float]) -> Floats:
    cv2 = load_cv2()
    *across, row, column = (_kernel(sigma) for sigma in sigmas)
    planes = values if values.ndim == 3 else values[None]
    for plane in planes:
        plane[...] = cv2.sepFilter2D(plane, -1, column, row, borderType=cv2.BORDER_REFLECT)
    if across:
        # Slices become rows, and each pixel of the plane a column of its own.
        flat = values.reshape(values.shape[0], -1)
        single = np.ones(1, np.float32)
        flat = cv2.sepFilter2D(flat, -1, single, across[0], borderType=cv2.BORDER_REFLECT)
        values = flat.reshape(values.shape)
    return values


def _kernel(sigma: float) -> Floats:
    sigma = max(sigma, 1e-3)
    reach = np.arange(-np.ceil(_REACH * sigma), np.ceil(_REACH * sigma) + 1)
    weights = np.exp(-0.5 * (reach / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


def _coarse(values: Floats, factors: list[float]) -> Floats:
    """Take nearest neighbours on a coarser grid and enlarge them again with cubic curves."""
    cv2 = load_cv2()
    shape = values.shape
    for axis, (many, factor) in enumerate(zip(shape, factors, strict=True)):
        few = max(1, round(many * factor))
        # The middle of each coarse voxel: by its first corner all would move by half of one.
        values = values.take((2 * np.arange(few) + 1) * many // (2 * few), axis)
    planes = values if values.ndim == 3 else values[None]
    size = (shape[-1], shape[-2])
    large = np.stack([cv2.resize(one, size, interpolation=cv2.INTER_CUBIC) for one in planes])
    if large.size < np.prod(shape):
        flat = large.reshape(len(large), -1)
        large = cv2.resize(flat, (flat.shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(large.reshape(shape))


def _bias_field(shape: tuple[int, ...], largest: float, seed: int) -> Floats:
    """Give exp of a smooth polynomial; its coefficients are those of all grids with this seed."""
    sides = (1,) * (3 - len(shape)) + shape
    parts = np.random.default_rng(seed).uniform(-1, 1, (_DEGREE + 1,) * 3).astype(np.float32)
    total = np.indices(parts.shape).sum(axis=0)
    parts[(total == 0) | (total > _DEGREE)] = 0
    places = [np.linspace(-1, 1, n, dtype=np.float32) if n > 1 else np.zeros(1) for n in sides]
    slices, rows = (place[:, None] ** np.arange(_DEGREE + 1) for place in places[:2])
    planes = np.einsum("si,ikr->ksr", slices, np.einsum("ijk,rj->ikr", parts, rows))
    planes = planes.astype(np.float32)[..., None]
    columns = places[2].astype(np.float32)
    field = planes[_DEGREE] * columns
    for power in range(_DEGREE - 1, 0, -1):
        field += planes[power]
        field *= columns
    field += planes[0]
    most = max(float(field.max()), -float(field.min()))
    field *= np.float32(largest / most if most > 0 else 0)
    np.exp(field, out=field)
    return np.asarray(field.reshape(shape))
