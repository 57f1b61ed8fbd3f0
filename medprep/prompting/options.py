"""What to mark in a scan, and what became of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from medprep.errors import OptionError
from medprep.inference.prompts.points import SPACES, Place, Space
from medprep.models.prompts.clicks import STRATEGIES, Strategy

Crop = Literal["prompt", "official"]
CROPS: tuple[Crop, ...] = ("prompt", "official")
OUTPUT = "prompt.nii.gz"


@dataclass(frozen=True)
class Prompting:
    """What to mark in a scan.

    Parameters
    ----------
    source
        NIfTI, NRRD or MetaImage file, or the folder of one DICOM series.
    points, negative
        Places in one organ, and beside it, in this order.
    prompts
        A file ``prompts.json``: several organs.
    clicks_from
        A label map: a point at the centroid of each label.
    from_reference
        A label map: clicks are simulated.
    clicks, strategy
        How many of those for each label, and how they are drawn.
    space
        Of points; None: RAS millimetres for NIfTI, LPS for all else.
    crop
        What the net sees: a cube around the first point, or as the authors' own inference.
    checkpoint
        Weights in medprep's form.
    output
        The label map to write; a JSON of its names comes beside it.

    Raises
    ------
    OptionError
        If there is not one kind of points exactly, or options do not go together.
    """

    source: str
    points: tuple[Place, ...] = ()
    negative: tuple[Place, ...] = ()
    prompts: str | None = None
    clicks_from: str | None = None
    from_reference: str | None = None
    clicks: int = 1
    strategy: Strategy = "random"
    space: Space | None = None
    crop: Crop = "prompt"
    checkpoint: str | None = None
    output: str = OUTPUT

    def __post_init__(self) -> None:
        given = {
            "--point": bool(self.points),
            "--prompts": self.prompts is not None,
            "--clicks-from": self.clicks_from is not None,
            "--from-reference": self.from_reference is not None,
        }
        used = [name for name, there in given.items() if there]
        if len(used) != 1:
            raise OptionError(
                f"{' and '.join(used) or 'no point'}; wanted is one of {', '.join(given)}"
            )
        if self.negative and not self.points:
            raise OptionError("--negative goes with --point")
        if self.crop == "official" and self.from_reference is None:
            raise OptionError(
                "--crop official is placed by a reference's box: it wants --from-reference"
            )
        if self.clicks < 1:
            raise OptionError(f"--clicks is {self.clicks}; wanted is 1 or more")
        for name, value, wanted in (
            ("--strategy", self.strategy, STRATEGIES),
            ("--space", self.space or SPACES[0], SPACES),
            ("--crop", self.crop, CROPS),
        ):
            if value not in wanted:
                raise OptionError(f"{name} is '{value}'; wanted is {', '.join(wanted)}")
        if not self.output.casefold().endswith((".nii", ".nii.gz")):
            raise OptionError(f"--output is '{self.output}'; wanted is a file .nii or .nii.gz")

    @property
    def sidecar(self) -> Path:
        """The JSON beside the label map."""
        return Path(self.output.removesuffix(".gz")).with_suffix(".json")


@dataclass(frozen=True)
class Organ:
    """What became of an organ.

    Parameters
    ----------
    name, label
        In the label map.
    points
        In all spaces, with voxel and grey value.
    voxels, ml
        Its size in the label map; None where it is only planned.
    windows
        How many cubes were looked at.
    cut
        Whether it went on where the last cube allowed ended.
    failure
        Why it could not be marked, or None.
    """

    name: str
    label: int
    points: tuple[dict[str, Any], ...]
    voxels: int | None = None
    ml: float | None = None
    windows: int = 0
    cut: bool = False
    failure: str | None = None


@dataclass(frozen=True)
class Outcome:
    """What was marked, where it is, and what a person should know."""

    output: str
    organs: tuple[Organ, ...]
    notes: tuple[str, ...]
    contamination: str = ""

    @property
    def exit_code(self) -> int:
        """0 where all is well, 8 where an organ could not be marked."""
        return 8 if any(one.failure for one in self.organs) else 0

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs."""
        return {**asdict(self), "exit_code": self.exit_code}
