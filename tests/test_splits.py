"""``split`` from folder to ``splits.json``: schemes and balance."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from split_sets import chaos, organs, pictures, rows_of, said, split, volumes, written

from medprep.errors import FormatError, MedprepError, OptionError, SplitError
from medprep.formats import png
from medprep.pipeline import run
from medprep.stages.evaluate import Evaluate
from medprep.stages.extract import Extract
from medprep.stages.split import Split, role
from medprep.stages.train import Train
from medprep.workspace import idkey
from medprep.workspace.workspace import Workspace


def test_nested_folds_are_recorded_and_exported(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", [f"p{n}" for n in range(12)])
    summary = split(tmp_path, source, folds=3, inner_folds=2)
    listed = written(tmp_path)
    assert [(one["outer"], one["inner"]) for one in listed] == [
        (outer, inner) for outer in range(3) for inner in range(2)
    ]
    rows = rows_of(tmp_path)
    for number, one in enumerate(listed):
        assert {len(one["train"]), len(one["val"]), len(one["test"])} == {4}
        for name, row in rows.items():
            assert name in one[role(row, number)]
    assert Counter(name for one in listed[::2] for name in one["test"]) == dict.fromkeys(rows, 1)
    assert summary.facts["folds"] == 6
    assert "train --fold 2 to 3: 4 patients of outer fold 1 in test" in summary.lines


def test_nobody_keeps_a_fold_of_another_scheme(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", [f"p{n}" for n in range(12)])
    split(tmp_path, source, folds=3)
    tested = len(written(tmp_path)[0]["test"])
    again = split(tmp_path, source, train=0.7)
    assert f"{tested} cases keep their earlier fold" in said(again)
    assert "keep their earlier fold" not in said(split(tmp_path, source, folds=3, inner_folds=2))


def test_nested_folds_stay_when_the_set_grows(tmp_path: Path) -> None:
    names = [f"p{n}" for n in range(12)]
    options = {"folds": 3, "inner_folds": 2}
    split(tmp_path, pictures(tmp_path / "set", names), **options)
    before = {name: row.roles for name, row in rows_of(tmp_path).items()}
    source = pictures(tmp_path / "set", [*names, "q1", "q2", "q3"])
    assert "12 cases keep their earlier fold" in said(split(tmp_path, source, **options))
    after = {name: row.roles for name, row in rows_of(tmp_path).items()}
    assert len(after) == 15
    assert {name: after[name] for name in before} == before
    split(tmp_path, source, **options, resplit=True, seed=5)
    assert {name: row.roles for name, row in rows_of(tmp_path).items()} != after


def test_a_nested_fold_is_trained_and_tested_as_recorded(phantom: Path, tmp_path: Path) -> None:
    stages = [
        Split(str(phantom), folds=2, inner_folds=2), Extract(organ=("liver",)),
        Train(fold=2, steps=2, width=2, batch_size=2), Evaluate(),
    ]  # fmt: skip
    run(stages, tmp_path / "work")
    fold = written(tmp_path)[2]
    with Workspace(tmp_path / "work", readonly=True) as workspace:
        trained = workspace.current("train")["unet2d-fold2"]
    assert (trained.facts["train"], trained.facts["val"]) == (fold["train"], fold["val"])
    record = json.loads((tmp_path / "work" / "metrics" / "unet2d-fold2.json").read_text())
    assert record["evaluation"]["fold"] == "test"
    assert [one["case"] for one in record["evaluation"]["cases"]] == fold["test"]
    # Dealt anew, the net has seen who is tested now: it must not be trusted any more.
    split(tmp_path, phantom, folds=2, inner_folds=2, seed=1, resplit=True)
    with Workspace(tmp_path / "work", readonly=True) as workspace:
        assert workspace.current("train") == {}


def test_other_schemes_keep_what_still_means_something(tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", [f"p{n}" for n in range(20)])
    split(tmp_path, source, folds=4)
    tested = {name for name, row in rows_of(tmp_path).items() if row.fold == "test"}
    split(tmp_path, source)  # a plain split: who was always tested still is
    assert {name for name, row in rows_of(tmp_path).items() if row.fold == "test"} == tested
    assert Counter(row.fold for row in rows_of(tmp_path).values()) == {
        "train": 14, "val": 2, "test": 4,
    }  # fmt: skip
    split(tmp_path, source, folds=4, inner_folds=2)  # nested: nobody is tested always
    assert all("test" in one and len(one["test"]) == 5 for one in written(tmp_path))
    split(tmp_path, source, folds=5)
    assert {len(one["test"]) for one in written(tmp_path)} == {4}


def test_the_same_cases_give_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    names = [f"p{n}" for n in range(9)]
    for home, order in (("a", names), ("b", names[::-1])):
        source = pictures(tmp_path / home / "set", order)
        split(tmp_path / home, source, folds=3, inner_folds=2, seed=4)
    texts = [(tmp_path / home / "work" / "splits.json").read_bytes() for home in "ab"]
    assert texts[0] == texts[1]


def test_each_site_of_a_table_is_left_out(tmp_path: Path) -> None:
    names = [f"p{n}" for n in range(6)]
    source = pictures(tmp_path / "set", names)
    table = tmp_path / "sites.csv"
    table.write_text(
        "case;site\n" + "".join(f"{n};{'UKE' if n < 'p2' else 'x y'}\n" for n in names)
    )
    summary = split(tmp_path, source, leave_out="site", site_from=str(table))
    assert [(one["left_out"], len(one["test"]), len(one["val"])) for one in written(tmp_path)] == [
        ("uke", 2, 1), ("x-y", 4, 1),
    ]  # fmt: skip
    assert "train --fold 0: 2 patients of site uke in test" in summary.lines
    # A site that comes later is a fold after the others, and nobody moves.
    before = {name: row.roles for name, row in rows_of(tmp_path).items()}
    with table.open("a") as handle:
        handle.write("q1;a site\nq2;a site\n")
    split(tmp_path, pictures(source, [*names, "q1", "q2"]), leave_out="site", site_from=str(table))
    assert [one["left_out"] for one in written(tmp_path)] == ["uke", "x-y", "a-site"]
    after = {name: row.roles for name, row in rows_of(tmp_path).items()}
    assert {name: after[name][:2] for name in before} == before
    # A site that is gone takes its fold along, and still nobody moves.
    for name in names[:2]:
        (source / "images" / f"{name}.png").unlink()
        (source / "masks" / f"{name}.png").unlink()
    lines = [line for line in table.read_text().splitlines() if not line.endswith("UKE")]
    table.write_text("\n".join(lines))
    split(tmp_path, source, leave_out="site", site_from=str(table))
    assert [one["left_out"] for one in written(tmp_path)] == ["x-y", "a-site"]
    later = rows_of(tmp_path)
    assert {name: row.roles for name, row in later.items()} == {n: after[n][1:] for n in later}


def test_sites_of_headers_are_hashed_and_their_names_stay_private(tmp_path: Path) -> None:
    sites = ["Lyon Sud", "Lyon Sud", "", "", "", ""]
    stations = ["MR1", "MR2", "CHUV-7", "CHUV-7", "CHUV-7", "CHUV-7"]
    source = chaos(tmp_path / "set", range(1, 7), InstitutionName=sites, StationName=stations)
    split(tmp_path, source, leave_out="site", stratify=["site"])
    left_out = {one["left_out"]: len(one["test"]) for one in written(tmp_path)}
    assert sorted(left_out.values()) == [2, 4]
    assert all(site.startswith("site-") and len(site) == 13 for site in left_out)
    for path in (tmp_path / "work").rglob("*"):
        if path.is_file() and "private" not in path.parts:
            content = path.read_bytes().lower()
            assert b"lyon" not in content
            assert b"chuv" not in content
    idkey._new.cache_clear()  # as in a new process: the key is kept, so the names are too
    split(tmp_path, source, leave_out="site")
    assert {one["left_out"] for one in written(tmp_path)} == set(left_out)


def test_sites_by_folder_and_by_name(tmp_path: Path) -> None:
    for site in ("east", "west"):
        pictures(tmp_path / "set" / site, [f"{site[0]}{n}" for n in range(3)])
    split(tmp_path / "1", tmp_path / "set", leave_out="site", site_from="folder:1")
    assert [one["left_out"] for one in written(tmp_path / "1")] == ["east", "west"]
    source = pictures(
        tmp_path / "names", [f"{s}-{n}_{k}" for s in "AB" for n in range(3) for k in "xy"]
    )
    pattern = r"^(?P<patient>(?P<site>[AB])-\d)_"
    summary = split(tmp_path / "3", source, leave_out="site", patient_pattern=pattern)
    assert [(one["left_out"], len(one["test"])) for one in written(tmp_path / "3")] == [
        ("a", 6), ("b", 6),
    ]  # fmt: skip
    assert sum(summary.facts["patients"].values()) == 6


def test_volume_and_labels_are_read_only_when_asked_for(tmp_path: Path) -> None:
    masks = {
        f"v{n:02d}": organs(1, *([2] if n % 4 == 0 else []), voxels=1 + n % 8) for n in range(16)
    }
    source = volumes(tmp_path / "set", masks)
    split(tmp_path, source, stratify=["label", "volume"], folds=4, train=1, val=0, test=0)
    for one in written(tmp_path):
        held = [masks[name] for name in one["val"]]
        assert sum(2 in mask for mask in held) == 1
        sizes = sorted(int((mask > 0).sum()) for mask in held)
        assert sizes[0] <= 3
        assert sizes[-1] >= 6


def test_masks_that_cannot_be_read_are_a_stratum_of_their_own(tmp_path: Path) -> None:
    source = volumes(tmp_path / "set", {f"v{n}": organs(1) for n in range(6)})
    (source / "labels" / "v3.nii").write_bytes(b"no volume")
    summary = split(tmp_path, source, stratify=["volume"])
    assert "1 case without a word of the volume: stratum unknown" in summary.lines
    assert "v3: cannot be read for the split" in said(summary)
    assert sum(len(written(tmp_path)[0][fold]) for fold in ("train", "val", "test")) == 6


def test_scanners_are_spread(tmp_path: Path) -> None:
    makers = ["GE", "Siemens"] * 4
    source = chaos(
        tmp_path / "set", range(1, 9), Manufacturer=makers, ManufacturerModelName=["A"] * 8
    )
    split(tmp_path, source, stratify=["scanner", "modality"], folds=2, train=1, val=0, test=0)
    for one in written(tmp_path):
        odd = [int(name[2:4]) % 2 for name in one["val"]]
        assert Counter(odd) == {0: 2, 1: 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"inner_folds": 3}, "stands inside outer folds"),
        ({"folds": 3, "inner_folds": 1}, "--inner-folds is 1"),
        ({"folds": 3, "inner_folds": -2}, "--inner-folds is -2"),
        ({"folds": 3, "leave_out": "site"}, "no place beside it"),
        ({"folds": 3, "inner_folds": 2, "val": 0.2, "test": 0.1}, "divides all patients"),
        ({"leave_out": "patient"}, "wanted is site"),
        ({"stratify": ("age",)}, "--stratify age is unknown"),
        ({"splits": "x.json", "folds": 2}, "no place beside it"),
        ({"splits": "x.json", "stratify": ("site",)}, "no place beside it"),
        ({"patient_pattern": r"P\d+"}, "no group for the patient"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said):
        Split("S", **options)


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"folds": 5}, OptionError, r"5 folds of 4 patients \(the test fold has the other 1\)"),
        ({"folds": 6, "inner_folds": 2}, OptionError, "6 folds of 5 patients"),
        ({"folds": 5, "inner_folds": 5}, SplitError, "leaves 4 patients to train on; wanted is 5"),
        ({"patient_pattern": r"Q(\d)"}, SplitError, "matches none of 5 names"),
        ({"stratify": ("scanner",)}, SplitError, "no case says its scanner"),
        ({"stratify": ("modality",)}, SplitError, "no case says its modality"),
        ({"leave_out": "site"}, OptionError, "nobody says what a case's site is"),
        ({"leave_out": "site", "site_from": "dicom"}, SplitError, "no case says its site"),
        ({"leave_out": "site", "site_from": "folder:9"}, SplitError, "no case says its site"),
        ({"leave_out": "site", "site_from": "folder:0"}, OptionError, "wanted is dicom, name"),
        ({"leave_out": "site", "site_from": "moon"}, OptionError, "wanted is dicom, name"),
        ({"leave_out": "site", "site_from": "name"}, OptionError, r"needs a group \(\?P<site>"),
        ({"leave_out": "site", "site_from": "folder:1"}, SplitError, "found is only images"),
        ({"leave_out": "site", "site_from": "no.csv"}, FormatError, "table cannot be read"),
        ({"splits": "no.csv"}, FormatError, "split cannot be read"),
    ],
)
def test_splits_that_cannot_be_made(
    options: dict[str, Any], kind: type[MedprepError], said: str, tmp_path: Path
) -> None:
    source = pictures(tmp_path / "set", [f"p{n}" for n in range(5)])
    with pytest.raises(kind, match=said):
        split(tmp_path, source, **options)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("case,hospital\np0,a\n", "columns case .or patient. and site; found are case, hospital"),
        ("case,site\np0,a\nstranger,b\n", "names 1 that are not in the data set: stranger"),
    ],
)
def test_tables_of_sites_that_do_not_fit(text: str, said: str, tmp_path: Path) -> None:
    source = pictures(tmp_path / "set", ["p0", "p1"])
    (tmp_path / "sites.csv").write_text(text)
    with pytest.raises(MedprepError, match=said):
        split(tmp_path, source, leave_out="site", site_from=str(tmp_path / "sites.csv"))


@pytest.mark.parametrize("options", [{"folds": 2}, {"stratify": ["label"]}, {"leave_out": "site"}])
def test_folders_that_are_the_split_leave_no_room_for_another(
    options: dict[str, Any], tmp_path: Path
) -> None:
    for fold in ("train", "val"):
        pictures(tmp_path / "set" / fold, [f"{fold}{n}" for n in range(3)])
    if "leave_out" in options:
        options = {**options, "site_from": "folder:1"}
    with pytest.raises(OptionError, match="own folders"):
        split(tmp_path, tmp_path / "set", **options)


def test_every_command_line_option_is_an_option_of_the_stage() -> None:

    from medprep_cli.commands.split import command

    own = {one.name for one in fields(Split)}
    assert own == {one.name for one in command.params if one.expose_value}
    with command.make_context("split", ["S"]) as context:
        assert command.invoke(context) == Split("S")


def test_where_only_a_test_folder_is_named_the_others_are_shared_out(tmp_path: Path) -> None:
    source = tmp_path / "set"
    for number in range(10):
        for kind in ("images", "masks"):
            fold = "test" if number < 2 else "rest"
            path = source / fold / kind / f"case{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            png.write_grey(path, np.full((8, 8), number + 1 if kind == "images" else 255, np.uint8))
    split(tmp_path, source)
    (only,) = written(tmp_path)
    assert sorted(only["test"]) == ["case0", "case1"]
    assert len(only["train"]) == 7 and len(only["val"]) == 1
    split(tmp_path, source, seed=5)
    assert written(tmp_path) == [only], "who has a place keeps it"
