"""Trainings in processes of their own, as torchrun or nobody starts them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

BODY = Path(__file__).parent / "train_together.py"
UNETR: dict[str, Any] = {
    "model": "unetr-official", "width": 24, "patch": (16, 16, 16), "batch_size": 4, "steps": 20,
    "device": "cpu",
}  # fmt: skip


def start(source: Path, folder: Path, processes: int, **options: Any) -> tuple[int, str]:
    """Train in so many processes; give exit status and what was said."""
    launch = [sys.executable]
    if processes > 1:
        count = f"--nproc-per-node={processes}"
        launch += ["-m", "torch.distributed.run", "--standalone", count]
    path = os.pathsep.join([str(BODY.parent), *sys.path])
    done = subprocess.run(
        [*launch, str(BODY), str(source), str(folder), json.dumps(options)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def losses(folder: Path) -> list[float]:
    return [float(row["loss"]) for row in rows(folder)]
