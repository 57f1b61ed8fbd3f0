"""A training's log as TensorBoard reads it, written as the training goes; the library is an extra.

The file holds no time, and in its name no machine: equal trainings give equal bytes. So a training
that was stopped writes again what it had said up to its last saved state, the same bytes in the
same file, and goes on: no row is there twice, and a TensorBoard that looks on need not know.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from medprep.errors import LibraryError

FILE = "events.out.tfevents.0.medprep"
_TAGS = ("loss", "learning_rate", "validation_dice")
_VERSION = "brain.Event:2"


def require_tensorboard() -> None:
    """Refuse to go on without the library.

    Raises
    ------
    LibraryError
        With the command that installs it.
    """
    try:
        import tensorboard.compat.proto.event_pb2
        import tensorboard.summary.writer.record_writer  # noqa: F401
    except ImportError as error:
        raise LibraryError(
            f"--tensorboard wants a library that is not here ({error}); install it: pip install "
            '"medprep[tensorboard]"'
        ) from error


class Events:
    """The file of one training.

    Parameters
    ----------
    folder
        Of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE

    def begin(self, rows: Iterable[Sequence[Any]]) -> None:
        """Begin it, with the rows of `medprep.training.state.State.log` that are known."""
        from tensorboard.compat.proto.event_pb2 import Event

        whole = _framed(Event(file_version=_VERSION)) + b"".join(map(_row, rows))
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # In place, not renamed: a TensorBoard that looks on holds the file open.
        self._path.write_bytes(whole)

    def add(self, row: Sequence[Any]) -> None:
        """Add a row."""
        with self._path.open("ab") as file:
            file.write(_row(row))


def events_of_log(folder: Path) -> None:
    """Write the file of a training that has ended, from its ``log.csv``, where there is none."""
    if (folder / FILE).exists():
        return
    with (folder / "log.csv").open(newline="") as file:
        _, *told = csv.reader(file)
    rows = [[None if value == "" else float(value) for value in row] for row in told]
    Events(folder).begin([int(step or 0), *values] for step, *values in rows)


def _row(row: Sequence[Any]) -> bytes:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    step, *values = row
    told = [
        Summary.Value(tag=tag, simple_value=value)
        for tag, value in zip(_TAGS, values, strict=True)
        if value is not None
    ]
    return _framed(Event(step=step, summary=Summary(value=told)))


def _framed(event: Any) -> bytes:
    from tensorboard.summary.writer.record_writer import RecordWriter

    into = io.BytesIO()
    RecordWriter(into).write(event.SerializeToString())
    return into.getvalue()
