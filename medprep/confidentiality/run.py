"""De-identify a whole tree: plan, work, and give an account of every file and tag."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medprep.confidentiality.audit import write_audit
from medprep.confidentiality.journal import Journal, Line
from medprep.confidentiality.options import Deidentify
from medprep.confidentiality.table import Profile
from medprep.confidentiality.write import STRANGER, FileJob, Written, write_file
from medprep.dicom.blobs import Blob, is_archive, members
from medprep.dicom.headers import patient_of
from medprep.dicom.names import pseudonym
from medprep.dicom.roles import role_of
from medprep.dicom.tags import NoDicomError, read_tags
from medprep.errors import DicomError, NothingDoneError, SourceError, WorkspaceError
from medprep.execute import Failure, choose_jobs, fitting_jobs, map_cases, workers_at
from medprep.files import csv_bytes, walk_folders, write_bytes
from medprep.places.paths import path_of
from medprep.progress import Progress, Silent
from medprep.workspace.idkey import id_key, save_key
from medprep.workspace.lock import LOCK
from medprep.workspace.output import held

_PROCESS_BYTES = 50 << 20
_WORTH_FILES = 500
"""Processes take half a second to start; fewer files are done before that."""


@dataclass
class DeidentifyOutcome:
    """What became of a tree.

    Parameters
    ----------
    written, kept
        Files written now, and those that were there already.
    refused
        Path of a file to why it was not written. Private.
    indexes
        DICOMDIR files, which are not written. Private.
    strangers
        Number of files that are no DICOM.
    """

    written: list[Written] = field(default_factory=list)
    kept: list[Written] = field(default_factory=list)
    refused: dict[str, Failure] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    strangers: int = 0

    @property
    def suspected(self) -> list[Written]:
        """Files whose picture may hold text."""
        return [one for one in (*self.written, *self.kept) if one.suspected]

    @property
    def exit_code(self) -> int:
        """0 where every DICOM file was written, 8 where one was refused."""
        return 8 if self.refused else 0

    def to_dict(self) -> dict[str, Any]:
        """Give it for programs. Holds paths: for the person who owns the tree."""
        return {
            "written": len(self.written),
            "kept": len(self.kept),
            "patients": len({one.pseudonym for one in (*self.written, *self.kept)}),
            "refused": [{"path": path, "why": one.message} for path, one in self.refused.items()],
            "suspected": [{"file": one.name, "why": one.suspected} for one in self.suspected],
            "dicomdir": self.indexes,
            "no_dicom": self.strangers,
            "exit_code": self.exit_code,
        }


def look_at(options: Deidentify, progress: Progress | None = None) -> DeidentifyOutcome:
    """Tell which files would be written, by their headers alone; nothing is.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    """
    shown = progress or Silent()
    found = DeidentifyOutcome()
    key = _key(options)
    shown.start("scan", -1)
    for blob, _ in _blobs(path_of(options.source), found):
        try:
            tags = read_tags(blob).tags
        except NoDicomError:
            found.strangers += 1
        except DicomError as error:
            found.refused[str(blob)] = Failure(error.code, error.message)
        else:
            if role_of(tags) == "DICOMDIR":
                found.indexes.append(str(blob))
            else:
                called = pseudonym(patient_of(tags), key)
                found.written.append(Written("planned", pseudonym=called))
        shown.advance()
    shown.finish()
    return found


def deidentify(
    options: Deidentify,
    *,
    jobs: int = 0,
    overwrite: bool = False,
    case_timeout_s: float | None = None,
    most_bytes: int | None = None,
    cluster: str | None = None,
    progress: Progress | None = None,
) -> DeidentifyOutcome:
    """Write every DICOM file of a tree by the profile.

    Parameters
    ----------
    case_timeout_s
        A file that takes longer is refused.
    most_bytes
        No more files are worked at once than this holds, by estimate.
    cluster
        Work on a Dask cluster: the address of its scheduler, or ``local:N``. The key of pseudonyms
        travels there.

    Raises
    ------
    SourceError
        If there is no such folder or file.
    NothingDoneError
        If it holds no DICOM.
    WorkspaceError
        If the output was written with other options or another key, or by something else.
    """
    shown = progress or Silent()
    outcome = DeidentifyOutcome()
    profile = Profile(frozenset(options.retain), frozenset(options.clean), options.shift_dates)
    key = _key(options)
    found = list(_blobs(path_of(options.source), outcome))
    with held(Path(options.output), options.way_back.parent, below=True):
        journal = _journal(options, overwrite=overwrite)
        todo = _todo(options, profile, key, found, journal, outcome)
        if todo:
            save_key(options.way_back.parent, key)
            journal.begin()
        count = choose_jobs(jobs, len(todo)) if jobs or len(todo) > _WORTH_FILES else 1
        each = _PROCESS_BYTES + 3 * max((job.blob.size for job in todo), default=0)
        output = Path(options.output)
        with workers_at(cluster, shown, written=output, read=[options.source]) as workers:
            going = map_cases(
                write_file, todo, jobs=fitting_jobs(count, each, most_bytes),
                limit_s=case_timeout_s, cluster=workers,
                at_once=fitting_jobs(len(todo), each, most_bytes),
            )  # fmt: skip
            _tell(going, len(todo), journal, outcome, shown)
        if not (outcome.written or outcome.kept or outcome.refused):
            raise NothingDoneError(f"no DICOM among {len(found)} files of {options.source}")
        _write_accounts(options, profile, journal, outcome)
    return outcome


def _todo(
    options: Deidentify,
    profile: Profile,
    key: bytes,
    found: Iterable[tuple[Blob, str]],
    journal: Journal,
    outcome: DeidentifyOutcome,
) -> list[FileJob]:
    """Tell what is to be written from what is there."""
    output = Path(options.output)
    todo = []
    for blob, inside in found:
        line = journal.lines.get(inside)
        if line is not None and _is_there(line, blob, output):
            outcome.kept.append(line.written)
        else:
            todo.append(FileJob(blob, inside, str(output), profile, key))
    return todo


def _key(options: Deidentify) -> bytes:
    given = None if options.id_key is None else Path(options.id_key)
    return id_key(options.way_back.parent, given)


def _journal(options: Deidentify, *, overwrite: bool) -> Journal:
    path = options.way_back.with_suffix(".jsonl")
    output = Path(options.output)
    if overwrite:  # what came from a file that is gone must not stay as it was
        for name in Journal.names_in(path):
            if ".." not in Path(name).parts and not Path(name).is_absolute():
                (output / name).unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    others = [one for one in output.iterdir() if one.name != LOCK]
    if others and not path.exists() and not overwrite:
        raise WorkspaceError(
            f"the output holds files that {path.name} does not know; give the --key-file they were "
            "written with, an empty --output, or --overwrite",
            path=output,
        )
    return Journal(path, options.facts())


def _is_there(line: Line, blob: Blob, output: Path) -> bool:
    same = (line.size, line.mtime_ns) == (blob.size, blob.mtime_ns)
    return same and (output / line.written.name).is_file()


def _blobs(root: Path, outcome: DeidentifyOutcome) -> Iterator[tuple[Blob, str]]:
    """Yield every file, also in zip archives, with its path below the root."""
    if not root.exists():
        raise SourceError("no such folder or file", path=root)

    def refuse(error: OSError) -> None:
        outcome.refused[str(error.filename)] = Failure(
            "source", f"folder cannot be read: {error.strerror}"
        )

    if root.is_file():
        folders: Iterator[tuple[Path, list[Path]]] = iter([(root.parent, [root])])
        base = root.parent
    else:
        folders, base = walk_folders(root, refuse), root
    for _, files in folders:
        for path in files:
            inside = str(path.relative_to(base))
            try:
                if is_archive(path):
                    for blob in members(path):
                        yield blob, f"{inside}!{blob.member}"
                else:
                    yield Blob.of(path), inside
            except DicomError as error:
                outcome.refused[str(path)] = Failure(error.code, error.message)


def _tell(
    going: Iterable[tuple[FileJob, Written | Failure]],
    total: int,
    journal: Journal,
    outcome: DeidentifyOutcome,
    shown: Progress,
) -> None:
    shown.start("deidentify", total)
    for job, done in going:
        if isinstance(done, Failure):
            outcome.refused[str(job.blob)] = done
        elif done.role == STRANGER:
            outcome.strangers += 1
        elif done.role == "written":
            journal.add(Line(job.inside, job.blob.size, job.blob.mtime_ns, done))
            outcome.written.append(done)
        else:
            outcome.indexes.append(str(job.blob))
        shown.advance(1)
    shown.finish()
    outcome.written.sort(key=lambda one: one.name)


def _write_accounts(
    options: Deidentify, profile: Profile, journal: Journal, outcome: DeidentifyOutcome
) -> None:
    """Write what may be told beside the DICOM, and the way back where nobody else reads it."""
    everything = [line.written for line in journal.lines.values()]
    write_audit(Path(options.output), everything, options.facts(), profile)
    journal.write_way_back(options.way_back)
    rows = [
        # A name that is no text on this disk is still a name.
        (path.encode(errors="backslashreplace").decode(), one.code, one.message)
        for path, one in sorted(outcome.refused.items())
    ]
    target = options.way_back.with_name(options.way_back.stem + "-refused.csv")
    content = csv_bytes(("path", "code", "why"), rows)
    write_bytes(target, content, mode=0o600)
