"""Cleaning of label maps, by medprep and its peers: ``python peers_components.py PEER JOB FILE``.

One JSON line tells CPU and wall of one run after a first one, by how much the first one raised the
process's largest resident size, and in how many voxels the result differs from a reference.
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

LEAST = 50
"""Smaller pieces are dropped."""
JOBS = ("largest", "small", "five")
NEEDS = {
    "medprep": "medprep",
    "cc3d": "cc3d",
    "cc3d-once": "cc3d",
    "simpleitk": "SimpleITK",
    "scipy": "scipy",
    "skimage": "skimage",
    "monai": "monai",
}
"""Name of a peer to the module that it is made of."""

Array = np.ndarray[Any, Any]


def make(shape: tuple[int, int, int], specks: int) -> Array:
    """Make four organs, seeded, with specks anywhere: boxes of 1 to 5 voxels a side."""
    generator = np.random.default_rng(0)
    labels = np.zeros(shape, np.uint8)
    at = [axis / size for axis, size in zip(np.ogrid[tuple(map(slice, shape))], shape, strict=True)]
    for label, (centre, radius) in enumerate(
        (
            ((0.50, 0.45, 0.30), (0.35, 0.20, 0.18)),
            ((0.40, 0.60, 0.35), (0.20, 0.09, 0.06)),
            ((0.40, 0.60, 0.70), (0.20, 0.09, 0.06)),
            ((0.60, 0.50, 0.75), (0.20, 0.12, 0.08)),
        ),
        start=1,
    ):
        away = sum(((a - c) / r) ** 2 for a, c, r in zip(at, centre, radius, strict=True))
        labels[away < 1] = label
    for _ in range(specks):
        size = generator.integers(1, 6, 3)
        start = [generator.integers(0, n - s) for n, s in zip(shape, size, strict=True)]
        box = tuple(slice(a, a + s) for a, s in zip(start, size, strict=True))
        labels[box] = generator.integers(1, 5)
    return labels


def medprep(job: str) -> Callable[[Array], Array]:
    """Clean by `medprep.labels.cleaning.apply_rules`."""
    from medprep.geometry import Geometry
    from medprep.labels.cleaning import apply_rules
    from medprep.labels.rules import Rules

    rules = {
        "largest": Rules(keep=1),
        "small": Rules(min_piece_ml=LEAST / 1000),
        "five": Rules(keep=5),
    }[job]
    names = {label: str(label) for label in range(1, 5)}
    return lambda labels: apply_rules(
        labels, Geometry.from_parts(labels.shape, (1, 1, 1)), names, rules
    )[0]


def by_label(one: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Clean label by label by what cleans a mask."""

    def clean(labels: Array) -> Array:
        cleaned = np.zeros_like(labels)
        for label in range(1, 5):
            cleaned[one(labels == label) != 0] = label
        return cleaned

    return clean


def chosen(job: str, sizes: Array) -> Array:
    """Tell which of the pieces 1, 2, ... stay; sizes holds those of 0, 1, 2, ..."""
    keep = sizes >= LEAST
    if job != "small":
        keep[:] = False
        keep[1:][np.argsort(-sizes[1:], kind="stable")[: 5 if job == "five" else 1]] = True
    keep[0] = False
    return keep


def scipy(job: str) -> Callable[[Array], Array]:
    """Clean by scipy.ndimage.label; a piece is numbered by its first voxel in C order."""
    from scipy import ndimage

    def one(mask: Array) -> Array:
        numbers, _ = ndimage.label(mask, np.ones((3, 3, 3)))
        return chosen(job, np.bincount(numbers.ravel()))[numbers]

    return by_label(one)


def skimage(job: str) -> Callable[[Array], Array]:
    """Clean by skimage.measure.label, or morphology.remove_small_objects."""
    from skimage import measure, morphology

    def one(mask: Array) -> Array:
        if job == "small":
            return morphology.remove_small_objects(mask, max_size=LEAST - 1, connectivity=3)
        numbers = measure.label(mask, connectivity=3)
        return chosen(job, np.bincount(numbers.ravel()))[numbers]

    return by_label(one)


def cc3d(job: str) -> Callable[[Array], Array]:
    """Clean by cc3d.largest_k label by label; drop small ones of all labels by cc3d.dust."""
    import cc3d as peer

    if job == "small":
        return lambda labels: peer.dust(labels, threshold=LEAST, connectivity=26)
    count = 5 if job == "five" else 1
    return by_label(lambda mask: peer.largest_k(mask, k=count, connectivity=26))


def cc3d_once(job: str) -> Callable[[Array], Array]:
    """Clean by one pass of cc3d over all labels, then look each voxel up."""
    import cc3d as peer

    def clean(labels: Array) -> Array:
        numbers, count = peer.connected_components(labels, connectivity=26, return_N=True)
        sizes = peer.statistics(numbers)["voxel_counts"].astype(np.int64)
        of_piece = np.zeros(count + 1, labels.dtype)
        of_piece[numbers.reshape(-1)] = labels.reshape(-1)
        keep = np.zeros(count + 1, bool)
        for label in range(1, 5):
            mine = np.flatnonzero(of_piece == label)
            keep[mine] = chosen(job, np.append(0, sizes[mine]))[1:]
        return np.where(keep, of_piece, 0).astype(labels.dtype)[numbers]

    return clean


def simpleitk(job: str) -> Callable[[Array], Array]:
    """Clean by ConnectedComponent and RelabelComponent label by label."""
    import SimpleITK as sitk

    def clean(labels: Array) -> Array:
        image = sitk.GetImageFromArray(labels)
        cleaned = np.zeros_like(labels)
        for label in range(1, 5):
            numbers = sitk.ConnectedComponent(image == label, True)
            least = LEAST if job == "small" else 0
            numbers = sitk.RelabelComponent(numbers, least, True)
            sorted_ = sitk.GetArrayViewFromImage(numbers)  # is gone when the image is
            most = {"largest": 1, "five": 5, "small": sorted_.max()}[job]
            cleaned[(sorted_ > 0) & (sorted_ <= most)] = label
        return cleaned

    return clean


def monai(job: str) -> Callable[[Array], Array]:
    """Clean by MONAI's transforms, on an array, as post-processing does."""
    from monai import transforms

    warnings.simplefilter("ignore")
    if job == "small":
        small = transforms.RemoveSmallObjects(LEAST, connectivity=3, independent_channels=False)
        return by_label(lambda mask: np.asarray(small(mask[None]))[0])
    count = 5 if job == "five" else 1
    keep = transforms.KeepLargestConnectedComponent(
        applied_labels=[1, 2, 3, 4], is_onehot=False, connectivity=3, num_components=count
    )
    return lambda labels: np.asarray(keep(labels[None]))[0]


PEERS = {
    "medprep": medprep,
    "cc3d": cc3d,
    "cc3d-once": cc3d_once,
    "simpleitk": simpleitk,
    "scipy": scipy,
    "skimage": skimage,
    "monai": monai,
}


def resident_mib(what: str) -> float:
    """Give this process's resident size (``VmRSS``) or the largest there was (``VmHWM``)."""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) / 1024


def main() -> None:
    """Make a label map, clean it by scipy, or measure a peer."""
    peer, job, name = sys.argv[1:]
    path = Path(name)
    if peer == "make":
        full = job == "full"
        np.save(path, make((200, 512, 512) if full else (35, 256, 256), 3000 if full else 600))
        return
    labels = np.load(path)
    clean = PEERS[peer](job)
    reference = path.with_name(f"{path.stem}-{job}.npy")
    if not reference.exists():
        np.save(reference, scipy(job)(labels))
        return
    # Code is loaded and threads are started before the first figure is taken.
    clean(np.ascontiguousarray(labels[:8, :64, :64]))
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib("VmRSS")
    clean(labels)
    growth = resident_mib("VmHWM") - before
    wall, cpu = time.perf_counter(), time.process_time()
    cleaned = clean(labels)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    differs = int(np.count_nonzero(cleaned != np.load(reference)))
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "growth_mib": growth, "differs": differs}))


if __name__ == "__main__":
    main()
