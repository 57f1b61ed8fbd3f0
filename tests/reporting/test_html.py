"""The report: what it shows, what it leaves out, and that nothing gets out of it."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from made_scores import evaluation, label
from page import Page

from medprep.metrics.comparison import compare
from medprep.metrics.contrasts import Contrast
from medprep.reporting.data import (
    Dataset,
    ErrorMap,
    ErrorPlane,
    FailedCase,
    FoldRow,
    LogRow,
    ModelScores,
    ReportData,
    SeriesRow,
    Training,
    WorstCase,
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


def scores_of(name: str) -> ModelScores:
    """Give scores in which every free text is ``name``."""
    one = evaluation(
        {
            f"p1{name}": [label(name, 0.9, voxels=(9, 9, 8), slices=(0.5, None, 0.75))],
            f"p2{name}": [label(name, 0.0, state="missing")],
        },
        name, fold=name, reference=name, definition=name, says=name, extra=(name,),
        failed={name: name}, leaks=name,
    )  # fmt: skip
    one = replace(one, cases=(replace(one.cases[0], notes=(name,)), *one.cases[1:]))
    errors = ErrorMap((ErrorPlane(name, PIXEL, 90.0),), 1)
    worst = WorstCase(one.cases[0], one.cases[0].labels[0], errors)
    return ModelScores(one, (name,), (worst,))


def full(name: str = "plain") -> ReportData:
    """Give a report with every section, every free text of it being ``name``."""
    scored = scores_of(name)
    found = compare({"a": 0.5, "b": 0.25}, {"a": 0.25, "b": 0.5}, "high")
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
        scores=(scored,),
        contrasts=(Contrast(name, "dice", name, name, found, 0.5),),
        score_notes=(name,),
        commands=(name,),
        hashes={name: name},
        versions={name: name},
    )


ALL = [
    "source", "series", "split", "check", "leaks", "pictures", "labels", "cleaning", "training",
    "scores", "comparison", "failed", "repeat",
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
