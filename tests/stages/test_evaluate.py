"""Scores of a workspace: what is written, what counts, what two models are beside each other."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

import medprep
from medprep import pipeline
from medprep.errors import LabelError, OptionError
from medprep.formats import nifti
from medprep.metrics.catalogue import METRICS
from medprep.metrics.evaluation import Evaluation
from medprep.pipeline import Outcome
from medprep.stages.evaluate import Evaluate

FAST = {"steps": 2, "width": 2, "batch_size": 2}


@pytest.fixture(scope="module")
def trained(phantom: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models that learnt nothing, on the same two test patients."""
    work = tmp_path_factory.mktemp("scored") / "w"
    medprep.split(phantom, train=0.5, val=0.0, test=0.5, workspace=work)
    medprep.extract(organ=["liver", "spleen"], workspace=work)
    for seed, run in enumerate(("one", "two")):
        medprep.train(run_name=run, seed=seed, workspace=work, **FAST)
    return work


def evaluation(work: Path, run: str) -> Evaluation:
    record = json.loads((work / "metrics" / f"{run}.json").read_text())
    return Evaluation.from_record(record["evaluation"])


def draw(work: Path, run: str, organ: int, grow: int) -> list[str]:
    """Put the reference, shifted along its columns, in the place of a run's predictions."""
    medprep.predict(run_name=run, workspace=work)
    for path in sorted((work / "predictions" / run).glob("*.nii.gz")):
        labels = work / "labels" / path.name
        if labels.exists():
            known = nifti.read_label_map(labels)
            moved = np.roll(known.array * (known.array == organ), grow, axis=2)
            nifti.write(path, nifti.read(work / "images" / path.name).label(moved, {}))
    return said(score(work, run)).splitlines()


def score(work: Path, *run: str, metrics: tuple[str, ...] = ()) -> Outcome:
    """Score anew: predictions were drawn behind the workspace's back."""
    return pipeline.run([Evaluate(run, metrics=metrics)], work, overwrite=True)


def said(outcome: Outcome) -> str:
    return "\n".join(line for one in outcome.summaries for line in one.lines)


def test_all_metrics_are_in_all_tables(trained: Path) -> None:
    lines = draw(trained, "one", 1, 1)
    found = evaluation(trained, "one")
    assert set(found.metrics) == {n for n, one in METRICS.items() if one.family != "chaos"}
    assert found.organs == ("liver", "spleen") and found.fold == "test"
    case = found.cases[0]
    liver = case.labels[0]
    reference = nifti.read_labels(trained / "labels" / f"{case.case}.nii.gz") == 1
    moved = np.roll(reference, 1, axis=2)
    assert liver.values["dice"] == pytest.approx(
        2 * (reference & moved).sum() / (2 * reference.sum()), abs=0
    )
    spacing = nifti.read(trained / "images" / f"{case.case}.nii.gz").geometry.spacing_mm
    assert liver.values["hd_mm"] == pytest.approx(spacing[2], rel=1e-6)
    assert liver.values["volume_difference_ml"] == 0
    assert case.labels[1].state == "reference only" and case.labels[1].values["dice"] == 0
    rows = list(csv.DictReader((trained / "metrics" / "one.csv").open()))
    (row,) = [
        r for r in rows
        if (r["case"], r["organ"], r["metric"]) == (case.case, "liver", "dice")
    ]  # fmt: skip
    assert float(row["value"]) == liver.values["dice"]
    text = (trained / "metrics" / "one.md").read_text()
    assert "| liver | HD95, mm |" in text and "in one of the two only: Dice 0" in text
    assert any("spleen: 2 not found at all" in line for line in lines)
    assert any(line.startswith("convention: medprep: surfaces are voxels") for line in lines)


def test_a_missing_prediction_is_a_failure_that_counts(trained: Path, tmp_path: Path) -> None:
    draw(trained, "two", 1, 0)
    whole = evaluation(trained, "two").summary("liver", "dice")
    assert whole.mean == 1.0
    case = evaluation(trained, "two").cases[0].case
    path = trained / "predictions" / "two" / f"{case}.nii.gz"
    kept = path.read_bytes()
    path.write_bytes(kept[:100])
    outcome = score(trained, "two", metrics=("dice", "nsd", "hd95_mm"))
    assert outcome.exit_code == 8
    found = evaluation(trained, "two").of("liver")
    (own,) = [label for one, label in found if one.case == case]
    assert own.state == "missing" and own.values["hd95_mm"] == own.diagonal_mm > 0
    assert own.reference_voxels > 0 == own.predicted_voxels
    pooled = evaluation(trained, "two").pooled_dice("liver")
    assert pooled is not None and pooled < 1
    short = evaluation(trained, "two").summary("liver", "dice")
    assert short.n == whole.n and short.mean == pytest.approx(1 - 1 / whole.n)
    assert f"{case}: not scored" in said(outcome)
    path.write_bytes(kept)
    score(trained, "two")
    assert evaluation(trained, "two").summary("liver", "dice").mean == 1.0


def test_two_models_are_compared_on_the_same_patients(trained: Path) -> None:
    draw(trained, "one", 1, 2)
    draw(trained, "two", 1, 0)
    outcome = medprep.evaluate(run_name=("one", "two"), workspace=trained)
    rows = list(csv.DictReader((trained / "metrics" / "models-compared.csv").open()))
    (dice,) = [r for r in rows if (r["organ"], r["metric"]) == ("liver", "dice")]
    means = [evaluation(trained, run).summary("liver", "dice").mean for run in ("one", "two")]
    assert float(dice["mean_difference"]) == pytest.approx(means[0] - means[1])  # type: ignore[operator]
    assert (dice["wins"], dice["losses"], dice["n"]) == ("0", "2", "2")
    assert "models side by side, by patient:" in said(outcome)


def test_dice_is_evaluate_with_one_metric(trained: Path) -> None:
    draw(trained, "one", 1, 1)
    full = evaluation(trained, "one").summary("liver", "dice")
    outcome = medprep.dice(run_name="one", workspace=trained)
    found = evaluation(trained, "one")
    assert found.metrics == ("dice",) and found.summary("liver", "dice") == full
    assert "surfaces" not in said(outcome) and "slices, empty 1" in said(outcome)


def test_what_is_scored_is_kept_until_something_changes(trained: Path) -> None:
    draw(trained, "one", 1, 1)
    assert medprep.evaluate(run_name="one", workspace=trained).summaries[-1].made == []
    again = medprep.evaluate(run_name="one", tolerance=["3"], workspace=trained)
    assert len(again.summaries[-1].made) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "best"}, "no preset 'best'; there are medprep, chaos-code"),
        ({"metrics": ("dice", "f1")}, "no metric 'f1'; there are dice"),
        ({"metrics": ("chaos_score",)}, "the preset medprep has no chaos_score"),
        ({"tolerance": ("liver=wide",)}, "--tolerance is 'liver=wide'"),
        ({"reference": "best"}, "wanted is extracted or cleaned"),
        ({"run": ("a", "a")}, "--run names a model twice: a, a"),
    ],
)
def test_options_are_checked_before_anything_runs(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError, match=message.replace("(", r"\(")):
        Evaluate(**options)  # type: ignore[arg-type]


def test_a_tolerance_for_nobody_is_refused(trained: Path) -> None:
    with pytest.raises((OptionError, LabelError), match="--tolerance names heart"):
        medprep.evaluate(run_name="one", tolerance=["heart=1"], workspace=trained)
