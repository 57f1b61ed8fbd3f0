"""What is said beside scores of weights that others made."""

from __future__ import annotations

from pathlib import Path

import pytest

from medprep.models.published import CONTAMINATION, contamination, is_foreign

IMPORTED = {"imported": "x.pth"}
BEGAN = {"began_from": {"file": "x.pth", "foreign": True}}
OWN = {"began_from": {"file": "mine.safetensors", "foreign": False}}


@pytest.mark.parametrize("record", [{}, {"began_from": None}, OWN])
def test_nothing_is_said_of_our_own(record: dict[str, object]) -> None:
    assert not is_foreign(record)
    assert contamination(record, "chaos-ct") == ""


@pytest.mark.parametrize("record", [IMPORTED, BEGAN])
def test_the_word_goes_by_the_data(record: dict[str, object]) -> None:
    assert is_foreign(record)
    assert "CHAOS_Task_4, these patients among them" in contamination(record, "chaos-mr-t2")
    assert "see whether these patients" in contamination(record, "nifti-pairs")
    assert "x.pth" in contamination(BEGAN)
    assert contamination(IMPORTED) == CONTAMINATION


def test_every_set_is_in_the_documentation() -> None:
    """The sentence sends people there."""
    page = Path(__file__).parents[2] / "docs" / "models.md"
    listed = page.read_text("utf-8").partition("on 44 sets:")[2].partition(". A score")[0]
    assert len(listed.split(",")) == 44
    assert "CHAOS_Task_4" in listed
