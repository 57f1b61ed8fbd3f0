"""How a case's work ends when it does not end well."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from medprep.errors import MedprepError
from medprep.execute.memory import of_memory, peak_bytes

Task = TypeVar("Task")
Result = TypeVar("Result")


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
