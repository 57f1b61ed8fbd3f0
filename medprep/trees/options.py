"""Options of ``convert DIR --output OUT``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from medprep.dicom.roles import COLOUR
from medprep.dicom.stacks import Policy
from medprep.errors import OptionError
from medprep.formats.windowing import parse_window
from medprep.trees.survey import check_roles

TreeFormat = Literal["nifti", "nii", "nrrd", "mha", "png", "png16"]
FORMATS: dict[str, str] = {
    "nifti": ".nii.gz", "nii": ".nii", "nrrd": ".nrrd", "mha": ".mha", "png": "", "png16": "",
}  # fmt: skip
"""Format to the ending of a volume's file; PNG gives a folder of slices."""


@dataclass(frozen=True)
class ConvertTree:
    """What to make of a tree, without a workspace.

    Parameters
    ----------
    source
        Folder, zip archive or file.
    output
        Folder of what is made.
    format
        ``nifti`` (``.nii.gz``), ``nii``, ``nrrd``, ``mha``, or PNG slices of 8 or 16 bits.
    window
        What becomes black and white in 8 bits, as for ``convert``.
    policy
        What to do with gaps and tilt.
    stack
        Several contrasts or time points of a series into one 4D file.
    colour
        Take pictures in colour too.
    include
        Roles to take besides: ``localizer``, ``secondary capture``.
    id_key
        File with the key of the pseudonyms; None keeps one in ``private/`` of the output.
    """

    source: str
    output: str
    format: TreeFormat = "nifti"
    window: str = "auto"
    policy: Policy = field(default_factory=Policy)
    stack: bool = False
    colour: bool = False
    include: tuple[str, ...] = ()
    id_key: str | None = None

    name: ClassVar[str] = "convert"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise OptionError(f"--format is '{self.format}'; wanted is one of {', '.join(FORMATS)}")
        parse_window(self.window)
        check_roles(self.include)
        if self.stack and self.format not in ("nifti", "nii"):
            raise OptionError("--stack makes 4D NIfTI only; wanted is --format nifti")
        if self.policy.tilt == "keep" and self.format in ("nrrd", "mha"):
            raise OptionError(f"{self.format} holds no sheared grid; wanted is --format nifti")

    @property
    def roles(self) -> tuple[str, ...]:
        """Every role to take besides images."""
        return (*self.include, *((COLOUR,) if self.colour else ()))
