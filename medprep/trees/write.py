"""Make one volume of a tree: read its slices and write it with its sidecar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.dicom.assemble import settled_type
from medprep.dicom.records import SliceHeader
from medprep.dicom.series import Series, read_plan, tags_of
from medprep.dicom.sidecar import sidecar
from medprep.dicom.stacks import Plan
from medprep.files import AtomicFiles, json_bytes
from medprep.formats import nifti, png
from medprep.formats.windowing import choose_scale, choose_window, to_8bit, to_16bit
from medprep.geometry import Geometry
from medprep.trees.options import FORMATS, ConvertTree

_SECONDS = 1e-3
_TOLD = ("echo_ms", "b_value", "inversion_ms", "temporal", "trigger_ms")
"""What the sidecar of a 4D file says of each volume."""


@dataclass(frozen=True)
class VolumeJob:
    """What one volume is made from.

    Parameters
    ----------
    name
        Of the files, without an ending.
    plans
        Its volume, or the volumes of a 4D file, all on one grid.
    options
        How.
    in_time
        Whether the volumes are time points.
    """

    name: str
    plans: tuple[Plan, ...]
    options: ConvertTree
    in_time: bool = False

    @property
    def first(self) -> SliceHeader:
        """The lowest slice: it stands for the series, whose slices may have UIDs of their own."""
        return self.plans[0].slices[0]

    @property
    def target(self) -> Path:
        """The file, or the folder of PNG slices."""
        return Path(self.options.output, self.name + FORMATS[self.options.format])

    @property
    def sidecar(self) -> Path:
        """The JSON beside it."""
        return Path(self.options.output, f"{self.name}.json")


@dataclass(frozen=True)
class Made:
    """What was made: the public facts of a volume."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    spacing_mm: tuple[float, ...]
    notes: tuple[str, ...]


def write_volume(job: VolumeJob) -> Made:
    """Write a volume and its sidecar; both appear, or neither."""
    with AtomicFiles(durable=False) as files:
        if job.options.format in ("png", "png16"):
            series, facts = _write_slices(job, files)
        elif len(job.plans) > 1:
            series, facts = _write_4d(job, files)
        else:
            series, facts = _write_3d(job, files), {}
        volume = series.volume
        record = sidecar(tags_of(series.first), volume.geometry, series.notes, facts)
        files.file(job.sidecar).write_bytes(json_bytes(record))
    shape = volume.array.shape if len(job.plans) == 1 else (len(job.plans), *volume.array.shape)
    dtype = facts.get("dtype", str(volume.array.dtype))
    return Made(job.name, shape, dtype, volume.geometry.spacing_mm, series.notes)


def _write_3d(job: VolumeJob, files: AtomicFiles) -> Series:
    plan = job.plans[0]
    target = files.file(job.target)
    if job.options.format in ("nrrd", "mha"):
        from medprep.formats import itk

        series = read_plan(plan)
        itk.write(target, series.volume.array, series.volume.geometry)
        return series
    settled = settled_type(plan)
    if settled is not None and plan.shift_mm is None and plan.heights_mm is None:
        # The type is known before a pixel is read: compress each slice while the next is read.
        with _writer(target, plan, plan.geometry, settled) as out:
            return read_plan(plan, out.write)
    series = read_plan(plan)
    volume = series.volume
    with _writer(target, plan, volume.geometry, volume.array.dtype) as out:
        out.write(volume.array)
    return series


def _write_4d(job: VolumeJob, files: AtomicFiles) -> tuple[Series, dict[str, Any]]:
    """Write volumes one after the other in the type of the widest."""
    all_series = [read_plan(plan) for plan in job.plans]
    arrays = [series.volume.array for series in all_series]
    first = all_series[0]
    widest = _common_type(arrays)
    with _writer(
        files.file(job.target), job.plans[0], first.volume.geometry, widest,
        volumes=len(arrays), volume_step_s=_time_step_s(first) if job.in_time else 0.0,
    ) as out:  # fmt: skip
        for array in arrays:
            out.write(array.astype(widest, copy=False))
    notes = tuple(dict.fromkeys(note for series in all_series for note in series.notes))
    contrasts = [asdict(plan.slices[0].contrast) for plan in job.plans]
    facts = {
        "dtype": str(widest),
        "volumes": [{key: one[key] for key in _TOLD if one[key] is not None} for one in contrasts],
    }
    return replace(first, notes=notes), facts


def _writer(
    target: Path, plan: Plan, geometry: Geometry, dtype: np.dtype[Any], **fourth_axis: Any
) -> nifti.NiftiWriter:
    colours = 3 if plan.slices[0].encoding.colour else 1
    return nifti.NiftiWriter(
        target, geometry, dtype, colours=colours, sheared=plan.sheared, **fourth_axis
    )


def _common_type(arrays: Sequence[NDArray[Any]]) -> np.dtype[Any]:
    found = np.result_type(*arrays)
    return np.dtype(np.float32) if found.kind == "f" else found


def _time_step_s(series: Series) -> float:
    repetition = tags_of(series.first).get("RepetitionTime")
    return repetition * _SECONDS if isinstance(repetition, float) else 0.0


def _write_slices(job: VolumeJob, files: AtomicFiles) -> tuple[Series, dict[str, Any]]:
    series = read_plan(job.plans[0])
    values = series.volume.array
    folder = files.folder(job.target)
    if values.ndim == 4:
        for number, plane in enumerate(values):
            png.write_colour(folder / f"{number:03d}.png", plane)
        return series, {}
    if job.options.format == "png":
        window = choose_window(values, job.options.window, series.volume.modality, series.window)
        flip = 255 if series.inverted else 0
        png.write_slices(folder, (to_8bit(plane, window) ^ np.uint8(flip) for plane in values))
        said = {"inverted": True} if series.inverted else {}
        return series, {"window": asdict(window), **said}
    scale = choose_scale(values)
    png.write_slices(folder, (to_16bit(plane, scale) for plane in values))
    return series, {"scale16": asdict(scale)}
