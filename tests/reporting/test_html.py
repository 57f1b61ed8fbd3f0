"""The report: what it shows, what it leaves out, and that nothing gets out of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page import Page

from medprep.metrics.overlap import EMPTY_CONVENTION, SLICE_CONVENTIONS, summarise
from medprep.reporting.data import (
    Dataset,
    FailedCase,
    FoldRow,
    LogRow,
    OrganScore,
    ReportData,
    ScoreRow,
    ScoreTable,
    SeriesRow,
    Training,
)
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

PIXEL = b"\x89PNG\r\n\x1a\n"


def table(rows: tuple[ScoreRow, ...], **changes: object) -> ScoreTable:
    organs = tuple(
        OrganScore(
            organ,
            summarise([r.dice for r in rows if r.organ == organ and r.dice is not None]),
            summarise([]),
            summarise([]),
            sum(r.missing for r in rows if r.organ == organ),
            sum(r.dice is None for r in rows if r.organ == organ),
        )
        for organ in dict.fromkeys(row.organ for row in rows)
    )
    made = ScoreTable("run-1", "test", "extracted", EMPTY_CONVENTION, 2, rows, organs)
    return replace(made, **changes)  # type: ignore[arg-type]


SCORES = (
    ScoreRow("p1", "liver", 0.91234, 0.95, 0.85, 3, 12),
    ScoreRow("p2", "liver", 0.71111, 0.81, 0.61, 4, 13),
    ScoreRow("p1", "left_kidney", None, 1.0, None, 12, 12),
    ScoreRow("p2", "left_kidney", 0.0, missing=True),
)


def full(name: str = "plain") -> ReportData:
    """Give a report with every section, every free text of it being ``name``."""
    rows = tuple(replace(row, case=f"{row.case}{name}", organ=name + row.organ) for row in SCORES)
    return ReportData(
        title=name,
        version=name,
        dataset=Dataset(name, name, 3, 2, 1, (name,)),
        series=(
            SeriesRow(name, name, name, name, (3, 4, 5), (2.5, 0.75, 0.75), name, True, "train"),
            SeriesRow(name + "b", name, "s", "MR", None, None, "", False, name),
        ),
        folds=(FoldRow("train", 1, 1), FoldRow(name, 1, 2)),
        organs=((name, (1, 2, 3)),),
        check=DataCheck(1, (Finding(name, "sides", "error", name, name, name),), (name,)),
        leaks=Leaks(name, (LeakRow(name, name, (name, name), name, 0.98, name),), True, (name,)),
        labels=(LabelRow(name, name, 1234567, 89.25, faces=(name,), outlier=name),),
        label_notes=(name,),
        cleaning=(CleaningRow(name, name, name, 700, 321, 45, 424, 9.5, True, name),),
        cleaning_notes=(name,),
        failures=(FailedCase(name, name, name, name),),
        thumbnails=(Thumbnail(name, PIXEL, (name,)),),
        overlays=(Overlay(name, name, PIXEL),),
        training=(Training(name, 500, 400, 0.8765, name, (LogRow(1, 2.0, 0.5),), {name: name}),),
        scores=(table(rows, run=name, reference=name, convention=name),),
        commands=(name,),
        versions={name: name},
    )


ALL = [
    "source", "series", "split", "check", "leaks", "pictures", "labels", "cleaning", "training",
    "dice", "failed", "repeat",
]  # fmt: skip


def test_all_sections_in_order() -> None:
    assert Page(render(full())).sections == ALL


def test_after_split_only_what_is_known() -> None:
    bare = full()
    split = ReportData("t", "1", bare.dataset, bare.series, bare.folds, commands=("medprep",))
    page = Page(render(split))
    assert page.sections == ["source", "series", "split", "repeat"]
    links = {attrs["href"] for tag, attrs in page.tags if tag == "a"}
    assert links == {"#source", "#series", "#split", "#repeat"}


def test_bare_minimum_renders() -> None:
    page = Page(render(ReportData("t", "1", Dataset("p", "", 0, 0, 0))))
    assert page.sections == ["source"]


def test_equal_data_give_equal_text() -> None:
    assert render(full()) == render(full())


HOSTILE = "<script>alert(1)</script>\"' onload='x' {{ 7 * 7 }} $x$"


def test_hostile_names_stay_text() -> None:
    page, plain = Page(render(full(HOSTILE))), Page(render(full()))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert [set(attrs) for _, attrs in page.tags] == [set(attrs) for _, attrs in plain.tags]
    assert page.text.count(HOSTILE) == plain.text.count("plain")


@settings(deadline=None)  # the first report pays for importing matplotlib
@given(st.text(min_size=1, max_size=30))
def test_any_name_comes_through(name: str) -> None:
    bare = ReportData("t", "1", Dataset("p", "", 0, 0, 0), failures=(FailedCase(name, "", "", ""),))
    assert name in Page(render(bare)).text


def test_nothing_is_fetched_and_nothing_runs() -> None:
    text = render(full())
    page = Page(text)
    for tag, attrs in page.tags:
        assert tag not in ("script", "iframe", "object", "embed", "base", "form")
        assert not [name for name in attrs if name.startswith("on")]
        for name in ("src", "href", "srcset", "action"):
            value = attrs.get(name)
            assert value is None or value.startswith(("data:", "#"))
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text
    assert "@import" not in text
    policy = next(a["content"] for t, a in page.tags if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none';")


def test_score_rows_worst_first_with_the_numbers_of_the_data() -> None:
    page = Page(render(replace(full(), scores=(table(SCORES),))))
    start = page.rows.index(
        ["Case", "Organ", "Volume Dice", "Mean of slices,empty = 1"]
        + ["Mean of slices,empty left out", "Empty slices"]
    )
    assert page.rows[start + 1 : start + 5] == [
        ["p2", "left kidney", "0.0000", "no prediction: counted as this"],
        ["p2", "liver", "0.7111", "0.8100", "0.6100", "4 of 13"],
        ["p1", "liver", "0.9123", "0.9500", "0.8500", "3 of 12"],
        ["p1", "left kidney", "not scored", "1.0000", "–", "12 of 12"],
    ]


def test_all_rows_are_there_however_many() -> None:
    many = tuple(ScoreRow(f"p{n}", "liver", n / 100) for n in range(100))
    page = Page(render(replace(full(), scores=(table(many),))))
    shown = [row[0] for row in page.rows if row[1:2] == ["liver"]]
    assert shown == [f"p{n}" for n in range(100)]
    assert "The other 80 rows" in page.text


def test_organ_summary_has_the_numbers_of_the_data() -> None:
    page = Page(render(replace(full(), scores=(table(SCORES),))))
    assert ["liver", "0.8117", "0.1423", "0.8117", "2", "0", "0", "–", "–"] in page.rows
    assert ["left kidney", "0.0000", "–", "0.0000", "1", "1", "1", "–", "–"] in page.rows


def test_headline_names_fold_patients_reference_and_convention() -> None:
    page = Page(render(replace(full(), scores=(table(SCORES),))))
    words = " ".join(page.text.split())
    assert "0.406 Mean volume Dice of 2 organs on the test fold: 2 patients," in words
    assert "against the extracted labels; run run-1" in words
    assert "1 case has no prediction and counts as 0." in words
    assert f"Convention: {EMPTY_CONVENTION}." in words
    for meaning in SLICE_CONVENTIONS.values():
        assert meaning in words


@pytest.mark.parametrize("fold", ["test", "val"])
def test_validation_scores_are_marked(fold: str) -> None:
    page = Page(render(replace(full(), scores=(table(SCORES, fold=fold),))))
    assert ("chose the weights, so" in page.text) == (fold == "val")


def test_headline_is_of_the_first_run() -> None:
    other = table((ScoreRow("p1", "liver", 0.1),), run="other")
    page = Page(render(replace(full(), scores=(table(SCORES[:1]), other))))
    assert "0.912" in page.words
    assert "0.100" not in page.words


def test_no_headline_where_nothing_could_be_scored() -> None:
    page = Page(render(replace(full(), scores=(table(SCORES[2:3]),))))
    assert not [1 for tag, attrs in page.tags if attrs.get("class") == "headline"]
    assert "dice" in page.sections


def test_what_is_alike_in_all_cases_is_said_once() -> None:
    rows = tuple(
        SeriesRow(f"c{n}", f"p{n}", "t2", "MR", (n, 4, 5), (2.5, 0.75, 0.75), "SPL", True, "train")
        for n in (3, 4)
    )
    page = Page(render(replace(full(), series=rows)))
    assert ["c3", "p3", "3 × 4 × 5", "training"] in page.rows
    assert ["c4", "p4", "4 × 4 × 5", "training"] in page.rows
    words = " ".join(page.text.split())
    assert "sequence t2; modality MR; spacing, mm 2.5 × 0.75 × 0.75; axes point to SPL" in words


def test_training_without_validation() -> None:
    one = Training("r", 10, 10, None, "The last step was kept.", (LogRow(1, 1.0, None),))
    words = " ".join(Page(render(replace(full(), training=(one,)))).text.split())
    assert "its validation Dice–" in words
    assert "The last step was kept." in words
