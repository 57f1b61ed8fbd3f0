"""``medprep export`` as people call it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from workspaces import Made, make_workspace

from medprep_cli.commands.export import command


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_a_set_is_written_and_told(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made(), "b": Made(fold="val")})
    out = tmp_path / "out"
    done = call("--format", "nnunet", "--output", out, "--dataset-id", "7", "-w", work)
    assert done.exit_code == 0, done.output
    assert (out / "Dataset007_NiftiPairs" / "dataset.json").is_file()
    assert done.stdout == ""
    assert done.stderr.endswith("6 files written: 2 training cases, 0 test cases\n")


def test_one_json_document_on_stdout(tmp_path: Path) -> None:
    work = make_workspace(tmp_path / "work", {"a": Made(), "b": Made(fold="val")})
    done = call(
        "--format", "msd", "--output", tmp_path / "out", "--name", "X", "--json", "--dry-run",
        "-w", work,
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert found["folders"] == ["Task501_X"]
    assert found["cases"] == {"training": 2, "test": 0}
    assert "5 files would be written" in done.stderr
    assert not (tmp_path / "out").exists()


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    assert call("--output", tmp_path).exit_code == 2
    assert call("--format", "coco", "--output", tmp_path).exit_code == 2
    assert call("--format", "msd", "--output", tmp_path, "--dataset-id", "0").exit_code == 2
