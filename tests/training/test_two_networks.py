"""One training on two machines: two network namespaces that see each other by one cable."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import two_networks
from torchrun import BODY, UNETR, losses, start
from training_sets import make_ball
from two_networks import Machine

OPTIONS: dict[str, Any] = {**UNETR, "loss": "dice-ce", "steps": 20}


@pytest.fixture(scope="module")
def machines() -> Iterator[tuple[Machine, Machine]]:
    why = two_networks.unable()
    if why:
        pytest.skip(why)
    with two_networks.two_machines() as both:
        yield both


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cases")
    for name in "abcd":
        make_ball(folder, name)
    return folder


def start_on_both(
    machines: tuple[Machine, Machine], source: Path, folder: Path, **options: Any
) -> list[tuple[int, str]]:
    """Start torchrun on each, as on two nodes; give exit status and what was said of each."""
    path = os.pathsep.join([str(BODY.parent), *sys.path])
    meeting = f"--rdzv-endpoint={machines[0].address}:29511"
    running = [
        subprocess.Popen(
            machine.command(
                [sys.executable, "-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1",
                 "--rdzv-backend=c10d", "--rdzv-id=t", meeting, f"--local-addr={machine.address}",
                 f"--rdzv-conf=is_host={int(machine is machines[0])}",
                 str(BODY), str(source), str(folder), json.dumps(options)]
            ),
            env=os.environ
            | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "GLOO_SOCKET_IFNAME": machine.device},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for machine in machines
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=300)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    return [(process.returncode, text) for process, text in zip(running, said, strict=True)]


def test_two_machines_follow_the_curve_of_one_and_one_goes_on(
    machines: tuple[Machine, Machine], source: Path, tmp_path: Path
) -> None:
    shards = str(tmp_path / "s")
    status, said = start(source, tmp_path / "one", 1, **OPTIONS)
    assert status == 0, said
    both = start_on_both(machines, source, tmp_path / "two", **OPTIONS, shards=shards)
    assert [status for status, _ in both] == [0, 0], both
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), abs=1e-4)

    cut = tmp_path / "cut"
    both = start_on_both(machines, source, cut, **OPTIONS, shards=shards, stop_at=14)
    assert all(status != 0 for status, _ in both), both
    assert (cut / "state.safetensors").exists()
    status, said = start(source, cut, 1, **OPTIONS, shards=shards)
    assert status == 0 and "going on after step 10" in said, said
    assert losses(cut) == pytest.approx(losses(tmp_path / "one"), abs=1e-4)
