"""Metrics by medprep and its peers: ``python peers_metrics.py PEER JOB SIZE FOLDER``.

One JSON line tells CPU and wall of one run, by how much a run raised the process's largest resident
size, and each label's values.
"""

from __future__ import annotations

import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LABELS = (1, 2, 3, 4)
SPACING_MM = {"full": (1.5, 0.75, 0.75), "small": (5.5, 1.4, 1.4)}
SHAPES = {"full": (200, 512, 512), "small": (35, 256, 256)}
TOLERANCE_MM = 2.0
SURFACE = ("hd95_mm", "assd_mm", "nsd")
JOBS = ("overlap", "clean", "blobs")
"""All overlap metrics of a clean prediction; surface metrics of a clean one, of one with blobs."""

Array = np.ndarray[Any, Any]
Found = dict[str, list[float]]
"""Metric to the value of each label."""
Once = Callable[[Array, Array], Found]


def make(size: str) -> dict[str, Array]:
    """Make four organs and two predictions of them, seeded.

    Prediction and reference differ by a wavy border and a shift of about a voxel, a fifth to two
    fifths of their border voxels lie on each other. ``blobs`` has five balls of each label more,
    anywhere in the background.
    """
    shape = SHAPES[size]
    reference, predicted = _organs(shape, 0), _organs(shape, 1)
    blobs = predicted.copy()
    generator = np.random.default_rng(2)
    radius = np.array([2, 5, 5]) if size == "small" else np.array([6, 10, 10])
    steps = np.ogrid[tuple(slice(-r, r + 1) for r in radius)]
    ball = sum((step / r) ** 2 for step, r in zip(steps, radius, strict=True)) <= 1
    for label in np.repeat(LABELS, 5):
        start = [generator.integers(0, n - 2 * r) for n, r in zip(shape, radius, strict=True)]
        here = blobs[tuple(slice(a, a + 2 * r + 1) for a, r in zip(start, radius, strict=True))]
        here[ball[tuple(slice(n) for n in here.shape)] & (here == 0)] = label
    return {"reference": reference, "clean": predicted, "blobs": blobs}


def _organs(shape: tuple[int, int, int], phase: int) -> Array:
    labels = np.zeros(shape, np.uint8)
    at = np.ogrid[tuple(slice(n) for n in shape)]
    for label, (centre, size) in zip(
        LABELS,
        (
            ((0.50, 0.45, 0.30), (0.35, 0.20, 0.18)),
            ((0.40, 0.60, 0.35), (0.20, 0.09, 0.06)),
            ((0.40, 0.60, 0.70), (0.20, 0.09, 0.06)),
            ((0.60, 0.50, 0.75), (0.20, 0.12, 0.08)),
        ),
        strict=True,
    ):
        z, y, x = (
            (a - c * n - 0.7 * phase) / (s * n)
            for a, c, s, n in zip(at, centre, size, shape, strict=True)
        )
        wave = np.sin(9 * z + phase) * np.sin(7 * y + 2 * phase) * np.sin(8 * x + label)
        labels[z**2 + y**2 + x**2 < 1 + 0.08 * wave] = label
    return labels


def medprep(definition: str) -> Callable[[str, str], Once]:
    """Measure by `medprep.metrics`: a whole case's overlap, or its surfaces by a definition."""

    def of(job: str, size: str) -> Once:
        from medprep.geometry import Geometry
        from medprep.metrics.catalogue import METRICS
        from medprep.metrics.definitions import DEFINITIONS
        from medprep.metrics.scores import score_case
        from medprep.metrics.surface import surface_metrics

        grid = Geometry.from_parts(SHAPES[size], SPACING_MM[size])
        overlap = [name for name, one in METRICS.items() if one.family in ("overlap", "volume")]

        def voxels(reference: Array, predicted: Array) -> Found:
            scores = score_case(
                reference,
                predicted,
                {label: str(label) for label in LABELS},
                Geometry.from_parts(reference.shape, SPACING_MM[size]),
                metrics=overlap,
                definition=DEFINITIONS["medprep"],
                tolerance_mm={},
            )
            return {"dice": [one.values["dice"] or 0.0 for one in scores]}

        def surfaces(reference: Array, predicted: Array) -> Found:
            found = surface_metrics(
                reference,
                predicted,
                LABELS,
                grid.affine[:3, :3],
                DEFINITIONS[definition],
                dict.fromkeys(LABELS, TOLERANCE_MM),
                SURFACE,
            )
            wanted = SURFACE[:2] if definition == "medpy" else SURFACE
            return {name: [found[label][name] or 0.0 for label in LABELS] for name in wanted}

        return voxels if job == "overlap" else surfaces

    return of


def numpy_counts(job: str, size: str) -> Once:
    """Count each label in the reference, the prediction and both by `numpy.count_nonzero`."""
    del job, size

    def once(reference: Array, predicted: Array) -> Found:
        found = []
        for label in LABELS:
            ours, theirs = reference == label, predicted == label
            common = np.count_nonzero(ours & theirs)
            found.append(2 * common / (np.count_nonzero(ours) + np.count_nonzero(theirs)))
        return {"dice": found}

    return once


def simpleitk(job: str, size: str) -> Once:
    """Measure by SimpleITK's LabelOverlapMeasures, all labels in one call."""
    del job, size
    import SimpleITK as sitk

    def once(reference: Array, predicted: Array) -> Found:
        measures = sitk.LabelOverlapMeasuresImageFilter()
        measures.Execute(sitk.GetImageFromArray(predicted), sitk.GetImageFromArray(reference))
        return {"dice": [measures.GetDiceCoefficient(label) for label in LABELS]}

    return once


def monai(job: str, size: str) -> Once:
    """Measure by MONAI on one-hot volumes without the background, which are made in the run."""
    import torch
    from monai import metrics

    warnings.simplefilter("ignore")
    spacing = SPACING_MM[size]

    def once(reference: Array, predicted: Array) -> Found:
        y_pred, y = (
            torch.from_numpy(np.stack([one == label for label in LABELS])[None])
            for one in (predicted, reference)
        )
        if job == "overlap":
            return {"dice": metrics.compute_dice(y_pred, y)[0].tolist()}
        hd95 = metrics.compute_hausdorff_distance(
            y_pred, y, include_background=True, percentile=95, spacing=spacing
        )
        assd = metrics.compute_average_surface_distance(
            y_pred, y, include_background=True, symmetric=True, spacing=spacing
        )
        nsd = metrics.compute_surface_dice(
            y_pred, y, [TOLERANCE_MM] * len(LABELS), include_background=True, spacing=spacing
        )
        return {name: one[0].tolist() for name, one in zip(SURFACE, (hd95, assd, nsd), strict=True)}

    return once


def medpy(job: str, size: str) -> Once:
    """Measure by MedPy label by label: dc, or hd95 and assd (it has no NSD)."""
    from medpy.metric import binary

    spacing = SPACING_MM[size]

    def once(reference: Array, predicted: Array) -> Found:
        masks = ((predicted == label, reference == label) for label in LABELS)
        if job == "overlap":
            return {"dice": [float(binary.dc(*both)) for both in masks]}
        found = [(binary.hd95(*both, spacing), binary.assd(*both, spacing)) for both in masks]
        return dict(zip(SURFACE, map(list, np.array(found).T.tolist()), strict=False))

    return once


def surface_distance(job: str, size: str) -> Once:
    """Measure by google-deepmind/surface-distance label by label."""
    import surface_distance as peer

    spacing = SPACING_MM[size]

    def measure(ours: Array, theirs: Array) -> tuple[float, float, float]:
        both = peer.compute_surface_distances(ours, theirs, spacing)
        assd = np.mean(peer.compute_average_surface_distance(both))
        nsd = peer.compute_surface_dice_at_tolerance(both, TOLERANCE_MM)
        return peer.compute_robust_hausdorff(both, 95), float(assd), nsd

    def once(reference: Array, predicted: Array) -> Found:
        masks = ((reference == label, predicted == label) for label in LABELS)
        if job == "overlap":
            return {"dice": [float(peer.compute_dice_coefficient(*both)) for both in masks]}
        found = np.array([measure(*both) for both in masks])
        return dict(zip(SURFACE, found.T.tolist(), strict=True))

    return once


PEERS: dict[str, Callable[[str, str], Once]] = {
    "medprep": medprep("medprep"),
    "medprep-surface-distance": medprep("surface-distance"),
    "medprep-monai": medprep("monai"),
    "medprep-medpy": medprep("medpy"),
    "numpy": numpy_counts,
    "simpleitk": simpleitk,
    "surface-distance": surface_distance,
    "monai": monai,
    "medpy": medpy,
}


def resident_mib(what: str) -> float:
    """Give this process's resident size (``VmRSS``) or the largest there was (``VmHWM``)."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def main() -> None:
    """Make the volumes, or measure a peer."""
    peer, job, size, folder = sys.argv[1:]
    where = Path(folder)
    if peer == "make":
        for name, array in make(size).items():
            np.save(where / f"{name}.npy", array)
        return
    reference = np.load(where / "reference.npy")
    predicted = np.load(where / ("blobs.npy" if job == "blobs" else "clean.npy"))
    once = PEERS[peer](job, size)
    # Code is loaded and threads are started before the first figure is taken.
    middle = tuple(slice(n // 3, n // 3 + n // 4) for n in reference.shape)
    small = [np.ascontiguousarray(one[middle]) for one in (reference, predicted)]
    small[0][0, 0, :8] = small[1][0, 0, :8] = np.repeat(LABELS, 2)
    once(*small)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib("VmRSS")
    wall, cpu = time.perf_counter(), time.process_time()
    found = once(reference, predicted)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    growth = resident_mib("VmHWM") - before
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "growth_mib": growth, "values": found}))


if __name__ == "__main__":
    main()
