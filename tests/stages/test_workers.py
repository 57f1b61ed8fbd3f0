"""Cases that end badly in a stage, and how many are worked at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import crew_work
import numpy as np
import pytest
from workspaces import GRID, Made, make_workspace

from medprep import pipeline
from medprep.errors import OptionError, SchedulerError
from medprep.execute import map_cases
from medprep.formats import nifti, png
from medprep.plan import plan
from medprep.progress import Silent
from medprep.sources.phantom import make_chaos
from medprep.stages import base
from medprep.stages.base import Context, Summary, names_of, run_cases, source_input, task
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.extract import Extract
from medprep.stages.memory import needed_bytes, picture_bytes, source_bytes
from medprep.stages.split import Split
from medprep.volume import Volume
from medprep.workspace.database import FailureRow
from medprep.workspace.workspace import Workspace

MIB = 1 << 20


@dataclass(frozen=True)
class Ill(Convert):
    """A stage whose first three cases end badly."""

    def perform(self, context: Context) -> Summary:
        rows = context.workspace.database.cases()
        tasks = [
            task("convert", 0, row.name, [source_input(row, "picture")], "", row.name)
            for row in rows
        ]
        return run_cases(context, "convert", tasks, crew_work.ill)


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_killed_hanging_and_swollen_cases_are_recorded_and_the_others_done(tmp_path: Path) -> None:
    make_chaos(
        tmp_path / "CHAOS", mr_patients=(1, 2, 3, 5, 8), unlabelled=(), ct_patients=(),
        slices=(1, 1), size=32,
    )  # fmt: skip
    work = tmp_path / "work"
    split = Split(str(tmp_path / "CHAOS"), preset="chaos-mr-t1in", leak_check=False)
    outcome = pipeline.run([split, Ill()], work, jobs=2, case_timeout_s=6)
    assert outcome.exit_code == 8
    ran = outcome.summaries[-1]
    assert sorted(ran.made) == ["mr05-t1in", "mr08-t1in"]
    told = {case: failure.message for case, failure in ran.failed.items()}
    assert "signal 9 (SIGKILL)" in told["mr01-t1in"]
    assert "--case-timeout 6 s" in told["mr02-t1in"]
    assert "not enough memory" in told["mr03-t1in"]
    assert all("GiB at most" in told[case] for case in ("mr02-t1in", "mr03-t1in"))
    table = (work / "cases.csv").read_text()
    for case, message in told.items():
        assert f"convert: {message}" in next(
            line for line in table.splitlines() if line.startswith(case)
        ).replace('"', "")


def test_a_failure_of_what_is_no_task_any_more_is_forgotten(tmp_path: Path) -> None:
    make_workspace(tmp_path, {name: Made() for name in "ab"})
    with Workspace(tmp_path) as workspace:
        for stage, subject in (
            ("extract", "a"), ("extract", "b"), ("convert", "a"), ("predict", "one/a"),
            ("predict", "one/b"), ("predict", "other/b"),
        ):  # fmt: skip
            workspace.database.put_failure(FailureRow(stage, subject, "label", "broken"))
        context = Context(workspace, Silent())
        row = workspace.database.case("a")
        kept = task("extract", 0, "a", [source_input(row, "mask")], "", 0)
        run_cases(context, "extract", [kept], crew_work.fail)
        of_run = task("predict", 0, "one/a", [source_input(row, "picture")], "", 0)
        run_cases(context, "predict", [of_run], crew_work.fail)
        left = [(one.stage, one.subject) for one in workspace.database.failures()]
    assert left == [
        ("convert", "a"), ("extract", "a"), ("predict", "one/a"), ("predict", "other/b"),
    ]  # fmt: skip


@pytest.mark.parametrize("first", [1, 0])
def test_a_stage_that_broke_halfway_is_remembered_with_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    make_chaos(
        tmp_path / "CHAOS", mr_patients=(1, 2, 3), unlabelled=(), ct_patients=(), slices=(4, 4),
        size=32,
    )  # fmt: skip
    work = tmp_path / "work"
    split = Split(str(tmp_path / "CHAOS"), preset="chaos-mr-t1in", leak_check=False)
    pipeline.run([split, Extract()], work)

    def breaking(*args: Any, **how: Any) -> Iterator[Any]:
        if not args[1]:
            return
        yield from islice(map_cases(*args, **how), first)
        raise SchedulerError("the scheduler is lost")

    with monkeypatch.context() as patched:
        patched.setattr(base, "map_cases", breaking)
        with pytest.raises(SchedulerError):
            pipeline.run([Extract(("spleen",))], work)
    pipeline.run([Clean()], work)
    with Workspace(work, readonly=True) as opened:
        made = opened.current("extract").values()
        names = {tuple(names_of(one.facts).values()) for one in made}
    assert len(made) == 3
    assert names == (
        {("spleen",)} if first else {("liver", "right_kidney", "left_kidney", "spleen")}
    )


class Heard(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def test_no_more_cases_at_once_than_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_workspace(tmp_path, {name: Made() for name in "abcd"})
    counts = []

    def counted(work: Any, tasks: Sequence[Any], *, jobs: int, **_: Any) -> Any:
        counts.append(jobs)
        return iter(())

    monkeypatch.setattr("medprep.stages.base.map_cases", counted)
    each = needed_bytes("clean", int(np.prod(GRID.shape)) * 2)
    with Workspace(tmp_path) as opened:
        for most in (None, 10 * each, 2 * each, each // 2):
            heard = Heard()
            context = Context(opened, heard, jobs=3, max_memory_bytes=most)
            context.work("clean", crew_work.square, dict.fromkeys("abcd", 1))
    assert counts == [3, 3, 2, 1]
    assert "one case at a time" in heard.lines[0]


@pytest.mark.parametrize("gib", [0, -1, float("nan"), float("inf")])
def test_a_memory_that_is_none_is_refused(gib: float, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"--max-memory.*above 0"):
        pipeline.run([Convert()], tmp_path, max_memory_gib=gib)


def test_a_picture_is_measured_by_its_header(tmp_path: Path) -> None:
    make_chaos(
        tmp_path / "C", mr_patients=(1,), unlabelled=(), ct_patients=(), slices=(3, 3), size=48
    )
    dicom = sorted((tmp_path / "C/Train_Sets/MR/1/T2SPIR/DICOM_anon").iterdir())
    assert source_bytes("dicom", dicom) == 3 * 48 * 48 * 2, "packed in the file"
    volume = tmp_path / "a.nii.gz"
    nifti.write(volume, Volume(np.zeros((4, 6, 5), np.float32), GRID, ""))
    assert source_bytes("nifti", [volume]) == pytest.approx(4 * 6 * 5 * 4, abs=400)
    picture = tmp_path / "a.png"
    png.write_grey(picture, np.zeros((7, 9), np.uint8))
    assert source_bytes("png", [picture]) == 63
    picture.write_bytes(b"rubbish")
    assert source_bytes("dicom", [picture]) == 7, "as it lies on the disk"
    assert source_bytes("nifti", []) == 0


def test_the_plan_tells_the_memory_of_what_works_at_once(tmp_path: Path) -> None:
    make_workspace(tmp_path, {name: Made() for name in "abcd"})
    (one,) = plan([Convert()], tmp_path, jobs=1)
    (three,) = plan([Convert()], tmp_path, jobs=3)
    (bounded,) = plan([Convert()], tmp_path, jobs=3, max_memory_gib=2.5 * one.memory_bytes / 2**30)
    with Workspace(tmp_path, readonly=True) as opened:
        assert one.memory_bytes == needed_bytes("convert", picture_bytes(opened, ["a"])["a"])
    assert three.memory_bytes == 3 * one.memory_bytes
    assert bounded.memory_bytes == 2 * one.memory_bytes


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures memory as Linux does")
@pytest.mark.parametrize("shape", [(20, 128, 128), (200, 512, 512)])
def test_the_estimate_is_within_a_factor_of_two(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    case_memory = pytest.importorskip("case_memory")
    for stage, (estimated, measured) in case_memory.measure(tmp_path, shape).items():
        assert 0.5 < estimated / measured < 2, (stage, estimated / MIB, measured / MIB)
