"""Make the sample data anew: the same bytes each time."""

from __future__ import annotations

import shutil
from pathlib import Path

from medprep.sources.phantom import make_chaos

FOLDER = Path(__file__).parent / "CHAOS"

if __name__ == "__main__":
    shutil.rmtree(FOLDER, ignore_errors=True)
    make_chaos(FOLDER)
