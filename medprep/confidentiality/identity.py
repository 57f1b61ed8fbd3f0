"""Who a file is about: private values, read before anything is cleaned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from medprep.confidentiality.elements import FREE_TEXT, NUMBERS, texts_of, vr_of
from medprep.confidentiality.table import Profile
from medprep.confidentiality.words import vocabulary, words_of

_IDS = frozenset(
    (
        0x00080050,  # accession number
        0x00080080, 0x00080081, 0x00081040,  # institution, its address, department
        0x00081010,  # station
        0x00100020, 0x00100021, 0x00100030, 0x00101000, 0x00101001, 0x00101005, 0x00101040,
        0x00101060, 0x00101090, 0x00102154, 0x00102155, 0x00102297, 0x00102299,
        0x00181000,  # serial number
        0x00200010,  # study id
        0x00321032, 0x00321033,
        0x00380010, 0x00380300, 0x00400241, 0x00400242, 0x00401001, 0x00402016, 0x00402017,
    )
)  # fmt: skip

_SHORTEST_NAME = 4
"""Of names that are imaging words, too: Mr is more often a title or a modality."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What leads back to a person; never written into an output.

    Parameters
    ----------
    patient
        What the pseudonym is made from: the id, else the name, else the study.
    patient_id, patient_name, study, series, instance
        As they stand in the header.
    """

    patient: str
    patient_id: str
    patient_name: str
    study: str
    series: str
    instance: str


def words_that_name(dataset: Any, profile: Profile) -> frozenset[str]:
    """Give every word of names, ids and addresses in a data set that the profile does not keep.

    Imaging words in ids ("MR-01") and places ("Heart Center") are left out: they name nobody.
    """
    people: list[str] = []
    others: list[str] = []
    for tag, vr, element in _walk(dataset):
        decision = profile.decide(tag)
        kept = decision is not None and decision.action == "K"
        if not kept and (vr == "PN" or tag in _IDS):
            (people if vr == "PN" else others).extend(texts_of(element, vr))
    titles = {word for word in vocabulary() if len(word) < _SHORTEST_NAME}
    return (words_of(people) - titles) | (words_of(others) - vocabulary())


def _walk(dataset: Any) -> Iterator[tuple[int, str, Any]]:
    from pydicom.sequence import Sequence

    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        vr = vr_of(element)
        if vr == "SQ":
            items = dataset[tag].value
            for item in items if isinstance(items, Sequence) else ():
                yield from _walk(item)
        elif vr in FREE_TEXT or vr in NUMBERS or vr in ("PN", "DA"):
            yield int(tag), vr, element
