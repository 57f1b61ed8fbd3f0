"""What the report says about the data: the numbers of the records, the worst first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from page import Page

from medprep.reporting.data import Dataset, ReportData
from medprep.reporting.html import render
from medprep.reporting.quality import (
    CleaningRow,
    DataCheck,
    Finding,
    LabelRow,
    LeakRow,
    Leaks,
    Overlay,
    Thumbnail,
)

BARE = ReportData("t", "1", Dataset("p", "", 0, 0, 0))
PIXEL = b"\x89PNG\r\n\x1a\n"


def page_of(**fields: Any) -> Page:
    return Page(render(replace(BARE, **fields)))


def words(page: Page) -> str:
    return " ".join(page.text.split())


def flat(text: str, parts: Iterable[str]) -> list[int]:
    return [text.index(part) for part in parts]


FINDINGS = (
    Finding("c1", "geometry", "note", "oblique by 8 degrees", "largest angle"),
    Finding("c2", "sides", "warning", "kidneys exchanged", "118 mm"),
    Finding("c3", "alignment", "error", "reversed", "SD 88 -> 34", "extract --mask-order reversed"),
    Finding("c3", "geometry", "warning", "corners 0.2 mm apart", ""),
)


def test_findings_worst_first_with_evidence_and_mend() -> None:
    text = words(page_of(check=DataCheck(9, FINDINGS, ("It errs.",))))
    order = ["reversed SD 88 -> 34", "kidneys exchanged", "corners 0.2", "oblique by 8 degrees"]
    places = flat(text, [one.split(" SD")[0] for one in order])
    assert places == sorted(places)
    assert "9 cases with labels looked at: errors in 1 case, warnings in 1 case." in text
    assert "SD 88 -> 34" in text
    assert "To mend it: extract --mask-order reversed" in text
    assert text.count("To mend it") == 1
    assert "It errs." in text
    assert "Data check: errors in 1 case, warnings in 1 case. See what" in text


def test_a_check_without_findings_is_good_news() -> None:
    text = words(page_of(check=DataCheck(1)))
    assert "1 case with labels looked at: no errors, no warnings." in text
    assert "See what" not in text


def test_notes_alone_raise_no_warning_at_the_top() -> None:
    page = page_of(check=DataCheck(2, FINDINGS[:1]))
    assert not [1 for _, attrs in page.tags if attrs.get("class") == "warn"]
    assert "oblique by 8 degrees" in page.text


LEAKS = (
    LeakRow("a", "b", ("train", "val"), "mirrored", 0.99876, "mirrored left to right", 3),
    LeakRow("c", "d", ("train", "test"), "same patient", None),
)


def test_leak_rows_hold_the_numbers() -> None:
    page = page_of(leaks=Leaks("all with all", LEAKS, None, ("It errs.",)))
    assert [
        "a", "training", "b", "validation", "mirrored", "0.9988", "mirrored left to right", "3",
    ] in page.rows  # fmt: skip
    assert ["c", "training", "d", "test", "same patient", "–", "none", "–"] in page.rows
    assert "Compared: all with all." in words(page)
    assert "It errs." in page.text


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        (True, "A model was trained although there are 2 pairs across folds"),
        (False, "No model was trained across these 2 pairs."),
        (None, "No model has been trained yet."),
    ],
)
def test_leaks_say_whether_training_crossed_them(trained: bool | None, said: str) -> None:
    text = words(page_of(leaks=Leaks("x", LEAKS, trained)))
    assert said in text
    assert ("its scores do not speak of unseen patients" in text) == (trained is True)
    assert "2 pairs of like pictures or patients in different folds" in text


def test_no_leak_is_said_too() -> None:
    text = words(page_of(leaks=Leaks("x")))
    assert "No pair was found across folds." in text
    assert "in different folds" not in text


LABELS = (
    LabelRow(
        "b", "spleen", 1234567, 89.25, 3, ("last slice", "first row"), 101.5, 20, 50.25, 12345.6
    ),
    LabelRow("b", "liver", 10, 1.0, 1),
    LabelRow("a", "liver", 0, 0.0, 0, outlier="missing"),
    LabelRow("c", "liver", 30, 3.0, 1, outlier="3.0 ml, z = +4.0"),
    LabelRow("d", "liver", 20, 2.0, 1, ("first slice",)),
)
ORGANS = (("liver", (1, 2, 3)), ("spleen", (4, 5, 6)))


def test_label_rows_hold_the_numbers_in_the_order_of_the_labels() -> None:
    page = page_of(labels=LABELS, organs=ORGANS)
    row = ["b", "spleen", "1,234,567", "89.2", "3", "101.5", "20", "50.25 to 12,346"]
    assert [*row, "last slice, first row"] in page.rows
    shown = [one[:2] for one in page.rows if len(one) == 9 and one[0] in "abcd"]
    assert shown == [
        ["b", "liver"],
        ["b", "spleen"],
        ["a", "liver"],
        ["c", "liver"],
        ["d", "liver"],
    ]


def test_organs_are_summed_up() -> None:
    page = page_of(labels=LABELS, organs=ORGANS)
    assert ["liver", "3", "1", "2.0", "1.0 to 3.0", "0", "1", "2"] in page.rows
    assert ["spleen", "1", "0", "89.2", "89.2 to 89.2", "1", "1", "0"] in page.rows


def test_what_stands_out_is_named_and_marked() -> None:
    page = page_of(labels=LABELS, label_notes=("How it is told.",))
    text = words(page)
    assert "aliver: missing" in text
    assert "cliver: 3.0 ml, z = +4.0" in text
    assert "How it is told." in text
    assert sum(attrs.get("class") == "outlier" for _, attrs in page.tags) == 2
    assert "What stands out" not in page_of(labels=LABELS[:2]).text


def test_unknown_spacing_gives_no_millilitres() -> None:
    page = page_of(labels=(LabelRow("c", "liver", 10, None),))
    assert ["liver", "1", "0", "–", "–", "0", "0", "0"] in page.rows
    assert ["c", "liver", "10", "–", "–", "–", "–", "–", ""] in page.rows


def step(case: str, organ: str, rule: str, *numbers: int, dropped: bool = False) -> CleaningRow:
    return CleaningRow(case, organ, rule, *numbers, numbers[-1] / 10, dropped, f"because {rule}")


CLEANING = (
    step("a", "liver", "five-largest", 1000, 30, 0, 970),
    step("a", "liver", "holes", 970, 0, 5, 975),
    step("a", "kidney", "holes", 100, 0, 0, 100),
    step("b", "liver", "holes", 2000, 0, 0, 2000),
    step("b", "kidney", "background", 90, 90, 0, 0, dropped=True),
    step("a", "kidneys", "split", 100, 100, 0, 0),
    step("c", "kidney", "holes", 0, 0, 0, 0),
    step("c", "kidney", "five-largest", 0, 0, 0, 0),
)


def test_cleaning_is_summed_up_by_organ_drops_first() -> None:
    page = page_of(cleaning=CLEANING, cleaning_notes=("The rules.",))
    totals = [row for row in page.rows if len(row) == 7]
    assert totals[1:] == [
        ["kidney", "3", "1", "190", "90", "0", "100"],
        ["liver", "2", "0", "3,000", "30", "5", "2,975"],
        ["kidneys", "1", "0", "100", "100", "0", "0"],
    ]
    for _, _, _, before, removed, added, after in totals[1:]:
        number = [int(one.replace(",", "")) for one in (before, removed, added, after)]
        assert number[0] - number[1] + number[2] == number[3]
    assert "The rules." in page.text


def test_cleaning_shows_what_changed_drops_first_and_counts_the_rest() -> None:
    page = page_of(cleaning=CLEANING)
    rows = [row for row in page.rows if len(row) == 9]
    assert rows[1:] == [
        ["b", "kidney", "background", "90", "90", "0", "0", "0.0", "dropped because background"],
        ["a", "liver", "five-largest", "1,000", "30", "0", "970", "97.0", "because five-largest"],
        ["a", "liver", "holes", "970", "0", "5", "975", "97.5", "because holes"],
        ["a", "kidneys", "split", "100", "100", "0", "0", "0.0", "because split"],
    ]
    assert "4 other decisions changed nothing; clean.csv has all." in words(page)


THUMBNAILS = tuple(Thumbnail(f"c{n}", PIXEL, ("too small",) if n == 2 else ()) for n in range(4))


def test_thumbnails_link_to_what_is_drawn_large() -> None:
    page = page_of(thumbnails=THUMBNAILS, overlays=(Overlay("c2", "", PIXEL),))
    assert [a["href"] for t, a in page.tags if t == "a" and "large" in str(a["href"])] == [
        "#large-1"
    ]
    assert [a["id"] for t, a in page.tags if t == "figure" and "id" in a] == ["large-1"]
    assert "Three planes of 1 of 4 cases" in words(page)
    assert [a.get("class") for t, a in page.tags if t == "figure"] == [
        None, None, "flagged", None, None,
    ]  # fmt: skip
    assert "too small" in page.text


def test_overlays_without_a_montage() -> None:
    text = words(page_of(overlays=(Overlay("c2", "slice 3 of 9", PIXEL),)))
    assert "Three planes of 1 case" in text
    assert "of 1 of" not in text
    assert "slice 3 of 9" in text


def test_long_tables_are_folded() -> None:
    many = tuple(LabelRow(f"c{n}", "liver", n, None) for n in range(40))
    page = page_of(labels=many)
    assert "By case and organ (40 rows)" in page.text
    assert sum(tag == "details" for tag, _ in page.tags) == 1
    assert [row[0] for row in page.rows if len(row) == 9][1:] == [f"c{n}" for n in range(40)]
