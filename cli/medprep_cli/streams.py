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
    own = sys.__stderr__
    if own is None or sys.stderr is not own:
        return
    raw = _Unheard(own.fileno(), "w", closefd=False)
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(raw), own.encoding, "backslashreplace", line_buffering=True
    )
