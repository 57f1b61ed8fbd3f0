"""Marking organs from files to a file, in Python and on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from dicom_stacks import write_slices

from medprep.errors import (
    DicomError,
    FormatError,
    GeometryError,
    LabelError,
    OptionError,
    SourceError,
    WriteError,
)
from medprep.formats import itk, nifti
from medprep.geometry import Geometry
from medprep.inference.prompts.segment import Segmenter, simulate
from medprep.models.prompts.clicks import official_draw
from medprep.models.prompts.framing import official_back, official_frame
from medprep.prompting import Prompting, prompt
from medprep.prompting.weights import load_net
from medprep.volume import LabelMap, Volume
from medprep_cli.main import cli


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["prompt", *map(str, words)])


def options(scan: Path, weights: Path, **given: Any) -> Prompting:
    given.setdefault("points", ((28.0, 35.0, -40.0),))
    output = str(scan.with_name("out.nii.gz"))
    return Prompting(str(scan), checkpoint=str(weights), output=output, **given)


def test_one_organ_from_the_command_line(scan: Path, weights: Path, tmp_path: Path) -> None:
    output = tmp_path / "marked.nii.gz"
    words = (scan, "--point", "28,35,-40", "--negative", "12,20,-30", "--checkpoint", weights)
    done = run(*words, "--output", output, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["organs"][0]["points"][0] == {
        "positive": True, "ras_mm": [28, 35, -40], "lps_mm": [-28, -35, -40],
        "voxel": [8, 10, 7], "grey": float(nifti.read(scan).array[7, 10, 8]),
    }  # fmt: skip
    for said in ("organ + RAS 28,35,-40; LPS -28,-35,-40; voxel 8,10,7; grey ", "organ - RAS 12"):
        assert said in done.stderr
    labels = nifti.read_label_map(output)
    labels.geometry.require_same(nifti.read(scan).geometry)
    voxels = int(np.count_nonzero(labels.array == 1))
    assert found["organs"][0]["voxels"] == voxels > 0
    assert found["organs"][0]["ml"] == pytest.approx(voxels * 6.75e-3, abs=1e-3)
    record = json.loads((tmp_path / "marked.json").read_text())
    assert record["labels"] == {"1": "organ"}
    assert str(tmp_path) not in (tmp_path / "marked.json").read_text()


def test_negative_numbers_are_no_options(scan: Path) -> None:
    done = run(scan, "--point", "-12,-34,56", "--dry-run")
    assert isinstance(done.exception, OptionError)
    assert "-12, -34, 56 lies outside the volume, which reaches from 2.5 to 40, 6.5 to 50" in str(
        done.exception
    )


def test_a_dry_run_places_points_without_weights(scan: Path, tmp_path: Path) -> None:
    done = run(scan, "--space", "voxel", "--point", "8,10,7", "--dry-run", "-o", tmp_path / "o.nii")
    assert done.exit_code == 0
    assert "RAS 28,35,-39; LPS -28,-35,-39; voxel 8,10,7" in done.stderr
    assert not (tmp_path / "o.nii").exists()


def test_several_organs_in_one_label_map(scan: Path, weights: Path, tmp_path: Path) -> None:
    file = tmp_path / "prompts.json"
    file.write_text(json.dumps({"liver": [[28, 35, -40]], "spleen": {"points": [[12, 20, -30]]}}))
    outcome = prompt(options(scan, weights, points=(), prompts=str(file)))
    assert [(one.name, one.label) for one in outcome.organs] == [("liver", 1), ("spleen", 2)]
    array = nifti.read_label_map(Path(outcome.output)).array
    assert [int((array == one.label).sum()) for one in outcome.organs] == [
        one.voxels for one in outcome.organs
    ]
    record = json.loads(scan.with_name("out.json").read_text())
    assert record["labels"] == {"1": "liver", "2": "spleen"}


def test_clicks_from_labels_keep_their_numbers(scan: Path, weights: Path) -> None:
    labels = str(scan.with_name("labels.nii.gz"))
    outcome = prompt(options(scan, weights, points=(), clicks_from=labels))
    assert [one.label for one in outcome.organs] == [2, 5]
    assert outcome.organs[0].points[0]["lps_mm"] == pytest.approx([-28, -35, -40], abs=0.5)


@pytest.mark.parametrize("crop", ["prompt", "official"])
@pytest.mark.parametrize("strategy", ["random", "ritm"])
def test_simulated_clicks_repeat(scan: Path, weights: Path, crop: Any, strategy: Any) -> None:
    labels = str(scan.with_name("labels.nii.gz"))
    asked = options(
        scan, weights, points=(), from_reference=labels, clicks=3, strategy=strategy, crop=crop
    )
    first = prompt(asked)
    array = nifti.read_labels(Path(first.output))
    assert [len(one.points) for one in first.organs] == [3, 3]
    assert all(one.points[0]["positive"] for one in first.organs)
    inside = [click["grey"] is not None for one in first.organs for click in one.points]
    assert all(inside) or crop == "official"
    assert prompt(asked, overwrite=True) == first
    np.testing.assert_array_equal(nifti.read_labels(Path(first.output)), array)


def test_of_official_organs_the_later_paints_over(scan: Path, weights: Path) -> None:
    labels = scan.with_name("labels.nii.gz")
    given: dict[str, Any] = {"points": (), "from_reference": str(labels), "crop": "official"}
    both = prompt(options(scan, weights, **given))
    array = nifti.read_labels(Path(both.output))
    assert (array == 5).sum() == both.organs[1].voxels > 0
    # Alone, the second organ is clicked elsewhere: the draws go on from label to label.
    grid, alone = nifti.read(scan).geometry, nifti.read_labels(labels)
    nifti.write(labels, LabelMap(np.where(alone == 5, 0, alone).astype(np.uint8), grid))
    first = prompt(options(scan, weights, **given), overwrite=True)
    own = nifti.read_labels(Path(first.output)) == 2
    assert (own & (array == 5)).any()
    np.testing.assert_array_equal(array == 2, own & (array != 5))


def test_official_organs_are_the_librarys_step_by_step(scan: Path, weights: Path) -> None:
    labels = scan.with_name("labels.nii.gz")
    outcome = prompt(
        options(scan, weights, points=(), from_reference=str(labels), crop="official", clicks=2)
    )
    volume, reference = nifti.read(scan), nifti.read_labels(labels)
    segmenter, draw = Segmenter(load_net(weights, torch.device("cpu"))[0]), official_draw()
    wanted = np.zeros_like(reference)
    for value, organ in zip((2, 5), outcome.organs, strict=True):
        frame = official_frame(volume, reference == value, 32)
        embedding = segmenter.embed(frame.picture)
        rounds = list(simulate(segmenter, embedding, frame.mask, 2, "random", draw))
        places = [frame.geometry.affine[:3] @ [*one.click.place, 1] for one in rounds]
        for place, point in zip(places, organ.points, strict=True):
            assert point["lps_mm"] == pytest.approx(place, abs=1e-3)
        wanted[official_back(rounds[-1].mask, frame.geometry, volume.geometry)] = value
    np.testing.assert_array_equal(nifti.read_labels(Path(outcome.output)), wanted)


def test_one_organ_that_fails_does_not_stop_the_others(scan: Path, weights: Path) -> None:
    volume = nifti.read(scan)
    labels = nifti.read_labels(scan.with_name("labels.nii.gz")).copy()
    fine = Geometry.from_parts(volume.geometry.shape, (0.5, 0.5, 0.5), volume.geometry.origin_mm)
    labels[labels == 5] = 0
    labels[1, 1, 1] = 5  # nothing at 1.5 mm
    nifti.write(scan, Volume(volume.array, fine))
    nifti.write(scan.with_name("labels.nii.gz"), LabelMap(labels, fine))
    name = str(scan.with_name("labels.nii.gz"))
    words = (scan, "--from-reference", name, "--crop", "official", "--checkpoint", weights)
    done = run(*words, "-o", scan.with_name("out.nii.gz"))
    assert done.exit_code == 8
    assert "FAILED label_5: the organ has no voxel at 1.5 mm" in done.stderr
    assert "label_2: " in done.stderr


def test_dicom_and_itk_points_are_lps(scan: Path, weights: Path, tmp_path: Path) -> None:
    folder, volume = tmp_path / "series", nifti.read(scan)
    write_slices(
        folder, [3.0 * n for n in range(16)], pixels=lambda n: volume.array[n],
        PixelSpacing=[1.5, 1.5],
    )  # fmt: skip
    found = prompt(options(folder, weights, points=((3.0, 6.0, 9.0),)), dry_run=True)
    assert found.organs[0].points[0]["voxel"] == [2, 4, 3]
    assert found.organs[0].points[0]["grey"] == volume.array[3, 4, 2]
    itk.write(tmp_path / "scan.nrrd", volume.array, volume.geometry)
    found = prompt(options(tmp_path / "scan.nrrd", weights, points=((-28.0, -35.0, -39.0),)))
    assert found.organs[0].points[0]["voxel"] == [8, 10, 7]
    nifti.read(Path(found.output)).geometry.require_same(volume.geometry)


def test_two_series_are_one_too_many(tmp_path: Path, weights: Path) -> None:
    for name in ("a", "b"):
        write_slices(tmp_path / "tree" / name, SeriesInstanceUID=f"1.2.{ord(name)}")
    with pytest.raises(DicomError, match=r"2 volumes: .*wanted is one"):
        prompt(options(tmp_path / "tree", weights))
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="no DICOM volume"):
        prompt(options(tmp_path / "empty", weights))
    with pytest.raises(SourceError, match="no such file"):
        prompt(options(tmp_path / "nowhere.nii", weights))


def test_what_is_there_is_kept(scan: Path, weights: Path) -> None:
    scan.with_name("out.json").write_text("mine")
    with pytest.raises(WriteError, match="--overwrite"):
        prompt(options(scan, weights))
    assert scan.with_name("out.json").read_text() == "mine"


def test_labels_of_another_grid_or_none_are_refused(scan: Path, weights: Path) -> None:
    labels = scan.with_name("labels.nii.gz")
    asked = options(scan, weights, points=(), clicks_from=str(labels))
    grid = nifti.read(scan).geometry
    nifti.write(labels, LabelMap(np.zeros(grid.shape, np.uint8), grid))
    with pytest.raises(LabelError, match="empty"):
        prompt(asked)
    moved = Geometry.from_parts(grid.shape, grid.spacing_mm)
    nifti.write(labels, LabelMap(np.ones(grid.shape, np.uint8), moved))
    with pytest.raises(GeometryError, match="grids differ"):
        prompt(asked)


@pytest.mark.parametrize(
    ("shape", "value", "said"),
    [((16, 30, 7), 1.0, "at least 8"), ((1, 30, 30), 1.0, "2D"), ((9, 9, 9), np.nan, "NaN")],
)
def test_bad_scans(tmp_path: Path, weights: Path, shape: Any, value: float, said: str) -> None:
    grid = Geometry.from_parts(shape, (1.0, 1.0, 1.0))
    nifti.write(tmp_path / "bad.nii", Volume(np.full(shape, value, np.float32), grid))
    with pytest.raises(FormatError, match=said):
        prompt(options(tmp_path / "bad.nii", weights, points=((0.0, 0.0, 0.0),)))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "no point; wanted is one of --point"),
        (("--point", "1,2,3", "--prompts", "x.json"), "--point and --prompts"),
        (("--prompts", "x.json", "--negative", "1,2,3"), "goes with --point"),
        (("--point", "1,2,3", "--crop", "official"), "wants --from-reference"),
        (("--point", "1,2,3", "-o", "out.png"), "wanted is a file .nii"),
        (("--box", "1,2,3,4,5,6"), "SAM-Med3D takes none"),
    ],
)
def test_options_that_do_not_go_together(scan: Path, words: tuple[str, ...], said: str) -> None:
    done = run(scan, *words)
    assert isinstance(done.exception, OptionError)
    assert said in str(done.exception)


@pytest.mark.parametrize("point", ["1,2", "a,b,c", "1,2,3,4"])
def test_no_point(scan: Path, point: str) -> None:
    done = run(scan, "--point", point)
    assert done.exit_code == 2
    assert "no point such as 12,-34,56" in done.stderr
