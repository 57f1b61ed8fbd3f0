"""What replaces an identity: the same for the same key, and telling nothing without it.

All of it is HMAC-SHA256 (FIPS 198-1) under the key of the pseudonyms, each kind under a name of
its own, so that one says nothing about another.
"""

from __future__ import annotations

import hashlib
import hmac
import uuid
from functools import lru_cache

FARTHEST_DAYS = 3650
_UUID = 16


@lru_cache(maxsize=65536)
def replaced_uid(uid: str, key: bytes) -> str:
    """Give the UID that stands for another: ``2.25.`` and a UUID (PS3.5 B.2) of version 8."""
    content = bytearray(_mac("uid", uid, key)[:_UUID])
    content[6] = content[6] & 0x0F | 0x80  # RFC 9562: version 8, made from what one likes
    content[8] = content[8] & 0x3F | 0x80
    return f"2.25.{uuid.UUID(bytes=bytes(content)).int}"


def days_earlier(patient: str, key: bytes) -> int:
    """Give the days by which a patient's dates move into the past, 1 to `FARTHEST_DAYS`."""
    return int.from_bytes(_mac("days", patient, key)) % FARTHEST_DAYS + 1


def file_name(text: str, key: bytes, digits: int) -> str:
    """Give a name for a file or folder from one that may not be told."""
    return _mac("file", text, key).hex()[:digits]


def _mac(kind: str, text: str, key: bytes) -> bytes:
    content = f"medprep {kind}\0{text}".encode(errors="surrogateescape")
    return hmac.new(key, content, hashlib.sha256).digest()
