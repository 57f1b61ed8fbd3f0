"""Augment PNG pairs from disk to disk: ``python peers_augment_disk.py PEER IN OUT``.

``make`` writes the pairs. One JSON line tells CPU and wall of a run over all pairs, into an empty
folder, after a first one; the bytes that it wrote; and what became of pictures and labels.
"""

from __future__ import annotations

import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from peers_augment import JOBS, augmentor_steps, judge, make

JOB = JOBS["2d-8bit"]
THREADS = 2


def write(source: Path) -> None:
    """Write the pairs by Pillow: grey pictures and grey masks."""
    from PIL import Image

    for folder in ("images", "labels"):
        (source / folder).mkdir(parents=True)
    for number, pair in enumerate(make(JOB)):
        for folder, pixels in zip(("images", "labels"), pair, strict=True):
            Image.fromarray(pixels).save(source / folder / f"{number:03d}.png")


def medprep(source: Path, target: Path, threads: int) -> None:
    """Read, draw, apply and write each pair."""
    from peers_augment_medprep import disk

    disk(JOB, source, target, threads)


def augmentor(source: Path, target: Path, threads: int) -> None:
    """Run its own Pipeline with ground truth over each pair once; how many threads, it decides."""
    import Augmentor

    random.seed(0)
    pipeline = Augmentor.Pipeline(str(source / "images"), str(target))
    pipeline.ground_truth(str(source / "labels"))
    augmentor_steps(pipeline, JOB).sample(0, multi_threaded=threads > 1)


PEERS: dict[str, Callable[[Path, Path], None]] = {
    "medprep": lambda source, target: medprep(source, target, 1),
    "medprep-threads": lambda source, target: medprep(source, target, THREADS),
    "augmentor": lambda source, target: augmentor(source, target, 1),
    "augmentor-threads": lambda source, target: augmentor(source, target, THREADS),
}


def written(target: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read back what was written, by Pillow; palette pictures as their indices."""
    from PIL import Image

    def pixels(path: Path) -> np.ndarray:
        return np.array(Image.open(path))

    if (target / "images").is_dir():
        return [
            (pixels(path), pixels(target / "labels" / path.name))
            for path in sorted((target / "images").iterdir())
        ]
    # images_original_003.png_UUID.png beside _groundtruth_(1)_images_003.png_UUID.png
    found: dict[str, dict[bool, np.ndarray]] = {}
    for path in target.rglob("*.png"):
        _, _, rest = path.name.partition(".png_")
        number = path.name.partition(".png_")[0][-3:]
        found.setdefault(f"{number} {rest}", {})[path.name.startswith("_groundtruth")] = pixels(
            path
        )
    return [(pair[False], pair[True]) for _, pair in sorted(found.items())]


def main() -> None:
    """Write pairs, or measure a peer."""
    peer, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if peer == "make":
        write(source)
        return
    for _ in range(2):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        wall, cpu = time.perf_counter(), time.process_time()
        PEERS[peer](source, target)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    size = sum(path.stat().st_size for path in target.rglob("*.png"))
    facts = {"wall_s": wall, "cpu_s": cpu, "bytes": size} | judge(make(JOB), written(target))
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    main()
