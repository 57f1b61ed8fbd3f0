"""Data sets elsewhere than in a folder."""

from __future__ import annotations

import tarfile
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BUCKET = "hospital"


@dataclass
class Server:
    """An S3 server, and what was asked of it since `forget`."""

    url: str
    client: Any
    requests: Counter[str] = field(default_factory=Counter)
    bytes_sent: list[int] = field(default_factory=list)

    def forget(self) -> None:
        self.requests.clear()
        self.bytes_sent.clear()

    def put(self, folder: Path, prefix: str) -> str:
        """Upload a folder and give its URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                key = f"{prefix}/{path.relative_to(folder).as_posix()}"
                self.client.put_object(Bucket=BUCKET, Key=key, Body=path.read_bytes())
        return f"s3://{BUCKET}/{prefix}"


def pack(folder: Path, path: Path, *, stored: bool = False) -> Path:
    """Pack a folder as the archive's name says, and give its path."""
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    if path.suffix == ".zip":
        with zipfile.ZipFile(
            path, "w", zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
        ) as out:
            for one in files:
                out.write(one, one.relative_to(folder).as_posix())
    else:
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as packed:
            for one in files:
                packed.add(one, one.relative_to(folder).as_posix())
    return path


def to_memory(folder: Path, prefix: str) -> str:
    """Put a folder into this process's memory and give its URL."""
    fsspec = pytest.importorskip("fsspec")
    store = fsspec.filesystem("memory")
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            store.pipe_file(f"/{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())
    return f"memory://{prefix}"


def forget_stores() -> None:
    """Let the next question build its store anew, from the environment as it is then."""
    from medprep.places import seen

    seen._store.cache_clear()
    pytest.importorskip("s3fs").S3FileSystem.clear_instance_cache()
