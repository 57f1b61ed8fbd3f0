"""Results in the form the CHAOS challenge takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspaces import Made, make_workspace

from medprep import api
from medprep.errors import CheckpointError, LabelError, OptionError, WorkspaceError, WriteError
from medprep.exports.run import Export, ExportOutcome, export
from medprep.formats import nifti
from medprep.workspace.database import Artifact
from medprep.workspace.workspace import Workspace

ALL = {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
REVERSED = (3, 2, 1, 0)


def patient(number: str, **settings: object) -> dict[str, Made]:
    return {f"{number}-t2": Made(patient=number, names=None, **settings)}  # type: ignore[arg-type]


def run_export(work: Path, out: Path, *, overwrite: bool = False) -> ExportOutcome:
    return export(Export("chaos", str(out), run="unet"), work, overwrite=overwrite)


def slices(folder: Path) -> list[np.ndarray]:
    paths = sorted(folder.iterdir())
    assert [path.name for path in paths] == [f"img{n:03d}.png" for n in range(len(paths))]
    return [np.array(Image.open(path)) for path in paths]


def test_slices_are_numbered_as_the_source_counts_them(tmp_path: Path) -> None:
    cases = patient("mr04", order=REVERSED)
    work = make_workspace(tmp_path / "work", cases, preset="chaos-mr-t2", run=ALL)
    outcome = run_export(work, tmp_path / "out")
    assert outcome.folders == ("Task3/MR/4/T2SPIR/Results", "Task5/MR/4/T2SPIR/Results")
    assert (outcome.files, outcome.cases) == (8, {"predicted": 1})
    predicted = nifti.read_labels(work / "predictions" / "unet" / "mr04-t2.nii.gz")
    found = slices(tmp_path / "out" / "Task5" / "MR" / "4" / "T2SPIR" / "Results")
    greys = np.array([0, 63, 126, 189, 252], np.uint8)
    for place, plane in zip(REVERSED, predicted, strict=True):
        assert found[place].dtype == np.uint8
        assert (found[place] == greys[plane]).all()
    assert found[3][0, 0] == 63, "the first slice of the volume is the last of the source"
    livers = slices(tmp_path / "out" / "Task3" / "MR" / "4" / "T2SPIR" / "Results")
    assert all(((one == 63) == (all_ == 63)).all() for one, all_ in zip(livers, found, strict=True))
    assert set(np.unique(livers)) == {0, 63}


@pytest.mark.parametrize(
    ("preset", "folder"),
    [
        ("chaos-ct", "Task2/CT/4/Results"),
        ("chaos-mr-t1in", "Task3/MR/4/T1DUAL/Results"),
        ("chaos-mr-t1out", "Task3/MR/4/T1DUAL/Results"),
    ],
)
def test_the_liver_alone(tmp_path: Path, preset: str, folder: str) -> None:
    work = make_workspace(tmp_path / "work", patient("ct04"), preset=preset, run={1: "liver"})
    assert run_export(work, tmp_path / "out").folders == (folder,)
    assert set(np.unique(slices(tmp_path / "out" / folder))) == {0, 63}


def test_sequences_of_two_workspaces_share_a_submission(tmp_path: Path) -> None:
    cases = patient("mr04")
    for preset in ("chaos-mr-t1in", "chaos-mr-t2"):
        work = make_workspace(tmp_path / preset, cases, preset=preset, run=ALL)
        run_export(work, tmp_path / "out")
    place = tmp_path / "out" / "Task5" / "MR" / "4"
    assert sorted(path.name for path in place.iterdir()) == ["T1DUAL", "T2SPIR"]
    with pytest.raises(WriteError, match="is there already"):
        run_export(work, tmp_path / "out")
    run_export(work, tmp_path / "out", overwrite=True)


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", patient("mr04"), preset="chaos-mr-t2", run=ALL)
    outcome = export(Export("chaos", str(tmp_path / "out"), run="unet"), work, dry_run=True)
    assert outcome.files == 8
    assert not (tmp_path / "out").exists()


def test_how_many_are_test_cases_is_told(tmp_path: Path) -> None:
    cases = {**patient("mr04"), "mr01-t2": Made(patient="mr01", names=ALL)}
    work = make_workspace(tmp_path / "work", cases, preset="chaos-mr-t2", run=ALL)
    (note,) = run_export(work, tmp_path / "out").notes
    assert note.startswith("Task3, Task5 of unet: 2 cases, 1 of them without masks")


def test_a_resampled_stack_is_refused(tmp_path: Path) -> None:
    cases = patient("mr04", order=(0, 1, 3))
    work = make_workspace(tmp_path / "work", cases, preset="chaos-mr-t2", run=ALL)
    with pytest.raises(LabelError, match="4 slices of a volume that was made of 3"):
        run_export(work, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.png"))


@pytest.mark.parametrize("run", [{1: "spleen"}, {1: "liver", 2: "pancreas"}])
def test_other_organs_are_refused(tmp_path: Path, run: dict[int, str]) -> None:
    work = make_workspace(tmp_path / "work", patient("mr04"), preset="chaos-mr-t2", run=run)
    with pytest.raises(OptionError, match="a submission is made of liver, right_kidney"):
        run_export(work, tmp_path / "out")


def test_what_is_no_chaos_is_refused(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made()}, run=ALL)
    with pytest.raises(OptionError, match="this workspace holds nifti-pairs"):
        run_export(work, tmp_path / "out")


def test_without_a_training_the_message_says_so(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", patient("mr04"), preset="chaos-mr-t2")
    with pytest.raises(WorkspaceError, match="nothing was trained here"):
        export(Export("chaos", str(tmp_path / "out")), work)


def test_without_a_run_or_predictions_nothing_is_made(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", patient("mr04"), preset="chaos-mr-t2")
    with pytest.raises(CheckpointError, match="no model 'unet'"):
        run_export(work, tmp_path / "out")
    cases = patient("mr04", converted=False)
    work = make_workspace(tmp_path / "more", cases, preset="chaos-mr-t2", run=ALL)
    with pytest.raises(WorkspaceError, match="no prediction of unet is up to date"):
        run_export(work, tmp_path / "out")


@pytest.mark.realdata
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_real_mask_as_a_submission_is_its_own_ground_truth(
    tmp_path: Path, real_data: Path
) -> None:
    """Slices of this patient descend with the file name: numbering by height would fail here."""
    work = tmp_path / "work"
    api.split(real_data / "chaos", preset="chaos-ct", workspace=work)
    api.convert(format="nifti", workspace=work)
    api.extract(workspace=work)
    with Workspace(work) as workspace:
        facts = {"names": {"1": "liver"}, "options": {"fold": 0, "model": "unet2d"}}
        workspace.database.put(Artifact("train", "unet", "t", (), (), facts))
        workspace.database.put(Artifact("predict", "unet/ct03-ct", "x", (), (), {}))
        path = workspace.layout.prediction("unet", "ct03-ct")
        path.parent.mkdir(parents=True)
        path.write_bytes(workspace.layout.labels("ct03-ct").read_bytes())
    (folder,) = run_export(work, tmp_path / "out").folders
    assert folder == "Task2/CT/3/Results"
    truth = sorted((real_data / "chaos" / "Train_Sets" / "CT" / "3" / "Ground").iterdir())
    found = slices(tmp_path / "out" / folder)
    assert len(found) == len(truth) == 20
    for one, path in zip(found, truth, strict=True):
        assert (one == np.array(Image.open(path)).astype(np.uint8) * 63).all()
    # And it pairs with a submission that the challenge scored at a Dice of 0.978.
    scored = sorted((real_data / "chaos_ct_submission").iterdir())
    theirs = np.stack([np.array(Image.open(path)) for path in scored])
    assert set(np.unique(theirs)) == {0, 63}
    both = ((theirs == 63) & (np.stack(found) == 63)).sum()
    assert 2 * both / ((theirs == 63).sum() + (np.stack(found) == 63).sum()) > 0.97
