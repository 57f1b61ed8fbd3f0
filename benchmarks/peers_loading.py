"""Time batches of a set that fits in memory: ``python peers_loading.py PEER FOLDER``.

200 slices of 256 x 256 with labels, by fours: float32 from 0 to 1 and int64. One JSON line tells
CPU and wall of an epoch, the mean of some after the first, and what reading the files once took.
``make`` writes the slices as PNGs and as NIfTI volumes of 25. Linux only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from peers_train import THREADS, cpu_s

SLICES, SIDE, DEEP, BATCH, CLASSES = 200, 256, 25, 4, 5
EPOCHS = {"medprep": 10, "dataloader": 3, "dataloader-2-workers": 2}

Array = np.ndarray[Any, Any]
Epoch = Callable[[], Iterable[Any]]


def make(folder: Path) -> None:
    """Write the set in both forms."""
    import cv2

    from medprep.formats import nifti
    from medprep.geometry import Geometry
    from medprep.volume import LabelMap, Volume

    chance = np.random.default_rng(0)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    grid = Geometry.from_parts((DEEP, SIDE, SIDE), (5.0, 1.0, 1.0))
    for case in range(SLICES // DEEP):
        pictures, maps = np.empty((2, DEEP, SIDE, SIDE), np.uint8)
        for place in range(DEEP):
            far = np.hypot(x, y + 0.01 * place)
            maps[place] = (far * CLASSES).clip(0, CLASSES - 1)
            waves = 120 + 60 * np.sin(9 * far + case) + chance.normal(0, 6, far.shape)
            pictures[place] = waves.clip(0, 255)
            number = case * DEEP + place
            cv2.imwrite(str(folder / f"{number:03}-picture.png"), pictures[place])
            cv2.imwrite(str(folder / f"{number:03}-labels.png"), maps[place])
        nifti.write(folder / f"{case}-picture.nii.gz", Volume(pictures, grid))
        nifti.write(folder / f"{case}-labels.nii.gz", LabelMap(maps, grid))


def medprep(folder: Path) -> tuple[Epoch, float]:
    """Read the volumes once, and draw batches as a training does."""
    from medprep.models.preparation import Preparation
    from medprep.models.scaling import Scaling
    from medprep.models.targets import Targets
    from medprep.training.batches import Batches
    from medprep.training.cache import Store
    from medprep.training.dataset import TrainingCase, decode
    from medprep.training.samples import Samples

    targets = Targets({label: f"organ {label}" for label in range(1, CLASSES)})
    preparation = Preparation(2, (Scaling("window", 0, 255),), None, (SIDE, SIDE), targets)
    began = cpu_s()
    cases = [
        TrainingCase(path.name, path, path.with_name(path.name.replace("picture", "labels")))
        for path in sorted(folder.glob("*-picture.nii.gz"))
    ]
    samples = Samples.prepared(decode(cases, (), Store()), preparation, Store())
    took = cpu_s() - began
    batches = Batches(samples, preparation, BATCH, 0)
    return (lambda: map(batches.at, range(SLICES // BATCH))), took


def dataloader(workers: int) -> Callable[[Path], tuple[Epoch, float]]:
    """Decode PNGs by OpenCV in a torch DataLoader."""

    def of(folder: Path) -> tuple[Epoch, float]:
        import cv2
        import torch
        from torch.utils.data import DataLoader, Dataset

        cv2.setNumThreads(1)

        class Pairs(Dataset[tuple[torch.Tensor, torch.Tensor]]):
            def __len__(self) -> int:
                return SLICES

            def __getitem__(self, number: int) -> tuple[torch.Tensor, torch.Tensor]:
                picture, labels = (
                    cv2.imread(str(folder / f"{number:03}-{what}.png"), cv2.IMREAD_GRAYSCALE)
                    for what in ("picture", "labels")
                )
                scaled = picture[None].astype(np.float32) / np.float32(255)
                return torch.from_numpy(scaled), torch.from_numpy(labels.astype(np.int64))

        loader = DataLoader(Pairs(), BATCH, shuffle=True, num_workers=workers)
        return (lambda: loader), 0.0

    return of


PEERS: dict[str, Callable[[Path], tuple[Epoch, float]]] = {
    "medprep": medprep,
    "dataloader": dataloader(0),
    "dataloader-2-workers": dataloader(2),
}


def judge(batch: Any) -> None:
    """Refuse a batch of another form than was agreed."""
    pictures, labels = batch if isinstance(batch, list) else (batch.pictures, batch.targets)
    found = [str(one.dtype).removeprefix("torch.") for one in (pictures, labels)]
    shape = (BATCH, 1, SIDE, SIDE)
    assert found == ["float32", "int64"] and tuple(pictures.shape) == shape, found
    assert 0.5 < float(pictures.max()) <= 1 and int(labels.max()) == CLASSES - 1


def main() -> None:
    """Make the set, or measure a peer."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    if name == "make":
        make(folder)
        return
    import torch

    torch.set_num_threads(THREADS)
    epoch, read_s = PEERS[name](folder)
    for batch in epoch():
        judge(batch)
    wall, cpu, count = time.perf_counter(), cpu_s(), EPOCHS[name]
    for _ in range(count):
        for _ in epoch():
            pass
    wall, cpu = (time.perf_counter() - wall) / count, (cpu_s() - cpu) / count
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "growth_mib": 0, "read_s": read_s}))


if __name__ == "__main__":
    main()
