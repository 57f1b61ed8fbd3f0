"""How long work tells whoever waits for it; the library itself prints nothing."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Something that shows how far work has come."""

    def start(self, what: str, total: int) -> None:
        """Begin a piece of work of ``total`` steps; -1: nobody knows how many."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Tell that some steps are done; ``note`` says how it stands (a loss, a Dice)."""

    def finish(self) -> None:
        """End the piece of work."""

    def say(self, message: str) -> None:
        """Tell something a person should know, in one line."""


class Silent:
    """Shows nothing."""

    def start(self, what: str, total: int) -> None:
        """Show nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Show nothing."""

    def finish(self) -> None:
        """Show nothing."""

    def say(self, message: str) -> None:
        """Show nothing."""
