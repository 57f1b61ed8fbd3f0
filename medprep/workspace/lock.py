"""One process at a time writes a workspace; a dead one's lock is taken over."""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from medprep.errors import LockedError, OptionError
from medprep.room import unwritten

LOCK = "medprep.lock"
_POLL_S = 0.2


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Parameters
    ----------
    host, boot
        Where it runs, and since which boot of that machine.
    pid
        Its process number.
    started
        When it started: numbers come again, in a restarted container the very same. Empty where
        the system does not say.
    machine, pids
        Machines and containers share names: which one it is, as a hash, and within which
        namespace the number counts. Empty where the system, or an earlier medprep, does not say.
    """

    host: str
    boot: str
    pid: int
    started: str = ""
    machine: str = ""
    pids: str = ""

    @classmethod
    def me(cls) -> Holder:
        """Give this process."""
        pid = os.getpid()
        host = socket.gethostname()
        return cls(host, _boot_id(), pid, _started(pid) or "", _machine(), _namespace())

    def is_dead(self) -> bool:
        """Tell whether it certainly runs no more: of a number that counts here alone it is."""
        me = Holder.me()
        if (self.host, self.machine, self.pids) != (me.host, me.machine, me.pids):
            return False
        if self.boot != me.boot:
            return bool(self.machine)  # else it may be another machine of this name
        if not _is_alive(self.pid):
            return True
        now = _started(self.pid)
        return bool(self.started) and now is not None and now != self.started

    def home(self) -> str:
        """Give a short name of where its number counts."""
        where = "\0".join((self.host, self.machine, self.boot, self.pids))
        return hashlib.sha256(where.encode()).hexdigest()[:16]


class Lock:
    """Hold a workspace for the length of a ``with`` block.

    Parameters
    ----------
    folder
        The workspace; it exists.
    wait_s
        How long to wait for another holder.
    force
        Take the lock whoever holds it.
    else_do
        What the user can do where it is held.

    Raises
    ------
    LockedError
        If another process holds it; names host and process.
    OptionError
        If the time to wait is below 0 or no number.
    WriteError
        If it cannot be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        wait_s: float = 0.0,
        force: bool = False,
        else_do: str = "wait for it (--wait SECONDS), or if it is surely gone: --break-lock",
    ) -> None:
        if not wait_s >= 0:  # no number is neither, and would be waited for without end
            raise OptionError(f"--wait is {wait_s}; wanted are seconds from 0 on")
        self._path = folder / LOCK
        self._wait_s = wait_s
        self._force = force
        self._else_do = else_do

    def __enter__(self) -> Self:
        # Ctrl-C may fall between any two steps, also of the leaving: the end gives it back then.
        atexit.register(self._give_back)
        end = time.monotonic() + self._wait_s
        unreadable = 0
        while not self._take():
            holder = self._holder()
            unreadable = unreadable + 1 if holder is None else 0
            if self._force or unreadable > 1 or (holder is not None and holder.is_dead()):
                self._remove(holder)
            elif holder is None:  # given back this moment, or being written: look again
                time.sleep(_POLL_S)
            elif time.monotonic() >= end:
                raise LockedError(
                    f"process {holder.pid} on {holder.host} works in this folder; {self._else_do}",
                    path=self._path.parent,
                )
            else:
                time.sleep(_POLL_S)
        self._tidy()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._give_back()
        atexit.unregister(self._give_back)

    def _give_back(self) -> None:
        if self._holder() == Holder.me():
            self._path.unlink(missing_ok=True)

    def _take(self) -> bool:
        # A link appears with its content and fails if the name is taken: nobody ever reads half
        # a lock, on network file systems too.
        me = Holder.me()
        draft = self._path.with_name(f".{LOCK}.{me.home()}.{me.pid}")
        try:
            draft.write_text(json.dumps(asdict(me)))
            return _appears(draft, self._path)
        except OSError as error:
            raise unwritten(error, self._path) from error
        finally:
            draft.unlink(missing_ok=True)

    def _remove(self, stale: Holder | None) -> None:
        """Remove a stale lock, and put it back if it changed hands in between."""
        me = Holder.me()
        aside = self._path.with_name(f".{LOCK}.stale-{me.home()}.{me.pid}")
        try:
            self._path.replace(aside)
        except FileNotFoundError:
            return
        found = _read(aside)
        if found != stale and not self._force:
            _appears(aside, self._path)
        aside.unlink()

    def _tidy(self) -> None:
        """Remove what processes left that were killed while they took a lock."""
        home = Holder.me().home()
        for path in self._path.parent.glob(f".{LOCK}.*"):
            whose, _, pid = path.name.removeprefix(f".{LOCK}.").rpartition(".")
            ours = whose.removeprefix("stale-") == home and pid.isdecimal()
            if ours and not _is_alive(int(pid)):
                path.unlink(missing_ok=True)

    def _holder(self) -> Holder | None:
        return _read(self._path)


def _appears(draft: Path, path: Path) -> bool:
    """Give a finished file its second name, and tell whether that was free."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without links
        try:
            with path.open("x") as handle:
                handle.write(draft.read_text())
        except FileExistsError:
            return False
        except OSError:  # a lock that says nothing would be waited for
            path.unlink(missing_ok=True)
            raise
    return True


def _read(path: Path) -> Holder | None:
    try:
        record = json.loads(path.read_text())
        more = (str(record.get(name, "")) for name in ("started", "machine", "pids"))
        return Holder(str(record["host"]), str(record["boot"]), int(record["pid"]), *more)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # no Linux: the process number must do
        return ""


def _machine() -> str:
    """Give what stays through a boot; hashed, for machine-id(5) wants it kept from others."""
    try:
        found = Path("/etc/machine-id").read_bytes().strip()
    except OSError:
        return ""
    return hashlib.sha256(b"medprep " + found).hexdigest() if found else ""


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())  # see pid_namespaces(7)
    except OSError:
        return ""


def _started(pid: int) -> str | None:
    """Tell when a process started; None where nobody says, "ended" of one nobody waited for."""
    try:
        # proc_pid_stat(5): the name in field 2 may hold blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "ended" if fields[0] in "ZX" else fields[19]
    except (OSError, IndexError):
        return None


def _is_alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # os.kill would end the process there
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
