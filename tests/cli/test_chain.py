"""The command line as a language: what means what, on every Click we allow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from medprep_cli import main as entry
from medprep_cli.options import Shared


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Parse a line and give its stages and shared options; nothing is run."""
    seen: list[tuple[list[Any], Shared]] = []
    monkeypatch.setattr(entry, "run_stages", lambda stages, options: seen.append((stages, options)))

    def parse(*words: str) -> tuple[list[Any], Shared]:
        seen.clear()
        with pytest.raises(SystemExit) as end:
            entry.main(list(words))
        assert end.value.code == 0, words
        return seen[0]

    return parse


def names(stages: list[Any]) -> list[str]:
    return [stage.name for stage in stages]


@pytest.mark.parametrize(
    "line",
    [
        "split CHAOS --train 0.6 convert",
        "split --train 0.6 CHAOS convert",
        "split --train=0.6 CHAOS convert",
        "split CHAOS convert --format png --train 0.6",
    ],
)
def test_options_may_stand_before_or_after_the_argument(
    parsed: Any, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if line.endswith("--train 0.6"):  # an option of another command is an error, not a guess
        with pytest.raises(SystemExit) as end:
            entry.main(line.split())
        assert end.value.code == 2
        assert "--train" in capsys.readouterr().err
        return
    stages, _ = parsed(*line.split())
    assert names(stages) == ["split", "convert"]
    assert (stages[0].source, stages[0].train) == ("CHAOS", 0.6)


def test_the_whole_chain(parsed: Any) -> None:
    line = "split S convert extract-liver clean augment --copies 3 train dice report"
    stages, _ = parsed(*line.split())
    assert names(stages) == [
        "split", "convert", "extract", "clean", "augment", "train", "evaluate", "report",
    ]  # fmt: skip
    assert stages[2].organ == ("liver",)
    assert stages[4].copies == 3


def test_values_of_options_may_be_named_like_commands(parsed: Any) -> None:
    stages, shared = parsed(
        "split", "S", "--workspace", "train", "extract", "--label", "clean", "1", "2"
    )
    assert names(stages) == ["split", "extract"]
    assert shared.workspace == Path("train")
    assert stages[1].label == (("clean", 1, 2),)


def test_two_dashes_shield_a_folder_named_like_a_command(parsed: Any) -> None:
    stages, _ = parsed("split", "--", "train", "convert")
    assert names(stages) == ["split", "convert"]
    assert stages[0].source == "train"


def test_shared_options_stand_anywhere(parsed: Any) -> None:
    for line in ("-j 2 -w W split S convert", "split S -j 2 convert -w W", "split -w W -j 2 S"):
        _, shared = parsed(*line.split())
        assert (shared.jobs, shared.workspace) == (2, Path("W"))


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("splt S", "Did you mean 'split'"),
        ("split S cnvert", "Got unexpected extra argument"),
        ("split", "SOURCE"),
        ("convert --format bmp", "png16"),
        ("split S --folds x", "--folds"),
    ],
)
def test_usage_errors_exit_2_and_say_why(
    line: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        entry.main(line.split())
    assert end.value.code == 2
    assert wanted in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", ["convert split S", "train train", "dice predict", "clean extract"]
)
def test_a_wrong_order_fails_before_anything_runs(
    line: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        entry.main([*line.split(), "-w", str(tmp_path / "w")])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert "the order is" in error or "twice" in error
    assert not (tmp_path / "w").exists()


def test_help_of_every_command_names_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    for name in (*entry.IN_CHAIN, *entry.ALONE):
        with pytest.raises(SystemExit) as end:
            entry.main([name, "--help"])
        assert end.value.code == 0
        shown = capsys.readouterr().out
        assert "--workspace" in shown
        assert len(shown.splitlines()) > 5


def test_help_is_light() -> None:
    """No heavy library is loaded, so that the answer comes at once."""
    code = (
        "import sys\n"
        "from medprep_cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'cv2', 'SimpleITK', 'numpy', 'pydicom'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "extract-liver" in done.stdout
