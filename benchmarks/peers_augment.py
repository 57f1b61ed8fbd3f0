"""Augment pairs by medprep and peers: ``python peers_augment.py PEER JOB``.

One JSON line tells CPU and wall of one round over all pairs, the mean of as many rounds as half a
second holds (at least 2, at most 20), each result let go before the next is made; by how much a
first round, which is not timed and whose results are kept, raised the largest resident size; and
what became of pictures and labels. Needs numpy and the peer alone, so that each may live in an
environment of its own. Linux only.
"""

from __future__ import annotations

import ctypes
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

DEGREES, ZOOM = 10.0, 1.2
GRID, AMPLITUDE = 32, 4.0
"""Elastic deformation: distance of the control points, and how far they move, in voxels."""
SHORTEST_S, FEWEST, MOST = 0.5, 2, 20

Array = np.ndarray[Any, Any]
Pair = tuple[Array, Array]


@dataclass(frozen=True)
class Job:
    """What is augmented.

    Parameters
    ----------
    count, shape, dtype
        Pairs, and the picture's voxels; labels are uint8.
    elastic
        Whether it is bent as well.
    """

    count: int
    shape: tuple[int, ...]
    dtype: str
    elastic: bool = False

    @property
    def flat(self) -> bool:
        """Whether these are slices."""
        return len(self.shape) == 2


SLICE, CUBE = (256, 256), (128, 128, 128)
JOBS = {
    "2d-8bit": Job(64, SLICE, "uint8"),
    "2d-16bit": Job(64, SLICE, "uint16"),
    "2d-elastic": Job(64, SLICE, "uint8", elastic=True),
    "3d-16bit": Job(2, CUBE, "uint16"),
    "3d-elastic": Job(2, CUBE, "uint16", elastic=True),
}
Made = tuple[Callable[[Pair], Any], Callable[[Any, int], Any]]
"""What makes a pair ready, not measured, and what augments one, given its number."""


def make(job: Job) -> list[Pair]:
    """Make pairs: waves with noise, no voxel 0, and four organs (63, 126, 189, 252)."""
    chance = np.random.default_rng(0)
    top = np.iinfo(job.dtype).max
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in job.shape), indexing="ij", sparse=True)
    pairs = []
    for number in range(job.count):
        waves = sum(np.sin((5 + place) * axis + number) for place, axis in enumerate(axes))
        picture = 0.5 + 0.12 * waves + chance.normal(0, 0.02, job.shape)
        labels = np.zeros(job.shape, np.uint8)
        for label, at in enumerate((-0.4, 0.4, 0.0, 0.6), 1):
            off = sum((axis - at * (-1) ** place) ** 2 for place, axis in enumerate(axes))
            labels[off < 0.05 + 0.001 * number] = label * 63
        pairs.append(((picture.clip(0.01, 1) * top).astype(job.dtype), labels))
    return pairs


def medprep(job: Job) -> Made:
    """Draw a plan for each copy from its own generator, as ``augment`` does, and apply it."""
    from peers_augment_medprep import moves

    return moves(job)


def albumentations(job: Job) -> Made:
    """Affine, with ElasticTransform after it where bending is asked for, then HorizontalFlip."""
    import albumentations as library
    import cv2

    cv2.setNumThreads(1)
    linear, nearest = cv2.INTER_LINEAR, cv2.INTER_NEAREST
    modes = {"interpolation": linear, "mask_interpolation": nearest, "p": 1.0}
    steps = [
        library.Affine(
            rotate=(-DEGREES, DEGREES), scale=(1.0, ZOOM), keep_ratio=True, border_mode=0, **modes
        )
    ]
    if job.elastic:
        steps.append(library.ElasticTransform(alpha=100, sigma=GRID / 4, **modes))
    chain = library.Compose([*steps, library.HorizontalFlip(p=0.5)], seed=0)

    def move(pair: Pair, number: int) -> Pair:
        done = chain(image=pair[0], mask=pair[1])
        return done["image"], done["mask"]

    return (lambda pair: pair), move


def augmentor(job: Job) -> Made:
    """Run its own DataPipeline; it interpolates picture and mask by cubics."""
    import Augmentor

    random.seed(0)
    np.random.seed(0)  # noqa: NPY002

    def move(pair: Pair, number: int) -> Pair:
        picture, labels = augmentor_steps(Augmentor.DataPipeline([list(pair)]), job).sample(1)[0]
        return picture, labels

    return (lambda pair: pair), move


def augmentor_steps(pipeline: Any, job: Job) -> Any:
    """Give an Augmentor pipeline its operations."""
    pipeline.rotate(1.0, DEGREES, DEGREES)
    if job.elastic:
        pipeline.random_distortion(1.0, job.shape[0] // GRID, job.shape[1] // GRID, AMPLITUDE)
    pipeline.flip_left_right(0.5)
    pipeline.zoom(1.0, 1.0, ZOOM)
    return pipeline


def monai(job: Job) -> Made:
    """RandAffine, or its elastic twin that does both at once, and RandFlip; float32 in and out."""
    import torch
    from monai import transforms as library

    torch.set_num_threads(1)
    keys, modes = ("image", "label"), ("bilinear", "nearest")
    turn = np.deg2rad(DEGREES)
    # Its factors are of the output grid: below 1 the picture grows.
    common = {
        "prob": 1.0,
        "rotate_range": turn if job.flat else (turn,) * 3,
        "scale_range": ((1 / ZOOM - 1, 0.0),) * len(job.shape),
        "mode": modes,
        "padding_mode": "zeros",
    }
    if not job.elastic:
        bend = library.RandAffined(keys, **common)
    elif job.flat:
        bend = library.Rand2DElasticd(keys, (GRID, GRID), (0.0, AMPLITUDE), **common)
    else:
        bend = library.Rand3DElasticd(keys, (GRID / 4, GRID / 4), (50.0, 100.0), **common)
    chain = library.Compose(
        [bend, library.RandFlipd(keys, prob=0.5, spatial_axis=len(job.shape) - 1)]
    )
    chain.set_random_state(0)

    def move(pair: dict[str, Any], number: int) -> Pair:
        done = chain(pair)
        return done["image"], done["label"]

    def ready(pair: Pair) -> dict[str, Any]:
        return {
            "image": torch.from_numpy(pair[0].astype(np.float32)[None]),
            "label": torch.from_numpy(pair[1].astype(np.float32)[None]),
        }

    return ready, move


def torchio(job: Job) -> Made:
    """RandomAffine, with RandomElasticDeformation after it, then RandomFlip; float32."""
    import torch
    import torchio as library

    torch.set_num_threads(1)
    torch.manual_seed(0)
    turn = (-DEGREES, DEGREES)
    degrees = (0, 0, 0, 0, *turn) if job.flat else turn * 3
    steps = [library.RandomAffine(scales=(1.0, ZOOM), degrees=degrees, isotropic=True)]
    if job.elastic:
        # It takes no fewer than five, and holds the two outermost still.
        points = [max(5, side // GRID + 1) for side in job.shape] + [5] * job.flat
        far = (AMPLITUDE,) * len(job.shape) + (0,) * job.flat
        steps.append(library.RandomElasticDeformation(tuple(points), far))
    steps.append(library.RandomFlip(axes=(len(job.shape) - 1,), flip_probability=0.5))
    chain = library.Compose(steps)

    def ready(pair: Pair) -> Any:
        deep = (1, *job.shape, 1) if job.flat else (1, *job.shape)
        picture = torch.from_numpy(pair[0].astype(np.float32).reshape(deep))
        labels = torch.from_numpy(pair[1].reshape(deep))
        return library.Subject(
            image=library.ScalarImage(tensor=picture), label=library.LabelMap(tensor=labels)
        )

    def move(subject: Any, number: int) -> Pair:
        done = chain(subject)
        return done["image"].data, done["label"].data

    return ready, move


def batchgeneratorsv2(job: Job) -> Made:
    """SpatialTransform, which does all at once, and MirrorTransform; float32 in and out."""
    import torch
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform

    torch.set_num_threads(1)
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002
    turn = float(np.deg2rad(DEGREES))
    spatial = SpatialTransform(
        job.shape,
        0,
        False,
        p_elastic_deform=float(job.elastic),
        elastic_deform_scale=(GRID / 4 / job.shape[0],) * 2,
        elastic_deform_magnitude=(AMPLITUDE, AMPLITUDE),
        p_rotation=1,
        rotation=(-turn, turn),
        p_scaling=1,
        scaling=(1.0, ZOOM),
        p_synchronize_scaling_across_axes=1,
        mode_seg="nearest",
    )
    mirror = MirrorTransform((len(job.shape) - 1,))

    def ready(pair: Pair) -> dict[str, Any]:
        return {
            "image": torch.from_numpy(pair[0].astype(np.float32)[None]),
            "segmentation": torch.from_numpy(pair[1].astype(np.int16)[None]),
        }

    def move(pair: dict[str, Any], number: int) -> Pair:
        done = mirror(**spatial(**pair))
        return done["image"], done["segmentation"]

    return ready, move


PEERS: dict[str, Callable[[Job], Made]] = {
    "medprep": medprep,
    "albumentations": albumentations,
    "augmentor": augmentor,
    "monai": monai,
    "torchio": torchio,
    "batchgeneratorsv2": batchgeneratorsv2,
}


def measure(move: Callable[[Any, int], Any], inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Give the costs of a round, and the results of a first one."""
    # Making the pairs took more than they do: give it back, and forget that peak.
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib("VmRSS")
    made = [move(pair, number) for number, pair in enumerate(inputs)]
    growth = resident_mib("VmHWM") - before
    wall = cpu = 0.0
    rounds = 0
    while rounds < FEWEST or (cpu < SHORTEST_S and rounds < MOST):
        rounds += 1
        start, started = time.perf_counter(), time.process_time()
        for number, pair in enumerate(inputs, rounds * len(inputs)):
            move(pair, number)
        wall, cpu = wall + time.perf_counter() - start, cpu + time.process_time() - started
    return {"wall_s": wall / rounds, "cpu_s": cpu / rounds, "growth_mib": growth}, made


def resident_mib(which: str) -> float:
    """Give the process's resident size, now (VmRSS) or at its largest (VmHWM)."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{which}:")[2].split()[0]) / 1024


def judge(pairs: Sequence[Pair], made: Sequence[Any]) -> dict[str, Any]:
    """Tell how many label values are new, whether the grey values survived, and the type."""
    invented: set[float] = set()
    kept = True
    for (picture, labels), (moved, moved_labels) in zip(pairs, made, strict=True):
        invented |= set(np.unique(moved_labels).tolist()) - set(np.unique(labels).tolist())
        # All plans keep the middle of a picture: its brightest part cannot leave.
        moved = np.asarray(moved)
        kept &= bool(moved.max() > 0.8 * picture.max()) and moved.size == picture.size
    return {"invented": len(invented), "kept": kept, "dtype": str(np.asarray(made[0][0]).dtype)}


def main() -> None:
    """Measure a peer in memory."""
    job = JOBS[sys.argv[2]]
    pairs = make(job)
    ready, move = PEERS[sys.argv[1]](job)
    facts, made = measure(move, [ready(pair) for pair in pairs])
    print(json.dumps(facts | judge(pairs, made)), flush=True)


if __name__ == "__main__":
    main()
