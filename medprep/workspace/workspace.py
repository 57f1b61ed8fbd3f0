"""A workspace that is open for work, or for looking."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Self

from medprep.errors import WorkspaceError, WriteError
from medprep.files import remove_parts
from medprep.workspace.database import Artifact, CaseRow, Database, Input
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import Ledger
from medprep.workspace.lock import Lock

_ARTIFACT_FOLDERS = (
    "images", "labels", "cleaned", "fingerprints", "check", "slices", "augmented", "models",
    "predictions", "metrics", "shards", "private",
)  # fmt: skip


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

    Raises
    ------
    WorkspaceError
        If it cannot be used; its children say whether it is locked or of a newer version.
    """

    def __init__(
        self, root: Path, *, readonly: bool = False, wait_s: float = 0, break_lock: bool = False
    ) -> None:
        self.layout = Layout(root)
        self._readonly = readonly
        self._lock = Lock(root, wait_s=wait_s, force=break_lock)
        self._open = ExitStack()

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
                self._tidy()
            self.database = Database(self.layout.database, readonly=self._readonly)
        except BaseException:
            self._open.close()
            raise
        self._open.callback(self.database.close)
        return self

    def _tidy(self) -> None:
        """Make the private folder, and remove what a killed process left unfinished."""
        private = self.layout.private
        try:
            private.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise WriteError(f"private/ cannot be made ({error.strerror})", path=private) from error
        remove_parts(self.layout.root, below=False)  # the root may be a folder with other things
        for name in _ARTIFACT_FOLDERS:
            remove_parts(self.layout.root / name)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

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
        return Currency(self.database).artifacts(stage)


class Currency:
    """Judge which artifacts are up to date, from recorded keys alone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cases: dict[str, CaseRow] = {case.name: case for case in database.cases()}
        self._known: dict[str, dict[str, Artifact]] = {}

    def artifacts(self, stage: str) -> dict[str, Artifact]:
        """Give a stage's artifacts whose inputs are unchanged, and theirs, down to the source."""
        if stage not in self._known:
            recorded = self._database.artifacts(stage)
            self._known[stage] = {
                subject: artifact
                for subject, artifact in recorded.items()
                if all(self.key(one) == one.key for one in artifact.inputs)
            }
        return self._known[stage]

    def key(self, one: Input) -> str | None:
        """Give the key that an input has now, or None if it is no more."""
        if one.stage == "source":
            name, _, role = one.subject.rpartition("/")
            case = self._cases.get(name)
            if case is None:
                return None
            return {"picture": case.picture_key, "mask": case.mask_key, "fold": fold_key(case)}[
                role
            ]
        artifact = self.artifacts(one.stage).get(one.subject)
        return None if artifact is None else artifact.key


def fold_key(case: CaseRow) -> str:
    """Give what changes when a case moves to another fold."""
    if case.roles:
        return f"{case.fold}/{case.roles}"
    return case.fold if case.part is None else f"{case.fold}/{case.part}"


def _make_folder(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe = root / ".medprep-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise WriteError(
            f"the workspace cannot be written ({error.strerror}); choose another by --workspace",
            path=root,
        ) from error
