"""What `extract` makes of masks of every kind."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from pair_sets import GRID, draw, write_pair, write_set

import medprep
from medprep.errors import LabelError, NothingDoneError, OptionError
from medprep.formats import nifti, png
from medprep.organs import BINARY
from medprep.pipeline import Outcome
from medprep.stages.extract import Extract

LEVELS = {1: 63, 2: 126, 3: 189, 4: 252}


def extracted(source: Path, work: Path, **options: object) -> Outcome:
    """Split, convert and extract with the levels of CHAOS unless said otherwise."""
    medprep.split(source, workspace=work)
    given = {"table": "chaos-mr", **options}
    return medprep.extract(workspace=work, **given)  # type: ignore[arg-type]


def read(work: Path, case: str) -> np.ndarray:
    return nifti.read_label_map(work / "labels" / f"{case}.nii.gz").array


def lines_of(outcome: Outcome) -> str:
    return "\n".join(outcome.summaries[-1].lines)


def test_a_known_table_names_the_organs(tmp_path: Path) -> None:
    truth = write_set(tmp_path / "set")
    outcome = extracted(tmp_path / "set", tmp_path / "w")
    assert outcome.exit_code == 0
    for case, mask in truth.items():
        found = read(tmp_path / "w", case)
        for value, level in LEVELS.items():
            assert np.array_equal(found == value, mask == level)
    assert "labels: 1 liver 55-70" in lines_of(outcome)
    assert "LOOK AT" not in lines_of(outcome), "every mask sits"
    table = (tmp_path / "w" / "labels" / "itk-snap.txt").read_text()
    assert '"right_kidney"' in table
    assert "3 left_kidney" in (tmp_path / "w" / "labels" / "slicer.ctbl").read_text()


def test_a_table_of_ones_own_with_regions(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    (tmp_path / "own.toml").write_text(
        "[organs]\nliver = 63\nkidneys = [[126, 126], [189, 189]]\nspleen = [250, 255]\n"
        "[regions]\nall = ['liver', 'kidneys', 'spleen']\n"
    )
    options = {"table": str(tmp_path / "own.toml"), "split_pair": ("kidneys",)}
    outcome = extracted(tmp_path / "set", tmp_path / "w", **options)
    truth = draw(1)[1]
    found = read(tmp_path / "w", "case_1")
    assert np.array_equal(found == 2, truth == 126), "the right kidney lies at low columns"
    assert np.array_equal(found == 3, truth == 189)
    assert np.array_equal(found == 4, truth == 252), "what follows the pair moves up"
    assert "2 right_kidney, 3 left_kidney, 4 spleen 250-255" in lines_of(outcome)
    assert "kidneys parted by its two largest pieces" in lines_of(outcome)
    with medprep_workspace(tmp_path / "w") as work:
        facts = work.current("extract")["case_1"].facts
    assert facts["regions"]["all"] == ["liver", "right_kidney", "left_kidney", "spleen"]
    assert facts["regions"]["kidneys"] == ["right_kidney", "left_kidney"]


def test_a_table_of_ones_own_is_recorded_whole_and_without_its_folder(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    table = tmp_path / "Doe" / "own.toml"
    table.parent.mkdir()
    table.write_text("[organs]\nliver = 63\n# as in all.toml")
    extracted(tmp_path / "set", tmp_path / "w", table=str(table), unmapped="background")
    table.unlink()
    outcome = medprep.clean(workspace=tmp_path / "w")
    assert [(one.stage, one.made) for one in outcome.summaries] == [
        ("convert", []), ("extract", []), ("clean", ["case_1"])
    ]  # fmt: skip
    with medprep_workspace(tmp_path / "w") as work:
        step = work.database.steps()["extract"]
    assert step.command == "extract --unmapped background --table own.toml"
    assert "Doe" not in str(step)
    again = Extract(**step.options)
    assert again.table_for(BINARY).names == ("liver",)


def medprep_workspace(root: Path):
    from medprep.workspace.workspace import Workspace

    return Workspace(root, readonly=True)


@pytest.mark.parametrize(
    ("option", "axis"),
    [({"mask_order": "reversed"}, 0), ({"mask_flip": ("y",)}, 1), ({"mask_flip": ("x",)}, 2)],
)
def test_a_mask_that_lies_wrong_is_found_and_mended(
    tmp_path: Path, option: dict[str, object], axis: int
) -> None:
    truth = {case: draw(seed)[1] for seed, case in enumerate(("case_1", "case_2"), 1)}
    wrong = {case: np.flip(mask, axis).copy() for case, mask in truth.items()}
    write_set(tmp_path / "set", 2, **wrong)
    outcome = extracted(tmp_path / "set", tmp_path / "w")
    (name,) = option
    said = lines_of(outcome)
    value = option[name] if name == "mask_order" else option[name][0]  # type: ignore[index]
    assert said.count("the mask seems") == 2
    assert f"--{name.replace('_', '-')} {value}" in said
    assert "LOOK AT" not in lines_of(extracted(tmp_path / "set", tmp_path / "w", **option))
    for case, mask in truth.items():
        assert np.array_equal(read(tmp_path / "w", case) == 1, mask == 63)


def test_strict_fails_the_case_that_lies_wrong_and_no_other(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 3, case_2=draw(2)[1][::-1].copy())
    outcome = extracted(tmp_path / "set", tmp_path / "w", strict=True)
    assert outcome.exit_code == 8
    assert list(outcome.summaries[-1].failed) == ["case_2"]
    failure = outcome.summaries[-1].failed["case_2"]
    assert failure.code == "alignment" and "--mask-order reversed" in failure.message
    assert not (tmp_path / "w" / "labels" / "case_2.nii.gz").exists()


def test_strictness_makes_nothing_anew_but_what_it_fails(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 3, case_2=draw(2)[1][::-1].copy())
    extracted(tmp_path / "set", tmp_path / "w")
    strict = medprep.extract(table="chaos-mr", strict=True, workspace=tmp_path / "w")
    assert (strict.summaries[-1].made, strict.summaries[-1].kept) == ([], ["case_1", "case_3"])
    assert list(strict.summaries[-1].failed) == ["case_2"]
    lax = medprep.extract(table="chaos-mr", workspace=tmp_path / "w")
    assert (lax.summaries[-1].made, lax.summaries[-1].kept) == (["case_2"], ["case_1", "case_3"])


def test_pictures_of_several_unnamed_organs_are_not_made_one(tmp_path: Path) -> None:
    picture, mask = draw(1)
    for folder, pixels in (("images", picture.astype(np.uint8)), ("masks", mask)):
        (tmp_path / "set" / folder).mkdir(parents=True)
        png.write_grey(tmp_path / "set" / folder / "a.png", pixels[6])
    with pytest.raises(NothingDoneError, match=r"grey levels .*63 .*--label NAME LOW HIGH"):
        extracted(tmp_path / "set", tmp_path / "w", table=None)
    assert extracted(tmp_path / "set", tmp_path / "w").summaries[-1].made == ["a"]


def test_a_set_without_masks_says_so(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    (tmp_path / "set" / "labels" / "case_1.nii.gz").unlink()
    assert lines_of(extracted(tmp_path / "set", tmp_path / "w")) == "no case has masks to extract"


def test_blurred_edges_fail_and_snap(tmp_path: Path) -> None:
    blurred = draw(1)[1].astype(float)
    blurred[:, 1:] = (blurred[:, 1:] + blurred[:, :-1]) / 2
    blurred = blurred.round().astype(np.uint8)
    write_set(tmp_path / "set", 1, case_1=blurred)
    with pytest.raises(NothingDoneError, match="no organ's range holds grey levels"):
        extracted(tmp_path / "set", tmp_path / "w")
    outcome = extracted(tmp_path / "set", tmp_path / "w", snap=True)
    assert outcome.exit_code == 0
    assert "pixels of blurred edges were snapped (--snap)" in lines_of(outcome)
    found, truth = read(tmp_path / "w", "case_1"), draw(1)[1]
    for value, level in LEVELS.items():
        assert not ((found == value) & (truth != level) & (truth != 0)).any()


def test_label_slices_beside_the_volume(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    extracted(tmp_path / "set", tmp_path / "w", format="png")
    planes = sorted((tmp_path / "w" / "labels" / "case_1").glob("*.png"))
    stack = np.stack([png.read(path) for path in planes])
    assert np.array_equal(stack, read(tmp_path / "w", "case_1"))


def test_names_on_the_wrong_sides_are_told(tmp_path: Path) -> None:
    mask = draw(1)[1]
    swapped = mask.copy()
    swapped[mask == 126], swapped[mask == 189] = 189, 126
    write_set(tmp_path / "set", 2, case_1=swapped)
    outcome = medprep.split(tmp_path / "set", workspace=tmp_path / "w")
    medprep.extract(table="chaos-mr", workspace=tmp_path / "w")
    outcome = medprep.check(workspace=tmp_path / "w")
    assert "LOOK AT case_1: right_kidney lies" in lines_of(outcome)
    rows = list(csv.DictReader((tmp_path / "w" / "check" / "findings.csv").open()))
    assert [(row["case"], row["kind"]) for row in rows] == [("case_1", "sides")]
    assert medprep.check(workspace=tmp_path / "w", strict=True).exit_code == 8


def test_labels_whose_shortened_sides_were_not_known_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What follows from them may hold mirrored copies with the wrong side's label."""
    write_set(tmp_path / "set", 2)
    medprep.split(tmp_path / "set", workspace=tmp_path / "w")
    (tmp_path / "short.toml").write_text(
        "[organs]\nliver = 63\nkidney_r = 126\nkidney_l = 189\nspleen = 252\n"
    )
    asked = {"table": str(tmp_path / "short.toml"), "workspace": tmp_path / "w"}
    with monkeypatch.context() as before:
        before.setattr("medprep.stages.extract.shortens_sides", lambda names: False)
        medprep.extract(**asked)
    assert len(medprep.extract(**asked).summaries[-1].made) == 2
    assert len(medprep.extract(**asked).summaries[-1].kept) == 2


def test_options_that_cannot_be() -> None:
    with pytest.raises(OptionError, match="no table of organs 'btvc'"):
        Extract(table="btvc")
    with pytest.raises(OptionError, match="--format is 'tiff'"):
        Extract(format="tiff")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="--mask-flip is z"):
        Extract(mask_flip=("z",))  # type: ignore[arg-type]


def test_a_pair_that_is_none_and_a_name_that_is_taken(tmp_path: Path) -> None:
    write_set(tmp_path / "set", 1)
    with pytest.raises(OptionError, match="no organ 'lungs'"):
        extracted(tmp_path / "set", tmp_path / "w", split_pair=("lungs",))
    own = (("kidneys", 126, 126), ("left_kidney", 189, 189))
    with pytest.raises(OptionError, match="would name a second left_kidney"):
        extracted(
            tmp_path / "set", tmp_path / "w2", label=own, table="chaos-ct", split_pair=("kidneys",)
        )


def test_a_grid_apart_from_its_picture(tmp_path: Path) -> None:
    """0.04 mm is float noise, 0.3 mm is told, a voxel is an error."""
    from medprep.geometry import Geometry
    from medprep.volume import LabelMap

    for case, apart in (("near", 0.04), ("noted", 0.3), ("far", 1.0)):
        picture, mask = draw(1)
        write_pair(tmp_path / "set", case, picture, mask)
        affine = GRID.affine.copy()
        affine[0, 3] += apart
        moved = LabelMap(mask, Geometry(GRID.shape, affine))
        nifti.write(tmp_path / "set" / "labels" / f"{case}.nii.gz", moved)
    outcome = extracted(tmp_path / "set", tmp_path / "w")
    assert list(outcome.summaries[-1].failed) == ["far"]
    assert "1 mm apart, more than half a voxel" in outcome.summaries[-1].failed["far"].message
    said = lines_of(outcome)
    assert "noted: mask and picture lie 0.3 mm apart" in said and "near" not in said
    again = json.dumps([one.lines for one in outcome.summaries])
    assert str(tmp_path) not in again, "no path of the source"


def test_label_maps_on_another_grid_shape(tmp_path: Path) -> None:
    picture, mask = draw(1)
    write_pair(tmp_path / "set", "a", picture, mask)
    short = mask[:-1].copy()
    from medprep.geometry import Geometry
    from medprep.volume import LabelMap

    grid = Geometry(short.shape, GRID.affine)
    nifti.write(tmp_path / "set" / "labels" / "a.nii.gz", LabelMap(short, grid))
    with pytest.raises((NothingDoneError, LabelError), match="11, 48, 48"):
        extracted(tmp_path / "set", tmp_path / "w")
