"""The profile applied to a data set, element by element, with an account of each.

Beyond the profile: what the table does not name is kept only where its form leaves no room for a
name. Text keeps its imaging words, names and addresses go, numbers and dates must be some.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from medprep.confidentiality.codes import CODE_TAGS, is_code, settle_code
from medprep.confidentiality.dates import earlier
from medprep.confidentiality.elements import (
    FREE_TEXT,
    LONGEST,
    MOMENTS,
    TEXT,
    dummy_of,
    has_form,
    texts_of,
    vr_of,
)
from medprep.confidentiality.secrets import replaced_uid
from medprep.confidentiality.table import Action, Decision, Profile
from medprep.confidentiality.words import imaging_words, tells, tells_term

_PATIENT_NAME, _PATIENT_ID = 0x00100010, 0x00100020
_PIXEL_DATA = 0x7FE00010
_CHARACTER_SET, _TIMEZONE = 0x00080005, 0x00080201
_DEVICE = frozenset((0x00080070, 0x00081090, 0x00181020))
"""Manufacturer, model, software versions: text that nobody types in a hospital."""
_CLASS_UIDS = ("SOPClassUID", "TransferSyntaxUID", "CodingSchemeUID", "MappingResourceUID")
_UNNAMED = "not in the profile's table"
_OB_OR_OW = "OB or OW"
_LONGEST_TEXT = 10240

Account = tuple[str, str, str, str]
"""Tag, keyword, action and why, of one element; no value."""


@dataclass
class Cleaner:
    """Applies the profile to the data sets of one file.

    Parameters
    ----------
    profile
        What it says.
    key
        Of UIDs and pseudonyms.
    pseudonym
        Stands for the patient's name and id.
    days
        By which dates move.
    named
        Words that tell who somebody is.
    account
        What was done, filled as it is done.
    """

    profile: Profile
    key: bytes
    pseudonym: str
    days: int
    named: frozenset[str]
    account: set[Account] = field(default_factory=set)

    def clean(self, dataset: Any, *, dummies: bool = False, coded: bool = False) -> None:
        """Clean a data set in place.

        Parameters
        ----------
        dataset
            Of a file, or an item of a sequence.
        dummies
            Replace whatever it says.
        coded
            It is an entry that `settle_code` has made safe.
        """
        for tag in list(dataset.keys()):
            vr = vr_of(dataset.get_item(tag))
            if tag in CODE_TAGS:
                decision = Decision("K" if coded else "X", "public codes alone are kept")
            else:
                decision = self._decide(tag, vr, dummies=dummies)
            done = self._apply(dataset, tag, vr, decision)
            self._note(tag, Decision(done, decision.why))

    def _decide(self, tag: int, vr: str, *, dummies: bool) -> Decision:
        if tag & 0xFFFF == 0 or tag >> 16 < 0x0008:
            return Decision("X", "no part of a data set")
        decision = self.profile.decide(tag)
        if decision is None:
            decision = self._unnamed(tag, vr)
        if dummies and decision.action in "KC" and vr not in ("CS", "UI"):
            # Numbers of an ambiguous kind cannot be written without what told it.
            return Decision("X" if " or " in vr else "D", "in a replaced sequence")
        return decision

    def _unnamed(self, tag: int, vr: str) -> Decision:
        """Decide on what the table is silent about."""
        known = _known_vr(tag)
        if tag == _PIXEL_DATA or known == _OB_OR_OW:
            return Decision("K", _UNNAMED)
        if not known or vr == "UN" or ((known in TEXT) != (vr in TEXT)):
            return Decision("X", "unknown, or written as what it is not")
        if vr in MOMENTS and self.profile.shift_dates:
            return Decision("C", "shift dates")
        if vr in MOMENTS:
            return Decision("K" if "dates" in self.profile.retain else "X", _UNNAMED)
        if vr in ("PN", "AE", "UR", "OB"):
            return Decision("X", "a name, an address or a block of bytes")
        if tag in _DEVICE and "device" in self.profile.retain:
            return Decision("K", "retain device")
        if vr == "UI":
            held = known == "UI" and (_keyword(tag).endswith(_CLASS_UIDS))
            keep = held or "uids" in self.profile.retain
            return Decision("K" if keep else "U", _UNNAMED)
        return Decision("C" if vr in FREE_TEXT else "K", _UNNAMED)

    def _apply(self, dataset: Any, tag: int, vr: str, decision: Decision) -> Action:
        action = decision.action
        if tag in (_PATIENT_NAME, _PATIENT_ID) and action in "ZD":
            dataset.add_new(tag, "PN" if tag == _PATIENT_NAME else "LO", self.pseudonym)
            return "D"
        if action == "X":
            del dataset[tag]
        elif vr == "SQ":
            action = self._sequence(dataset, tag, action)
        elif action == "Z":
            dataset.add_new(tag, vr, None)
        elif action == "D":
            value = self._uids(dataset, tag) if vr == "UI" else dummy_of(vr)
            dataset.add_new(tag, vr, value)
        elif action == "U":
            dataset.add_new(tag, "UI", self._uids(dataset, tag))
        elif vr in TEXT:
            action = self._text(dataset, tag, vr, action)
        elif action == "C":  # a block of bytes that nobody can clean
            dataset.add_new(tag, vr, dummy_of(vr))
            action = "D"
        return action

    def _sequence(self, dataset: Any, tag: int, action: Action) -> Action:
        from pydicom.sequence import Sequence

        items = dataset[tag].value or ()
        if not isinstance(items, Sequence | tuple):  # too long for pydicom to parse unasked
            del dataset[tag]
            return "X"
        kept = []
        for item in items if action != "Z" else ():
            coded = is_code(item)
            if not coded or settle_code(item, self.named):
                self.clean(item, dummies=action == "D", coded=coded)
                kept.append(item)
        dataset.add_new(tag, "SQ", Sequence(kept))
        return action

    def _uids(self, dataset: Any, tag: int) -> list[str]:
        from pydicom.uid import UID_dictionary

        return [
            one if one in UID_dictionary or not one else replaced_uid(one, self.key)
            for one in texts_of(dataset.get_item(tag), "UI")
        ]

    def _text(self, dataset: Any, tag: int, vr: str, action: Action) -> Action:
        """Keep or clean text; what does not have the form of its kind is emptied."""
        values = texts_of(dataset.get_item(tag), vr)
        if tag == _CHARACTER_SET:
            kept = values if all(map(_is_character_set, values)) else []
        elif tag == _TIMEZONE:
            kept = values if all(map(_is_offset, values)) else []
        elif vr in MOMENTS:
            days = self.days if action == "C" else 0
            kept = [earlier(one, vr, days) if days else one for one in values]
            kept = [one if has_form(one, vr) else "" for one in kept]
        elif vr in FREE_TEXT and action == "C":
            longest = LONGEST.get(vr, _LONGEST_TEXT)
            kept = [imaging_words(one, self.named, longest) for one in values]
        elif vr == "UI" and any(not has_form(one, vr) for one in values):
            kept = self._uids(dataset, tag)
        elif action == "C":
            kept = []
        else:
            kept = [one if self._may_stay(one, vr) else "" for one in values]
        if kept == values:
            return "K" if action == "K" or vr not in MOMENTS or not values else action
        dataset.add_new(tag, vr, kept if any(kept) else None)
        return "C" if any(kept) else "Z"

    def _may_stay(self, value: str, vr: str) -> bool:
        if vr == "IS" or vr == "DS" or vr == "UI":
            return has_form(value, vr) and value.casefold() not in _long(self.named)
        if vr == "CS" and not has_form(value, vr):
            return imaging_words(value, self.named, _LONGEST_TEXT) == value
        told = tells_term if vr == "CS" else tells
        return has_form(value, vr) and not told(value, self.named)

    def _note(self, tag: int, decision: Decision) -> None:
        group, element = tag >> 16, tag & 0xFFFF
        if group % 2:
            row = (f"({group:04X},xxxx)", "", decision.action, decision.why)
        else:
            row = (f"({group:04X},{element:04X})", _keyword(tag), decision.action, decision.why)
        self.account.add(row)


_DIGITS = 6


def _long(named: frozenset[str]) -> frozenset[str]:
    """Give the ids that no measurement equals by chance."""
    return frozenset(word for word in named if len(word) >= _DIGITS)


def _keyword(tag: int) -> str:
    from pydicom.datadict import keyword_for_tag

    return str(keyword_for_tag(tag))


def _known_vr(tag: int) -> str:
    """Give the kind that the dictionary states; empty for an attribute that nobody knows."""
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return ""


def _is_character_set(value: str) -> bool:
    from pydicom.charset import python_encoding

    return value in python_encoding


def _is_offset(value: str) -> bool:
    return len(value) == len("+0100") and value[0] in "+-" and value[1:].isdecimal()
