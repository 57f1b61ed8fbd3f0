"""Dates and times of DICOM (PS3.5 6.2): whether they are one, and moved by whole days."""

from __future__ import annotations

import re
from datetime import date, timedelta

_TIME = r"([01]\d|2[0-3])([0-5]\d([0-5]\d|60)?)?"
_FORMS = {
    "DA": re.compile(r"(?P<day>\d{4}\.?(0[1-9]|1[0-2])\.?(0[1-9]|[12]\d|3[01]))", re.ASCII),
    "TM": re.compile(r"([01]\d|2[0-3]):?([0-5]\d(:?([0-5]\d|60)(\.\d{1,6})?)?)?", re.ASCII),
    "DT": re.compile(
        r"(?P<day>\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01]))"
        rf"(?P<rest>({_TIME}(\.\d{{1,6}})?)?([+-]\d{{4}})?)",
        re.ASCII,
    ),
}
"""DT with a day at least: less cannot be moved."""


def is_moment(value: str, vr: str) -> bool:
    """Tell whether a value is a whole date (DA), time (TM) or both (DT)."""
    return _FORMS[vr].fullmatch(value) is not None


def earlier(value: str, vr: str, days: int) -> str:
    """Move a date or date and time into the past; a time stays as it is.

    Returns
    -------
    str
        Empty where the value is no date, or would come before the year 1.
    """
    found = _FORMS[vr].fullmatch(value)
    if found is None:
        return ""
    if vr == "TM":
        return value
    digits = found["day"].replace(".", "")
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:])) - timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{day.year:04d}{day.month:02d}{day.day:02d}" + (found["rest"] if vr == "DT" else "")
