"""What several tests need."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No test measures time: another program may want the processor meanwhile.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
# Before torch is loaded: tiny nets beside other processes wait, not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests and the processes they start import what stands there by name.
sys.path.insert(0, str(Path(__file__).parent / "helpers"))


@pytest.fixture(scope="session")
def real_data() -> Iterator[Path]:
    """The folder of real data named by MEDPREP_TEST_DATA; skips where there is none.

    At the end every file must have the size and the time it had.
    """
    named = os.environ.get("MEDPREP_TEST_DATA", "")
    folder = Path(named)
    if not named or not folder.is_dir():
        pytest.skip("no real data: set MEDPREP_TEST_DATA to its folder")
    before = _listed(folder)
    yield folder
    assert _listed(folder) == before, "a test changed the real data"


def _listed(folder: Path) -> dict[Path, tuple[int, int]]:
    found = ((one, one.lstat()) for one in folder.rglob("*"))
    return {one: (is_.st_size, is_.st_mtime_ns) for one, is_ in found if not one.is_dir()}


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small data set in the CHAOS layout: 4 labelled MR patients, one without labels, one CT.

    At the end it must have the bytes it had.
    """
    from same_bytes import content

    from medprep.sources.phantom import make_chaos

    folder = tmp_path_factory.mktemp("phantom") / "CHAOS"
    make_chaos(
        folder, mr_patients=(1, 2, 3, 5), unlabelled=(4,), ct_patients=(1,), slices=(5, 6), size=64
    )
    before = content(folder)
    yield folder
    assert content(folder) == before, "a test changed the source"


@pytest.fixture(scope="session")
def stage_box(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny data set and a workspace as it is after each stage, for `helpers/crash.py`."""
    folder = tmp_path_factory.mktemp("box")
    script = Path(__file__).parent / "helpers" / "crash.py"
    words = [sys.executable, str(script), "--box", str(folder), "--kills", "0"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder
