"""The key of the patients' pseudonyms: private, and the same for the life of a folder."""

from __future__ import annotations

import secrets
from functools import lru_cache
from pathlib import Path

from medprep.errors import OptionError, WorkspaceError
from medprep.files import write_bytes
from medprep.room import unwritten

_NAME = "id-key"
_BYTES = 32


def id_key(private: Path, given: Path | None = None) -> bytes:
    """Give the key: of the file that is given, else of the private folder, else a new one.

    A new key is the same until the process ends and is kept by `save_key`.

    Raises
    ------
    OptionError
        If the given file cannot be read or is too short to be a key.
    WorkspaceError
        If the folder's own key is damaged.
    """
    if given is not None:
        try:
            key = given.read_bytes().strip()
        except OSError as error:
            raise OptionError(f"--id-key cannot be read: {error.strerror}", path=given) from error
        if len(key) < _BYTES // 2:
            raise OptionError(
                f"--id-key holds {len(key)} bytes; wanted is a file of at least {_BYTES // 2} "
                "random ones",
                path=given,
            )
        return key
    try:
        key = (private / _NAME).read_bytes().strip()
    except (FileNotFoundError, NotADirectoryError):
        return _new(private.absolute())
    except OSError as error:
        raise WorkspaceError(
            f"the key of the pseudonyms cannot be read: {error.strerror}", path=private / _NAME
        ) from error
    if len(key) < _BYTES // 2:
        raise WorkspaceError(
            "the key of the pseudonyms is damaged; restore it from a copy, or use another folder",
            path=private / _NAME,
        )
    return key


@lru_cache
def _new(private: Path) -> bytes:
    return secrets.token_hex(_BYTES).encode()


def save_key(private: Path, key: bytes) -> None:
    """Keep a key where only its owner may read it.

    Raises
    ------
    WorkspaceError
        If the folder has another one: its patients would go by two names.
    WriteError
        If it cannot be written.
    """
    path = private / _NAME
    if not path.exists():
        try:
            private.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise unwritten(error, private) from error
        write_bytes(path, key + b"\n", mode=0o600)
    elif id_key(private) != key:
        raise WorkspaceError(
            "the names here were made under another key; give that one, or another folder",
            path=path,
        )
