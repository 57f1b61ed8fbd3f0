"""What a person sees while it works, all on standard error."""

from __future__ import annotations

import sys
from typing import Any

import click


class Terminal:
    """Progress bars on a terminal, plain lines elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None

    def start(self, what: str, total: int) -> None:
        """Open a bar; none where there is nothing to do or nobody looks on."""
        if not total or not sys.stderr.isatty():
            return
        from tqdm import tqdm

        self._bar = tqdm(
            total=max(total, 0) or None, desc=what, leave=False, file=sys.stderr, dynamic_ncols=True
        )

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(steps)

    def finish(self) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def say(self, message: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        click.echo(message, err=True)
