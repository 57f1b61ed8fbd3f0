"""What rests on a net rests on its weights: other ones make it anew, equal ones do not."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pair_sets import write_set

import medprep
from medprep.pipeline import Outcome, run
from medprep.stages.evaluate import Evaluate
from medprep.stages.train import Train
from medprep.training import loop
from medprep.workspace.database import Database
from medprep.workspace.workspace import Workspace

TRAIN = Train(steps=4, width=2, batch_size=2, lr=0.02, device="cpu")
DICE = Evaluate(metrics=("dice",))
NET = "unet2d-fold0"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four patients, trained on, predicted and scored."""
    folder = tmp_path_factory.mktemp("weights")
    write_set(folder / "set", 4)
    medprep.split(folder / "set", workspace=folder / "w")
    run([TRAIN, DICE], folder / "w")
    return folder / "w"


@pytest.fixture
def work(ready: Path, tmp_path: Path) -> Path:
    """A copy that a test may change."""
    return Path(shutil.copytree(ready, tmp_path / "w"))


def made(outcome: Outcome) -> dict[str, list[str]]:
    return {one.stage: one.made for one in outcome.summaries if one.made}


def told(work: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((work / "models" / NET / "model.json").read_text())
    return found


def test_other_weights_of_the_same_options_make_predictions_and_scores_anew(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, train = told(work), loop.train

    def by_chance(one: Any, two: Any, three: Any, names: Any, options: Any, *others: Any) -> Any:
        """Train as on a GPU, where no run is quite like another."""
        return train(one, two, three, names, replace(options, seed=77), *others)

    monkeypatch.setattr(loop, "train", by_chance)
    run([TRAIN], work, overwrite=True)
    after = told(work)
    assert after["key"] == before["key"]
    assert after["sha256"] != before["sha256"]
    with Workspace(work, readonly=True) as opened:
        assert not opened.current("predict")
        assert not opened.current("evaluate")
    again = made(run([DICE], work))
    assert list(again) == ["predict", "evaluate"]
    assert not made(run([TRAIN, DICE], work)), "by what was asked for it is up to date"


def test_equal_weights_leave_what_rests_on_them(work: Path) -> None:
    before = told(work)
    outcome = run([TRAIN], work, overwrite=True)
    assert made(outcome) == {"train": [NET]}
    assert told(work) == before
    assert not made(run([DICE], work))


def test_a_net_of_an_earlier_version_stays_up_to_date(work: Path) -> None:
    """Then a net's key was that of what was asked for, and nothing else was recorded."""
    database = Database(work / "medprep.sqlite")
    [net] = database.artifacts("train").values()
    old = net.facts.pop("asked")
    database.put(replace(net, key=old))
    for one in database.artifacts("predict").values():
        inputs = [replace(i, key=old) if i.stage == "train" else i for i in one.inputs]
        database.put(replace(one, inputs=tuple(inputs)))
    database.close()
    assert [one.made for one in run([TRAIN], work).summaries if one.stage == "train"] == [[]]
    with Workspace(work, readonly=True) as opened:
        assert opened.current("predict")
