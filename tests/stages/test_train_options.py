"""``train`` from a workspace: nets of slices and of volumes, folds, and options as words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
from pair_sets import write_set

import medprep
from medprep.errors import OptionError
from medprep.pipeline import run
from medprep.stages.base import command_words
from medprep.stages.train import Train
from medprep_cli.commands.train import command

FAST = {"steps": 2, "width": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("set")
    write_set(folder / "set", 5)
    medprep.split(folder / "set", folds=2, workspace=folder / "w")
    medprep.clean(workspace=folder / "w")
    medprep.augment(copies=1, workspace=folder / "w")
    return folder / "w"


def told(work: Path, run_id: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((work / "models" / run_id / "model.json").read_text())
    return record


def test_the_model_alone_decides_between_slices_and_volumes(work: Path) -> None:
    """Augmented slices serve the one and are left out, with a word, by the other."""
    flat = run([Train("unet2d", **FAST)], work).summaries[-1]
    deep = run([Train("unet3d", **FAST)], work).summaries[-1]
    assert told(work, "unet2d-fold0")["preparation"]["dimensions"] == 2
    assert told(work, "unet3d-fold0")["preparation"]["dimensions"] == 3
    assert told(work, "unet2d-fold0")["augmented_slices"] > 0
    assert told(work, "unet3d-fold0")["augmented_slices"] == 0
    assert not any("no use to a net for volumes" in line for line in flat.lines)
    assert any("no use to a net for volumes" in line for line in deep.lines)
    assert any("patches of" in line and "volumes of" in line for line in deep.lines)


def test_all_folds_and_again(work: Path) -> None:
    stage = Train("unet3d", fold="all", **FAST)
    first = run([stage], work).summaries[-1]
    runs = {"unet3d-fold0", "unet3d-fold1"}
    assert set(first.made + first.kept) == set(first.facts["runs"]) == runs
    again = run([stage], work).summaries[-1]
    assert (again.made, set(again.kept)) == ([], runs)
    by_others = run([replace(stage, workers=1)], work).summaries[-1]
    assert (by_others.made, set(by_others.kept)) == ([], runs), "they change no weight"
    trained = [set(told(work, one)["fingerprint"]["modalities"]) for one in sorted(runs)]
    assert trained[0] == trained[1]
    named = Train(fold="all", run="mine")
    assert [one.run_id for one in named.of_folds(3)] == [f"mine-fold{fold}" for fold in range(3)]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"loss": "bce"}, "--loss bce goes with --target regions"),
        ({"loss": "ce", "class_weight": (1.0,)}, "--class-weight is given 1 times; wanted is"),
        ({"patch": "17x17"}, "multiples of 16"),
    ],
)
def test_what_is_refused_leaves_the_run_that_there_is(
    work: Path, wrong: dict[str, Any], says: str
) -> None:
    run([Train(**FAST)], work)
    with pytest.raises(OptionError, match=says):
        run([Train(**FAST, **wrong)], work)
    assert run([Train(**FAST)], work).summaries[-1].kept == ["unet2d-fold0"]


def test_options_are_the_words_that_ask_for_them() -> None:
    stage = Train(
        "unet3d", fold="all", patch="32x48x32", spacing="1.5x1x1", loss="ce",
        class_weight=(1.0, 5.0), compile=True,
    )  # fmt: skip
    words = command_words(stage)
    wanted = (
        "train --model unet3d --fold all --loss ce --class-weight 1.0 --class-weight 5.0 "
        "--patch 32x48x32 --spacing 1.5x1x1 --compile"
    )
    assert " ".join(words) == wanted
    with command.make_context("train", words[1:]) as context:
        assert command.invoke(context) == stage


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"patch": "32,48"}, "32x48x32"),
        ({"spacing": "1x1"}, "wanted are three"),
        ({"fold": "some"}, "0 or more, or all"),
        ({"recipe": "best"}, "default, nnunet, tutorial"),
        ({"model": "sam-med3d", "set": ("heads",)}, "a field and its value"),
        ({"model": "sam-med3d", "loss": "bce"}, "--loss does not go with --model sam-med3d"),
        ({"clicks": 3}, "--clicks does not go with --model unet2d"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Train(**wrong)


def test_a_fold_that_is_no_number() -> None:
    with pytest.raises(click.BadParameter, match="wanted is a number, or all"):
        command.make_context("train", ["--fold", "some"])
