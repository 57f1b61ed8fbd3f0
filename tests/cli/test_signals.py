"""A signal that a library takes for an error of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from medprep import interrupts
from medprep.errors import CheckpointError
from medprep.execute import map_cases
from medprep.interrupts import stops_later
from medprep_cli import main as face


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_that_became_an_error_still_stops(
    sent: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def swallow(work: object) -> None:
        try:
            os.kill(os.getpid(), sent)
            signal.pthread_sigmask(signal.SIG_BLOCK, [])  # until here it has arrived
        except KeyboardInterrupt as error:
            raise CheckpointError("no weights of medprep in this file (ValueError)") from error

    before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    monkeypatch.setattr(face.crew, "run", swallow)
    try:
        with pytest.raises(SystemExit) as end:
            face.main(["status"])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert end.value.code == 128 + sent
    assert capsys.readouterr().err == "Stopped; the same command goes on from here.\n"


GONE = """
import os, signal, weakref
from medprep_cli import main as face

class Thing:
    pass

def work(_):
    thing = Thing()
    call = weakref.ref(thing, lambda _: os.kill(os.getpid(), {sent}))
    del thing
    if {fails}:
        thing = Thing()
        call = weakref.ref(thing, lambda _: 1 / 0)
        del thing

signal.signal(signal.SIGINT, signal.default_int_handler)
face.crew.run = work
face.main(["status"])
"""


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_where_python_cannot_raise_is_quiet(sent: signal.Signals) -> None:
    for fails in (False, True):
        code = GONE.format(sent=int(sent), fails=fails)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 128 + sent
        assert done.stderr.endswith("Stopped; the same command goes on from here.\n")
        assert ("ZeroDivisionError" in done.stderr) == ("Traceback" in done.stderr) == fails


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_waits_for_the_end_of_a_block(sent: signal.Signals) -> None:
    heard: list[int] = []
    before = signal.signal(sent, lambda number, frame: heard.append(number))
    try:
        with stops_later():
            os.kill(os.getpid(), sent)
            signal.pthread_sigmask(signal.SIG_BLOCK, [])
            assert heard == []
        assert heard == [sent]
        os.kill(os.getpid(), sent)
        signal.pthread_sigmask(signal.SIG_BLOCK, [])
        assert heard == [sent, sent], "as before"
    finally:
        signal.signal(sent, before)


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stops_later():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def _swallow(task: int) -> int:
    """Do what a library does that clears the exception, and goes on or raises its own."""
    with contextlib.suppress(KeyboardInterrupt):
        interrupts.heed(signal.SIGINT, None)
    if task:
        raise ValueError("could not determine the shape")
    return task


@pytest.mark.parametrize("task", [0, 1])
def test_a_case_in_which_a_signal_was_swallowed_is_not_kept(task: int) -> None:
    try:
        with pytest.raises(KeyboardInterrupt):
            list(map_cases(_swallow, [task]))
    finally:
        interrupts.received.clear()
