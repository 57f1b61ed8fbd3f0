"""Looking at a workspace."""

from __future__ import annotations

import json
from pathlib import Path

from made_scores import evaluation, label
from workspaces import Made, make_workspace

from medprep.overview import _scores
from medprep.workspace.workspace import Workspace


def test_scores_are_told_and_what_is_no_score_stops_nothing(tmp_path: Path) -> None:
    root = make_workspace(tmp_path / "w", {"a": Made(), "b": Made("test")})
    (root / "metrics").mkdir(exist_ok=True)
    record = {"evaluation": evaluation({"b": [label("liver", 0.9)]}, "net").as_record()}
    (root / "metrics" / "net.json").write_text(json.dumps(record))
    (root / "metrics" / "comparisons.json").write_text('{"contrasts": []}')
    (root / "metrics" / "zz.json").write_text('{"evaluation": [')
    with Workspace(root, readonly=True) as opened:
        found = _scores(opened)
    assert found[0].startswith("net: ")
    assert found[-1] == "metrics/zz.json cannot be read; score anew: medprep evaluate"
