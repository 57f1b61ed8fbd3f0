"""What several tests need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data named by MEDPREP_TEST_DATA; skips where there is none."""
    named = os.environ.get("MEDPREP_TEST_DATA", "")
    folder = Path(named)
    if not named or not folder.is_dir():
        pytest.skip("no real data: set MEDPREP_TEST_DATA to its folder")
    return folder
