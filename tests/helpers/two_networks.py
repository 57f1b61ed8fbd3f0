"""Two network namespaces that see each other by one cable, as two machines do (Linux, root)."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

SUBNET = "10.213.77"


@dataclass(frozen=True)
class Machine:
    """A namespace.

    Parameters
    ----------
    name
        Its own.
    address
        By which the other one reaches it.
    device
        Its end of the cable.
    """

    name: str
    address: str
    device: str

    def command(self, words: Sequence[str]) -> list[str]:
        """Give the words that run a command there."""
        return ["ip", "netns", "exec", self.name, *words]


def unable() -> str:
    """Say why there can be no such networks here; nothing where there can."""
    if shutil.which("ip") is None:
        return "no `ip` (iproute2) here"
    if os.name != "posix" or os.geteuid() != 0:
        return "network namespaces want root"
    probe = f"medprep-probe-{os.getpid()}"
    made = _ip("netns", "add", probe)
    if made.returncode == 0:
        linked = _ip("-n", probe, "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        _ip("netns", "del", probe)
        return "" if linked.returncode == 0 else f"no veth here: {linked.stderr.strip()}"
    return f"no network namespaces here: {made.stderr.strip()}"


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Give both, and take them down."""
    tag = os.getpid() % 100_000
    one, other = (Machine(f"medprep-{tag}-{n}", f"{SUBNET}.{n}", f"mp{tag}v{n}") for n in (1, 2))
    try:
        for machine in (one, other):
            _must("netns", "add", machine.name)
            _must("-n", machine.name, "link", "set", "lo", "up")
        _must(
            "link", "add", one.device, "netns", one.name, "type", "veth",
            "peer", "name", other.device, "netns", other.name,
        )  # fmt: skip
        for machine in (one, other):
            _must("-n", machine.name, "addr", "add", f"{machine.address}/24", "dev", machine.device)
            _must("-n", machine.name, "link", "set", machine.device, "up")
        yield one, other
    finally:
        for machine in (one, other):
            _ip("netns", "del", machine.name)


def _ip(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=False)


def _must(*words: str) -> None:
    done = _ip(*words)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
