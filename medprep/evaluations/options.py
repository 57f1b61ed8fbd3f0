"""Options of ``evaluate`` on files that are in no workspace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medprep.errors import OptionError
from medprep.metrics.measures import Measures

TUTORIAL = "tutorial"
"""The preset that scores pictures of logits, not labels; see `medprep.metrics.tutorial`."""


@dataclass(frozen=True)
class EvaluateFolders:
    """What is scored, and how.

    Parameters
    ----------
    reference
        A file, or a folder at whose any depth there are files or stacks of PNGs.
    predicted
        The same for each model; several are compared. A model is called by its folder's name.
    metrics, preset, tolerance
        As `medprep.stages.evaluate.Evaluate` takes them; ``tutorial`` is a preset here too.
    organs
        A table of organs, or a file of one, that names the numbers or grey levels; None finds out.
    grid
        A DICOM folder whose series gives stacks of PNGs their geometry.
    spacing_mm
        Between slices, rows and columns, where no file tells.
    resample
        Put predictions on the reference's grid instead of refusing another one.
    patient_pattern
        Regular expression whose group is the patient in a case's name; None takes every case for
        a patient of its own.
    output
        Folder that gets the tables; None writes none.

    Raises
    ------
    OptionError
        If something is missing or said twice.
    """

    reference: str
    predicted: tuple[str, ...]
    metrics: tuple[str, ...] = ()
    preset: str = "medprep"
    tolerance: tuple[str, ...] = ()
    organs: str | None = None
    grid: str | None = None
    spacing_mm: tuple[float, float, float] | None = None
    resample: bool = False
    patient_pattern: str | None = None
    output: str | None = None

    name: ClassVar[str] = "evaluate"

    def __post_init__(self) -> None:
        if not self.predicted:
            raise OptionError("nothing to score; give --predicted DIR")
        if len(set(self.models)) < len(self.models):
            raise OptionError(
                f"two models are called {self.models[0]} by their folders; rename one of "
                f"{', '.join(self.predicted)}"
            )
        if self.grid is not None and self.spacing_mm is not None:
            raise OptionError("--grid and --spacing both give the voxels' size; wanted is one")
        if self.preset != TUTORIAL:
            self.measures()

    @property
    def models(self) -> tuple[str, ...]:
        """What each model is called."""
        names = [Path(one).resolve().name for one in self.predicted]
        return tuple(name.removesuffix(".gz").removesuffix(".nii") for name in names)

    def measures(self) -> Measures:
        """Give what is measured."""
        return Measures.of(self.metrics, self.preset, self.tolerance)
