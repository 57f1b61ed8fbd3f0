"""Data sets elsewhere than in a folder."""

from __future__ import annotations

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
