"""Damaged input of every kind: an answer or an error of ours, quickly and in little memory.

Long: ``python tests/helpers/fuzz.py --target cli --count 2000 --seed 1``, and so for each target.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import TARGETS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
HELPERS = Path(__file__).parent / "helpers"
BRIEFLY = {"dicom": 400, "series": 60, "database": 150, "weights": 150, "cli": 25}
AT_LENGTH = {"dicom": 10_000, "cli": 500}


def fuzz(target: str, count: int, seed: int, folder: Path) -> None:
    script = HELPERS / "fuzz.py"
    done = subprocess.run(
        [sys.executable, str(script), "--target", target, "--count", str(count), "--seed",
        str(seed)],
        capture_output=True, text=True, check=False, timeout=1800,
        env={**os.environ, "TMPDIR": str(folder)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"{count} cases of seed {seed}, 0 faults" in done.stdout


@pytest.mark.parametrize("target", TARGETS)
def test_damaged_input(target: str, tmp_path: Path) -> None:
    fuzz(target, BRIEFLY.get(target, 200), 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("target", TARGETS)
def test_much_damaged_input(target: str, seed: int, tmp_path: Path) -> None:
    fuzz(target, AT_LENGTH.get(target, 3000), seed, tmp_path)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("raise ZeroDivisionError", "FAULT ZeroDivisionError"),
        ("sum(range(10**7))", "FAULT too slow"),
        ("bytearray(1200 << 20)", "FAULT too much memory"),
    ],
)
def test_the_harness_sees_what_it_looks_for(body: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "fuzz_broken.py").write_text(
        f"def make(folder):\n    def case(chance):\n        {body}\n    return case\n"
    )
    code = (
        f"import sys; sys.path[:0] = [{str(HELPERS)!r}, {str(tmp_path)!r}]; import fuzz; "
        "from pathlib import Path; fuzz.MOST_S = 0.05; "
        f"sys.exit(0 < fuzz.run('broken', Path({str(tmp_path)!r}), 1, range(1)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 1, done.stderr
    assert told in done.stdout


def test_a_file_written_outside_is_seen(tmp_path: Path) -> None:
    from fuzz_cli import Watch

    watch = Watch(tmp_path / "box")
    sys.addaudithook(watch)  # never to be removed: it sleeps unless told to watch
    (tmp_path / "box").mkdir()
    watch.begin()
    (tmp_path / "box" / "inside").write_text("x")
    (tmp_path / "outside").write_text("x")
    (tmp_path / "outside").rename(tmp_path / "elsewhere")
    assert watch.end() == [str(tmp_path / "outside"), str(tmp_path / "elsewhere")]


def test_a_case_depends_on_target_seed_and_number_only() -> None:
    from fuzz_cli import line

    assert line(random.Random("cli 1 7")) == line(random.Random("cli 1 7"))
    assert line(random.Random("cli 1 7")) != line(random.Random("cli 1 8"))
