"""Say how often the alignment detector names a fault, on real pictures.

``python benchmarks/bench_alignment.py DATA`` takes the folder of real data (``chaos_mr_t2_nifti``,
``chaos`` with CT, ``hippocampus``, ``unetliver``), breaks each mask in every way, and counts.

Cases are sorted by their id; every second one, from the first, is the half on which thresholds
were set (``--half calibrate``); the others are the half that is reported (``--half report``, the
default). A set of one case is reported only.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.labels.alignment import Alignment, check_alignment, find_strangers, sketch
from medprep.sources.detect import open_source, read_mask, read_picture

Array = NDArray[Any]
_PLACE_SHARE = 0.05
"""A shift counts as named right when it is stated to 5% of the organ's size, or three pixels."""


@dataclass(frozen=True)
class Case:
    """A picture, its labels, and the spacing."""

    name: str
    picture: Array
    labels: Array
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class Trial:
    """A mask broken in one way; what has to be named, and the shift that mends it."""

    row: str
    labels: Array
    fault: str
    mend: tuple[int, int, int] | None = None


def main() -> None:
    """Print the table of each set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=("report", "calibrate"), default="report")
    parser.add_argument("--wrong", action="store_true", help="list every trial not named right")
    options = parser.parse_args()
    print(f"half: {options.half}")
    for title, folder, preset, keep in (
        ("MR T2, liver", "chaos_mr_t2_nifti", None, (1,)),
        ("MR T2, right kidney", "chaos_mr_t2_nifti", None, (2,)),
        ("MR T2, left kidney", "chaos_mr_t2_nifti", None, (3,)),
        ("MR T2, spleen", "chaos_mr_t2_nifti", None, (4,)),
        ("MR T2, four organs", "chaos_mr_t2_nifti", None, (1, 2, 3, 4)),
        ("CT/3, liver", "chaos", "chaos-ct", (1,)),
        ("hippocampus", "hippocampus", None, (1, 2)),
        ("single slices (unetliver, val)", "unetliver", None, (255,)),
    ):
        cases = list(read(options.data / folder, preset, keep, options.half))
        if cases:
            report(title, cases, options.wrong)


def read(root: Path, preset: Any, keep: tuple[int, ...], half: str) -> Iterator[Case]:
    """Read every second case of a set; labels that are not kept become background."""
    source = open_source(root, preset)
    entries = [e for e in sorted(source.cases, key=lambda e: e.case) if e.fold != "train"]
    if len(entries) > 1:
        entries = entries[half == "report" :: 2]
    elif half != "report":
        entries = []
    for entry in entries:
        picture = read_picture(entry.reader, entry.pictures, entry.modality)
        grid = picture.volume.geometry
        labels, _ = read_mask(entry.reader, entry.masks, picture.order, grid)
        if keep == (255,):
            labels = (labels > 127).astype(np.uint8) * np.uint8(255)
        yield Case(
            entry.case,
            picture.volume.array,
            labels * np.isin(labels, keep),
            grid.spacing_mm,
        )


def report(title: str, cases: list[Case], wrong: bool) -> None:
    """Count and print one set."""
    counts: dict[str, list[int]] = {}
    start, checks = time.process_time(), 0
    for case in cases:
        for trial in trials(case, cases):
            found = check_alignment(case.picture, trial.labels, case.spacing_mm)
            checks += 1
            right = named_right(trial, found, case)
            tally = counts.setdefault(trial.row, [0, 0, 0])
            tally[0] += 1
            tally[1] += right
            tally[2] += found.flagged
            if wrong and not right:
                print(f"  {case.name} {trial.row}: {found.fault} {found.shift} {found.evidence}")
    cost = (time.process_time() - start) / checks
    shape = " x ".join(str(n) for n in cases[0].picture.shape)
    print(f"\n{title}: {len(cases)} cases, {shape} the first; {cost:.3f} CPU s a check\n")
    print("| the mask is | trials | named right | flagged |\n|---|---|---|---|")
    for row, (count, right, flagged) in counts.items():
        shares = f"{right} ({right / count:.0%}) | {flagged} ({flagged / count:.0%})"
        print(f"| {row} | {count} | {shares} |")
    strangers(cases)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"\npeak so far {peak:.0f} MiB")


def trials(case: Case, cases: list[Case]) -> Iterator[Trial]:
    """Break a mask in every way."""
    labels = case.labels
    if not labels.any():
        return
    yield Trial("untouched", labels, "none")
    if labels.shape[0] > 1:
        yield Trial("reversed", labels[::-1], "reversed")
    yield Trial("flipped in x", labels[:, :, ::-1], "flip_x")
    yield Trial("flipped in y", labels[:, ::-1], "flip_y")
    if labels.shape[1] == labels.shape[2]:
        yield Trial("transposed", labels.transpose(0, 2, 1), "transposed")
    if labels.shape[0] > 1:
        yield Trial("one slice up", moved(labels, (1, 0, 0)), "slice_up", (-1, 0, 0))
        yield Trial("one slice down", moved(labels, (-1, 0, 0)), "slice_down", (1, 0, 0))
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1)):
        _, height, width = size(labels)
        shift = (0, down * (height // 2), right * (width // 2))
        broken = moved(labels, shift)
        lost = 1 - np.count_nonzero(broken) / np.count_nonzero(labels)
        if lost < 0.5:
            row = "shifted by half its size" + (", partly outside" if lost > 0.02 else "")
            yield Trial(row, broken, "shifted", (0, -shift[1], -shift[2]))
    place = next(n for n, other in enumerate(cases) if other is case)
    for step in range(1, min(len(cases), 5)):
        other = cases[(place + step) % len(cases)]
        laid = laid_on(other.labels, labels.shape)
        if np.count_nonzero(laid):
            yield Trial("of another patient", laid, "stranger")


def named_right(trial: Trial, found: Alignment, case: Case) -> bool:
    """Tell whether the fault is named, and its shift stated."""
    if found.fault != trial.fault or found.flagged != (trial.fault != "none"):
        return False
    if trial.mend is None:
        return not any(found.shift)
    allowed = [max(3.0, _PLACE_SHARE * n) for n in size(case.labels)]
    apart = [abs(a - b) for a, b in zip(found.shift, trial.mend, strict=True)]
    return apart[0] == 0 and all(a <= b for a, b in zip(apart, allowed, strict=True))


def strangers(cases: list[Case]) -> None:
    """Swap masks in the set, one at a time, and count what the comparison of all tells."""
    sketches = [s for case in cases if (s := sketch(case.name, case.picture, case.labels))]
    if len(sketches) < 4:
        return
    start = time.process_time()
    alarms = len(find_strangers(sketches))
    cost = time.process_time() - start
    count = flagged = named = 0
    for place, case in enumerate(cases):
        for step in range(1, min(len(cases), 5)):
            other = cases[(place + step) % len(cases)]
            broken = sketch(case.name, case.picture, laid_on(other.labels, case.labels.shape))
            if broken is None:
                continue
            swapped = [broken if s.case == case.name else s for s in sketches]
            mine = [s for s in find_strangers(swapped) if s.case == case.name]
            count += 1
            flagged += bool(mine)
            named += bool(mine) and mine[0].belongs_to == other.name
    print(
        f"\nset of {len(sketches)}: {alarms} alarms untouched ({cost:.2f} CPU s); of {count} masks "
        f"of another patient {flagged} flagged ({flagged / count:.0%}), {named} owners named"
    )


def moved(labels: Array, shift: tuple[int, ...]) -> Array:
    """Move labels; what leaves the picture is lost."""
    result = np.zeros_like(labels)
    to = tuple(slice(max(0, s), n + min(0, s)) for n, s in zip(labels.shape, shift, strict=True))
    of = tuple(slice(max(0, -s), n + min(0, -s)) for n, s in zip(labels.shape, shift, strict=True))
    result[to] = labels[of]
    return result


def laid_on(labels: Array, shape: tuple[int, ...]) -> Array:
    """Crop or pad labels to another shape, centres together."""
    result = np.zeros(shape, labels.dtype)
    to, of = [], []
    for there, here in zip(shape, labels.shape, strict=True):
        room = (there - here) // 2
        start, first = max(0, room), max(0, -room)
        count = min(there - start, here - first)
        to.append(slice(start, start + count))
        of.append(slice(first, first + count))
    result[tuple(to)] = labels[tuple(of)]
    return result


def size(labels: Array) -> list[int]:
    """Give how many slices, rows and columns the organs span."""
    where = np.argwhere(labels)
    return [int(n) for n in where.max(axis=0) - where.min(axis=0) + 1]


if __name__ == "__main__":
    main()
