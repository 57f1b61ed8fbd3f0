"""The place behind a URL where a workspace's files of single cases lie, if it has one.

It belongs to one workspace: an object there names it, so that two never write over each other. A
copy of a workspace bears the same name; so every opening agrees upon a new word with that object,
which a copy that was made before does not know.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from medprep.errors import MedprepError, WorkspaceError
from medprep.files import json_bytes
from medprep.places.paths import FarPath, as_path, path_of, shown
from medprep.places.seen import listing
from medprep.workspace.database import Database

MARK = "medprep-workspace.json"
"""Names the workspace that writes there."""
META = "artifacts"
"""Under which name the place is recorded."""
_STAGES = ("fingerprint", "convert", "extract", "clean", "check", "augment", "predict")


def known_place(database: Database) -> Path | None:
    """Give the place that a workspace has; None: its own folder."""
    found = database.meta().get(META)
    return None if found is None else path_of(found["url"])


def settle_place(database: Database, wanted: str | None, root: Path) -> Path | None:
    """Give the same, once it is seen that it can be written; a new one is recorded.

    Parameters
    ----------
    wanted
        What the user asks for; None takes what is recorded.
    root
        The workspace's folder, for errors.

    Raises
    ------
    OptionError
        If it is no place that can be written.
    WorkspaceError
        If the workspace has another place, or the place another workspace, or one of which this is
        a copy worked there since.
    AccessError
        If nobody gets in there, or there is no such bucket.
    """
    from medprep.places.sending import require_writable

    found = database.meta().get(META)
    text = wanted or (found and found["url"])
    if not text:
        return None
    place = require_writable(path_of(text), text)
    if found is None:
        if any(next(database.each(_ANY, stage), None) for stage in _STAGES):
            raise WorkspaceError(
                "what was made of its cases lies in this folder, so --artifacts comes too late; "
                "begin another workspace there: --workspace DIR",
                path=root,
            )
        found = {"url": str(place), "workspace": secrets.token_hex(16)}
        # First here: a place that is claimed by nobody who knows of it would be lost.
        database.put_meta(META, found)
        try:
            _agree(place, found, database)
        except MedprepError:
            database.put_meta(META, None)
            raise
    elif found["url"] != str(place):
        raise WorkspaceError(
            f"what was made of its cases lies at {found['url']}, and cannot lie at {place} too; "
            "leave --artifacts out, or begin another workspace there: --workspace DIR",
            path=root,
        )
    else:
        _agree(place, found, database)
    return as_path(place)


_ANY = "SELECT 1 FROM artifacts WHERE stage = ? LIMIT 1"


def _agree(place: FarPath, known: dict[str, str], database: Database) -> None:
    """See that a place is empty or ours, and agree with it upon another word for the next time.

    The database keeps the word before, too: a kill between the two writes shuts nobody out.
    """
    from medprep.places.sending import write

    before = _word(place, known)
    word = secrets.token_hex(16)
    database.put_meta(META, {**known, "word": word, "before": before})
    write(place / MARK, json_bytes({"workspace": known["workspace"], "word": word}))


def _word(place: FarPath, known: dict[str, str]) -> str:
    """Give the word that a place knows; none where nothing lies, or from earlier versions."""
    try:
        found = listing(place)
    except FileNotFoundError:
        found = []
    mark = place / MARK
    if mark not in found:
        if not found:
            return ""
        raise WorkspaceError(
            f"{shown(str(place))} holds {found[0].name} and no {MARK}; wanted is a place where "
            "nothing lies yet"
        )
    record = _record(mark)
    if record.get("workspace") != known["workspace"]:
        raise WorkspaceError(f"{shown(str(place))} is of another workspace; give another URL")
    word = str(record.get("word", ""))
    if word not in (known.get("word", ""), known.get("before", "")):
        raise WorkspaceError(
            f"since this folder was copied, or restored from a copy, another copy of it has worked "
            f"at {shown(str(place))}: work in that one, or begin another workspace at another URL; "
            "or if no other is left, remove all that lies there, and the same command makes it "
            "again"
        )
    return word


def _record(mark: FarPath) -> dict[str, object]:
    try:
        return dict(json.loads(mark.read_text()))
    except (ValueError, TypeError):
        return {}
