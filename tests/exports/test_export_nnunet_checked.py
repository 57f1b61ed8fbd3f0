"""Our exports before nnU-Net's own check of a data set's integrity.

It needs a Python that has nnunetv2, which wants a good many packages of its own: give it by
MEDPREP_NNUNET_PYTHON, or install nnunetv2 beside the tests.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from workspaces import GRID, Made, make_workspace

from medprep.exports.run import Export, export
from medprep.formats import nifti
from medprep.volume import LabelMap

pytestmark = pytest.mark.slow

CHECK = """
import sys
from nnunetv2.experiment_planning.verify_dataset_integrity import verify_dataset_integrity
if __name__ == "__main__":
    verify_dataset_integrity(sys.argv[1], num_processes=1)
"""


@pytest.fixture(scope="module")
def nnunet_python() -> str:
    named = os.environ.get("MEDPREP_NNUNET_PYTHON", "")
    if named:
        return named
    if importlib.util.find_spec("nnunetv2") is None:
        pytest.skip("no nnunetv2 here: set MEDPREP_NNUNET_PYTHON to a Python that has it")
    return sys.executable


def check(python: str, folder: Path, work: Path) -> subprocess.CompletedProcess[str]:
    script = work / "check.py"
    script.write_text(CHECK)
    homes = {f"nnUNet_{name}": str(work) for name in ("raw", "preprocessed", "results")}
    return subprocess.run(
        [python, str(script), str(folder)], capture_output=True, text=True, check=False,
        timeout=600, env={**os.environ, **homes},
    )  # fmt: skip


def require_sound(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert "verify_dataset_integrity Done" in done.stdout
    for word in ("Error", "mismatch", "Warning"):
        assert word not in done.stdout, done.stdout


def test_nnunet_finds_nothing_wrong(tmp_path: Path, nnunet_python: str) -> None:
    cases = {
        "mr01": Made(),
        "mr02": Made(fold="val"),
        "mr03": Made(fold="test"),
        "mr04": Made(names=None),
    }
    work = make_workspace(tmp_path / "work", cases)
    outcome = export(Export("nnunet", str(tmp_path / "raw")), work)
    folder = tmp_path / "raw" / outcome.folders[0]
    require_sound(check(nnunet_python, folder, tmp_path))
    # And it would have said so: the same set with a label that nobody declared, or a moved mask.
    path = folder / "labelsTr" / "mr01.nii.gz"
    path.unlink()
    nifti.write(path, LabelMap(np.full(GRID.shape, 7, np.uint8), GRID))
    broken = check(nnunet_python, folder, tmp_path)
    assert broken.returncode != 0
    assert "Unexpected labels found" in broken.stdout


def test_nnunet_takes_regions_and_renumbered_labels(tmp_path: Path, nnunet_python: str) -> None:
    regions = {"whole_liver": ("liver", "tumor")}
    cases = {
        "a": Made(names={1: "liver", 4: "tumor"}, regions=regions),
        "b": Made(names={1: "liver", 4: "tumor"}, regions=regions, fold="val"),
        "c": Made(names={1: "tumor"}),
    }
    work = make_workspace(tmp_path / "work", cases)
    outcome = export(Export("nnunet", str(tmp_path / "raw")), work)
    require_sound(check(nnunet_python, tmp_path / "raw" / outcome.folders[0], tmp_path))


def test_nnunet_takes_the_phantom(tmp_path: Path, nnunet_python: str, phantom: Path) -> None:
    from medprep import api

    work = tmp_path / "work"
    api.split(phantom, preset="chaos-mr-t1in", folds=2, test=0.25, train=0.65, workspace=work)
    api.convert(format="nifti", workspace=work)
    api.extract(workspace=work)
    outcome = export(Export("nnunet", str(tmp_path / "raw"), name="Phantom"), work)
    assert outcome.cases == {"training": 3, "test": 2}
    require_sound(check(nnunet_python, tmp_path / "raw" / outcome.folders[0], tmp_path))
