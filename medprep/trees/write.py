"""Make one volume of a tree: read its slices and write it with its sidecar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from medprep.dicom.assemble import settled_type
from medprep.dicom.series import Series, read_plan, tags_of
from medprep.dicom.sidecar import sidecar
from medprep.dicom.stacks import Plan
from medprep.files import AtomicFiles, json_bytes
from medprep.formats import nifti, png
from medprep.formats.windowing import choose_scale, choose_window, to_8bit, to_16bit
from medprep.trees.options import FORMATS, ConvertTree

_SECONDS = 1e-3


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
    """

    name: str
    plans: tuple[Plan, ...]
    options: ConvertTree

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
    return Made(job.name, shape, str(volume.array.dtype), volume.geometry.spacing_mm, series.notes)


def _write_3d(job: VolumeJob, files: AtomicFiles) -> Series:
    plan = job.plans[0]
    target = files.file(job.target)
    if job.options.format in ("nrrd", "mha"):
        from medprep.formats import itk

        series = read_plan(plan)
        itk.write(target, series.volume.array, series.volume.geometry)
        return series
    colours = 3 if plan.slices[0].encoding.colour else 1
    settled = settled_type(plan)
    if settled is not None and plan.shift_mm is None and plan.heights_mm is None:
        # The type is known before a pixel is read: compress each slice while the next is read.
        with nifti.NiftiWriter(
            target, plan.geometry, settled, colours=colours, sheared=plan.sheared
        ) as out:
            return read_plan(plan, out.write)
    series = read_plan(plan)
    volume = series.volume
    with nifti.NiftiWriter(
        target, volume.geometry, volume.array.dtype, colours=colours, sheared=plan.sheared
    ) as out:
        out.write(volume.array)
    return series


def _write_4d(job: VolumeJob, files: AtomicFiles) -> tuple[Series, dict[str, Any]]:
    """Write volumes one after the other in the type of the widest."""
    all_series = [read_plan(plan) for plan in job.plans]
    arrays = [series.volume.array for series in all_series]
    first = all_series[0]
    widest = _common_type(arrays)
    step_s = _time_step_s(job.plans)
    with nifti.NiftiWriter(
        files.file(job.target), first.volume.geometry, widest, volumes=len(arrays),
        volume_step_s=step_s,
    ) as out:  # fmt: skip
        for array in arrays:
            out.write(array.astype(widest, copy=False))
    notes = tuple(dict.fromkeys(note for series in all_series for note in series.notes))
    facts = {
        "volumes": [
            {
                key: value
                for key, value in asdict(plan.slices[0].contrast).items()
                if key in ("echo_ms", "b_value", "inversion_ms", "temporal", "trigger_ms")
                and value is not None
            }
            for plan in job.plans
        ]
    }
    return replace(first, notes=notes), facts


def _common_type(arrays: Sequence[Any]) -> Any:
    import numpy as np

    found = np.result_type(*arrays)
    return np.dtype(np.float32) if found.kind == "f" else found


def _time_step_s(plans: Sequence[Plan]) -> float:
    """Give the repetition time where the volumes are time points, else 0."""
    first = plans[0].slices[0]
    if len({plan.slices[0].contrast.echo_ms for plan in plans}) > 1:
        return 0.0
    repetition = tags_of(first).get("RepetitionTime")
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
        for number, plane in enumerate(values):
            pixels = to_8bit(plane, window)
            shown = ~pixels if series.inverted else pixels
            png.write_grey(folder / f"{number:03d}.png", shown)
        return series, {"window": asdict(window)}
    scale = choose_scale(values)
    for number, plane in enumerate(values):
        png.write_grey(folder / f"{number:03d}.png", to_16bit(plane, scale))
    return series, {"scale16": asdict(scale)}
