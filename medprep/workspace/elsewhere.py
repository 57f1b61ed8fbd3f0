"""The place behind a URL where a workspace's files of single cases lie, if it has one.

It belongs to one workspace: an object there names it, so that two never write over each other.
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
        If the workspace has another place, or the place another workspace.
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
            _claim(place, found["workspace"])
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
        _claim(place, found["workspace"])
    return as_path(place)


_ANY = "SELECT 1 FROM artifacts WHERE stage = ? LIMIT 1"


def _claim(place: FarPath, workspace: str) -> None:
    """See that a place is empty or ours, and say there whose it is."""
    from medprep.places.sending import write

    try:
        found = listing(place)
    except FileNotFoundError:
        found = []
    mark = place / MARK
    if mark in found:
        if _workspace(mark) == workspace:
            return
        raise WorkspaceError(f"{shown(str(place))} is of another workspace; give another URL")
    if found:
        raise WorkspaceError(
            f"{shown(str(place))} holds {found[0].name} and no {MARK}; wanted is a place where "
            "nothing lies yet"
        )
    write(mark, json_bytes({"workspace": workspace}))


def _workspace(mark: FarPath) -> str:
    try:
        return str(json.loads(mark.read_text())["workspace"])
    except (ValueError, KeyError, TypeError):
        return ""
