"""Turn a case's source files into a NIfTI volume, its sidecar and its slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any, ClassVar, Literal

from numpy.typing import NDArray

from medprep.dicom.stacks import Gaps, Policy, Tilt
from medprep.errors import OptionError
from medprep.files import AtomicFiles, json_bytes
from medprep.formats import nifti, png
from medprep.formats.windowing import (
    Scale16,
    Window,
    choose_scale,
    choose_window,
    parse_window,
    to_8bit,
    to_16bit,
)
from medprep.sources.detect import Picture
from medprep.stages import shards
from medprep.stages.base import (
    CaseResult,
    CaseTask,
    Context,
    Summary,
    run_cases,
    tell_notes,
)
from medprep.stages.pending import Keys
from medprep.stages.pictures import SourcePicture
from medprep.workspace.database import Input
from medprep.workspace.layout import Layout
from medprep.workspace.workspace import Workspace

Format = Literal["png", "png16", "nifti"]
_VERSION = 2


@dataclass(frozen=True)
class Convert:
    """Options of ``convert``.

    Parameters
    ----------
    format
        The NIfTI master is always written; ``png`` adds 8-bit slices, ``png16`` 16-bit ones.
    window
        What becomes black and white in 8 bits: ``auto``, ``dicom``, ``percentile:LOW,HIGH`` or
        ``LOW,HIGH``; chosen once per volume.
    gaps
        Missing or unevenly spaced slices of DICOM: ``error`` or ``resample``.
    tilt
        Slices of DICOM that shift sideways: ``error`` or ``resample``.
    shards
        Write what a training reads in parts too; ``clean`` then does so with the labels.
    """

    format: Format = "png"
    window: str = "auto"
    gaps: Gaps = "error"
    tilt: Tilt = "error"
    shards: bool = False

    name: ClassVar[str] = "convert"
    needs: ClassVar[tuple[str, ...]] = ("split",)

    def __post_init__(self) -> None:
        if self.format not in ("png", "png16", "nifti"):
            raise OptionError(
                f"--format is '{self.format}'; in a workspace wanted is png, png16 or nifti"
            )
        parse_window(self.window)
        if self.gaps == "split" or self.tilt == "keep":
            raise OptionError(
                "--gaps split and --tilt keep give volumes that a workspace cannot work with; "
                "use them with 'convert DIR --output OUT'"
            )
        Policy(self.gaps, self.tilt)

    def perform(self, context: Context) -> Summary:
        """Convert every case."""
        workspace = context.workspace
        if self.shards and workspace.layout.far is not None:
            raise OptionError(
                "--shards and --artifacts exclude each other: shards are read in parts, from a "
                "disk; leave --shards out, or work in a workspace without --artifacts"
            )
        options = asdict(self)
        del options["shards"]  # the same volumes, with or without
        tasks = self._tasks(workspace, Keys("convert", _VERSION, options))
        summary = run_cases(context, "convert", tasks, _convert)
        tell_notes(summary, workspace.database)
        if self.shards:
            shards.write_pictures(context, summary)
        return summary

    def _tasks(self, workspace: Workspace, keys: Keys) -> Iterator[CaseTask]:
        for case, key in workspace.currency.sources("picture"):
            inputs = (Input("source", f"{case}/picture", key),)
            payload = partial(self._payload, workspace, case)
            yield CaseTask(case, inputs, keys.of(inputs), payload)

    def _payload(self, workspace: Workspace, case: str) -> _Payload:
        source = SourcePicture.of(workspace, workspace.database.case(case))
        return _Payload(workspace.layout, case, source, self)


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    source: SourcePicture
    options: Convert


def _convert(work: _Payload) -> CaseResult:
    layout, case = work.layout, work.case
    options = work.options
    picture = work.source.read(Policy(options.gaps, options.tilt))
    values = picture.volume.array
    window = choose_window(values, options.window, picture.volume.modality, picture.window)
    scale = choose_scale(values) if options.format == "png16" else None
    facts = _facts(picture, window, scale)
    targets = [layout.image(case), layout.sidecar(case)]
    with AtomicFiles(most_bytes=2 * values.nbytes) as files:
        nifti.write(files.file(targets[0]), picture.volume)
        files.file(targets[1]).write_bytes(json_bytes(facts))
        if options.format != "nifti":
            targets.append(layout.slice_images(case))
            png.write_slices(files.folder(targets[2]), _planes(picture, window, scale))
    return CaseResult(tuple(layout.relative(path) for path in targets), facts)


def _planes(picture: Picture, window: Window, scale: Scale16 | None) -> Iterator[NDArray[Any]]:
    """Give one slice after the other, so that no second volume is held."""
    for plane in picture.volume.array:
        if scale is not None:
            yield to_16bit(plane, scale)
        else:
            shown = to_8bit(plane, window)
            yield ~shown if picture.inverted else shown


def _facts(picture: Picture, window: Window, scale: Scale16 | None) -> dict[str, Any]:
    grid = picture.volume.geometry
    notes = list(picture.notes)
    if scale is not None and not scale.lossless:
        notes.append(f"16 bits hold its values in steps of {scale.slope:.4g} only")
    return {
        **picture.acquisition,
        **grid.to_dict(),
        "spacing_mm": list(grid.spacing_mm),
        "orientation_lps": grid.orientation,
        "spacing_known": picture.spacing_known,
        "modality": picture.volume.modality,
        "dtype": str(picture.volume.array.dtype),
        "window": asdict(window),
        "scale16": None if scale is None else asdict(scale),
        **({"inverted": True} if picture.inverted and scale is None else {}),
        "source_order": list(picture.order),
        "notes": notes,
    }
