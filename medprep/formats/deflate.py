"""Deflate (RFC 1950 to 1952) by ISA-L, so that the bytes follow from the content alone.

ISA-L 2.32 at levels 1 and 2 files the third byte of a stream under a hash of where its own state
lies in memory (``igzip_icf_body_h1_gr_bt.asm``, ``write_first_byte``). Where that hash is also one
of the stream's first bytes, other matches are found: about one stream in 3,000 gets other bytes,
never another content, in another process. What follows on earlier bytes takes another way, and a
few bytes alone do too: hence the first `HEAD` bytes of a stream are packed by themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

HEAD = 16
"""So many bytes are packed first and flushed. They cost 11 bytes."""
_LEVEL = 1
_GZIP_LEVEL = 2
_THREADS = 2
"""Always two, whatever the machine has: the bytes follow from it."""
_BLOCK = 1 << 20


def packed(content: bytes | memoryview) -> bytes:
    """Pack bytes as one zlib stream.

    Parameters
    ----------
    content
        Any number of bytes; none give a stream of none.
    """
    from isal import isal_zlib

    view = memoryview(content)
    packer = isal_zlib.compressobj(_LEVEL)
    return b"".join(
        (
            packer.compress(view[:HEAD]),
            packer.flush(isal_zlib.Z_SYNC_FLUSH),
            packer.compress(view[HEAD:]),
            packer.flush(),
        )
    )


def gzip_opened(path: Path) -> BinaryIO:
    """Open a gzip file (time 0) that is packed by threads, to be written; `begin` comes first."""
    from isal import igzip_threaded

    return igzip_threaded.open(  # type: ignore[no-any-return]
        path, "wb", compresslevel=_GZIP_LEVEL, threads=_THREADS, block_size=_BLOCK
    )


def begin(file: BinaryIO, content: bytes) -> None:
    """Write what a file begins with."""
    file.write(content[:HEAD])
    file.flush()
    file.write(content[HEAD:])
