"""One case's augmented copies: drawn, written with their plans, and made again from these."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from medprep.augmentation.engines import Engine, apply_to_slice, apply_to_volume
from medprep.augmentation.recipe import Recipe, draw, generator_of
from medprep.augmentation.spatial import PICTURE_TYPES
from medprep.augmentation.steps import Axis, Plan
from medprep.errors import FormatError
from medprep.files import AtomicFiles, json_bytes
from medprep.formats import nifti, png
from medprep.formats.windowing import Scale16, Window, to_8bit, to_16bit
from medprep.geometry import Geometry
from medprep.stages.base import CaseResult
from medprep.stages.pictures import is_inverted
from medprep.volume import LabelMap, Volume, compact
from medprep.workspace.layout import Layout

Dimensions = Literal[2, 3]
PLANS, GRID = "plans.json", "geometry.json"


@dataclass(frozen=True)
class AugmentCase:
    """What augmenting one case needs.

    Parameters
    ----------
    image
        Facts of its conversion.
    called
        How the recipe is called.
    mirror
        Labels that a flip across left and right exchanges.
    flips
        The patient's axes along which a flip is allowed.
    """

    layout: Layout
    case: str
    image: dict[str, Any]
    recipe: Recipe
    called: str
    seed: int
    copies: int
    engine: Engine
    dimensions: Dimensions
    mirror: dict[int, int]
    flips: tuple[Axis, ...]

    @property
    def inverted(self) -> bool:
        """Whether its copies show low numbers bright, as its slices do."""
        return self.dimensions == 2 and is_inverted(self.image)


def augment_case(work: AugmentCase) -> CaseResult:
    """Write a case's copies, one after the other, with their plans and their grid."""
    target = work.layout.augmented(work.case)
    source = _Source.of(
        work.layout, work.case, work.image, work.engine, work.dimensions, work.mirror,
        work.inverted,
    )  # fmt: skip
    plans: dict[str, Plan] = {}
    with AtomicFiles() as files:
        root = files.folder(target)
        for copy in range(1, work.copies + 1):
            drawn = source.draw(work.recipe, work.seed, copy, work.flips)
            source.write(root, copy, drawn)
            plans |= drawn
        (root / PLANS).write_bytes(_plans(work, plans))
        (root / GRID).write_bytes(_grid(work, source.grid))
    slices = work.copies * source.grid.shape[0]
    facts = {
        "copies": work.copies, "slices": slices, "dimensions": work.dimensions,
        "engine": work.engine, **_if_inverted(work),
    }  # fmt: skip
    return CaseResult((work.layout.relative(target),), facts)


def replay(layout: Layout, case: str, copy: int, folder: Path) -> None:
    """Make a copy again from its stored plan: the same bytes, under the same names.

    Parameters
    ----------
    layout
        Of the workspace that holds the copy's plan and what it was made from.
    copy
        Its number, from 1.
    folder
        Gets what ``augmented/<case>`` holds of this copy.

    Raises
    ------
    FormatError
        If there is no such plan.
    """
    path = layout.augmented(case) / PLANS
    try:
        record = json.loads(path.read_text())
        image = json.loads(layout.sidecar(case).read_text())
        mirror = {int(label): other for label, other in record["mirror"].items()}
        engine, dimensions = record["engine"], record["dimensions"]
        inverted = record.get("inverted", False)
        plans = {name: Plan.from_dict(one) for name, one in record["plans"].items()}
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise FormatError(f"no plan of an augmentation: {type(error).__name__}", path=path) from (
            error
        )
    source = _Source.of(layout, case, image, engine, dimensions, mirror, inverted)
    wanted = source.names(copy)
    if not plans.keys() >= set(wanted):
        raise FormatError(f"no plan of copy {copy} of {case}", path=path)
    folder.mkdir(parents=True, exist_ok=True)
    source.write(folder, copy, {name: plans[name] for name in wanted})


@dataclass(frozen=True, eq=False)
class _Source:
    """A case as its copies are made from it.

    Parameters
    ----------
    case
        Its name.
    picture
        ``[slice, row, column]``: in 2D the numbers of its PNG slices, in 3D its values.
    labels
        Same shape.
    grid
        Of both.
    """

    case: str
    picture: NDArray[Any]
    labels: NDArray[Any]
    grid: Geometry
    engine: Engine
    dimensions: Dimensions
    mirror: Mapping[int, int]

    @classmethod
    def of(
        cls,
        layout: Layout,
        case: str,
        image: Mapping[str, Any],
        engine: Engine,
        dimensions: Dimensions,
        mirror: Mapping[int, int],
        inverted: bool,
    ) -> _Source:
        volume = nifti.read(layout.image(case))
        labels = nifti.read_label_map(layout.cleaned(case))
        volume.geometry.require_same(labels.geometry)
        values = volume.array
        if dimensions == 2:
            values = pixels_of(values, image, inverted)
        elif values.dtype not in PICTURE_TYPES:
            values = compact(values)
        return cls(case, values, labels.array, volume.geometry, engine, dimensions, mirror)

    def names(self, copy: int) -> list[str]:
        """Give what the plans of a copy are called: one for each slice in 2D."""
        if self.dimensions == 3:
            return [f"{copy}"]
        return [f"{copy}/{number:03d}" for number in range(len(self.picture))]

    def draw(
        self, recipe: Recipe, seed: int, copy: int, flips: tuple[Axis, ...]
    ) -> dict[str, Plan]:
        """Draw a copy's plans; nothing that was drawn before matters."""
        slices = [None] if self.dimensions == 3 else range(len(self.picture))
        return {
            name: draw(
                recipe,
                generator_of(seed, self.case, copy, number),
                shape=self.picture.shape,
                spacing_mm=self.grid.spacing_mm,
                flips=flips,
                dimensions=self.dimensions,
            )
            for name, number in zip(self.names(copy), slices, strict=True)
        }

    def write(self, root: Path, copy: int, plans: Mapping[str, Plan]) -> None:
        """Write a copy."""
        if self.dimensions == 3:
            self._write_volume(root, plans[f"{copy}"], f"{copy}")
        else:
            self._write_slices(root / f"{copy}", list(plans.values()))

    def _write_volume(self, root: Path, plan: Plan, name: str) -> None:
        picture, labels = apply_to_volume(self.picture, self.labels, plan, self.grid, self.mirror)
        nifti.write(root / f"{name}.nii.gz", Volume(picture, self.grid))
        nifti.write(root / f"{name}-labels.nii.gz", LabelMap(labels, self.grid))

    def _write_slices(self, folder: Path, plans: list[Plan]) -> None:
        pictures_to, labels_to = folder / "images", folder / "labels"
        pictures_to.mkdir(parents=True, exist_ok=True)
        labels_to.mkdir(exist_ok=True)
        spacing, letters = self.grid.spacing_mm[1:], self.grid.orientation[1:]
        for number, plan in enumerate(plans):
            picture, labels = apply_to_slice(
                self.engine, self.picture[number], self.labels[number], plan, spacing, letters,
                self.mirror,
            )  # fmt: skip
            png.write_grey(pictures_to / f"{number:03d}.png", picture)
            png.write_labels(labels_to / f"{number:03d}.png", labels)


def pixels_of(values: NDArray[Any], image: Mapping[str, Any], inverted: bool) -> NDArray[Any]:
    """Give a volume as its slices are stored: 16 bits where ``convert`` wrote them, else 8."""
    if image["scale16"] is not None:
        return to_16bit(values, Scale16(**image["scale16"]))
    shown = to_8bit(values, Window(**image["window"]))
    return ~shown if inverted else shown


def _if_inverted(work: AugmentCase) -> dict[str, Any]:
    """Give what records say where copies are inverted; nothing else."""
    return {"inverted": True} if work.inverted else {}


def _plans(work: AugmentCase, plans: Mapping[str, Plan]) -> bytes:
    """Give the provenance: what the copies were made from and how, a line for each plan."""
    layout, case = work.layout, work.case
    record = {
        "case": case,
        "image": layout.relative(layout.image(case)),
        "labels": layout.relative(layout.cleaned(case)),
        "seed": work.seed,
        "recipe": work.called,
        "recipe_options": asdict(work.recipe),
        "engine": work.engine,
        "dimensions": work.dimensions,
        "flips": work.flips,
        "mirror": work.mirror,
        **_if_inverted(work),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in record.items()]
    drawn = [f"    {json.dumps(name)}: {json.dumps(one.to_dict())}" for name, one in plans.items()]
    return ("{\n" + ",\n".join([*lines, '  "plans": {\n' + ",\n".join(drawn) + "\n  }"])
            + "\n}\n").encode()  # fmt: skip


def _grid(work: AugmentCase, grid: Geometry) -> bytes:
    """Give where the copies' voxels lie, and what their numbers mean."""
    image = work.image
    record = {
        **grid.to_dict(),
        "spacing_mm": list(grid.spacing_mm),
        "orientation_lps": grid.orientation,
        "spacing_known": image["spacing_known"],
    }
    if work.dimensions == 2:  # PNG: 16 bits where there is a scale, else the window in 8 bits
        scale = image["scale16"]
        record["window"] = asdict(Window(**image["window"]))
        record["scale16"] = None if scale is None else asdict(Scale16(**scale))
        record |= _if_inverted(work)
    return json_bytes(record)
