"""The report's sections on scores: its numbers are those of the records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from made_scores import evaluation, label
from page import Page

from medprep.metrics.comparison import compare
from medprep.metrics.contrasts import Contrast
from medprep.metrics.evaluation import Evaluation
from medprep.reporting.data import (
    Dataset,
    ErrorMap,
    ErrorPlane,
    ModelScores,
    ReportData,
    WorstCase,
)
from medprep.reporting.html import render

DICE = (0.91234, 0.71111, 0.8, 0.86, 0.55, 0.93)
CASES = {
    f"p{n}-a": [
        label("liver", dice, hd95_mm=10.0 / dice, voxels=(1000 + 50 * n, 1000 - 30 * n, 700),
              slices=(None, 0.5, dice)),
        label("left_kidney", dice / 2, hd95_mm=3.0),
    ]
    for n, dice in enumerate(DICE, 1)
}  # fmt: skip
CASES["p7-a"] = [
    label("liver", 0.0, state="missing", hd95_mm=300.0),
    label("left_kidney", None, state="neither", hd95_mm=None),
]
ONE = evaluation(CASES, extra=("p8-a",))


def page_of(*models: Evaluation, **changes: Any) -> Page:
    scores = tuple(ModelScores(one, ("as told",)) for one in models)
    data = ReportData("t", "1", Dataset("p", "", 0, 0, 0), scores=scores)
    return Page(render(replace(data, **changes)))


def words(page: Page) -> str:
    return " ".join(page.text.split())


def test_metrics_of_organs_are_the_summaries_of_the_evaluation() -> None:
    page = page_of(ONE)
    for organ, neither, missing in (("liver", 0, 1), ("left_kidney", 1, 0)):
        for metric, places in (("dice", 4), ("hd95_mm", 2)):
            short = ONE.summary(organ, metric)

            def text(value: float | None, places: int = places) -> str:
                return f"{value:,.{places}f}"

            span = short.why
            if short.interval:
                span = f"{text(short.interval.low)} to {text(short.interval.high)}"
                span += "*" if short.interval.warning else ""
            assert [
                organ.replace("_", " "), text(short.mean), span, text(short.sd),
                text(short.median), f"{text(short.q1)} to {text(short.q3)}",
                str(short.n), str(neither), str(missing),
            ] in page.rows  # fmt: skip


def test_cases_worst_first_with_the_numbers_of_the_record() -> None:
    page = page_of(ONE)
    start = page.rows.index(["Case", "Organ", "Dice", "HD95, mm", "Found"])
    shown = page.rows[start + 1 : start + 15]
    assert shown[:2] == [
        ["p7-a", "liver", "0.0000", "300.00", "no prediction"],
        ["p5-a", "left kidney", "0.2750", "3.00", "yes"],
    ]
    assert shown[-1] == ["p7-a", "left kidney", "–", "–", "in neither, not scored"]
    assert ["p1-a", "liver", "0.9123", "10.96", "yes"] in shown


def test_all_cases_are_there_however_many() -> None:
    many = evaluation({f"p{n:03d}": [label("liver", n / 100)] for n in range(100)})
    page = page_of(many)
    assert [row[0] for row in page.rows if row[1:2] == ["liver"]] == [
        f"p{n:03d}" for n in range(100)
    ]
    assert "The other 80 rows" in page.text


def test_every_table_has_its_convention_and_counts() -> None:
    text = words(page_of(ONE)).replace("\xa0", " ")
    told = (
        "Convention medprep. 7 patients, 7 cases. In neither reference nor prediction, so not "
        "scored: 1. In one of them only: 0. Predictions missing: 1; extra: 1; failed: 0."
    )
    assert text.count(told) == 4  # metrics, other conventions, cases, volumes
    assert "Predicted, but there is no reference: p8-a." in text
    assert "as told" in text


def test_headline_has_interval_method_and_what_is_not_in_it() -> None:
    text = words(page_of(ONE))
    short = ONE.summary("liver", "dice")
    assert short.interval is not None
    assert "Mean Dice of 2 organs on the test fold: 7 patients, against the extracted" in text
    assert f"liver {short.mean:.4f} {short.interval.low:.4f} to {short.interval.high:.4f}*" in text
    assert "By patient; bootstrap-t. 1 case without a prediction, counted as a failure." in text
    assert "1 organ of a case in neither, not scored." in text
    assert "1 of 7 patients failed" in text


def test_one_patient_has_no_interval_and_the_report_says_why() -> None:
    one = evaluation({"p1-a": CASES["p1-a"]})
    text = words(page_of(one))
    assert "no interval: one patient alone" in text
    assert text.count("one patient alone says nothing of how patients differ") > 4


@pytest.mark.parametrize("fold", ["test", "val"])
def test_validation_scores_are_marked(fold: str) -> None:
    text = words(page_of(evaluation(CASES, fold=fold)))
    assert ("chose the weights, so" in text) == (fold == "val")


def test_leaks_of_the_training_stand_at_the_top() -> None:
    page = page_of(replace(ONE, leaks="TRAINED ACROSS A LEAK: p1"))
    assert page.text.index("TRAINED ACROSS A LEAK") < page.text.index("What came in")


def test_what_could_not_be_scored_is_told_with_its_reason() -> None:
    gone = {**CASES, "p8-a": [label("liver", 0.0, state="missing", hd95_mm=None)]}
    page = page_of(evaluation(gone, failed={"p8-a": "the grids differ by 3 mm"}))
    assert "the grids differ by 3 mm" in page.text
    assert ["p8-a", "liver", "0.0000", "–", "could not be scored"] in page.rows
    assert "failed:\xa01." in page.text


def test_other_conventions_have_their_own_numbers() -> None:
    liver = next(
        row for row in page_of(ONE).rows if row[0] == "liver" and len(row) == 5 and "." in row[1]
    )
    assert liver == [
        "liver", f"{sum(DICE) / 7:.4f}", f"{ONE.pooled_dice('liver'):.4f}",
        f"{sum(ONE.slice_dice('liver', 'one').values()) / 6:.4f}",
        f"{sum(ONE.slice_dice('liver', 'skip').values()) / 6:.4f}",
    ]  # fmt: skip


def test_volumes_agree_as_in_the_records() -> None:
    differences = [-0.8 * n for n in range(1, 7)]  # 80 voxels of 0.01 ml a step
    mean = sum(differences) / 6
    sd = (sum((one - mean) ** 2 for one in differences) / 5) ** 0.5
    low, high = mean - 1.96 * sd, mean + 1.96 * sd
    assert ["liver", "6", f"{mean:.1f}", f"{low:.1f} to {high:.1f}"] in page_of(ONE).rows


def contrast(first: Evaluation, second: Evaluation, metric: str, holm_p: float) -> Contrast:
    ours, theirs = (one.by_patient("liver", metric) for one in (first, second))
    found = compare(ours, theirs, "high" if metric == "dice" else "low")
    return Contrast("liver", metric, first.model, second.model, found, holm_p)


def test_models_side_by_side_have_the_numbers_of_the_comparison() -> None:
    other = evaluation(
        {case: [replace(one, values={k: None if v is None else v * 0.9 for k, v in
                one.values.items()}) for one in labels] for case, labels in CASES.items()},
        "run-2",
    )  # fmt: skip
    row = contrast(ONE, other, "dice", 0.0312)
    page = page_of(ONE, other, contrasts=(row, contrast(ONE, other, "hd95_mm", 0.0004)))
    found = row.comparison
    assert found.interval is not None
    star = "*" if found.interval.warning else ""
    assert [
        "liver", f"{found.mean_difference:+.4f}",
        f"{found.interval.low:+.4f} to {found.interval.high:+.4f}{star}",
        f"{found.effect_size:+.2f}", "0.031", f"{found.permutation_p:.3f}",
        f"{found.wilcoxon_p:.3f}", "6", "0", "1", "7",
    ] in page.rows  # fmt: skip
    assert "< 0.001" in page.text
    assert "First run-1, second run-2." in words(page)
    assert len([1 for _, attrs in page.tags if attrs.get("class") == "headline one-of-several"])


def test_three_models_are_named_in_each_row() -> None:
    others = [evaluation(CASES, name) for name in ("run-2", "run-3")]
    rows = (contrast(ONE, others[0], "dice", 1.0), contrast(ONE, others[1], "dice", 1.0))
    page = page_of(ONE, *others, contrasts=rows)
    assert [row[:3] for row in page.rows if row[:2] == ["liver", "run-1"]] == [
        ["liver", "run-1", "run-2"], ["liver", "run-1", "run-3"],
    ]  # fmt: skip


def test_a_worst_case_is_shown_with_its_planes_and_volumes() -> None:
    case = ONE.cases[4]
    planes = (ErrorPlane("axial, slice 2 of 3", b"png", 80.0), ErrorPlane("coronal", b"png", 80.0))
    worst = WorstCase(case, case.labels[0], ErrorMap(planes, 2))
    page = page_of(ONE, scores=(ModelScores(ONE, (), (worst,)),))
    text = words(page)
    assert "p5-a, liver: Dice 0.5500, HD95 18.18 mm" in text
    assert "axial, slice 2 of 3" in text
    # 700 voxels of 0.01 ml in both, of 1250 in the reference and 850 in the prediction.
    assert "found, ml7.0 missed, ml5.5 extra, ml1.5" in text
    assert len([1 for tag, attrs in page.tags if tag == "figure" and "style" in attrs]) == 2


def test_only_surface_metrics_make_a_report_too() -> None:
    cases = {f"p{n}-a": [label("liver", None, hd95_mm=float(n))] for n in range(1, 7)}
    page = page_of(evaluation(cases, metrics=("hd95_mm",)))
    assert "Mean HD95, mm" in words(page)
    assert "3.50" in page.words
    assert "other conventions of Dice" not in page.text


def test_regions_are_not_counted_once_more() -> None:
    cases = {f"p{n}-a": [label("liver", 0.8), label("kidneys", 0.2, region=True)] for n in range(5)}
    text = words(page_of(evaluation(cases)))
    assert "0.800" in text
    assert "Mean Dice on the" in text


def test_notes_say_what_is_left_out() -> None:
    page = page_of(score_notes=("The scores of a are out of date",))
    assert "The scores of a are out of date" in page.text
    assert "scores" not in page.sections
