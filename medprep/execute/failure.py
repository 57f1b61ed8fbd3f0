"""How a case's work ends when it does not end well."""

from __future__ import annotations

import pickle
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from medprep.errors import MedprepError
from medprep.execute.memory import of_memory, peak_bytes

Task = TypeVar("Task")
Result = TypeVar("Result")
UNSENDABLE = (pickle.PicklingError, TypeError, AttributeError)
"""What is raised of a result that cannot go to another process."""


@dataclass(frozen=True)
class Failure:
    """Why a case failed.

    Parameters
    ----------
    code
        The error's stable code.
    message
        The public part.
    path
        The file it is about, or None. Private.
    detail
        Traceback or exit status. Private.
    """

    code: str
    message: str
    path: str | None = None
    detail: str = ""

    def __str__(self) -> str:
        return self.message if self.path is None else f"{self.message} [{self.path}]"


def guarded(work: Callable[[Task], Result], task: Task) -> Result | Failure:
    """Do the work; whatever it raises becomes a `Failure`."""
    try:
        return work(task)
    except MedprepError as error:
        return Failure(error.code, error.message, error.path, traceback.format_exc())
    except MemoryError:
        text = "not enough memory; try fewer --jobs, or --max-memory GIB" + of_memory(peak_bytes())
        return Failure("memory", text, None, traceback.format_exc())
    except Exception as error:  # a fault of ours: this case is lost, the others are not
        # The text of an OSError holds a path, which may name a patient.
        said = (error.strerror if isinstance(error, OSError) else None) or error
        text = f"unexpected {type(error).__name__}: {said}"
        return Failure("internal", text, None, traceback.format_exc())


def unsendable(error: BaseException) -> Failure:
    """Say of a result that it raised one of `UNSENDABLE`."""
    text = f"its result cannot be sent: {error}"
    return Failure("internal", text, None, traceback.format_exc())


@dataclass(frozen=True)
class Second:
    """Work that is handed pairs, and told their second half only; a class: it can be pickled."""

    work: Callable[[Any], Any]

    def __call__(self, pair: tuple[Any, Any]) -> Any:  # noqa: D102
        return self.work(pair[1])


@dataclass(frozen=True)
class Death:
    """The end of a process that was not asked to end.

    Parameters
    ----------
    exitcode
        Its exit status, or the signal below 0.
    peak
        The memory it held at most, where that is known.
    """

    exitcode: int
    peak: int | None

    def cause(self) -> str:
        """Say how it ended."""
        if self.exitcode >= 0:
            return f"exit status {self.exitcode}"
        try:
            return f"signal {-self.exitcode} ({signal.Signals(-self.exitcode).name})"
        except ValueError:
            return f"signal {-self.exitcode}"

    def failure(self) -> Failure:
        """Give what is recorded of the case that it took along a second time."""
        text = f"its worker process died twice, at last of {self.cause()}{of_memory(self.peak)}"
        if self.exitcode == -9:
            text += "; was memory short? try fewer --jobs, or --max-memory GIB"
        return Failure("worker", text, None, self.cause())


def overdue(limit_s: float | None, peak: int | None) -> Failure:
    """Give what is recorded of a case that took longer than it may."""
    text = f"took longer than --case-timeout {limit_s:g} s and was stopped"
    return Failure("worker", text + of_memory(peak))
