"""Find a Dask scheduler or start one here, and see that its workers can do the work."""

from __future__ import annotations

import contextlib
import logging
import pkgutil
import platform
import re
import socket
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from medprep.errors import LibraryError, OptionError, SchedulerError
from medprep.execute.cluster import Cluster
from medprep.execute.interrupts import interrupts_later
from medprep.progress import Progress
from medprep.reporting.text import counted
from medprep.version import VERSION

if TYPE_CHECKING:
    from distributed import Client

_LOCAL = "local:"
_CONNECT_S = 5
_WORKER_S = 30.0
"""A scheduler without a worker may be one whose workers are just starting."""
_TOLD_S = 2.0


def local_workers(place: str) -> int | None:
    """Give the N of ``local:N``; None for the address of a scheduler.

    Raises
    ------
    OptionError
        If it is neither.
    """
    if place.startswith(_LOCAL):
        count = place.removeprefix(_LOCAL)
        if count.isdecimal() and int(count) > 0:
            return int(count)
    elif re.fullmatch(r"[a-z]+://[^\s/@]+", place):
        return None
    raise OptionError(
        f"'{place}' is no cluster; wanted is local:N, as local:4, or the address of a Dask "
        "scheduler, as tcp://host:8786"
    )


@contextlib.contextmanager
def connected(place: str, progress: Progress) -> Iterator[Cluster]:
    """Give the workers at a place for the length of the block.

    Parameters
    ----------
    place
        ``local:N`` or the address of a scheduler.
    progress
        Is told who works, and where the dashboard is.

    Raises
    ------
    LibraryError
        If Dask is not installed.
    OptionError
        As `local_workers`.
    SchedulerError
        If the scheduler does not answer, has no worker, or a worker has another medprep, Python
        or numpy.
    """
    count = local_workers(place)
    _load()
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet())
        client = stack.enter_context(_client(place, count))
        threads = _wait_for_workers(client, place, progress)
        _require_like_us(client)
        who = f"{counted(len(threads), 'Dask worker')}, {counted(sum(threads.values()), 'thread')}"
        progress.say(f"    {who} at {place}; dashboard {client.dashboard_link}")
        cluster = Cluster(client, place, one_machine=count is not None)
        stack.callback(cluster.end)
        yield cluster


def _load() -> None:
    try:
        import distributed  # noqa: F401 - its loggers are there from now on
    except ImportError as error:
        raise LibraryError(
            f"Dask cannot be loaded ({error}); run: pip install 'medprep[distributed]'"
        ) from error


@contextlib.contextmanager
def _client(place: str, count: int | None) -> Iterator[Client]:
    from distributed import Client, LocalCluster

    with contextlib.ExitStack() as stack:
        try:
            if count is None:
                client = Client(place, timeout=_CONNECT_S, set_as_default=False)
            else:
                with interrupts_later():
                    workers = LocalCluster(
                        n_workers=count, threads_per_worker=1, dashboard_address="127.0.0.1:0",
                        silence_logs=logging.CRITICAL,
                    )  # fmt: skip
                stack.callback(workers.close, timeout=_CONNECT_S)
                client = Client(workers, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, ValueError, ImportError, RuntimeError) as error:
            raise SchedulerError(
                f"no Dask scheduler answers at {place} ({error or type(error).__name__}); see "
                "whether it runs there and whether the port is open, or work here with --jobs"
            ) from error
        stack.callback(client.close, timeout=_CONNECT_S)
        yield client


def _wait_for_workers(client: Client, place: str, progress: Progress) -> dict[str, int]:
    began = time.monotonic()
    told = False
    while not (threads := client.nthreads()):
        waited = time.monotonic() - began
        if waited > _WORKER_S:
            raise SchedulerError(
                f"the scheduler at {place} has no worker; start some with the same environment: "
                f"dask worker {place}"
            )
        if waited > _TOLD_S and not told:
            progress.say(f"    waiting for a worker at {place}")
            told = True
        time.sleep(0.1)
    return dict(threads)


def _require_like_us(client: Client) -> None:
    """Refuse workers that would give other bytes, or none.

    What is sent is of the standard library: a worker without medprep must be able to answer.
    """
    import numpy

    asked: tuple[tuple[str, str, Callable[..., str], tuple[str, ...]], ...] = (
        ("Python", platform.python_version(), platform.python_version, ()),
        ("medprep", VERSION, pkgutil.resolve_name, ("medprep.version:VERSION",)),
        ("numpy", numpy.__version__, pkgutil.resolve_name, ("numpy:__version__",)),
    )
    hosts = client.run(socket.gethostname)
    for library, ours, ask, words in asked:
        for worker, answer in client.run(ask, *words, on_error="return").items():
            if isinstance(answer, BaseException):
                has = f"cannot load {library} ({answer})"
            elif _compared(library, answer) != _compared(library, ours):
                has = f"has {library} {answer}"
            else:
                continue
            raise SchedulerError(
                f"the Dask worker at {worker} on {hosts.get(worker, '?')} {has}; wanted is "
                f"{library} {ours}, as here: start the workers in the same environment"
            )


def _compared(library: str, version: str) -> str:
    """Give the part of a version that must be equal: releases of one Python do not differ."""
    return version.rpartition(".")[0] if library == "Python" else version


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's own loggers silent: what matters is raised, and the library prints nothing."""
    named = [name for name in logging.root.manager.loggerDict if name.startswith("distributed")]
    loggers = [logging.getLogger(name) for name in {"distributed", *named}]
    levels = [one.level for one in loggers]
    for one in loggers:
        one.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for one, level in zip(loggers, levels, strict=True):
            one.setLevel(level)
