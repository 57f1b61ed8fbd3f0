"""Measure the leak gate: what it finds, what it wrongly alarms on, its time and its growth.

    python benchmarks/bench_leaks.py DATA [--only rates,reference,changes,time,growth]
        [--sizes 1000,2000,4000,8000]

DATA is the folder that MEDPREP_TEST_DATA names for the tests. Figures of half B only count:
half A are the patients at odd places of the list sorted by name, half B the others, and the
threshold of detail is the highest figure of two different patients in half A, rounded up to a
hundredth, plus 0.05. Times are CPU seconds (user and system) of this process.
"""

from __future__ import annotations

import argparse
import re
import resource
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from make_leaks import changed, made_up
from numpy.typing import NDArray

from medprep.formats import nifti, png
from medprep.leaks import Fingerprint, find_leaks, fingerprint
from medprep.leaks.candidates import candidates, coefficients
from medprep.leaks.near import NEAR_DETAIL, Asking
from medprep.leaks.table import lay_out
from medprep.leaks.thumbnails import as_grey
from medprep.opencv import load_cv2

Picture = NDArray[Any]
PARTS = ("rates", "reference", "changes", "time", "growth")


def natural(name: str) -> list[int | str]:
    """Sort numbers in names as numbers."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def volumes(folder: Path, pattern: str) -> dict[str, list[Picture]]:
    """Read volumes as lists of slices."""
    paths = sorted(folder.glob(pattern), key=lambda path: natural(path.name))
    return {path.name.split(".")[0]: list(nifti.read(path).array) for path in paths}


def pictures(folder: Path) -> dict[str, Picture]:
    """Read all PNG of a folder by name."""
    return {
        path.stem: png.read(path)
        for path in sorted(folder.glob("*.png"), key=lambda path: natural(path.name))
    }


def people(data: Path) -> dict[str, dict[str, list[Picture]]]:
    """Read sets of pictures by patient, each patient once."""
    by_patient: dict[str, list[Picture]] = defaultdict(list)
    for name, picture in pictures(data / "unetliver" / "val" / "Data").items():
        by_patient[name.split("_")[0]].append(picture)
    return {
        "CHAOS T2, 10 patients": volumes(data / "chaos_mr_t2_nifti", "image_*.nii.gz"),
        "CHAOS T1 validation slices, 15 patients": dict(by_patient),
        "hippocampus crops, 80 patients": volumes(data / "hippocampus" / "images", "*.nii.gz"),
    }


def fingers(cases: Mapping[str, Iterable[Picture]]) -> dict[str, Fingerprint]:
    """Take the fingerprint of each case."""
    return {name: fingerprint(slices) for name, slices in cases.items()}


def halves(names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give names at odd and at even places."""
    ordered = sorted(names, key=natural)
    return ordered[::2], ordered[1::2]


def highest(prints: Mapping[str, Fingerprint]) -> tuple[int, list[float]]:
    """Count slices that are not blank, and give each one's highest detail with another case."""
    table = lay_out(prints, {name: name for name in prints})
    slices = [table.at(place) for place in range(len(table))]
    rows = np.stack([coefficients(one.of.thumbnails[one.number]) for one in slices])
    best = np.full(len(slices), -1.0)
    for found in candidates(rows, table.groups):
        asking = Asking(slices[found[0].one])
        for pair in found:
            fit = asking.best(slices[pair.other], pair.starts)
            if fit is not None:
                both = [pair.one, pair.other]
                best[both] = np.maximum(best[both], fit[0].detail)
    return len(slices), sorted(best.tolist(), reverse=True)


def row(name: str, half: str, prints: Mapping[str, Fingerprint]) -> float:
    """Print one line of rates; give the highest detail."""
    count, best = highest(prints)
    alarms = sum(detail >= NEAR_DETAIL for detail in best)
    print(
        f"| {name} | {half} | {count} | {best[0]:.3f} | {np.quantile(best, 0.99):.3f} | "
        f"{alarms} ({alarms / count:.1%}) |"
    )
    return best[0]


def rates(data: Path) -> None:
    """Alarm on nothing: different patients only."""
    print(f"\nDifferent patients; the gate alarms from a detail of {NEAR_DETAIL}")
    print("| set | half | slices | highest detail | 99th percentile | false alarms |")
    print("|---|---|---|---|---|---|")
    tops = []
    for name, cases in people(data).items():
        prints = fingers(cases)
        for half, names in zip("AB", halves(prints), strict=True):
            top = row(name, half, {case: prints[case] for case in names})
            tops += [top] if half == "A" else []
    # Neighbours in number are of one patient or the next: every second sixty is left out.
    blocks: dict[str, list[Picture]] = defaultdict(list)
    for name, picture in pictures(data / "unetliver" / "train" / "Data").items():
        block = int(name.split("_")[-1]) // 60
        if block % 2 == 0:
            blocks[str(block)].append(picture)
    row("CHAOS T1 training pictures, blocks 60 numbers apart", "no part in the rule",
        fingers(blocks))  # fmt: skip
    print(f"Rule: {np.ceil(max(tops) * 100) / 100 + 0.05:.2f} from the highest of half A")


def brute_force(asked: list[Picture], kept: list[Picture]) -> NDArray[np.float32]:
    """Give the best correlation of 64x64 grey pictures over flips, turns and zooms."""
    cv2 = load_cv2()

    def small(picture: Picture) -> NDArray[np.float32]:
        grey = as_grey(picture).astype(np.float32)
        return np.asarray(cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA))

    def unit(table: NDArray[np.float32]) -> NDArray[np.float32]:
        table = table.reshape(len(table), -1)
        table = table - table.mean(axis=1, keepdims=True)
        return table / np.maximum(np.linalg.norm(table, axis=1, keepdims=True), 1e-9)

    answers = unit(np.stack([small(one) for one in kept]))
    questions = [small(one) for one in asked]
    best = np.full((len(asked), len(kept)), -1, np.float32)
    zooms = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15, 1.18)
    for down, right, degrees, zoom in product((1, -1), (1, -1), range(-10, 11), zooms):
        change = cv2.getRotationMatrix2D((31.5, 31.5), degrees, zoom)
        turned = [
            cv2.warpAffine(np.ascontiguousarray(one[::down, ::right]), change, (64, 64))
            for one in questions
        ]
        best = np.maximum(best, unit(np.stack(turned)) @ answers.T)
    return best


def reference(data: Path) -> None:
    """Find what is known to be in unetliver, beside brute force."""
    asked = pictures(data / "unetliver" / "val" / "Data")
    kept = pictures(data / "unetliver" / "train" / "Data")
    best = dict(zip(asked, brute_force(list(asked.values()), list(kept.values())), strict=True))
    prints = fingers({name: [picture] for name, picture in {**asked, **kept}.items()})
    leaks = find_leaks(prints, {name: "val" if name in asked else "train" for name in prints})
    of: dict[str, list[Any]] = defaultdict(list)
    for leak in leaks:
        of[leak.one if leak.one in asked else leak.other].append(leak)
    print("\nunetliver: validation against training pictures, by brute-force correlation")
    print("| picture | brute force | leaks | first: kind, change, correlation, detail |")
    print("|---|---|---|---|")
    for name in sorted(asked, key=lambda key: -best[key].max()):
        first = f"{of[name][0].kind}, {of[name][0].change or 'as it is'}, " if of[name] else ""
        figures = f"{of[name][0].correlation}, {of[name][0].detail}" if of[name] else "none"
        print(f"| {name} | {best[name].max():.4f} | {len(of[name])} | {first}{figures} |")
    exact = [leak for leak in leaks if leak.kind != "near"]
    listed = sorted(asked, key=lambda key: -best[key].max())
    above = [name for name in listed if best[name].max() > 0.95]
    print(
        f"exact alarms {len(exact)} (mirrored {sum(one.kind == 'mirrored' for one in exact)}); "
        f"{len(above)} above 0.95, of them flagged {sum(bool(of[name]) for name in above)}; "
        f"of the first 16 {sum(bool(of[name]) for name in listed[:16])}; "
        f"flagged in all {sum(bool(of[name]) for name in asked)} of {len(asked)}"
    )


def changes(data: Path) -> None:
    """Change slices of half B and look for them among all pictures of all sets."""
    print("\nSlices of half B, changed, looked for among all slices of that set and all others")
    print("| set | change | slices | found |")
    print("|---|---|---|---|")
    sets = people(data)
    kept = {
        f"{number}/{case}/{n}": fingerprint([plane])
        for number, cases in enumerate(sets.values())
        for case, planes in cases.items()
        for n, plane in enumerate(planes[:: 1 if number < 2 else 4])
    }
    whats = ("turn, zoom, flip", "turn, zoom, flip, gamma and noise",
             "window of 85% at a random place")  # fmt: skip
    for number, (name, cases) in enumerate(sets.items()):
        for what in whats:
            rng = np.random.default_rng(7)
            asked = {
                f"?{number}/{case}/{n}": fingerprint([changed(plane, what, rng)])
                for case in halves(cases)[1]
                for n, plane in enumerate(cases[case][:: 1 if number < 2 else 4])
                if n % 2 == 0 and plane.min() < plane.max()
            }
            group = {**dict.fromkeys(kept, "kept"), **dict.fromkeys(asked, "asked")}
            leaks = find_leaks({**kept, **asked}, group)
            hits = {leak.other for leak in leaks if leak.other == f"?{leak.one}"}
            hits |= {leak.one for leak in leaks if leak.one == f"?{leak.other}"}
            print(f"| {name} | {what} | {len(asked)} | {len(hits) / len(asked):.1%} |")


def cpu() -> float:
    """Give CPU seconds of this process so far."""
    return time.process_time()


def times(data: Path) -> None:
    """Time fingerprints and search of unetliver."""
    shown = {
        name: picture
        for part in ("train", "val")
        for name, picture in pictures(data / "unetliver" / part / "Data").items()
    }
    start = cpu()
    prints = fingers({name: [picture] for name, picture in shown.items()})
    middle = cpu()
    find_leaks(prints, {name: "train" if name.startswith("Aug") else "val" for name in prints})
    end = cpu()
    print(
        f"\n{len(shown)} pictures of 256 x 256: fingerprints {middle - start:.2f} s "
        f"({(middle - start) / len(shown) * 1e3:.1f} ms each), search {end - middle:.2f} s CPU"
    )


def growth(data: Path, sizes: list[int]) -> None:
    """Time the search of more and more pictures."""
    cases = volumes(data / "chaos_mr_t2_nifti", "image_*.nii.gz")
    sources = [
        one.thumbnails[n].astype(np.float32)
        for one in fingers(cases).values()
        for n in range(len(one))
    ]
    prints = made_up(max(sizes), np.random.default_rng(1), sources)
    print("\nMade-up pictures in two equal groups, search alone")
    print("| pictures | CPU s | fingerprints MiB | peak MiB of the process | leaks |")
    print("|---|---|---|---|---|")
    spent = []
    for size in sizes:
        some = {f"{n:06}": one for n, one in enumerate(prints[:size])}
        start = cpu()
        leaks = find_leaks(some, {name: "ab"[n % 2] for n, name in enumerate(some)})
        spent.append(cpu() - start)
        kept = sum(array.nbytes for one in some.values() for array in vars(one).values())
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"| {size} | {spent[-1]:.1f} | {kept / 2**20:.1f} | {peak:.0f} | {len(leaks)} |")
    if len(sizes) > 1:
        terms = np.array([[size, size**2] for size in sizes], float)
        linear, square = np.linalg.lstsq(terms / np.array(spent)[:, None], np.ones(len(sizes)))[0]
        print(
            f"fit: {linear * 1e3:.3f} ms x n + {square * 1e9:.2f} ns x n^2; extrapolated to "
            f"100,000: {linear * 1e5:.0f} + {square * 1e10:.0f} s CPU"
        )


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", default=",".join(PARTS))
    parser.add_argument("--sizes", default="1000,2000,4000,8000")
    given = parser.parse_args()
    parts = given.only.split(",")
    for part, measure in (("rates", rates), ("reference", reference), ("changes", changes)):
        if part in parts:
            measure(given.data)
    if "time" in parts:
        times(given.data)
    if "growth" in parts:
        growth(given.data, [int(size) for size in given.sizes.split(",")])


if __name__ == "__main__":
    main()
