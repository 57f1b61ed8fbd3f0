"""Measure forms of a training set on disk: what a random patch or slice of each costs.

    python benchmarks/bench_shards.py [DATA] [--samples 200] [--folder FOLDER]
        [--forms map,bricks,...] [--volumes 8] [--without-ct]

It wants blosc2 beside medprep.

DATA is the folder that MEDPREP_TEST_DATA names for the tests; without it only made-up volumes are
measured. For each form: bytes on disk for each byte of picture and labels, processor time to make
it, and for a random 3D patch and a random slice (picture and labels) the processor time with a
warm page cache, and with a cold one the time by the clock and the bytes that came from the disk.
A cache is made cold by POSIX_FADV_DONTNEED on files that are synced (Linux). Processor time is of
this process; every reader uses one thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shard_forms import Array, Form, box_of, forms

from medprep.augmentation.recipe import named_recipe
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.training.online import Online, SliceGrid, generator_at
from medprep.volume import compact


def made_up(number: int, shape: tuple[int, int, int]) -> tuple[Array, Array]:
    """Give a volume like a CT's, with noise of 10, and two organs."""
    chance = np.random.default_rng(number)
    z, y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in shape)
    away = (z[:, None, None] ** 2) / 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2
    labels = ((away < 0.1).astype(np.uint8) + (away < 0.02)).astype(np.uint8)
    body = np.where(away < 0.7, 40.0, -1000.0).astype(np.float32) + 60 * labels
    body += chance.normal(0, 10, shape).astype(np.float32) * (away < 0.9)
    return body.round().astype(np.int16), labels


def pairs(folder: Path, images: str, labels: str, count: int) -> list[tuple[Array, Array]]:
    """Read some pictures, as a training does, and their labels."""
    found = sorted(folder.glob(images))[:count]
    named = [one.relative_to(folder).as_posix() for one in found]
    old, new = labels.split("=")
    return [
        (
            compact(nifti.read(folder / one).array),
            nifti.read_label_map(folder / one.replace(old, new)).array,
        )
        for one in named
    ]


def _forget(folder: Path) -> None:
    for path in folder.iterdir():
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def _read_bytes() -> int:
    lines = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def _boxes(volumes: Sequence[tuple[Array, Array]], patch: Sequence[int], count: int) -> list[Any]:
    """Draw boxes, the same ones for every form."""
    chance = np.random.default_rng(5)
    drawn = []
    for _ in range(count):
        number = int(chance.integers(len(volumes)))
        shape = volumes[number][0].shape
        sides = [min(side, most) for side, most in zip(patch, shape, strict=True)]
        start = [int(chance.integers(h - s + 1)) for h, s in zip(shape, sides, strict=True)]
        drawn.append((number, box_of(start, sides)))
    return drawn


def measure(
    form: Form, volumes: Sequence[tuple[Array, Array]], folder: Path, patch: Sequence[int],
    samples: int,
) -> list[float]:  # fmt: skip
    """Give what one form costs; see the table's head."""
    folder.mkdir()
    start = time.process_time()
    for number, arrays in enumerate(volumes):
        for kind, array in zip("pl", arrays, strict=True):
            form.write(folder / f"{number}{kind}", array)
    made = time.process_time() - start
    size = sum(path.stat().st_size for path in folder.iterdir())
    plain = sum(array.nbytes for arrays in volumes for array in arrays)
    row = [size / plain, 1e3 * made / len(volumes)]
    for sides in (patch, (1, 10**9, 10**9)):
        boxes = _boxes(volumes, sides, samples)
        for number, box in boxes:  # exact, and warm from here on
            for kind, array in zip("pl", volumes[number], strict=True):
                assert np.array_equal(form.read(folder / f"{number}{kind}", box), array[box])
        start = time.process_time()
        for number, box in boxes:
            form.read(folder / f"{number}p", box)
            form.read(folder / f"{number}l", box)
        row.append(1e3 * (time.process_time() - start) / samples)
        few = boxes[: max(10, samples // 10)]
        clock, bytes_ = 0.0, 0
        for number, box in few:
            _forget(folder)
            begun, before = time.perf_counter(), _read_bytes()
            form.read(folder / f"{number}p", box)
            form.read(folder / f"{number}l", box)
            clock += time.perf_counter() - begun
            bytes_ += _read_bytes() - before
        row += [1e3 * clock / len(few), bytes_ / len(few) / 1024]
    return row


def augmenting(volumes: Sequence[tuple[Array, Array]], patch: Sequence[int]) -> list[float]:
    """Give the processor time, in ms, that changing a patch and a slice takes by itself."""
    online = Online(named_recipe("tutorial"), "tutorial", None)
    picture, labels = volumes[0][0].astype(np.float32), volumes[0][1]
    grid = Geometry.from_parts(picture.shape, (3.0, 1.0, 1.0))
    sides = tuple(min(side, most) for side, most in zip(patch, picture.shape, strict=True))

    def read(first: tuple[int, ...], shape: tuple[int, ...]) -> tuple[list[Array], Array]:
        box = tuple(slice(0, min(a, b)) for a, b in zip(shape, picture.shape, strict=True))
        missing = [(0, side - min(side, h)) for side, h in zip(shape, picture.shape, strict=True)]
        return [np.pad(picture[box], missing, "edge")], np.pad(labels[box], missing)

    row = []
    for flat in (False, True):
        start = time.process_time()
        for number in range(30):
            chance = generator_at(0, number, 0)
            if flat:
                plane = len(picture) // 2
                online.slice_shown([picture[plane]], labels[plane], SliceGrid.of(grid), chance)
            else:
                online.patch_shown(read, (sides[0], sides[1], sides[2]), grid, chance)
        row.append(1e3 * (time.process_time() - start) / 30)
    return row


def main() -> None:
    """Measure and print."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("data", nargs="?", type=Path)
    asked.add_argument("--samples", type=int, default=200)
    asked.add_argument("--volumes", type=int, default=8)
    asked.add_argument("--folder", type=Path)
    asked.add_argument("--without-ct", action="store_true", help="leave out what takes longest")
    asked.add_argument("--forms", default=",".join(forms()))
    given = asked.parse_args()
    sets = {}
    if not given.without_ct:
        made = [made_up(number, (120, 512, 512)) for number in range(max(2, given.volumes // 4))]
        sets["CT-like 120x512x512"] = made, (64, 96, 96)
    if given.data is not None:
        chaos = (given.data / "chaos_mr_t2_nifti", "image_*", "image_=label_")
        hippocampus = (given.data / "hippocampus", "images/*.nii*", "images/=labels/")
        sets["CHAOS MR T2"] = (pairs(*chaos, given.volumes), (24, 128, 128))
        sets["hippocampus"] = (pairs(*hippocampus, 4 * given.volumes), (32, 40, 32))
    for name, (volumes, patch) in sets.items():
        changed = augmenting(volumes, patch)
        print(
            f"\n{name}: {len(volumes)} volumes, patches of {'x'.join(map(str, patch))}; changing a "
            f"patch as it is shown takes {changed[0]:.1f} ms, a slice {changed[1]:.1f}"
        )
        print(
            f"  {'':12} {'disk/':>6} {'make':>7} | {'patch: CPU':>10} {'cold':>7} {'from disk':>9}"
            f" | {'slice: CPU':>10} {'cold':>7} {'from disk':>9}\n"
            f"  {'':12} {'plain':>6} {'ms':>7} | {'warm ms':>10} {'ms':>7} {'KiB':>9}"
            f" | {'warm ms':>10} {'ms':>7} {'KiB':>9}"
        )
        for called in given.forms.split(","):
            folder = Path(tempfile.mkdtemp(dir=given.folder))
            samples = max(10, given.samples // 10) if called == "nifti" else given.samples
            try:
                row = measure(forms()[called], volumes, folder / "form", patch, samples)
            finally:
                shutil.rmtree(folder)
            print(
                f"  {called:12} {row[0]:6.3f} {row[1]:7.1f} | {row[2]:10.3f} {row[3]:7.2f} "
                f"{row[4]:9.0f} | {row[5]:10.3f} {row[6]:7.2f} {row[7]:9.0f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
