"""A workspace that is open for work, or for looking."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from medprep.errors import WorkspaceError, WriteError
from medprep.workspace.currency import Currency, fold_key
from medprep.workspace.database import Artifact, Database
from medprep.workspace.elsewhere import known_place, settle_place
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import Ledger
from medprep.workspace.lock import Lock
from medprep.workspace.tidying import tidy

__all__ = ["Workspace", "fold_key"]


class Workspace:
    """Open a workspace for the length of a ``with`` block.

    Parameters
    ----------
    root
        Its folder; made with everything it needs unless ``readonly``.
    readonly
        Look only: takes no lock and writes nothing.
    wait_s, break_lock
        As `medprep.workspace.lock.Lock` has them.
    artifacts
        URL where files of single cases shall lie; None: where they lie already, else in ``root``.

    Raises
    ------
    WorkspaceError
        If it cannot be used; its children say whether it is locked or of a newer version.
    """

    def __init__(
        self,
        root: Path,
        *,
        readonly: bool = False,
        wait_s: float = 0,
        break_lock: bool = False,
        artifacts: str | None = None,
    ) -> None:
        self.layout = Layout(root)
        self._wanted = artifacts
        self._readonly = readonly
        self._lock = Lock(root, wait_s=wait_s, force=break_lock)
        self._open = ExitStack()
        self._judged: tuple[int, Currency | None] = (0, None)

    def __enter__(self) -> Self:
        root = self.layout.root
        if self._readonly:
            if not self.layout.database.is_file():
                raise WorkspaceError("no workspace here; make one: medprep split SOURCE", path=root)
        else:
            _make_folder(root)
            self._open.enter_context(self._lock)
        try:
            if not self._readonly:
                self._make_private()
            self.database = Database(self.layout.database, readonly=self._readonly)
            self._open.callback(self.database.close)
            self.layout = Layout(root, self._place())
            if not self._readonly:
                self._tidy()
        except BaseException:
            self._open.close()
            raise
        return self

    def _place(self) -> Path | None:
        if self._readonly:
            return known_place(self.database)
        return settle_place(self.database, self._wanted, self.layout.root)

    def _make_private(self) -> None:
        private = self.layout.private
        try:
            private.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise WriteError(f"private/ cannot be made ({error.strerror})", path=private) from error

    def _tidy(self) -> None:
        tidy(self.layout, self.database.in_hand())
        self.database.tidied()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._open:
            # After an error or a stop, who comes next does it: it may take longer than one waits.
            if kind is None and not self._readonly and self.database.in_hand():
                self._tidy()

    @cached_property
    def ledger(self) -> Ledger:
        """Where the source's files are.

        Raises
        ------
        WorkspaceError
            If nothing was split yet.
        """
        ledger = Ledger(self.layout.private, str(self.require_split()["ledger"]))
        self._open.callback(ledger.close)
        return ledger

    def require_split(self) -> dict[str, object]:
        """Give what is known of the data set.

        Raises
        ------
        WorkspaceError
            If nothing was split yet.
        """
        meta = self.database.meta()
        if "preset" not in meta:
            raise WorkspaceError(
                "this workspace is empty; begin with: medprep split SOURCE", path=self.layout.root
            )
        return meta

    def current(self, stage: str) -> dict[str, Artifact]:
        """Give what a stage made and what is still true: every input has the key it had then."""
        return self.currency.artifacts(stage)

    @property
    def currency(self) -> Currency:
        """Judge what is still true, from the records as they are now."""
        changes, known = self._judged
        if known is None or changes != self.database.changes:
            known = Currency(self.database)
            self._judged = (self.database.changes, known)
        return known


def _make_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".medprep-probe"
        probe.touch()
        probe.unlink(missing_ok=True)  # who starts at the same moment may have taken it away
    except OSError as error:
        raise WriteError(
            f"the workspace cannot be written ({error.strerror}); choose another by --workspace",
            path=root,
        ) from error
