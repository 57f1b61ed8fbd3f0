"""Standard streams whose reader may go before the work is done, as in ``medprep ... | head``."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


class _Unheard(io.FileIO):
    """Loses what cannot be written."""

    def write(self, content: Buffer) -> int:
        try:
            return super().write(content)
        except OSError:
            return memoryview(content).nbytes


def let_go_of_stderr() -> None:
    """Let what is told on standard error be lost where it cannot be written: the work goes on."""
    if sys.stderr is None or sys.stderr is not sys.__stderr__:
        return
    raw = _Unheard(sys.stderr.fileno(), "w", closefd=False)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(raw), sys.stderr.encoding, "backslashreplace", line_buffering=True
    )
