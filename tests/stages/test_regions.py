"""Regions go from the table of organs through cleaning and training to the Dice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pair_sets import write_set

import medprep
from medprep.errors import LabelError

FAST = {"steps": 2, "width": 2, "batch_size": 2}
OWN = """
[organs]
liver = 63
kidneys = [[126, 126], [189, 189]]
spleen = 252
[regions]
left_and_right = ["liver", "spleen"]
"""


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A model of organs whose kidneys were parted by ``clean``."""
    write_set(tmp_path / "set", 4)
    (tmp_path / "own.toml").write_text(OWN)
    work = tmp_path / "w"
    medprep.split(tmp_path / "set", workspace=work)
    medprep.extract(table=str(tmp_path / "own.toml"), workspace=work)
    medprep.clean(rules="default", split_pairs=True, workspace=work)
    medprep.train(workspace=work, **FAST)
    return work


def test_a_region_is_scored_beside_its_organs(trained: Path) -> None:
    medprep.dice(reference="cleaned", workspace=trained)
    record = json.loads((trained / "metrics" / "unet2d-fold0.json").read_text())
    labels = [one for case in record["evaluation"]["cases"] for one in case["labels"]]
    assert [(one["organ"], one["region"]) for one in labels[:6]] == [
        ("liver", False), ("right_kidney", False), ("left_kidney", False), ("spleen", False),
        ("kidneys", True), ("left_and_right", True),
    ]  # fmt: skip
    by_organ = {one["organ"]: one for one in labels[:6]}
    for region, parts in (
        ("kidneys", ("right_kidney", "left_kidney")), ("left_and_right", ("liver", "spleen")),
    ):  # fmt: skip
        whole = sum(by_organ[part]["reference_voxels"] for part in parts)
        assert by_organ[region]["reference_voxels"] == whole > 0
    medprep.report(workspace=trained)
    assert "of 4 organs" in (trained / "report.html").read_text(), "regions are not counted twice"


def test_labels_with_other_names_are_not_scored_by_number(trained: Path) -> None:
    with pytest.raises(LabelError, match=r"are liver, kidneys, spleen.*--reference cleaned"):
        medprep.dice(workspace=trained)
