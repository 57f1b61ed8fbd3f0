"""Whether the workers of a cluster see what the driver sees: what is written, and the source."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from medprep.errors import AccessError, SchedulerError
from medprep.places.paths import FarPath, path_of
from medprep.room import unwritten

if TYPE_CHECKING:
    from distributed import Client


def require(client: Client, written: Path | None, read: Iterable[Path | str] = ()) -> None:
    """See that every worker sees a place that is written, may write there, and sees sources.

    Parameters
    ----------
    client
        Of the cluster.
    written
        A folder, or a place behind a URL.
    read
        Sources; of those behind a URL each case tells by itself.

    Raises
    ------
    SchedulerError
        If one does not; names host and path.
    WriteError
        If the folder cannot be written from here.
    AccessError
        If the place behind a URL cannot be.
    """
    read = list(read)
    if written is None and not read:
        return
    paths = tuple(os.path.abspath(one) for one in read if "://" not in str(one))  # noqa: PTH100
    content = secrets.token_hex(8)
    probe = None if written is None else (written / f".medprep-probe-{content}").absolute()
    try:
        if probe is not None:
            _write(probe, content)
        answers = client.run(
            look, "" if probe is None else str(probe), content, paths, on_error="return"
        )
    except AccessError:
        raise
    except OSError as error:
        raise unwritten(error, written) from error
    finally:
        if probe is not None:
            _remove(probe)
    wanted = "workers that share the disk of this process, under the same paths"
    if isinstance(written, FarPath):
        wanted = "workers that reach the artifacts, and sources behind a URL"
    for worker, answer in answers.items():
        host, problems = answer if isinstance(answer, tuple) else ("?", [type(answer).__name__])
        if problems:
            raise SchedulerError(
                f"the Dask worker at {worker} on {host} {'; '.join(problems)}; wanted are {wanted}"
            )


def look(probe: str, content: str, others: tuple[str, ...]) -> tuple[str, list[str]]:
    """Give this host and what it lacks: the place that is written, a source.

    Parameters
    ----------
    probe
        A file that the driver has just written; "" where nothing is written.
    content
        Of it.
    others
        Folders and files that are only read.
    """
    lacks = [f"does not see {path}" for path in others if not os.path.exists(path)]  # noqa: PTH110
    if probe:
        path = path_of(probe)
        folder = str(path.parent)
        try:
            if path.read_text() != content:
                lacks.insert(0, f"sees another folder at {folder}")
            beside = path.with_name(f"{path.name}.{socket.gethostname()}.{os.getpid()}")
            _write(beside, content)
            _remove(beside)
        except FileNotFoundError:
            lacks.insert(0, f"does not see {folder}")
        except AccessError as error:
            lacks.insert(0, f"cannot use {folder}: {error.message}")
        except OSError as error:
            lacks.insert(0, f"cannot write into {folder} ({error.strerror})")
    return socket.gethostname(), lacks


def _write(path: Path, content: str) -> None:
    if isinstance(path, FarPath):
        from medprep.places.sending import write

        write(path, content.encode())
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def _remove(path: Path) -> None:
    if isinstance(path, FarPath):
        from medprep.places.sending import remove

        remove(path)
    else:
        path.unlink(missing_ok=True)
