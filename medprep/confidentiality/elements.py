"""Single values: what they say, whether they have their form, what stands in for them."""

from __future__ import annotations

import re
from typing import Any

from medprep.confidentiality.dates import is_moment

MOMENTS = frozenset(("DA", "TM", "DT"))
FREE_TEXT = frozenset(("LO", "LT", "SH", "ST", "UC", "UT"))
WHOLE_TEXT = frozenset(("LT", "ST", "UT", "UR"))
"""In these a backslash parts no values."""
NUMBERS = frozenset(("DS", "IS"))
TEXT = FREE_TEXT | NUMBERS | MOMENTS | {"AE", "AS", "CS", "PN", "UI", "UR"}
NUMERIC = frozenset(
    ("AT", "FD", "FL", "OD", "OF", "OL", "OV", "OW", "SL", "SS", "SV", "UL", "US", "UV")
)
LONGEST = {"SH": 16, "LO": 64}
_ZERO = frozenset(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"))
_FORMS = {
    "AS": re.compile(r"\d{3}[DWMY]", re.ASCII),
    "CS": re.compile(r"(?!.*\d{4})[A-Z0-9 _]{1,16}|ISO_\d{5}(_\d)?", re.ASCII),  # no date
    "DS": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII),
    "IS": re.compile(r"[+-]?\d{1,12}", re.ASCII),
    "UI": re.compile(r"\d[\d.]{0,63}", re.ASCII),
}
_DUMMIES: dict[str, Any] = {
    "AS": "000Y", "CS": "REMOVED", "DA": "19000101", "DS": "0", "DT": "19000101000000",
    "IS": "0", "TM": "000000", "UR": "http://removed.invalid",
}  # fmt: skip
_DUMMY_TEXT = "removed"
_DUMMY_BYTES = b"\0\0"


def vr_of(element: Any) -> str:
    """Give how a value is written, by the dictionary where the file does not say; UN if unknown."""
    from pydicom.datadict import dictionary_VR

    stated = str(element.VR or "UN")
    if stated != "UN":
        return stated
    try:
        return str(dictionary_VR(element.tag))
    except KeyError:
        return "UN"


def texts_of(element: Any, vr: str) -> list[str]:
    """Give the values of a text element, unparsed, without padding; none where it is empty."""
    value = element.value
    if value is None:
        return []
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        several = [value] if vr in WHOLE_TEXT else value.split("\\")
    elif hasattr(value, "append"):
        several = ["" if one is None else str(one) for one in value]
    else:
        several = [str(value)]
    cleaned = [one.strip(" \0\r\n\t") for one in several]
    return cleaned if any(cleaned) else []


def has_form(value: str, vr: str) -> bool:
    """Tell whether a value is what its kind demands (PS3.5 6.2); an empty one is."""
    if not value:
        return True
    if vr in MOMENTS:
        return is_moment(value, vr)
    return vr not in _FORMS or _FORMS[vr].fullmatch(value) is not None


def dummy_of(vr: str) -> Any:
    """Give a value that tells nothing and has the form of its kind."""
    if vr in _DUMMIES:
        return _DUMMIES[vr]
    if vr in TEXT:
        return _DUMMY_TEXT
    return 0 if vr in _ZERO else _DUMMY_BYTES
