"""Slices that are changed as they are shown: in register, sides kept, resumed exactly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import medprep
from medprep.augmentation.recipe import Recipe, Step
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.progress import Silent
from medprep.training.dataset import TrainingCase
from medprep.training.loop import train
from medprep.training.online import Online, SliceGrid, generator_at
from medprep.training.options import TrainingOptions
from medprep.volume import LabelMap, Volume

AXIAL = SliceGrid((5.0, 1.5, 1.5), "PL")
SAGITTAL = SliceGrid((5.0, 1.5, 1.5), "IP")
FLIPS = Recipe(flip=1.0, flip_axes=("LR",))
TURNS = Recipe(rotate_degrees=Step(1.0, 20, 30), zoom=Step(1.0, 1.1, 1.3))
IN_SPACE = Recipe(rotate_degrees=Step(1.0, 20, 30), rotate_3d_degrees=25)
KIDNEYS = {2: 3, 3: 2}
FAST = {"steps": 2, "width": 2, "batch_size": 2}
OPTIONS = TrainingOptions(width=2, steps=20, batch_size=3, device="cpu")
Patch = tuple[list[np.ndarray], np.ndarray]


def online(recipe: Recipe, *, known: bool = True) -> Online:
    return Online(recipe, "one", KIDNEYS if known else None)


def kidneys(kind: str = "float32", size: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """A left and a right kidney of other sizes and greys."""
    rows, columns = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.uint8)
    labels[np.hypot(rows - size * 0.5, columns - size * 0.3) < size / 6] = 2
    labels[np.hypot(rows - size * 0.5, columns - size * 0.75) < size / 9] = 3
    return (1000 + 20000 * labels.astype(np.int64)).astype(kind), labels


def shown(change: Online, grid: SliceGrid, place: int = 0) -> tuple[np.ndarray, np.ndarray]:
    picture, labels = kidneys()
    (turned,), moved = change.slice_shown([picture], labels, grid, generator_at(0, 0, place))
    return turned, moved


def test_labels_stay_in_register() -> None:
    picture, labels = kidneys()
    before = picture.copy(), labels.copy()
    both, moved = online(TURNS).slice_shown(
        [picture, 2 * picture], labels, AXIAL, generator_at(0, 0, 0)
    )
    assert np.count_nonzero(moved != labels) > 100
    assert set(np.unique(moved)) == {0, 2, 3}
    assert np.mean(np.abs(both[0] - (1000 + 20000.0 * moved)) > 15000) < 0.02
    assert np.allclose(both[1], 2 * both[0], rtol=1e-5), "channels move alike"
    assert both[0].dtype == np.float32
    assert np.array_equal(picture, before[0])
    assert np.array_equal(labels, before[1])


def test_channels_have_noise_of_their_own() -> None:
    noise = online(Recipe(noise_sd=Step(1.0, 0.1, 0.1), bias=Step(1.0, 0.3, 0.3)))
    picture, labels = kidneys()
    pair, _ = noise.slice_shown([picture, picture], labels, AXIAL, generator_at(0, 0, 0))
    apart = [one - picture for one in pair]
    assert abs(np.corrcoef(apart[0].ravel(), apart[1].ravel())[0, 1]) < 0.9
    assert not np.array_equal(*pair)


BODY = Geometry.from_parts((40, 60, 50), (1.2, 1.0, 1.0))
PATCH = (12, 16, 14)
START = (14, 20, 18)


def body(first: tuple[int, ...], shape: tuple[int, ...]) -> Patch:
    """A smooth picture that tells where it was read, and where that lies in thirds."""
    index = np.stack(
        np.meshgrid(*[np.arange(n) + s + f for n, s, f in zip(shape, START, first, strict=True)],
                    indexing="ij")
    ).astype(np.float32)  # fmt: skip
    wave = np.sin(index[0] / 5) + np.sin(index[1] / 7) + np.sin(index[2] / 6)
    return [wave, -wave], (wave > 0).astype(np.uint8)


@pytest.mark.parametrize(
    "recipe",
    [
        IN_SPACE,
        Recipe(zoom=Step(1.0, 0.6, 0.6)),
        Recipe(translate_share=Step(1.0, 0.3, 0.3)),
        Recipe(shear_degrees=Step(1.0, 15, 15)),
        Recipe(elastic_amplitude_mm=Step(1.0, 2, 2), elastic_spacing_mm=9),
        Recipe(crop_side=Step(1.0, 0.7, 0.7)),
        Recipe(flip=1.0),
    ],
)
def test_a_patch_shows_the_volume_to_its_corners(recipe: Recipe) -> None:
    """No corner of it is filled up: what turns in comes from around the patch."""
    most = 0
    for place in range(6):
        reads = []

        def read(first: tuple[int, ...], shape: tuple[int, ...], reads: list = reads) -> Patch:
            reads.append((first, shape))
            return body(first, shape)

        (one, two), labels = Online(recipe, "x", {}).patch_shown(
            read, PATCH, BODY, generator_at(0, 0, place)
        )
        assert one.shape == labels.shape == PATCH
        assert one.flags.c_contiguous
        assert np.allclose(one, -two, atol=1e-5)
        assert np.mean((one > 0) != labels) < 0.05
        ((_, shape),) = reads
        most = max(most, int(np.prod(shape)))
        lowest = body(reads[0][0], shape)[0][0].min()
        assert (one == lowest).mean() < 0.002, "the outside is shown"
    assert most <= 8 * np.prod(PATCH)


def test_a_patch_that_does_not_move_reads_no_more_than_itself() -> None:
    def read(first: tuple[int, ...], shape: tuple[int, ...]) -> Patch:
        assert (first, shape) == ((0, 0, 0), PATCH)
        return body(first, shape)

    still = Recipe(noise_sd=Step(1.0, 0.1, 0.1))
    (one, _), labels = Online(still, "x", {}).patch_shown(read, PATCH, BODY, generator_at(0, 0, 0))
    assert not np.array_equal(one, body((0, 0, 0), PATCH)[0][0])
    assert np.array_equal(labels, body((0, 0, 0), PATCH)[1])
    flipped = Recipe(flip=1.0, flip_axes=("LR",))
    (one, _), labels = Online(flipped, "x", {1: 2, 2: 1}).patch_shown(
        read, PATCH, BODY, generator_at(0, 0, 0)
    )
    assert np.array_equal(one, body((0, 0, 0), PATCH)[0][0][..., ::-1])
    assert np.array_equal(labels, 2 * body((0, 0, 0), PATCH)[1][..., ::-1]), "sides are exchanged"
    (one, _), labels = Online(flipped, "x", None).patch_shown(
        read, PATCH, BODY, generator_at(0, 0, 0)
    )
    assert np.array_equal(one, body((0, 0, 0), PATCH)[0][0]), "no partner is known"


def test_both_kidneys_keep_their_sides() -> None:
    picture, _ = kidneys()
    for place in range(5):
        turned, moved = shown(online(FLIPS), AXIAL, place)
        assert np.array_equal(turned, picture[:, ::-1])
        assert np.flatnonzero((moved == 2).any(0)).max() < np.flatnonzero((moved == 3).any(0)).min()


def test_no_flip_where_no_partner_is_known() -> None:
    picture, labels = kidneys()
    turned, moved = shown(online(FLIPS, known=False), AXIAL)
    assert np.array_equal(turned, picture)
    assert np.array_equal(moved, labels)
    both = Recipe(flip=1.0)
    turned, moved = shown(online(both, known=False), AXIAL)
    assert np.array_equal(turned, picture[::-1]), "front and back may be exchanged"
    assert np.array_equal(moved, labels[::-1])


def test_slices_without_left_and_right_are_not_flipped_across_them() -> None:
    picture, labels = kidneys()
    turned, moved = shown(online(FLIPS), SAGITTAL)
    assert np.array_equal(turned, picture)
    assert np.array_equal(moved, labels)


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
