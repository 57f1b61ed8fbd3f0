"""Train a small SAM-Med3D from scratch on the MSD Hippocampus set and click on unseen cases.

The split is that of ``hippocampus.py``: 64 cases train, none validates, the last weights count, 16
are unseen. Each label of each unseen case is marked as ``medprep prompt`` does, by 1, 3, 5 and 10
simulated clicks (any wrong voxel, one fixed seed), and scored on the volume's own grid.

Then the same net is asked for one label of one volume stored in all 48 ways (flips and permutations
that move nothing in the patient), with the same point in millimetres; and for every unseen case and
label, by one click in the organ's deepest voxel, of a copy that is resampled at 20 degrees and of
one with twice the spacing: how far the centroids of the masks lie apart, and their Dice with the
mask of the volume as it is.

    python benchmarks/sam_clicks.py DATA/hippocampus --minutes 30 --json FILE

``--rehearse`` trains on 52 of the 64 and clicks on the 12 others: for choosing anything.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import combinations, permutations, product
from pathlib import Path
from typing import Any

import numpy as np
from hippocampus import ORGANS, Shown, split
from numpy.typing import NDArray

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.inference.prompts.painting import paint
from medprep.inference.prompts.points import Point
from medprep.inference.prompts.tiling import PromptedVolume
from medprep.metrics.comparison import compare
from medprep.models.backend import choose_device, make_repeatable
from medprep.models.prompts.clicks import Draw
from medprep.models.prompts.grids import sample
from medprep.models.sam_med3d import SamMed3d
from medprep.prompting.weights import load_net, spacing_of
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.options import TrainingOptions
from medprep.volume import Volume

AT = (1, 3, 5, 10)
"""Clicks after which the mask is scored."""
DEGREES, COARSER = 20.0, 2.0
WITHIN_MM, ALIKE = 3.0, 0.999
"""Goals: between centroids; smallest Dice between the 48."""
REHEARSED = 52
_CLICK_SEED = 233

Mask = NDArray[np.bool_]


class Clicked:
    """A net, clicked with on whole volumes."""

    def __init__(self, net: SamMed3d, spacing_mm: float) -> None:
        self._net, self._spacing = net, spacing_mm

    def on(self, volume: Volume) -> PromptedVolume:
        """Give a volume to click on."""
        return PromptedVolume(self._net, volume, choose_device("cpu"), self._spacing)

    def mask(self, volume: Volume, points: Sequence[Point]) -> Mask:
        """Give the mask of some clicks on the volume's grid."""
        mask: Mask = paint({1: self.on(volume).mark(points)}, volume.geometry) == 1
        return mask


def dice(one: Mask, other: Mask) -> float:
    """Give 2 |A and B| / (|A| + |B|); 1 where both are empty."""
    both = int(one.sum() + other.sum())
    return 2 * int((one & other).sum()) / both if both else 1.0


def draws(chance: np.random.Generator) -> Draw:
    """Give the chance of clicks."""
    return lambda many: int(chance.integers(many))


def scores(clicked: Clicked, cases: Sequence[TrainingCase]) -> list[dict[str, Any]]:
    """Give the Dice of each case and label after each of `AT` clicks."""
    rows = []
    for number, case in enumerate(cases):
        volume, reference = nifti.read(case.images[0]), nifti.read_labels(case.labels)
        prompted = clicked.on(volume)
        for label, name in ORGANS.items():
            wanted = reference == label
            draw = draws(np.random.default_rng([_CLICK_SEED, number, label]))
            points = prompted.simulate(wanted, AT[-1], "random", draw)
            row: dict[str, Any] = {"case": case.case, "label": name}
            for many in AT:
                found = paint({1: prompted.mark(points[:many])}, volume.geometry) == 1
                row[str(many)] = dice(found, wanted)
            rows.append(row)
    return rows


def deepest(mask: Mask, grid: Geometry) -> Point:
    """Give the place of the voxel that lies deepest in a mask."""
    import edt

    depth = edt.edt(np.ascontiguousarray(mask), grid.spacing_mm, black_border=True)
    voxel = np.unravel_index(int(depth.argmax()), mask.shape)
    x, y, z = grid.affine[:3] @ [*map(float, voxel), 1.0]
    return Point((float(x), float(y), float(z)))


def stored(volume: Volume) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], Volume]]:
    """Give all 48 ways to store a volume, none of which moves it in the patient."""
    grid = volume.geometry
    for order in permutations(range(3)):
        for signs in product((False, True), repeat=3):
            array, affine = volume.array.transpose(order), grid.affine.copy()
            affine[:3, :3] = grid.affine[:3, list(order)]
            flipped = tuple(axis for axis in range(3) if signs[axis])
            for axis in flipped:
                affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
                affine[:3, axis] *= -1
            turned = np.ascontiguousarray(np.flip(array, flipped))
            yield order, flipped, Volume(turned, Geometry(turned.shape, affine))


def of_48(clicked: Clicked, case: TrainingCase) -> dict[str, Any]:
    """Give the smallest Dice between the masks of a volume stored in 48 ways."""
    volume, reference = nifti.read(case.images[0]), nifti.read_labels(case.labels)
    point, masks = deepest(reference == 1, volume.geometry), []
    for order, flipped, one in stored(volume):
        mask = clicked.mask(one, [point])
        masks.append(np.flip(mask, flipped).transpose(np.argsort(order)))
    least = min(dice(one, other) for one, other in combinations(masks, 2))
    return {"case": case.case, "smallest_dice": least, "voxels": int(masks[0].sum())}


def around(grid: Geometry, axes: NDArray[np.float64], spacing_mm: float) -> Geometry:
    """Give the grid of these axes (unit vectors in columns) that holds all of another."""
    corners = grid.corners_mm @ axes
    low, high = corners.min(0), corners.max(0)
    shape = np.ceil((high - low) / spacing_mm).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm
    affine[:3, 3] = axes @ low
    return Geometry((int(shape[0]), int(shape[1]), int(shape[2])), affine)


def copies(volume: Volume) -> dict[str, Volume]:
    """Give the volume at an angle, and with twice its spacing."""
    grid = volume.geometry
    own = grid.affine[:3, :3] / np.asarray(grid.spacing_mm)
    turn = np.radians(DEGREES)
    cos, sin = np.cos(turn), np.sin(turn)
    about_z = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    fine = min(grid.spacing_mm)
    grids = {
        "oblique": around(grid, about_x @ about_z @ own, fine),
        "coarse": around(grid, own, COARSER * fine),
    }
    return {name: Volume(sample(volume.array, grid, to), to) for name, to in grids.items()}


def centroid_mm(mask: Mask, grid: Geometry) -> NDArray[np.float64]:
    """Give the place of a mask's centroid."""
    middle: NDArray[np.float64] = grid.affine[:3] @ [*np.argwhere(mask).mean(0), 1.0]
    return middle


def of_copies(clicked: Clicked, cases: Sequence[TrainingCase]) -> list[dict[str, Any]]:
    """Compare masks of copies with those of the volumes as they are."""
    rows = []
    for case in cases:
        volume, reference = nifti.read(case.images[0]), nifti.read_labels(case.labels)
        others = copies(volume)
        for label, name in ORGANS.items():
            point = deepest(reference == label, volume.geometry)
            plain = clicked.mask(volume, [point])
            for kind, other in others.items():
                mask = clicked.mask(other, [point])
                row: dict[str, Any] = {"case": case.case, "label": name, "copy": kind}
                apart, alike = float("inf"), 0.0
                if mask.any() and plain.any():
                    ends = (centroid_mm(plain, volume.geometry), centroid_mm(mask, other.geometry))
                    apart = float(np.linalg.norm(ends[0] - ends[1]))
                    back = sample(
                        mask.view(np.uint8), other.geometry, volume.geometry, nearest=True
                    )
                    alike = dice(back == 1, plain)
                rows.append(row | {"apart_mm": apart, "dice": alike})
    return rows


def tell_clicks(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Print the table of clicks, and what 10 gain over 1."""
    print(f"  {'clicks':12}" + "".join(f"{many:>8}" for many in AT))
    means = {}
    for name in (*ORGANS.values(), "both"):
        own = [row for row in rows if name in (row["label"], "both")]
        means[name] = {str(many): float(np.mean([row[str(many)] for row in own])) for many in AT}
        print(f"  {name:12}" + "".join(f"{value:8.4f}" for value in means[name].values()))
    by_patient = {
        many: {
            case: float(np.mean([row[many] for row in rows if row["case"] == case]))
            for case in sorted({row["case"] for row in rows})
        }
        for many in (str(AT[0]), str(AT[-1]))
    }
    gain = compare(by_patient[str(AT[-1])], by_patient[str(AT[0])], "high")
    interval = gain.interval
    ends = "none: " + gain.why if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"
    met = interval is not None and interval.low > 0
    print(
        f"  {AT[-1]} less {AT[0]} clicks: {gain.mean_difference:+.4f}, 95% interval {ends} of "
        f"{gain.n} patients: {'MET' if met else 'MISSED'} (goal: above 0)"
    )
    return {"means": means, "gain": asdict(gain)}


def tell_copies(rows: Sequence[dict[str, Any]]) -> None:
    """Print how far copies are from the volumes as they are."""
    for kind in ("oblique", "coarse"):
        own = [row for row in rows if row["copy"] == kind]
        apart = [row["apart_mm"] for row in own]
        far = sum(one > WITHIN_MM for one in apart)
        print(
            f"  {kind}: centroids {np.median(apart):.2f} mm apart (median), {max(apart):.2f} at "
            f"most, {far} of {len(own)} beyond {WITHIN_MM:g}: {'MISSED' if far else 'MET'}; Dice "
            f"{np.mean([row['dice'] for row in own]):.4f} (mean), "
            f"{min(row['dice'] for row in own):.4f} at least"
        )


def read_arguments() -> argparse.Namespace:
    """Read them."""
    told = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    told.add_argument("folder", type=Path)
    told.add_argument("--minutes", type=float, default=30.0)
    told.add_argument("--recipe", default="sam-med3d-short")
    told.add_argument("--lr", type=float)
    told.add_argument("--width", type=int, default=48)
    told.add_argument("--side", type=int, default=48, help="voxels of the cube")
    told.add_argument("--token", type=int, default=8, help="voxels of a token along each side")
    told.add_argument("--spacing", type=float, default=1.0)
    told.add_argument("--clicks", type=int)
    told.add_argument("--batch-size", type=int, default=4)
    told.add_argument("--seed", type=int, default=0)
    told.add_argument("--rehearse", action="store_true")
    told.add_argument("--json", type=Path)
    return told.parse_args()


def main() -> None:
    """Train, click, compare."""
    asked = read_arguments()
    make_repeatable()
    learnt, unseen = split(asked.folder)
    if asked.rehearse:
        learnt, unseen = learnt[:REHEARSED], learnt[REHEARSED:]
    options = TrainingOptions(
        model="sam-med3d", recipe=asked.recipe, lr=asked.lr, width=asked.width,
        patch=(asked.side,) * 3, spacing=(asked.spacing,) * 3, clicks=asked.clicks,
        batch_size=asked.batch_size, minutes=asked.minutes, seed=asked.seed, device="cpu",
        settings=(("patch_size", asked.token),),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        began = time.monotonic()
        result = train(learnt, [], [], ORGANS, options, Path(name), "benchmark", Shown())
        took_s = time.monotonic() - began
        net, record = load_net(Path(name) / "model.safetensors", choose_device("cpu"))
    used = result.resolved
    print(
        f"{result.parameters:,} parameters, {used['batch_size']} cubes of {asked.side} voxels of "
        f"{used['spacing_mm']:g} mm, {used['clicks']} answers each, {used['recipe']} recipe, lr "
        f"{used['lr']:g}, seed {used['seed']}: {result.steps} steps in {took_s / 60:.1f} min on "
        f"{result.threads} threads, of {len(learnt)} cases; {len(unseen)} unseen"
    )
    clicked = Clicked(net, spacing_of(record))
    rows = scores(clicked, unseen)
    table = tell_clicks(rows)
    ways = of_48(clicked, unseen[0])
    met = ways["smallest_dice"] >= ALIKE
    print(
        f"  48 ways to store {ways['case']}: smallest Dice {ways['smallest_dice']:.5f} between "
        f"masks of {ways['voxels']} voxels: {'MET' if met else 'MISSED'} (goal: {ALIKE})"
    )
    others = of_copies(clicked, unseen)
    tell_copies(others)
    if asked.json:
        found = {
            "options": asdict(options), "result": asdict(result), "seconds": took_s, **table,
            "dice": rows, "stored_in_48_ways": ways, "copies": others,
        }  # fmt: skip
        asked.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
