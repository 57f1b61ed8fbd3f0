"""Who is the patient of a case: names of files, headers, folders, and who stands in two folds."""

from __future__ import annotations

from pathlib import Path

import pytest
from split_sets import chaos, patients_of, pictures, said, split, written

from medprep.errors import LeakError, OptionError, SplitError


def test_a_patient_in_two_folds_is_refused_unless_allowed(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["P1_a", "P1_b", "P2_a"])
    table = tmp_path / "folds.csv"
    table.write_text("case,fold\nP1_a,train\nP1_b,val\nP2_a,train\n")
    options = {"splits": str(table), "patient_pattern": r"^P(\d)_"}
    with pytest.raises(LeakError, match="1 patient in two folds at once: p1"):
        split(tmp_path, source, **options)
    summary = split(tmp_path, source, **options, allow_leaks=True)
    assert summary.facts["leaks"] == ["p1"]
    assert "LEAK, allowed: 1 patient in two folds at once: p1" in summary.lines
    assert written(tmp_path) == [{"train": ["p1_a", "p2_a"], "val": ["p1_b"], "test": []}]


def test_a_patient_in_two_folders_is_refused_unless_allowed(tmp_path: Path) -> None:
    pictures(tmp_path / "set" / "train", ["P1_a", "P2_a"])
    source = pictures(tmp_path / "set" / "val", ["P1_b"]).parent
    with pytest.raises(LeakError, match="at once: p1"):
        split(tmp_path, source, patient_pattern=r"^P(\d)_")
    split(tmp_path, source, patient_pattern=r"^P(\d)_", allow_leaks=True)
    with pytest.raises(OptionError, match="own folders"):
        split(tmp_path, source, folds=2)


def test_names_of_files_are_suggested_and_never_taken_silently(tmp_path: Path) -> None:
    names = [f"P{p}_T1_{n:05d}" for p in range(5) for n in range(3)]
    source = pictures(tmp_path / "set", names)
    summary = split(tmp_path, source)
    assert r"--patient-pattern '^P(\d+)[_-]' groups them by patient (5 patients)" in said(summary)
    assert len(set(patients_of(tmp_path).values())) == 15
    # Asked for, it takes hold in the workspace that exists.
    summary = split(tmp_path, source, patient_pattern=r"^P(\d+)[_-]")
    assert "15 cases of 5 patients by the names of their files" in summary.lines
    assert "no patient is known" not in said(summary)
    patients = patients_of(tmp_path)
    assert set(patients.values()) == {"p0", "p1", "p2", "p3", "p4"}
    (one,) = written(tmp_path)
    for fold in ("train", "val", "test"):
        others = {patients[n] for other in one if other != fold for n in one[other]}
        assert others.isdisjoint({patients[name] for name in one[fold]})


def test_ids_that_two_patients_would_share_are_refused(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["a+b_1", "a-b_2"])
    with pytest.raises(SplitError, match="1 ids to two patients each, first a-b"):
        split(tmp_path, source, patient_pattern=r"^(.*)_")
    source = pictures(tmp_path / "other", ["p1", "P1_x", "P1_y"])
    with pytest.raises(SplitError, match="first p1"):
        split(tmp_path, source, patient_pattern=r"^P(\d)_")


def test_two_folders_of_one_person_go_into_one_fold(tmp_path: Path) -> None:
    ids = ["A", "B", "C", "A", "", "0", "", "Anonymous"]
    people = ["", "", "", "", "Doe^J", "doe^j^", "Roe^J", ""]
    source = chaos(tmp_path / "set", range(1, 9), PatientID=ids, PatientName=people)
    for seed in range(6):
        summary = split(tmp_path / str(seed), source, seed=seed)
        patients = patients_of(tmp_path / str(seed))
        assert patients["mr04-t2"] == patients["mr01-t2"] == "mr01"
        assert patients["mr06-t2"] == patients["mr05-t2"] == "mr05"
        assert len(set(patients.values())) == 6
        (one,) = written(tmp_path / str(seed))
        assert any({"mr01-t2", "mr04-t2"} <= set(one[fold]) for fold in one)
    assert "mr01, mr04 hold the same PatientID" in said(summary)
    assert "mr05, mr06 hold the same PatientName" in said(summary)
    told = said(split(tmp_path / "told", source, patient_pattern=r"MR/(\d+)/"))
    assert "the names of files rule" in told
    assert len(set(patients_of(tmp_path / "told").values())) == 8


def test_folders_of_one_placeholder_stay_apart(tmp_path: Path) -> None:
    source = chaos(tmp_path / "set", (1, 2, 3), PatientID=["STUDY7"] * 3, PatientName=[""] * 3)
    summary = split(tmp_path, source)
    assert "all 3 patients hold the same PatientID" in said(summary)
    assert len(set(patients_of(tmp_path).values())) == 3


@pytest.mark.realdata
def test_the_names_of_a_real_set_hold_fifteen_patients(real_data: Path, tmp_path: Path) -> None:
    summary = split(tmp_path, real_data / "unetliver")
    assert "31 file names look like P1_T1_00038" in said(summary)
    assert "(15 patients)" in said(summary)
    summary = split(tmp_path, real_data / "unetliver", patient_pattern=r"P(?P<patient>\d+)_")
    assert summary.facts["patients"] == {"train": 500, "val": 15}
