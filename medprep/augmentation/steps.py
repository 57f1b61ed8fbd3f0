"""What happens to a case when it is augmented, as data: stored, shown and replayed.

A `Plan` holds the numbers that were drawn and nothing that depends on chance any more; fields of
deformation and noise hold the seed they grow from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from medprep.errors import FormatError, OptionError

Axis = str
"""A patient's axis: ``LR`` (left-right), ``AP`` (front-back), ``IS`` (feet-head)."""

AXES: tuple[Axis, ...] = ("LR", "AP", "IS")

AXIS_OF: Mapping[str, Axis] = {
    "R": "LR", "L": "LR", "A": "AP", "P": "AP", "I": "IS", "S": "IS",
}  # fmt: skip
"""The axis that an array runs along, by the letter of where it runs."""


@dataclass(frozen=True)
class Elastic:
    """A smooth random deformation.

    Parameters
    ----------
    seed
        From which the displacements of a coarse grid of points are drawn.
    spacing_mm
        Distance of these points, at least a voxel; between them a cubic B-spline.
    amplitude_mm
        Standard deviation of their displacement along each axis. The spline averages neighbouring
        points: voxels move by about half of it in a slice and a third in a volume.
    """

    seed: int
    spacing_mm: float
    amplitude_mm: float


@dataclass(frozen=True)
class Spatial:
    """Where each voxel comes from: all of it is one transform and one interpolation.

    Applied to the object in this order, about the grid's centre: flips, zoom, shear, rotations,
    translation, elastic. The grid stays as it is. Slices (2D) move within their plane only: they
    take ``rotate[0]``, ``zoom[1:]``, ``shear[0]`` and ``translate_mm[1:]``.

    Parameters
    ----------
    flip
        The patient's axes along which the object is mirrored; of a slice, those in its plane.
    rotate_degrees
        About the array's slice, row and column axis, in millimetre space; positive turns the row
        axis towards the column axis, (then) column towards slice, slice towards row.
    zoom
        Along slices, rows, columns; above 1 the object becomes larger.
    shear_degrees
        Of rows along columns, (then) of columns along slices, of slices along rows: a higher row
        moves towards higher columns.
    translate_mm
        Along slices, rows, columns.
    elastic
        Or None.
    """

    flip: tuple[Axis, ...] = ()
    rotate_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    zoom: tuple[float, float, float] = (1.0, 1.0, 1.0)
    shear_degrees: tuple[float, float, float] = (0.0, 0.0, 0.0)
    translate_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    elastic: Elastic | None = None

    def __post_init__(self) -> None:
        for name in ("flip", "rotate_degrees", "zoom", "shear_degrees", "translate_mm"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if not set(self.flip) <= set(AXES) or len(set(self.flip)) < len(self.flip):
            raise OptionError(f"flips are along {self.flip}; wanted are LR, AP, IS, each once")
        if min(self.zoom) <= 0:
            raise OptionError(f"zoom is {self.zoom}; wanted is above 0")
        if max(abs(angle) for angle in self.shear_degrees) >= 80:
            raise OptionError(f"shear is {self.shear_degrees} degrees; wanted is below 80")


@dataclass(frozen=True)
class Intensity:
    """What happens to the picture's values after it has moved, in this order; None is left out.

    Values are taken as a share of the picture's own range, 0 its lowest and 1 its highest value,
    and clipped to it afterwards (and before a gamma, of which nothing below 0 has one).

    Parameters
    ----------
    noise_sd, noise_seed
        Gaussian noise added; its standard deviation as a share of the picture's own, which is what
        nnU-Net's number means.
    blur_mm
        Sigma of a Gaussian blur.
    brightness
        Factor of all values.
    contrast
        Factor of the distance to the mean.
    low_resolution
        The picture is made smaller by this factor (below 1) with nearest neighbours and larger
        again with cubic interpolation; not across slices more than three times as far apart as
        pixels.
    gamma, gamma_inverted
        Exponent; on the inverted picture instead. The mean and standard deviation stay.
    bias, bias_seed
        An MR bias field: the picture times exp of a smooth polynomial of third degree whose largest
        absolute value this is.
    """

    noise_sd: float | None = None
    noise_seed: int = 0
    blur_mm: float | None = None
    brightness: float | None = None
    contrast: float | None = None
    low_resolution: float | None = None
    gamma: float | None = None
    gamma_inverted: bool = False
    bias: float | None = None
    bias_seed: int = 0


@dataclass(frozen=True)
class Plan:
    """One copy of a case, or of a slice.

    Parameters
    ----------
    crop
        Shares of slices, rows and columns that stay, above 0 and at most 1, cut at ``crop_at``
        (from 0 to 1 of the room that is left) before everything else and enlarged to fill the
        grid again. None crops nothing. It is a part of the one transform: a share may end within
        a voxel, and a flip or rotation is about the middle of what stays.
    """

    spatial: Spatial = Spatial()
    intensity: Intensity = Intensity()
    crop: tuple[float, float, float] | None = None
    crop_at: tuple[float, float, float] = (0.5, 0.5, 0.5)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Self:
        """Read what `to_dict` gave.

        Raises
        ------
        FormatError
            If the record is no plan.
        OptionError
            If a value is outside its bounds.
        """
        try:
            spatial = dict(record["spatial"])
            if spatial.get("elastic") is not None:
                spatial["elastic"] = Elastic(**spatial["elastic"])
            crop = record["crop"]
            return cls(
                Spatial(**spatial), Intensity(**record["intensity"]),
                None if crop is None else tuple(crop), tuple(record["crop_at"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, OptionError):
                raise
            raise FormatError(f"no plan of an augmentation in this record: {error}") from error

    def to_dict(self) -> dict[str, Any]:
        """Give the plan as plain values for JSON; nothing is lost."""
        return asdict(self)

    @property
    def recolours(self) -> bool:
        """Whether any value changes."""
        unset = Intensity()
        return any(
            getattr(self.intensity, one.name) != getattr(unset, one.name)
            for one in fields(Intensity)
            if not one.name.endswith("seed") and one.name != "gamma_inverted"
        )
