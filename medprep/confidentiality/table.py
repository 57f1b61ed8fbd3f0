"""What the profile says of each attribute: PS3.15 Table E.1-1, read from ``table-e1-1.csv``.

The basic column is that of edition 2026c; the columns of the options are those of edition 2024d,
and rows that came later have none, so an option retains nothing of them.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

EDITION = "2026c"
Retain = Literal["uids", "dates", "device", "patient"]
Clean = Literal["descriptors"]
Action = Literal["X", "Z", "D", "U", "K", "C"]
"""Remove, empty, replace by a dummy, replace the UID, keep, clean (PS3.15 Table E.1-1a)."""
_SETTLED: dict[str, Action] = {
    "X": "X", "Z": "Z", "D": "D", "U": "U",
    "X/Z": "Z", "X/D": "D", "Z/D": "D", "X/Z/D": "D", "X/Z/U*": "U",
}  # fmt: skip
"""Where the action depends on the kind of object, the one that is valid in every kind."""
_CURVES, _OVERLAYS = 0x5000, 0x6000


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute: its action without options, and with each."""

    basic: Action
    uids: str
    device: str
    patient: str
    dates: str
    descriptors: str


@dataclass(frozen=True, slots=True)
class Decision:
    """An action and the option or rule it follows from."""

    action: Action
    why: str


@dataclass(frozen=True)
class Profile:
    """The basic profile with its options.

    Parameters
    ----------
    retain, clean, shift_dates
        As in `options.Deidentify`.
    """

    retain: frozenset[str] = frozenset()
    clean: frozenset[str] = frozenset()
    shift_dates: bool = False

    def decide(self, tag: int) -> Decision | None:
        """Give the action for an attribute; None where the table does not name it."""
        group = tag >> 16
        if group % 2:
            return Decision("X", "private")
        if group & 0xFF00 in (_CURVES, _OVERLAYS):
            return Decision("X", "basic profile")
        row = rows().get(tag)
        return None if row is None else self._of(row)

    def _of(self, row: Row) -> Decision:
        if row.dates and self.shift_dates:
            return Decision("C", "shift dates")
        for option in ("dates", "uids", "patient", "device"):
            said = getattr(row, option)
            if said and option in self.retain:
                return Decision(said, f"retain {option}")
        if row.descriptors and "descriptors" in self.clean:
            return Decision("C", "clean descriptors")
        return Decision(row.basic, "basic profile")

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """What was done, as codes of CID 7050 (PS3.16) with their meanings."""
        found = [("113100", "Basic Application Confidentiality Profile")]
        if "descriptors" in self.clean:
            found.append(("113105", "Clean Descriptors Option"))
        if "dates" in self.retain:
            found.append(("113106", "Retain Longitudinal Temporal Information Full Dates Option"))
        if self.shift_dates:
            found.append(
                ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
            )
        if "patient" in self.retain:
            found.append(("113108", "Retain Patient Characteristics Option"))
        if "device" in self.retain:
            found.append(("113109", "Retain Device Identity Option"))
        if "uids" in self.retain:
            found.append(("113110", "Retain UIDs Option"))
        return tuple(found)

    @property
    def dates_are(self) -> str:
        """Give the value of LongitudinalTemporalInformationModified (PS3.3 C.12.1.1.7)."""
        if self.shift_dates:
            return "MODIFIED"
        return "UNMODIFIED" if "dates" in self.retain else "REMOVED"


@lru_cache(maxsize=1)
def rows() -> dict[int, Row]:
    """Give the table by tag."""
    text = files("medprep.confidentiality").joinpath("table-e1-1.csv").read_text("ascii")
    found = {}
    for record in csv.DictReader(text.splitlines()):
        tag, basic = int(record.pop("tag"), 16), _SETTLED[record.pop("basic")]
        found[tag] = Row(basic, **record)
    return found
