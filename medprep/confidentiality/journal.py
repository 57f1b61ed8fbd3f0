"""What was written from which file: the private side, with which a stopped run goes on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medprep.confidentiality.identity import Identity
from medprep.confidentiality.write import Written
from medprep.errors import WorkspaceError
from medprep.files import digest, write_bytes
from medprep.room import unwritten

_COLUMNS = (
    "output", "pseudonym", "days_earlier", "patient_id", "patient_name", "study_uid", "series_uid",
    "instance_uid", "source",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Line:
    """A file that was written, and the file it came from as it was then."""

    inside: str
    size: int
    mtime_ns: int
    written: Written


class Journal:
    """Lines of JSON, added to as files are done, mode 0600.

    Parameters
    ----------
    path
        The file.
    facts
        The options that decide what is written.

    Raises
    ------
    WorkspaceError
        If it was written with other options, or is none.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any]) -> None:
        self._path = path
        self._facts = dict(facts)
        self._accounts: dict[str, list[Any]] = {}
        self.lines: dict[str, Line] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        try:
            first, *rest = self._path.read_text("utf-8").splitlines()
            if json.loads(first) != {"options": self._facts}:
                raise WorkspaceError(
                    "the output was written with other options; give those, another --output, or "
                    "--overwrite",
                    path=self._path,
                )
        except (OSError, UnicodeDecodeError, ValueError) as error:
            if isinstance(error, WorkspaceError):
                raise
            raise WorkspaceError(
                "the journal of what was written is damaged; give --overwrite", path=self._path
            ) from error
        for text in rest:
            try:
                self._take(json.loads(text))
            except (ValueError, KeyError, TypeError):
                continue  # cut off by a kill: that file is written once more

    def _take(self, record: dict[str, Any]) -> None:
        if "account" in record:
            self._accounts[record["digest"]] = record["account"]
            return
        account = tuple(tuple(row) for row in self._accounts[record["digest"]])
        identity = Identity(**record["identity"])
        written = Written(
            "written", record["name"], record["pseudonym"], record["days"], identity, account,
            tuple(record["suspected"]),
        )  # fmt: skip
        self.lines[record["inside"]] = Line(
            record["inside"], record["size"], record["mtime_ns"], written
        )

    @staticmethod
    def names_in(path: Path) -> list[str]:
        """Give the files that a journal knows, whatever options it was written with."""
        names = []
        for text in path.read_text("utf-8", "replace").splitlines() if path.exists() else ():
            try:
                names.append(str(json.loads(text)["name"]))
            except (ValueError, KeyError, TypeError):
                continue
        return names

    def begin(self) -> None:
        """Start the file anew with what it held."""
        write_bytes(self._path, "".join(self._texts()).encode(), mode=0o600)

    def add(self, line: Line) -> None:
        """Add a file that is done."""
        self.lines[line.inside] = line
        content = "".join(self._texts_of(line, self._accounts)).encode()
        try:
            with self._path.open("ab") as handle:
                handle.write(content)
        except OSError as error:
            raise unwritten(error, self._path, len(content)) from error

    def _texts(self) -> list[str]:
        texts = [json.dumps({"options": self._facts}) + "\n"]
        known: dict[str, list[Any]] = {}
        for _, line in sorted(self.lines.items()):
            texts += self._texts_of(line, known)
        self._accounts = known
        return texts

    @staticmethod
    def _texts_of(line: Line, known: dict[str, list[Any]]) -> list[str]:
        written = line.written
        account = [list(row) for row in written.account]
        named = digest(account)[:16]
        texts = []
        if named not in known:
            known[named] = account
            texts.append(json.dumps({"digest": named, "account": account}) + "\n")
        record = {
            "inside": line.inside, "size": line.size, "mtime_ns": line.mtime_ns,
            "name": written.name, "pseudonym": written.pseudonym, "days": written.days,
            "identity": asdict(written.identity) if written.identity else {},
            "digest": named, "suspected": list(written.suspected),
        }  # fmt: skip
        return [*texts, json.dumps(record) + "\n"]

    def write_way_back(self, path: Path) -> None:
        """Write the table that leads back to the patients."""
        text = io.StringIO()
        # All in quotes: Python below 3.13 writes a carriage return bare, which ends a row.
        table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
        table.writerow(_COLUMNS)
        for _, line in sorted(self.lines.items()):
            one, who = line.written, line.written.identity
            if who is not None:
                table.writerow(
                    [
                        one.name, one.pseudonym, one.days, who.patient_id, who.patient_name,
                        who.study, who.series, who.instance, line.inside,
                    ]
                )  # fmt: skip
        write_bytes(path, text.getvalue().encode(errors="surrogateescape"), mode=0o600)
