"""What several tests need."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

# Before torch is loaded: tiny nets beside other processes wait, not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# Tests and the processes they start import what stands there by name.
sys.path.insert(0, str(Path(__file__).parent / "helpers"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data named by MEDPREP_TEST_DATA; skips where there is none."""
    named = os.environ.get("MEDPREP_TEST_DATA", "")
    folder = Path(named)
    if not named or not folder.is_dir():
        pytest.skip("no real data: set MEDPREP_TEST_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set in the CHAOS layout: 4 labelled MR patients, one without labels, one CT."""
    from medprep.sources.phantom import make_chaos

    folder = tmp_path_factory.mktemp("phantom") / "CHAOS"
    make_chaos(
        folder, mr_patients=(1, 2, 3, 5), unlabelled=(4,), ct_patients=(1,), slices=(5, 6), size=64
    )
    return folder
