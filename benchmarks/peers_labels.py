"""PNG masks into PNG label slices, by medprep and peers: ``python peers_labels.py PEER IN OUT``.

One JSON line tells CPU and wall of a run over all files after a first one, and how many label
slices differ from what they must be.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

LEVELS = (63, 126, 189, 252)
RANGES = ((55, 70), (110, 135), (175, 200), (240, 255))
LOOPED = 2
"""So many files the loops in Python take; their costs are scaled to all."""

Array = np.ndarray[Any, Any]


def make(folder: Path, size: int, count: int) -> None:
    """Write masks of four organs as Pillow does, a third of them without any."""
    from PIL import Image

    folder.mkdir(parents=True)
    y, x = (axis / size for axis in np.ogrid[:size, :size])
    for number in range(count):
        grey = np.zeros((size, size), np.uint8)
        part = np.sin(np.pi * (number * 1.5 / count - 0.25))
        for level, (row, column, radius) in zip(
            LEVELS,
            ((0.45, 0.30, 0.20), (0.60, 0.35, 0.07), (0.60, 0.70, 0.07), (0.50, 0.80, 0.10)),
            strict=True,
        ):
            wave = 1 + 0.1 * np.sin(7 * np.arctan2(y - row, x - column) + number)
            if part > 0:
                grey[np.hypot(y - row, x - column) < radius * part * wave] = level
        Image.fromarray(grey).save(folder / f"{number:03d}.png")


def medprep(files: list[Path], output: Path) -> None:
    """Read, name and write as ``medprep extract --format png`` does, a case at a time."""
    from medprep.formats import png
    from medprep.labels.ranges import extract_labels
    from medprep.organs import Organ, OrganTable

    table = OrganTable(tuple(Organ(f"organ_{n}", (span,)) for n, span in enumerate(RANGES)))
    for at in range(0, len(files), 30):
        grey = np.stack([png.read(path) for path in files[at : at + 30]])
        labels, _ = extract_labels(grey, table, table, "error")
        for path, plane in zip(files[at : at + 30], labels, strict=True):
            png.write_labels(output / path.name, plane)


def cv2_labels(files: list[Path], output: Path) -> None:
    """Write one label picture a slice by imread, inRange and imwrite."""
    import cv2

    for path in files:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        labels = np.zeros_like(grey)
        for label, (low, high) in enumerate(RANGES, 1):
            labels[cv2.inRange(grey, low, high) > 0] = label
        cv2.imwrite(str(output / path.name), labels)


def cv2_organs(files: list[Path], output: Path) -> None:
    """Write one picture an organ and slice by imread, inRange and imwrite."""
    import cv2

    for path in files:
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        for label, (low, high) in enumerate(RANGES, 1):
            cv2.imwrite(str(output / f"{path.stem}_{label}.png"), cv2.inRange(grey, low, high))


def pillow(files: list[Path], output: Path) -> None:
    """Write one label picture a slice by Pillow and numpy.where."""
    from PIL import Image

    for path in files:
        grey = np.array(Image.open(path))
        labels = np.zeros_like(grey)
        for label, (low, high) in enumerate(RANGES, 1):
            labels = np.where((grey >= low) & (grey <= high), np.uint8(label), labels)
        Image.fromarray(labels).save(output / path.name)


def triple_loop(files: list[Path], output: Path) -> None:
    """Look at each channel of each pixel, as the tutorial does, with ``.item``."""
    import cv2

    for path in files[len(files) // 2 :][:LOOPED]:
        picture = cv2.imread(str(path))
        rows, columns, channels = picture.shape
        for row in range(rows):
            for column in range(columns):
                for channel in range(channels):
                    level = picture.item(row, column, channel)
                    value = 0
                    for label, (low, high) in enumerate(RANGES, 1):
                        if low <= level <= high:
                            value = label
                    picture[row, column, channel] = value
        cv2.imwrite(str(output / path.name), picture)


PEERS = {
    "medprep": medprep,
    "cv2": cv2_labels,
    "cv2-organs": cv2_organs,
    "pillow": pillow,
    "triple-loop": triple_loop,
}


def wrong(files: list[Path], output: Path) -> int:
    """Count the label slices that are not there or hold other labels than they must."""
    from PIL import Image

    count = 0
    for path in files:
        expected = np.array(Image.open(path)) // LEVELS[0]
        made = output / path.name
        count += not made.exists() or not np.array_equal(np.array(Image.open(made)), expected)
    return count


def main() -> None:
    """Make masks, or measure a peer."""
    peer, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    if peer == "make":
        make(source, int(target.name), 100 if target.name == "256" else 50)
        return
    files = sorted(source.glob("*.png"))
    for _ in range(2):
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir()
        wall, cpu = time.perf_counter(), time.process_time()
        PEERS[peer](files, target)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scale = len(files) / LOOPED if peer == "triple-loop" else 1
    size = sum(path.stat().st_size for path in target.iterdir())
    bad = wrong(files, target) if peer in ("medprep", "cv2", "pillow") else 0
    facts = {"wall_s": wall * scale, "cpu_s": cpu * scale, "bytes": size * scale, "wrong": bad}
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
