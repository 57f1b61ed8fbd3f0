"""Coded entries (PS3.3 8.8): kept where scheme and value have the form of a public scheme."""

from __future__ import annotations

import re
from typing import Any

from medprep.confidentiality.elements import LONGEST, texts_of
from medprep.confidentiality.words import imaging_words, tells

_UNITS = (
    "1 % mm cm m um mm2 cm2 mm3 cm3 ml l s ms us min h d a kg g mg ug deg rad Hz kHz MHz T mT "
    "keV kV mA mAs mGy Gy Bq MBq kBq/ml Bq/ml {SUVbw}g/ml g/ml mg/ml [hnsf'U] {ratio} {counts} "
    "{propcounts} {pixels} um2/s mm2/s 1/s 1/min /min {H.B.}/min {0:255} {0:1} m/s cm/s mm/s"
)
_FORMS = {
    "DCM": r"\d{4,6}",
    "SCT": r"\d{6,18}",
    "SRT": r"[A-Z]-?[0-9A-F]{4,6}",
    "SNM3": r"[A-Z]-?[0-9A-F]{4,6}",
    "99SDM": r"[A-Z]-?[0-9A-F]{4,6}",
    "LN": r"\d{1,6}-\d",
    "FMA": r"\d{4,7}",
    "RADLEX": r"RID\d{1,6}",
    "UCUM": "|".join(map(re.escape, _UNITS.split())),
}
_VERSION = re.compile(r"[0-9.]{1,16}", re.ASCII)
_VALUE, _SCHEME, _SCHEME_VERSION, _MEANING = 0x00080100, 0x00080102, 0x00080103, 0x00080104
_LONG_VALUE, _URN = 0x00080119, 0x00080120
CODE_TAGS = frozenset((_VALUE, _SCHEME, _SCHEME_VERSION, _MEANING, _LONG_VALUE, _URN))


def is_code(item: Any) -> bool:
    """Tell whether an item is a coded entry."""
    return any(tag in item for tag in (_VALUE, _LONG_VALUE, _URN, _MEANING))


def settle_code(item: Any, named: frozenset[str]) -> bool:
    """Make a coded entry safe, in place; False where that cannot be done.

    Its meaning keeps only imaging words, and is the code itself where it has none: anybody may
    look the code up.
    """
    value, scheme = _text(item, _VALUE), _text(item, _SCHEME)
    form = _FORMS.get(scheme)
    if form is None or re.fullmatch(form, value, re.ASCII) is None or tells(value, named):
        return False
    if _SCHEME_VERSION in item and not _VERSION.fullmatch(_text(item, _SCHEME_VERSION)):
        del item[_SCHEME_VERSION]
    for tag in (_LONG_VALUE, _URN):
        if tag in item:
            del item[tag]
    meaning = imaging_words(_text(item, _MEANING), named, LONGEST["LO"])
    item.add_new(_MEANING, "LO", meaning or value)
    return True


def _text(item: Any, tag: int) -> str:
    return "\\".join(texts_of(item.get_item(tag), "LO")) if tag in item else ""
