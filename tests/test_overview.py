"""Looking at a workspace."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from scored_sets import make_scored_workspace

from medprep.overview import _scores
from medprep.workspace.database import Artifact, Input
from medprep.workspace.workspace import Workspace

OLD = "out of date and left out; score anew: medprep evaluate --run"


@pytest.fixture
def scored(tmp_path: Path) -> Path:
    return make_scored_workspace(tmp_path / "w", patients=5)


def scores(root: Path) -> list[str]:
    with Workspace(root, readonly=True) as opened:
        return _scores(opened)


def test_scores_are_told_and_what_is_no_score_stops_nothing(scored: Path) -> None:
    (scored / "metrics" / "comparisons.json").write_text('{"contrasts": []}')
    (scored / "metrics" / "zz.json").write_text('{"evaluation": [')
    (scored / "metrics" / "zy.json").write_text('{"evaluation": []}')
    found = scores(scored)
    assert found[0].startswith("steady: ")
    assert any(line.startswith("wild: ") for line in found)
    assert found[-2:] == [
        f"The scores of zy are {OLD} zy",
        "metrics/zz.json cannot be read; score anew: medprep evaluate",
    ]


def test_scores_without_a_test_case_added_since_are_told_as_old(scored: Path) -> None:
    with Workspace(scored) as workspace:
        database = workspace.database
        rows = database.cases()
        late = replace(rows[0], name="p99-t2", patient="p99", mask_key="m-p99-t2")
        database.put_split(database.meta(), [*rows, late])
        mask = (Input("source", "p99-t2/mask", "m-p99-t2"),)
        facts = database.artifacts("extract")[rows[0].name].facts
        database.put(Artifact("extract", "p99-t2", "e-p99", mask, (), facts))
    assert scores(scored) == [f"The scores of {run} are {OLD} {run}" for run in ("steady", "wild")]


def test_scores_of_what_has_changed_are_told_as_old(scored: Path) -> None:
    with Workspace(scored) as workspace:
        net = workspace.database.artifacts("train")["wild"]
        leak = {"leaks": "TRAINED ACROSS A LEAK: 1 pair"}
        workspace.database.put(replace(net, facts=net.facts | leak))
        workspace.database.forget("evaluate", ["steady/p01-t2"])
    assert scores(scored) == [f"The scores of {run} are {OLD} {run}" for run in ("steady", "wild")]
