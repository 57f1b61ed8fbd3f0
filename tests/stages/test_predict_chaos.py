"""A submission from DICOM alone: folders, levels, and slices in the order of the files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dicom_files import write_dicom
from nets import ORGANS, saved, solid
from PIL import Image

from medprep.dicom.series import read_series
from medprep.dicom.stacks import Policy
from medprep.errors import OptionError
from medprep.inference.predict import load_predictor
from medprep.models.targets import Targets
from medprep.predictions.options import PredictFolder
from medprep.predictions.run import PredictOutcome, predict_folder

FOUR = Targets({1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"})
LEVELS = np.array([0, 63, 126, 189, 252], np.uint8)


def add(folder: Path, number: int, *, slices: int = 4, **tags: object) -> Path:
    """Write a series whose files count downwards in the patient."""
    chance = np.random.default_rng(number)
    for place in range(slices):
        pixels = chance.integers(0, 900, (18, 20)).astype(np.int16)
        write_dicom(
            folder / f"IMG-{place:04d}.dcm", pixels, (0, 0, -3.0 * place), PatientID=f"{number}",
            StudyInstanceUID=f"1.{number}", SeriesInstanceUID=f"1.2.{number}",
            SeriesNumber=f"{number}", **tags,
        )  # fmt: skip
    return folder


def run(source: Path, output: Path, weights: Path, **options: object) -> PredictOutcome:
    how = {"checkpoint": (str(weights),), "format": "chaos", "device": "cpu", **options}
    return predict_folder(PredictFolder(str(source), str(output), **how))  # type: ignore[arg-type]


def stack(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(folder.glob("img*.png"))])


def test_slices_follow_the_files(tmp_path: Path) -> None:
    weights = saved(tmp_path / "net", solid(targets=FOUR))
    folder = add(tmp_path / "in" / "MR" / "7" / "T2SPIR" / "DICOM_anon", 1)
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert outcome.exit_code == 0
    series = read_series(sorted(folder.iterdir()))
    wanted = load_predictor(weights, "cpu").predict(series.volume)[::-1]
    assert series.order == (3, 2, 1, 0)
    whole = tmp_path / "out" / "Task5" / "MR" / "7" / "T2SPIR" / "Results"
    assert sorted(path.name for path in whole.iterdir()) == [f"img{n:03d}.png" for n in range(4)]
    assert np.array_equal(stack(whole), LEVELS[wanted])
    liver = tmp_path / "out" / "Task3" / "MR" / "7" / "T2SPIR" / "Results"
    assert np.array_equal(stack(liver), 63 * (wanted == 1))
    again = run(tmp_path / "in", tmp_path / "out", weights)
    assert (len(again.made), len(again.kept)) == (0, 1)


def test_the_liver_of_ct_is_task_2(tmp_path: Path) -> None:
    weights = saved(tmp_path / "net", solid(targets=Targets({1: "liver"})))
    add(tmp_path / "in" / "CT" / "12" / "DICOM_anon", 1)
    run(tmp_path / "in", tmp_path / "out", weights)
    found = {path.name for path in (tmp_path / "out").iterdir()}
    assert found == {"Task2", "prediction.json", "private"}
    assert set(np.unique(stack(tmp_path / "out/Task2/CT/12/Results"))) <= {0, 63}


def test_nets_of_fewer_organs_leave_no_task_of_those_before(tmp_path: Path) -> None:
    four = saved(tmp_path / "four", solid(targets=FOUR))
    liver = saved(tmp_path / "liver", solid(targets=Targets({1: "liver"})))
    add(tmp_path / "in" / "MR" / "7" / "T2SPIR" / "DICOM_anon", 1)
    run(tmp_path / "in", tmp_path / "out", four)
    assert list((tmp_path / "out" / "Task5").rglob("*.png"))
    options = PredictFolder(
        str(tmp_path / "in"), str(tmp_path / "out"), None, (str(liver),), "chaos", "cpu"
    )
    assert predict_folder(options, overwrite=True).exit_code == 0
    assert list((tmp_path / "out" / "Task3").rglob("*.png"))
    assert not list((tmp_path / "out" / "Task5").rglob("*.png"))


def test_of_two_phases_the_first(tmp_path: Path) -> None:
    weights = saved(tmp_path / "net", solid(targets=FOUR))
    place = tmp_path / "in" / "MR" / "3" / "T1DUAL" / "DICOM_anon"
    add(place / "OutPhase", 1, EchoTime="2.3")
    first = add(place / "InPhase", 2, EchoTime="4.6")
    outcome = run(tmp_path / "in", tmp_path / "out", weights)
    assert len(outcome.made) == 1
    assert "passed over 1 series out of phase: a submission has one of the two" in outcome.notes
    wanted = load_predictor(weights, "cpu").predict(read_series(sorted(first.iterdir())).volume)
    found = stack(tmp_path / "out" / "Task5" / "MR" / "3" / "T1DUAL" / "Results")
    assert np.array_equal(found, LEVELS[wanted[::-1]])
    alone = run(place / "OutPhase", tmp_path / "out2", weights)
    assert len(alone.made) == 1


def test_what_is_no_chaos_is_a_failure(tmp_path: Path) -> None:
    weights = saved(tmp_path / "net", solid(targets=FOUR))
    add(tmp_path / "in" / "somebody", 1)
    add(tmp_path / "in" / "MR" / "1" / "T2SPIR" / "DICOM_anon", 2)
    gap = add(tmp_path / "in" / "MR" / "2" / "T2SPIR" / "DICOM_anon", 3, slices=6)
    (gap / "IMG-0002.dcm").unlink()
    outcome = run(tmp_path / "in", tmp_path / "out", weights, policy=Policy("resample"))
    assert len(outcome.made) == 1
    said = " ".join(str(one) for one in outcome.failed.values())
    assert "its folders are not those of CHAOS" in said
    assert "not resampled" in said
    assert outcome.exit_code == 8


def test_other_organs_have_no_place_in_a_submission(tmp_path: Path) -> None:
    for targets in (Targets({1: "liver", 2: "aorta"}), Targets({1: "spleen"})):
        weights = saved(tmp_path / "net", solid(targets=targets))
        with pytest.raises(OptionError, match="a submission is made of liver"):
            run(tmp_path, tmp_path / "out", weights)
    assert set(ORGANS.names.values()) == {"liver", "spleen"}
