"""A worker that cannot start a process for a case: the case goes to another, the run goes on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from medprep.execute import hand
from medprep.execute.cluster import Cluster, _Flight
from medprep.execute.failure import Failure


def _report(monkeypatch: pytest.MonkeyPatch, worker: str) -> hand.Report:
    """Give what a worker says of an errand."""
    monkeypatch.setattr(hand, "_worker", lambda: SimpleNamespace(address=worker))
    monkeypatch.setattr(hand, "_wanted", lambda _: lambda: True)
    return hand.work_case(hand.Errand(b"", "run", "."))


def _refuse(*_: object, **__: object) -> None:
    raise OSError(12, "Cannot allocate memory")


@pytest.mark.parametrize("how", ["ends", "not started"])
def test_a_case_whose_process_cannot_begin_goes_to_another_worker(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "ends":  # as it does where it finds no room for its socket
        monkeypatch.setattr(hand, "START", "raise SystemExit(3)")
    else:
        monkeypatch.setattr(hand.subprocess, "Popen", _refuse)
    cluster = Cluster(cast(Any, None), "tcp://scheduler", one_machine=True)
    cluster._threads = {"tcp://a": 1, "tcp://b": 1}
    flight = _Flight("task", b"", None, None)
    assert cluster._landed(flight, _report(monkeypatch, "tcp://a")) is None
    assert flight.shunned == ("tcp://a",)
    told = cluster._landed(flight, _report(monkeypatch, "tcp://b"))
    assert isinstance(told, Failure)
    assert told.code == "worker"
    assert {"ends": "it ended with 3", "not started": "Cannot allocate memory"}[how] in told.message
    assert not hand._busy
