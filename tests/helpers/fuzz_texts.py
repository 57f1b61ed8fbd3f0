"""Damaged JSON, TOML and CSV that a user hands in: `fuzz.py` says how to run it."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mutations import ODD, as_json, changed, damaged

from medprep.augmentation.recipe import named_recipe
from medprep.errors import MedprepError
from medprep.folds.given import read_given, read_table
from medprep.geometry import Geometry
from medprep.inference.prompts.points import read_prompts
from medprep.organs import named_table
from medprep.sources.detect import open_source

_GRID = Geometry.from_parts((3, 4, 5), (2, 1, 1))
_SPLITS = [{"train": ["a", "b"], "val": ["c"], "test": ["d"]}, {"train": ["c"], "val": ["a", "b"]}]
_PROMPTS = {"liver": [[1, 2, 3]], "spleen": {"points": [[1, 2, 3]], "negative": [[0, 0, 0]]}}
_NNUNET = {
    "channel_names": {"0": "CT"}, "labels": {"background": 0, "liver": 1, "both": [1, 2]},
    "numTraining": 1, "file_ending": ".nii.gz", "regions_class_order": [1, 2],
}  # fmt: skip
_MSD = {
    "name": "x", "modality": {"0": "MRI"}, "labels": {"0": "background", "1": "liver"},
    "numTraining": 1, "training": [{"image": "./imagesTr/a.nii.gz",
    "label": "./labelsTr/a.nii.gz"}],
    "test": ["./imagesTs/b.nii.gz"],
}  # fmt: skip
_ORGANS = (
    "[organs]\nliver = [55, 70]\nspleen = 3\nboth = [[1, 2], [9, 10]]\n"
    "[regions]\nall = ['liver', 'spleen']\n"
)
_RECIPE = (
    'start = "nnunet"\nzoom = {probability = 0.2, range = [0.7, 1.4]}\nwhole_degrees = true\n'
    "flip_axes = ['LR']\nflip_probability = 0.5\n"
)
_TABLE = "case,fold,patient\na,train,1\nb,val,2\nc,test,3\n"


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one damaged text, read by who reads its kind."""
    kinds = (_splits, _prompts, _data_set, _organs, _recipe, _table)

    def case(chance: random.Random) -> None:
        try:
            chance.choice(kinds)(folder, chance)
        except MedprepError as error:
            str(error).encode("utf-8", "backslashreplace")

    return case


def _json(record: Any, chance: random.Random) -> bytes:
    for _ in range(chance.randint(1, 3)):
        record = changed(record, chance)
    made = as_json(record)
    return damaged(made, chance) if chance.random() < 0.2 else made


def _toml(text: str, chance: random.Random) -> bytes:
    lines = text.splitlines()
    for _ in range(chance.randint(1, 2)):
        at = chance.randrange(len(lines))
        name, _, value = lines[at].partition(" = ")
        odd = json.dumps(chance.choice(ODD))
        deep = "[" * chance.choice((1, 20, 50_000))
        choices = (
            f"{name} = {odd}", f"{odd} = {value}", f"{name} = [{odd}, 1]", f"[{name}]",
            f"{name}.x = {value}", f"{name} = {deep}",
        )  # fmt: skip
        lines[at] = chance.choice(choices)
    made = "\n".join(lines).encode("utf-8", "surrogatepass")
    return damaged(made, chance) if chance.random() < 0.3 else made


def _splits(folder: Path, chance: random.Random) -> None:
    path = folder / "splits.json"
    path.write_bytes(_json(_SPLITS, chance))
    read_given(path)


def _prompts(folder: Path, chance: random.Random) -> None:
    text = _json(_PROMPTS, chance).decode("utf-8", "surrogateescape")
    read_prompts(text, chance.choice(("lps", "ras", "voxel")), _GRID)


def _data_set(folder: Path, chance: random.Random) -> None:
    root = folder / "set"
    (root / "imagesTr").mkdir(parents=True, exist_ok=True)
    (root / "imagesTr" / "a_0000.nii.gz").touch()
    (root / "imagesTr" / "a.nii.gz").touch()
    (root / "dataset.json").write_bytes(_json(chance.choice((_NNUNET, _MSD)), chance))
    open_source(root)


def _organs(folder: Path, chance: random.Random) -> None:
    path = folder / "organs.toml"
    path.write_bytes(_toml(_ORGANS, chance))
    named_table(str(path))


def _recipe(folder: Path, chance: random.Random) -> None:
    path = folder / "recipe.toml"
    path.write_bytes(_toml(_RECIPE, chance))
    named_recipe(str(path))


def _table(folder: Path, chance: random.Random) -> None:
    path = folder / "table.csv"
    path.write_bytes(damaged(_TABLE.encode(), chance))
    chance.choice((read_given, read_table))(path)


assert tomllib.loads(_ORGANS)
assert tomllib.loads(_RECIPE)
