"""The report of a workspace: its scores, as long as they are up to date, and nobody's name."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from browser import chromium, open_browser
from page import Page
from scored_sets import MISSING, NO_KIDNEY, make_scored_workspace

import medprep
from medprep.workspace.workspace import Workspace

needs_browser = pytest.mark.skipif(chromium() is None, reason="no Chromium to look at a page with")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two scored models and its report."""
    work = make_scored_workspace(tmp_path_factory.mktemp("scored") / "w")
    medprep.report(workspace=work)
    return work


@pytest.fixture
def own(scored: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(scored, tmp_path / "w"))


def page_of(work: Path) -> Page:
    medprep.report(workspace=work)
    return Page((work / "report.html").read_text())


def test_equal_workspaces_have_equal_reports(own: Path) -> None:
    before = (own / "report.html").read_bytes()
    medprep.report(workspace=own)
    assert (own / "report.html").read_bytes() == before


def test_numbers_are_those_of_the_files(scored: Path) -> None:
    page = Page((scored / "report.html").read_text())
    for run in ("steady", "wild"):
        record = json.loads((scored / "metrics" / f"{run}.json").read_text())
        rows = {tuple(row) for row in page.rows}
        for one in record["summaries"]:
            interval = one["interval"]
            digits = 4 if abs(one["mean"]) <= 1 and "_m" not in one["metric"] else 2
            if one["metric"].endswith(("ml", "percent")):
                digits = 2
            mean, low, high = (
                f"{value:,.{digits}f}" for value in (one["mean"], interval["low"], interval["high"])
            )
            span = f"{low} to {high}{'*' if interval['warning'] else ''}"
            organ = one["organ"].replace("_", " ")
            found = [row for row in rows if row[:3] == (organ, mean, span)]
            assert found, (run, one)
            assert {row[6] for row in found} == {str(one["n"])}
    compared = json.loads((scored / "metrics" / "models-compared.json").read_text())
    for one in compared:
        cells = f"{one['wins']} {one['losses']} {one['ties']} {one['n']}".split()
        organ = one["organ"].replace("_", " ")
        assert [r for r in page.rows if r[0] == organ and r[-4:] == cells], one


def test_worst_cases_are_looked_at_and_no_case_without_a_prediction(scored: Path) -> None:
    page = Page((scored / "report.html").read_text())
    alts = [attrs["alt"] or "" for tag, attrs in page.tags if tag == "img"]
    shown = [alt.partition(":")[0] for alt in alts if "errors of" in alt]
    assert len(shown) == 2 * 3 * 3, "two models, three cases, three planes"
    assert f"{NO_KIDNEY}, errors of left_kidney" in shown
    assert not [one for one in shown if one.startswith(MISSING) and "wild" in one]
    assert sum("in each slice" in alt for alt in alts) == 6


def test_hashes_are_those_of_the_files(scored: Path) -> None:
    text = Page((scored / "report.html").read_text()).text
    for run in ("steady", "wild"):
        content = (scored / "metrics" / f"{run}.json").read_bytes()
        assert hashlib.sha256(content).hexdigest() in text
    assert "ab" * 32 in text, "of the weights, as training wrote it down"


def test_scores_whose_predictions_changed_are_left_out_and_it_says_so(own: Path) -> None:
    with Workspace(own) as workspace:
        workspace.database.forget("evaluate", ["wild/p01-t2"])
    page = page_of(own)
    assert "The scores of wild are out of date and left out" in page.text
    assert "medprep evaluate --run wild" in page.text
    assert "comparison" not in page.sections
    assert "scores" in page.sections


def test_a_prediction_made_after_all_makes_scores_old(own: Path) -> None:
    with Workspace(own) as workspace:
        found = workspace.database.artifacts("predict")["steady/" + MISSING]
        workspace.database.put(replace(found, subject=f"wild/{MISSING}"))
    assert "The scores of wild are out of date" in page_of(own).text


def test_scores_of_an_earlier_release_are_not_misread(own: Path) -> None:
    (own / "metrics" / "wild.json").write_text(json.dumps({"run": "wild", "rows": []}))
    assert "The scores of wild are out of date" in page_of(own).text


def test_a_workspace_without_scores_has_a_report(own: Path) -> None:
    shutil.rmtree(own / "metrics")
    page = page_of(own)
    assert "scores" not in page.sections
    assert not [1 for tag, attrs in page.tags if attrs.get("class") == "warn"]


def test_pictures_are_left_out_where_somebody_made_room(own: Path) -> None:
    shutil.rmtree(own / "predictions")
    text = (page_of(own)).text
    assert "three planes through the largest error" not in text
    assert "Metrics by organ" in text


def test_models_scored_in_different_ways_are_not_compared(own: Path) -> None:
    path = own / "metrics" / "wild.json"
    record = json.loads(path.read_text())
    record["evaluation"]["definition"] = "monai"
    path.write_text(json.dumps(record))
    page = page_of(own)
    assert "comparison" not in page.sections
    assert page.text.count("Metrics by organ") == 2


@needs_browser
def test_in_a_browser_nothing_is_asked_for_and_nothing_overflows(
    scored: Path, tmp_path: Path
) -> None:
    program = chromium()
    assert program is not None
    with open_browser(program, tmp_path / "profile") as browser:
        for width in (1280, 400):
            seen = browser.look(scored / "report.html", width)
            assert seen.complaints == []
            assert seen.requests == []
            assert seen.size[0] == width, "the page itself does not scroll sideways"
            assert seen.size[1] > 5000


@needs_browser
def test_the_browser_would_tell(tmp_path: Path) -> None:
    """The check above can fail: a page that asks, complains and overflows is seen doing it."""
    program = chromium()
    assert program is not None
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><meta name=viewport content='width=device-width'><body>"
        "<p style='width: 900px'>wide</p><script>console.error('oh')</script>"
        "<link rel=stylesheet href='other.css'>"
    )
    with open_browser(program, tmp_path / "profile") as browser:
        seen = browser.look(page, 400)
    assert seen.size[0] > 400
    assert any(one.endswith("other.css") for one in seen.requests)
    assert any("oh" in one for one in seen.complaints)


def test_nothing_of_a_patients_header_is_in_the_report(phantom: Path, tmp_path: Path) -> None:
    import pydicom

    source = Path(shutil.copytree(phantom, tmp_path / "set"))
    for number, path in enumerate(sorted(source.rglob("*.dcm"))):
        dataset = pydicom.dcmread(path)
        dataset.PatientName = "Quuxname^Zyxfirst"
        dataset.PatientBirthDate = "19470308"
        dataset.StudyDate = dataset.SeriesDate = "20170911"
        dataset.InstitutionName = "Hospitalix"
        dataset.AccessionNumber = f"ACC{number:05d}"
        dataset.save_as(path)
    work = tmp_path / "w"
    medprep.split(source, train=0.5, val=0.0, test=0.5, workspace=work)
    medprep.check(workspace=work)
    medprep.train(steps=2, width=2, batch_size=2, workspace=work)
    medprep.dice(workspace=work)
    medprep.report(workspace=work)
    text = (work / "report.html").read_text()
    assert "scores" in Page(text).sections
    private = (
        "Quuxname", "Zyxfirst", "19470308", "1947-03", "20170911", "2017-09", "Hospitalix", "ACC0",
        str(tmp_path),
    )  # fmt: skip
    plain = re.sub("base64,[A-Za-z0-9+/=]+", "", text)
    assert [one for one in private if one in plain] == []
