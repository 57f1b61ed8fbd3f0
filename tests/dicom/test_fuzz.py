"""Damaged DICOM: an error of ours or a volume, quickly and in little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")


def fuzz(folder: Path, count: int, seed: int) -> None:
    script = Path(__file__).parents[1] / "helpers" / "fuzz_dicom.py"
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(count), str(seed)],
        capture_output=True, text=True, check=False, timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    slowest, peak_mib = map(float, done.stdout.split()[-2:])
    assert slowest < 5
    assert peak_mib < 1024


def test_damaged_files(tmp_path: Path) -> None:
    fuzz(tmp_path, 400, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_damaged_files(tmp_path: Path, seed: int) -> None:
    fuzz(tmp_path, 2000, seed)
