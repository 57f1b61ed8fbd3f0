"""Slices that are changed as they are shown: in register, sides kept, resumed exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import medprep
from medprep.augmentation.recipe import Recipe, Step
from medprep.errors import TrainingError
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.progress import Silent
from medprep.training.dataset import Batches, SliceSet, TrainingCase
from medprep.training.loop import train
from medprep.training.online import Online, SliceGrid, generator_at
from medprep.training.options import TrainingOptions
from medprep.volume import LabelMap, Volume

AXIAL = SliceGrid((5.0, 1.5, 1.5), "PL")
SAGITTAL = SliceGrid((5.0, 1.5, 1.5), "IP")
FLIPS = Recipe(flip=1.0, flip_axes=("LR",))
TURNS = Recipe(rotate_degrees=Step(1.0, 20, 30), zoom=Step(1.0, 1.1, 1.3))
KIDNEYS = {2: 3, 3: 2}
FAST = {"steps": 2, "width": 2, "batch_size": 2}
OPTIONS = TrainingOptions(width=2, steps=20, batch_size=3, device="cpu")


def online(recipe: Recipe, *, known: bool = True) -> Online:
    return Online(recipe, "one", KIDNEYS if known else None)


def kidneys(kind: str = "uint16", size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A left and a right kidney of other sizes and greys."""
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint8)
    labels[np.hypot(rows - size * 0.5, columns - size * 0.3) < size / 6] = 2
    labels[np.hypot(rows - size * 0.5, columns - size * 0.75) < size / 9] = 3
    return (1000 + 20000 * labels.astype(np.int64)).astype(kind), labels


def slices(count: int = 4, grid: SliceGrid = AXIAL) -> SliceSet:
    found = SliceSet(own=count)
    for number in range(count):
        picture, labels = kidneys()
        found.pictures.append(picture)
        found.labels.append(labels)
        found.windows.append((1000.0, 61000.0))
        found.cases.append(f"case{number}")
        found.grids.append(grid)
    return found


def test_a_batch_follows_from_seed_and_step() -> None:
    given, nnunet = slices(), Online(Recipe.preset("nnunet"), "nnunet", KIDNEYS)
    one, two = (Batches(given, given.patch, 6, 7, nnunet) for _ in range(2))
    two.at(3)
    seen = set()
    for step in (0, 5, 5, 9):
        a, b = one.at(step), two.at(step)
        assert np.array_equal(a.pictures, b.pictures)
        assert np.array_equal(a.labels, b.labels)
        seen |= {picture.tobytes() for picture in a.pictures}
    assert len(seen) > 9, "equal slices are shown differently in each place of each step"
    other = Batches(given, given.patch, 6, 8, nnunet)
    assert not np.array_equal(one.at(0).pictures, other.at(0).pictures)


def test_without_a_recipe_slices_are_shown_as_they_are() -> None:
    given = slices()
    for batch in (Batches(given, given.patch, 4, 0).at(step) for step in range(3)):
        assert {picture.tobytes() for picture in batch.pictures} == {batch.pictures[0].tobytes()}


def test_the_stored_slices_stay_as_they_were() -> None:
    given = slices()
    Batches(given, given.patch, 6, 0, online(TURNS)).at(0)
    assert all(np.array_equal(one, kidneys()[0]) for one in given.pictures)
    assert all(np.array_equal(one, kidneys()[1]) for one in given.labels)


@pytest.mark.parametrize("kind", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_labels_stay_in_register(kind: str) -> None:
    labels = kidneys()[1]
    picture = (30 * labels).astype(kind)
    turned, moved = online(TURNS).apply(picture, labels, AXIAL, generator_at(0, 0, 0))
    assert np.count_nonzero(moved != labels) > 100
    assert set(np.unique(moved)) == {0, 2, 3}
    assert np.mean(np.abs(turned.astype(float) - 30.0 * moved) > 25) < 0.02
    assert turned.dtype == (kind if kind not in ("int32", "float64") else "float32")


def test_both_kidneys_keep_their_sides() -> None:
    picture, labels = kidneys()
    for place in range(5):
        change = generator_at(0, 0, place)
        turned, moved = online(FLIPS).apply(picture, labels, AXIAL, change)
        assert np.array_equal(turned, picture[:, ::-1])
        assert np.flatnonzero((moved == 2).any(0)).max() < np.flatnonzero((moved == 3).any(0)).min()


def test_no_flip_where_no_partner_is_known() -> None:
    picture, labels = kidneys()
    change = generator_at(0, 0, 0)
    turned, moved = online(FLIPS, known=False).apply(picture, labels, AXIAL, change)
    assert np.array_equal(turned, picture)
    assert np.array_equal(moved, labels)
    both = Recipe(flip=1.0)
    turned, moved = online(both, known=False).apply(picture, labels, AXIAL, change)
    assert np.array_equal(turned, picture[::-1]), "front and back may be exchanged"
    assert np.array_equal(moved, labels[::-1])


def test_slices_without_left_and_right_are_not_flipped_across_them() -> None:
    picture, labels = kidneys()
    turned, moved = online(FLIPS).apply(picture, labels, SAGITTAL, generator_at(0, 0, 0))
    assert np.array_equal(turned, picture)
    assert np.array_equal(moved, labels)


def test_a_case_that_cannot_be_moved_is_named() -> None:
    given = slices(1)
    given.pictures[0] = np.full((48, 48), np.nan, np.float32)
    with pytest.raises(TrainingError, match=r"case0 cannot be augmented: .* no finite numbers"):
        Batches(given, given.patch, 2, 0, online(TURNS)).at(0)


def test_slices_know_how_they_lie(tmp_path: Path) -> None:
    case = make_case(tmp_path, "a")
    given = SliceSet.load([case], [case])
    assert given.own == 3
    assert given.grids == [SliceGrid((2.0, 1.0, 1.0), "PL")] * 6


def make_case(folder: Path, name: str) -> TrainingCase:
    picture, labels = (np.repeat(one[None], 3, 0) for one in kidneys("int32", 24))
    grid = Geometry.from_parts(labels.shape, (2.0, 1.0, 1.0))
    window = (1000.0, 61000.0)
    case = TrainingCase(name, folder / f"{name}.nii.gz", folder / f"{name}-l.nii.gz", window)
    nifti.write(case.image, Volume(picture, grid))
    nifti.write(case.labels, LabelMap(labels, grid))
    return case


class StopAt(Silent):
    """Interrupts a training after some steps, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.left = step

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.left -= steps
        if self.left < 0:
            raise KeyboardInterrupt


def test_stopped_and_resumed_is_as_if_undisturbed(tmp_path: Path) -> None:
    case = make_case(tmp_path, "a")
    organs = {1: "liver", 2: "left_kidney", 3: "right_kidney"}
    change = Online(Recipe.preset("nnunet"), "nnunet", KIDNEYS)

    def run(folder: str, progress: Silent, change: Online | None = change) -> dict[str, bytes]:
        out = tmp_path / folder
        train([case], [], [case], organs, OPTIONS, out, "k", progress, change)
        return {path.name: path.read_bytes() for path in out.iterdir()}

    whole = run("whole", Silent())
    with pytest.raises(KeyboardInterrupt):
        run("stopped", StopAt(13))
    assert (tmp_path / "stopped" / "state.safetensors").exists()
    assert run("stopped", Silent()) == whole
    plain = run("plain", Silent(), None)
    assert plain["model.safetensors"] != whole["model.safetensors"]
    told = json.loads(whole["model.json"])
    assert told["resolved"]["augment"] == "nnunet"
    assert told["recipe"]["zoom"]["probability"] == 0.2
    assert json.loads(plain["model.json"])["resolved"]["augment"] == "none"
    assert json.loads(plain["model.json"])["recipe"] is None


@pytest.fixture(scope="module")
def split(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with cleaned labels and nothing after them."""
    work = tmp_path_factory.mktemp("online") / "w"
    medprep.split(phantom, preset="chaos-mr-t2", workspace=work)
    medprep.clean(workspace=work)
    return work


def test_which_recipe_a_training_uses(split: Path, tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text('start = "tutorial"\nbias = {probability = 1.0, range = [0.2, 0.3]}\n')

    def used(run: str, augment: str | None) -> tuple[str, int, str]:
        done = medprep.train(workspace=split, run_name=run, augment=augment, **FAST)
        facts, lines = done.summaries[-1].facts, done.summaries[-1].lines
        told = next(line for line in lines if "steps of" in line)
        return facts["resolved"]["augment"], facts["augmented_slices"], told

    alone = used("alone", None)
    assert alone[:2] == ("tutorial", 0)
    assert alone[2].endswith("changed as they are shown (tutorial)")
    plain = used("plain", "none")
    assert plain[:2] == ("none", 0)
    assert "shown" not in plain[2]
    assert used("own", str(own))[:2] == ("mine.toml", 0)
    assert str(tmp_path) not in (split / "models" / "own" / "model.json").read_text()
    medprep.augment(copies=1, workspace=split)
    beside = used("beside", None)
    assert beside[0] == "none"
    assert beside[1] > 0
    assert used("asked", "tutorial")[0] == "tutorial"


def test_another_recipe_is_another_training(split: Path) -> None:
    line = {"workspace": split, "run_name": "same", **FAST}
    assert medprep.train(augment="tutorial", **line).summaries[-1].made == ["same"]
    assert medprep.train(augment="tutorial", **line).summaries[-1].kept == ["same"]
    assert medprep.train(augment="none", **line).summaries[-1].made == ["same"]


def test_a_recipe_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(medprep.MedprepError, match=r"no recipe 'tutorail'"):
        medprep.train(augment="tutorail")
