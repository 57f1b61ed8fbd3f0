"""Copies: the same bytes however they are made, sides kept, and a plan for each."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pair_sets import GRID, ORGANS, draw, write_pair, write_set
from PIL import Image
from same_bytes import told_apart
from scipy import ndimage

import medprep
from medprep.augmentation.recipe import Recipe, named_recipe
from medprep.augmentation.steps import Plan
from medprep.errors import FormatError, OptionError
from medprep.formats import nifti, png
from medprep.geometry import Geometry
from medprep.plan import plan
from medprep.stages.augment import Augment
from medprep.stages.augment_case import AugmentCase, replay
from medprep.workspace.layout import Layout

FLIPS = 'flip = 1.0\nflip_axes = ["LR"]\n'
WAYS = [
    {"dimensions": 2, "engine": "augmentor", "recipe": "tutorial"},
    {"dimensions": 2, "engine": "native", "recipe": "nnunet"},
    {"dimensions": 3, "engine": "native", "recipe": "nnunet"},
]
NAMES = ["augmentor", "native2d", "native3d"]
RIGHT_KIDNEY, LEFT_KIDNEY = 2, 3


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with cleaned labels: five patients, 16-bit slices."""
    root = tmp_path_factory.mktemp("pairs")
    write_set(root / "set", 5)
    (root / "own.toml").write_text(
        "[organs]\n" + "".join(f"{name} = {one[0]}\n" for name, one in ORGANS.items())
    )
    work = root / "w"
    medprep.split(root / "set", train=0.6, val=0.2, test=0.2, workspace=work)
    medprep.convert(format="png16", workspace=work)
    medprep.extract(table=str(root / "own.toml"), workspace=work)
    medprep.clean(workspace=work)
    return work


@pytest.fixture
def work(pairs: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(pairs, tmp_path / "w")
    return tmp_path / "w"


def made(work: Path) -> dict[str, bytes]:
    """Give every file below ``augmented``."""
    folder = work / "augmented"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def recorded(work: Path, case: str) -> dict[str, Any]:
    return json.loads((work / "augmented" / case / "plans.json").read_text())


def cases(work: Path) -> list[str]:
    return sorted(path.name for path in (work / "augmented").iterdir() if path.is_dir())


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_any_number_of_processes_gives_the_same_bytes(way: dict[str, Any], work: Path) -> None:
    medprep.augment(workspace=work, **way)
    one = made(work)
    assert len(cases(work)) == 3
    for jobs in (2, 4):
        shutil.rmtree(work / "augmented")
        assert len(medprep.augment(workspace=work, jobs=jobs, **way).summaries[-1].made) == 3
        assert told_apart(made(work), one) == ""


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_forked_and_spawned_processes_give_the_same_bytes(
    way: dict[str, Any], work: Path, tmp_path: Path
) -> None:
    medprep.augment(workspace=work, **way)
    one = made(work)
    tasks = [task_of(work, case, way) for case in cases(work)]
    (tmp_path / "tasks").write_bytes(pickle.dumps(tasks))
    code = (
        "import multiprocessing, pickle, sys; from pathlib import Path\n"
        "from medprep.stages.augment_case import augment_case\n"
        "if __name__ == '__main__':\n"
        "    tasks = pickle.loads(Path(sys.argv[1]).read_bytes())\n"
        "    with multiprocessing.get_context(sys.argv[2]).Pool(2) as pool:\n"
        "        pool.map(augment_case, tasks)\n"
    )
    (tmp_path / "work.py").write_text(code)
    for method in ("fork", "spawn"):
        shutil.rmtree(work / "augmented")
        line = [sys.executable, tmp_path / "work.py", tmp_path / "tasks", method]
        subprocess.run(line, check=True, timeout=120)
        assert told_apart(made(work), one) == ""


def task_of(work: Path, case: str, way: dict[str, Any]) -> AugmentCase:
    """Give a case's work as the stage hands it out."""
    layout, record = Layout(work), recorded(work, case)
    return AugmentCase(
        layout, case, json.loads(layout.sidecar(case).read_text()), named_recipe(way["recipe"]),
        way["recipe"], 0, 2, way["engine"], way["dimensions"],
        {int(label): other for label, other in record["mirror"].items()}, tuple(record["flips"]),
    )  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_one_copy_made_alone_or_replayed_has_the_same_bytes(
    way: dict[str, Any], work: Path, tmp_path: Path
) -> None:
    medprep.augment(copies=3, workspace=work, **way)
    three, case = made(work), cases(work)[0]
    for copy in (1, 3):
        replay(Layout(work), case, copy, tmp_path / f"{copy}")
        again = {
            f"{case}/{path.relative_to(tmp_path / str(copy)).as_posix()}": path.read_bytes()
            for path in (tmp_path / f"{copy}").rglob("*.*")
        }
        assert again == {name: three[name] for name in three if is_of(name, f"{case}/{copy}")}
        assert len(again) == (24 if way["dimensions"] == 2 else 2)
    medprep.augment(copies=1, workspace=work, **way)
    one = made(work)
    assert {name for name in one if not name.endswith("json")} == {
        name for name in three if is_of(name, name.split("/")[0] + "/1")
    }
    assert all(three[name] == one[name] for name in one if not name.endswith("json"))


def is_of(name: str, copy: str) -> bool:
    return name.startswith((f"{copy}/", f"{copy}.", f"{copy}-"))


def test_copies_differ_from_each_other_and_from_those_of_another_seed(work: Path) -> None:
    medprep.augment(workspace=work, dimensions=3, recipe="nnunet")
    first, case = made(work), cases(work)[0]
    assert first[f"{case}/1.nii.gz"] != first[f"{case}/2.nii.gz"]
    medprep.augment(workspace=work, dimensions=3, recipe="nnunet", seed=1)
    assert made(work)[f"{case}/1.nii.gz"] != first[f"{case}/1.nii.gz"]


def test_provenance_and_grid(work: Path) -> None:
    medprep.augment(copies=2, seed=7, workspace=work)
    case = cases(work)[0]
    record = recorded(work, case)
    assert {key: record[key] for key in ("case", "seed", "recipe", "engine", "dimensions")} == {
        "case": case, "seed": 7, "recipe": "tutorial", "engine": "augmentor", "dimensions": 2,
    }  # fmt: skip
    assert (work / record["image"]).exists()
    assert (work / record["labels"]).exists()
    assert record["recipe_options"]["crop_side"] == {"probability": 0.3, "low": 0.85, "high": 0.85}
    assert record["flips"] == ["AP", "LR"]
    assert record["mirror"] == {"2": 3, "3": 2}
    assert set(record["plans"]) == {f"{c}/{n:03d}" for c in (1, 2) for n in range(12)}
    assert {Plan.from_dict(one) for one in record["plans"].values()} > {Plan()}
    grid = json.loads((work / "augmented" / case / "geometry.json").read_text())
    sidecar = json.loads(Layout(work).sidecar(case).read_text())
    assert Geometry.from_dict(grid) == nifti.read(Layout(work).image(case)).geometry
    assert {key: sidecar[key] for key in grid} == grid
    assert grid["scale16"] is not None


def test_held_out_patients_are_never_touched(work: Path) -> None:
    medprep.augment(workspace=work)
    splits = json.loads((work / "splits.json").read_text())[0]
    assert cases(work) == sorted(splits["train"])


@pytest.mark.parametrize("way", WAYS, ids=NAMES)
def test_both_kidneys_keep_their_sides_through_a_flip(
    way: dict[str, Any], work: Path, tmp_path: Path
) -> None:
    (tmp_path / "flips.toml").write_text(FLIPS)
    medprep.augment(copies=1, workspace=work, **{**way, "recipe": str(tmp_path / "flips.toml")})
    for case in cases(work):
        labels = nifti.read_labels(Layout(work).cleaned(case))
        moved = copy_of(work, case, way["dimensions"])[1]
        flipped = labels[:, :, ::-1].copy()
        right, left = flipped == RIGHT_KIDNEY, flipped == LEFT_KIDNEY
        flipped[right], flipped[left] = LEFT_KIDNEY, RIGHT_KIDNEY
        assert np.array_equal(moved, flipped)
        columns = [np.nonzero(moved == kidney)[2] for kidney in (RIGHT_KIDNEY, LEFT_KIDNEY)]
        assert columns[0].max() < columns[1].min()
    assert recorded(work, case)["recipe"] == "flips.toml"


def copy_of(work: Path, case: str, dimensions: int, copy: int = 1) -> tuple[Any, Any]:
    folder = work / "augmented" / case
    if dimensions == 3:
        return tuple(nifti.read(folder / f"{copy}{end}.nii.gz").array for end in ("", "-labels"))
    return tuple(
        np.stack([png.read(path) for path in sorted((folder / f"{copy}" / kind).iterdir())])
        for kind in ("images", "labels")
    )


@pytest.mark.parametrize(
    ("kidneys", "flips"),
    [(("kidney_r", "kidney_l"), True), (("nephros_r", "nephros_l"), False)],
)
def test_a_shortened_side_is_a_side(
    work: Path, tmp_path: Path, kidneys: tuple[str, str], flips: bool
) -> None:
    (tmp_path / "flips.toml").write_text(FLIPS)
    table = tmp_path / "short.toml"
    names = dict(zip(("right_kidney", "left_kidney"), kidneys, strict=True))
    table.write_text(
        "[organs]\n"
        + "".join(f"{names.get(name, name)} = {one[0]}\n" for name, one in ORGANS.items())
    )
    medprep.extract(table=str(table), workspace=work)
    medprep.clean(workspace=work)
    done = medprep.augment(copies=1, recipe=str(tmp_path / "flips.toml"), workspace=work)
    assert ("no left-right flips" in " ".join(done.summaries[-1].lines)) != flips
    right, left = (copy_of(work, cases(work)[0], 2)[1] == one for one in (2, 3))
    assert np.nonzero(right)[2].max() < np.nonzero(left)[2].min()


def test_without_the_partner_there_is_no_flip_and_a_notice(work: Path, tmp_path: Path) -> None:
    (tmp_path / "flips.toml").write_text(FLIPS)
    table = tmp_path / "one.toml"
    table.write_text("[organs]\nliver = 63\nright_kidney = 126\n")
    medprep.extract(table=str(table), unmapped="background", workspace=work)
    medprep.clean(workspace=work)
    for dimensions in (2, 3):
        done = medprep.augment(
            recipe=str(tmp_path / "flips.toml"), dimensions=dimensions, workspace=work
        )
        told = [line for line in done.summaries[-1].lines if line.startswith("no left-right flips")]
        assert told == [
            "no left-right flips: a mirrored liver, right_kidney would bear the wrong side's name"
        ]
        plans = recorded(work, cases(work)[0])["plans"].values()
        assert {tuple(one["spatial"]["flip"]) for one in plans} == {()}
    done = medprep.augment(recipe="none", workspace=work)
    assert "flips" not in " ".join(done.summaries[-1].lines)


def test_flipped_labels_without_names_are_told(work: Path) -> None:
    assert "flips" not in " ".join(medprep.augment(workspace=work).summaries[-1].lines)
    medprep.extract(workspace=work)
    for done in (
        medprep.augment(workspace=work),
        medprep.train(workspace=work, augment="tutorial", steps=1, width=2, allow_leaks=True),
    ):
        assert [line for line in done.summaries[-1].lines if "flips" in line] == [
            "left-right flips, but 4 labels have no names: if two of them are left and right of "
            "one organ, name them: extract --table FILE.toml"
        ]


def test_volumes_lie_on_the_pictures_grid_and_keep_their_type(work: Path) -> None:
    medprep.augment(dimensions=3, recipe="nnunet", workspace=work)
    for case in cases(work):
        source = nifti.read(Layout(work).image(case))
        labels = nifti.read_labels(Layout(work).cleaned(case))
        for copy in (1, 2):
            folder = work / "augmented" / case
            moved = nifti.read(folder / f"{copy}.nii.gz")
            turned = nifti.read_label_map(folder / f"{copy}-labels.nii.gz")
            assert moved.geometry == source.geometry == turned.geometry
            assert moved.array.dtype == source.array.dtype
            assert source.array.min() <= moved.array.min() <= moved.array.max()
            assert moved.array.max() <= source.array.max()
            assert set(np.unique(turned.array)) <= set(np.unique(labels))


@pytest.mark.parametrize("way", WAYS[:2], ids=NAMES[:2])
def test_two_regions_of_16_bits_keep_their_values(way: dict[str, Any], tmp_path: Path) -> None:
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[:, :, 32:] = 1
    for case in ("a", "b"):
        write_pair(
            tmp_path / "set", case, np.where(mask, 50000, 1000).astype(np.uint16), mask,
            Geometry.from_parts(mask.shape, GRID.spacing_mm),
        )  # fmt: skip
    (tmp_path / "turns.toml").write_text(
        "rotate_degrees = {probability = 1.0, range = [5, 5]}\nwhole_degrees = true\n"
    )
    line = {"workspace": tmp_path / "w"}
    medprep.split(tmp_path / "set", train=0.5, val=0, test=0.5, leak_check=False, **line)
    medprep.convert(format="png16", **line)
    medprep.augment(**{**way, "recipe": str(tmp_path / "turns.toml")}, **line)
    picture, labels = copy_of(tmp_path / "w", cases(tmp_path / "w")[0], 2)
    assert picture.dtype == np.uint16
    for slice_, turned in zip(picture, labels, strict=True):
        for label, value in ((1, 50000), (0, 1000)):
            inside = ndimage.binary_erosion(turned == label, iterations=5)
            assert inside.sum() > 500
            assert set(slice_[inside].tolist()) == {value}


def test_a_training_reads_volumes_too(work: Path) -> None:
    medprep.augment(copies=2, dimensions=3, workspace=work)
    done = medprep.train(workspace=work, steps=2, width=2, batch_size=2, allow_leaks=True)
    facts = done.summaries[-1].facts
    assert facts["augmented_slices"] == 2 * facts["slices"] == 72
    assert facts["resolved"]["augment"] == "none"


@pytest.mark.parametrize("dimensions", [2, 3])
def test_preview(dimensions: int, work: Path) -> None:
    path = work / "augmented" / "preview.png"
    done = medprep.augment(copies=2, dimensions=dimensions, preview=True, workspace=work)
    assert "some of them: augmented/preview.png" in done.summaries[-1].lines
    first = path.read_bytes()
    with Image.open(path) as opened:
        shown = np.asarray(opened.convert("RGB")).astype(int)
    assert shown.shape[0] // 204 == 3, "a row for each case"
    assert shown.shape[1] == 3 * 168, "the case and two copies"
    coloured = (shown.max(axis=2) - shown.min(axis=2)) > 60
    for row in range(3):
        for column in range(3):
            field = coloured[204 * row : 204 * row + 160, 168 * column : 168 * column + 160]
            assert field.sum() > 50, "outlines"
    again = medprep.augment(copies=2, dimensions=dimensions, preview=True, workspace=work)
    assert again.summaries[-1].made == []
    assert path.read_bytes() == first
    medprep.augment(copies=1, dimensions=dimensions, workspace=work)
    assert not path.exists(), "it would show copies that are no more"


def test_who_does_it() -> None:
    tutorial, nnunet = Recipe.preset("tutorial"), Recipe.preset("nnunet")
    image = {"shape": [9, 48, 64], "spacing_mm": [5.0, 1.2, 1.2]}
    assert Augment().engine_for(tutorial, image) == "augmentor"
    assert Augment().engine_for(nnunet, image) == "native"
    assert Augment(dimensions=3).engine_for(tutorial, image) == "native"
    assert Augment(engine="native").engine_for(tutorial, image) == "native"
    for other in (
        {"shape": [9, 48, 64], "spacing_mm": [5.0, 1.2, 1.3]},
        {"shape": [9, 9, 9], "spacing_mm": [5.0, 1.2, 1.2]},
        {"shape": [9, 20, 200], "spacing_mm": [5.0, 1.2, 1.2]},
    ):
        assert Augment().engine_for(tutorial, other) == "native"
        assert Augment(engine="augmentor").engine_for(tutorial, other) == "augmentor"


def test_cases_that_augmentor_cannot_do_are_done(tmp_path: Path) -> None:
    """Its turns are in pixels: of pixels that are not square they would shear the patient."""
    for case, column in (("a", 1.0), ("b", 1.5), ("c", 1.0)):
        grid = Geometry.from_parts(GRID.shape, (3.0, 1.0, column))
        write_pair(tmp_path / "set", case, *draw(ord(case)), grid)
    line = {"workspace": tmp_path / "w"}
    medprep.split(tmp_path / "set", train=1, val=0, test=0, **line)
    done = medprep.augment(**line).summaries[-1]
    assert not done.failed
    assert [line for line in done.lines if line.startswith("engine")] == [
        "engine augmentor: 2 cases", "engine native: 1 case",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"copies": 0}, "wanted is 1 to 1000"),
        ({"dimensions": 4}, "wanted is 2 or 3"),
        ({"engine": "torchio"}, "wanted is augmentor or native"),
        ({"engine": "augmentor", "dimensions": 3}, "wanted is --engine native"),
        ({"engine": "augmentor", "recipe": "nnunet"}, "use the engine native"),
        ({"recipe": "tutorail"}, "no recipe 'tutorail'"),
        ({"recipe": "missing.toml"}, "cannot be read"),
    ],
)
def test_wrong_options(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        Augment(**wrong)


def test_a_copy_without_a_plan_is_not_replayed(work: Path, tmp_path: Path) -> None:
    medprep.augment(workspace=work)
    case = cases(work)[0]
    with pytest.raises(FormatError, match="no plan of copy 3"):
        replay(Layout(work), case, 3, tmp_path / "out")
    (work / "augmented" / case / "plans.json").write_text("{}")
    with pytest.raises(FormatError, match="no plan of an augmentation"):
        replay(Layout(work), case, 1, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_dry_run_counts_the_files_of_volumes(work: Path) -> None:
    row = plan([Augment(dimensions=3)], work)[-1]
    medprep.augment(dimensions=3, workspace=work)
    assert row.files == len(made(work))
