"""Options of ``predict --input DIR --output DIR``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Literal, get_args

from medprep.dicom.stacks import Policy
from medprep.errors import OptionError
from medprep.formats.windowing import parse_window
from medprep.inference.options import Axis, PredictorOptions

FolderFormat = Literal["nifti", "png", "chaos"]


@dataclass(frozen=True)
class PredictFolder:
    """What is predicted, and by what.

    Parameters
    ----------
    source
        Folder of DICOM or NIfTI at any depth, zip archive of DICOM, or file.
    output
        Folder of what is made.
    run
        Name of a model of the workspace, or of those of all folds, which are an ensemble; or
    checkpoint
        files of weights: several are an ensemble.
    format
        ``nifti``; ``png``: palette slices; ``chaos``: grey slices in the layout of a submission,
        of CHAOS alone.
    device, overlap, mirror
        As `medprep.inference.options.PredictorOptions` has them.
    window
        Of nets that were trained with each volume's own, as for ``convert``.
    policy
        What to do with gaps and tilt of DICOM.
    id_key
        File with the key of the pseudonyms; None keeps one in ``private/`` of the output.

    Raises
    ------
    OptionError
        If one cannot be used, or not both or neither of run and weights are given.
    """

    source: str
    output: str
    run: str | None = None
    checkpoint: tuple[str, ...] = ()
    format: FolderFormat = "nifti"
    device: str = PredictorOptions.device
    overlap: float = PredictorOptions.overlap
    mirror: tuple[Axis, ...] = ()
    window: str = "auto"
    policy: Policy = field(default_factory=Policy)
    id_key: str | None = None

    name: ClassVar[str] = "predict"

    def __post_init__(self) -> None:
        if (self.run is None) == (not self.checkpoint):
            raise OptionError(
                "--input wants to know by what: --run NAME of the workspace, or --checkpoint FILE, "
                "and not both"
            )
        if self.format not in get_args(FolderFormat):
            raise OptionError(
                f"--format is '{self.format}'; wanted is one of {', '.join(get_args(FolderFormat))}"
            )
        parse_window(self.window)
        self.how()

    def how(self) -> PredictorOptions:
        """Give how the nets are asked."""
        return PredictorOptions(self.device, self.overlap, self.mirror)

    @property
    def private(self) -> Path:
        """Where the key of the pseudonyms and the paths of the source are kept."""
        return Path(self.output, "private")
