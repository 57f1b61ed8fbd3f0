"""Who made the scanner, and what that maker writes into elements of its own."""

from __future__ import annotations

import re

from medprep.dicom.dictionary import Tags
from medprep.dicom.values import hint, hints

_MAKERS = {
    "Agfa": ("agfa",),
    "Bruker": ("bruker",),
    "Canon": ("canon",),
    "Carestream": ("carestream",),
    "Esaote": ("esaote",),
    "Fujifilm": ("fujifilm",),
    "GE": ("gemedical", "gehealthcare", "generalelectric"),
    "Hitachi": ("hitachi",),
    "Hologic": ("hologic",),
    "Hyperfine": ("hyperfine",),
    "Mediso": ("mediso",),
    "Neusoft": ("neusoft",),
    "Philips": ("philips",),
    "Samsung": ("samsung",),
    "Shimadzu": ("shimadzu",),
    "Siemens": ("siemens",),
    "Toshiba": ("toshiba",),
    "UIH": ("uih", "unitedimaging"),
}
"""Maker as dcm2niix spells it, to how Manufacturer may begin, letters only."""
_OWN_B_VALUE = {"Siemens": "SiemensBValue", "Philips": "PhilipsBValue"}
_OWN = {*_OWN_B_VALUE.values(), "GEBValue"}
_LARGEST_B = 1e6
_SEVERAL = 1e5
"""General Electric adds 10^9 to say that a b-value is one of several."""


def maker(tags: Tags) -> str | None:
    """Give the maker's name in one spelling, or None for one nobody knows."""
    given = tags.get("Manufacturer")
    letters = re.sub("[^a-z]", "", given.casefold()) if isinstance(given, str) else ""
    if letters == "ge":
        return "GE"
    return next((name for name, starts in _MAKERS.items() if letters.startswith(starts)), None)


def b_value(tags: Tags) -> float | None:
    """Give the b-value in s/mm2: the standard's (0018,9087), else the maker's own element.

    A maker's element is read of that maker only; elsewhere its number means something else.
    """
    found = hint(tags, "DiffusionBValue")
    own = maker(tags) if found is None and not _OWN.isdisjoint(tags) else None
    if own in _OWN_B_VALUE:
        found = hint(tags, _OWN_B_VALUE[own])
    coded = hints(tags, "GEBValue")
    if own == "GE" and coded:
        found = coded[0] % _SEVERAL
    return found if found is not None and 0 <= found <= _LARGEST_B else None
