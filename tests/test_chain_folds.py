"""All folds in one line and in separate commands, in processes of their own: the same bytes."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

FAST = ("--steps", "6", "--width", "2", "--batch-size", "2")
FOLDS = ("--folds", "2")


def medprep(*words: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "medprep_cli", *map(str, words)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def content(workspace: Path) -> dict[str, str]:
    """Give the hash of every file but the records of runs."""
    return {
        str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(workspace.rglob("*"))
        if path.is_file() and "private" not in path.parts and path.suffix != ".sqlite"
    }


def test_one_line_and_separate_commands_give_the_same_bytes(phantom: Path, tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    medprep("split", phantom, *FOLDS, "convert", "extract", "clean", "train", "--fold", "all",
            *FAST, "dice", "report", "-w", one)  # fmt: skip
    for line in (["split", phantom, *FOLDS], ["convert"], ["extract"], ["clean"],
                 ["train", "--fold", "all", *FAST], ["dice"], ["report"]):  # fmt: skip
        medprep(*line, "-w", many)
    first, second = content(one), content(many)
    assert first == second
    assert {"metrics/unet2d.json", "metrics/unet2d-out-of-fold.json"} <= set(first)
    assert sum(name.endswith("model.safetensors") for name in first) == 2
    plan = medprep("train", "--fold", "all", *FAST, "--dry-run", "-w", one)
    assert "train --width 2 --steps 6 --batch-size 2 --fold all: 0 cases" in plan
