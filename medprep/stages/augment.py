"""Make augmented copies of the training cases, picture and labels together."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from medprep.augmentation.engines import ENGINES, Engine, across, allowed_flips, fitting_engine
from medprep.augmentation.recipe import RECIPE, Recipe, named_recipe
from medprep.errors import OptionError
from medprep.files import write_bytes
from medprep.option_files import held_toml, option_name
from medprep.organs import mirror_partners
from medprep.reporting.text import counted
from medprep.stages.augment_case import AugmentCase, Dimensions, augment_case
from medprep.stages.augment_preview import preview_png
from medprep.stages.base import Context, Summary, artifact_input, names_of, run_cases, task

_VERSION = 2


@dataclass(frozen=True)
class Augment:
    """Options of ``augment``.

    Parameters
    ----------
    copies
        Augmented copies of each case.
    seed
        Another seed draws other copies.
    recipe
        What is done how often and how far: ``tutorial``, ``nnunet``, ``none`` or a TOML file.
    engine
        Who does it: ``augmentor`` or ``native``. None: Augmentor in 2D for cases of which it can do
        all of the recipe, else native; which one is told.
    dimensions
        2 augments each slice by itself and writes PNG, 3 whole volumes and writes NIfTI.
    preview
        Draw ``augmented/preview.png``: a few cases beside their copies.
    """

    copies: int = 2
    seed: int = 0
    recipe: str = "tutorial"
    engine: Engine | None = None
    dimensions: Dimensions = 2
    preview: bool = False

    name: ClassVar[str] = "augment"
    needs: ClassVar[tuple[str, ...]] = ("clean",)

    def __post_init__(self) -> None:
        if not 1 <= self.copies <= 1000:
            raise OptionError(f"--copies is {self.copies}; wanted is 1 to 1000")
        if self.dimensions not in (2, 3):
            raise OptionError(f"--dimensions is {self.dimensions}; wanted is 2 or 3")
        if self.engine is not None and self.engine not in ENGINES:
            raise OptionError(f"--engine is '{self.engine}'; wanted is {' or '.join(ENGINES)}")
        if self.engine == "augmentor" and self.dimensions == 3:
            raise OptionError("--engine augmentor moves slices only; for --dimensions 3 wanted is "
                              "--engine native")  # fmt: skip
        object.__setattr__(self, "recipe", held_toml(self.recipe, RECIPE))
        recipe = named_recipe(self.recipe)
        if self.engine == "augmentor":
            from medprep.augmentation.augmentor2d import require_expressible

            require_expressible(recipe)

    def engine_for(self, recipe: Recipe, image: Mapping[str, Any]) -> Engine:
        """Give the engine that a case is augmented with, from the facts of its conversion."""
        if self.engine is not None:
            return self.engine
        if self.dimensions == 3:
            return "native"
        return fitting_engine(recipe, image["shape"], image["spacing_mm"])

    def perform(self, context: Context) -> Summary:
        """Augment every training case; held-out patients are never touched."""
        workspace = context.workspace
        recipe = named_recipe(self.recipe)
        images, cleaned = workspace.current("convert"), workspace.current("clean")
        tasks = []
        silenced: set[str] = set()
        flipped: set[str] = set()
        for row in workspace.database.cases():
            if row.fold != "train" or row.name not in cleaned:
                continue
            image, labels = images[row.name], cleaned[row.name]
            names = names_of(labels.facts)
            mirror = mirror_partners(names)
            engine = self.engine_for(recipe, image.facts)
            letters = image.facts["orientation_lps"][3 - self.dimensions :]
            if across(recipe, letters):
                (silenced if mirror is None else flipped).update(names.values())
            payload = AugmentCase(
                workspace.layout, row.name, image.facts, recipe, recipe_name(self.recipe),
                self.seed, self.copies, engine, self.dimensions, mirror or {},
                allowed_flips(letters, mirror is not None),
            )  # fmt: skip
            options = {
                "copies": self.copies, "seed": self.seed, "recipe": asdict(recipe),
                "engine": engine, "dimensions": self.dimensions,
                **({"inverted": True} if payload.inverted else {}),
            }  # fmt: skip
            inputs = [artifact_input(image), artifact_input(labels)]
            tasks.append(task("augment", _VERSION, row.name, inputs, options, payload))
        summary = run_cases(context, "augment", tasks, augment_case)
        summary.lines.extend(about_flips(silenced, flipped))
        self._tell(context, summary)
        return summary

    def _tell(self, context: Context, summary: Summary) -> None:
        """Say what was made, and draw it where that is asked for."""
        workspace = context.workspace
        made = workspace.database.artifacts("augment")
        facts = [made[name].facts for name in summary.made]
        copies = sum(one["copies"] for one in facts)
        slices = sum(one["slices"] for one in facts)
        flat = self.dimensions == 2
        what = counted(slices, "augmented slice") if flat else counted(copies, "volume")
        summary.lines.append(
            f"{what} of {counted(len(facts), 'training case')}, recipe {recipe_name(self.recipe)}"
        )
        for engine, count in sorted(Counter(one["engine"] for one in facts).items()):
            summary.lines.append(f"engine {engine}: {counted(count, 'case')}")
        path = workspace.layout.augmentation_preview
        if self.preview:
            write_bytes(path, preview_png(workspace))
            summary.lines.append(f"some of them: {workspace.layout.relative(path)}")
        elif summary.made:
            path.unlink(missing_ok=True)  # it shows copies that are no more


def recipe_name(recipe: str) -> str:
    """Give a recipe's name, of a file without its folder: that may name a person."""
    return Path(option_name(recipe)).name


def about_flips(silenced: Collection[str], flipped: Collection[str]) -> list[str]:
    """Say what a person should know of flips across left and right.

    Parameters
    ----------
    silenced
        Organs of cases that are not flipped so.
    flipped
        Organs of cases that are.
    """
    lines = []
    if silenced:
        lines.append(
            f"no left-right flips: a mirrored {', '.join(sorted(silenced))} would bear the wrong "
            "side's name"
        )
    nameless = [name for name in flipped if re.fullmatch(r"label_\d+", name)]
    if len(nameless) > 1:
        lines.append(
            f"left-right flips, but {len(nameless)} labels have no names: if two of them are left "
            "and right of one organ, name them: extract --table FILE.toml"
        )
    return lines
