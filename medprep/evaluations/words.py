"""What the names of files say: which are masks, and what is left of a name to pair it by."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

_MASKS = (
    "labels", "label", "lbl", "masks", "mask", "ground", "truth", "gt", "manual", "reference",
    "references", "ref", "segmentations", "segmentation", "segs", "seg", "predictions",
    "prediction", "predicted", "preds", "pred", "results", "result", "outputs", "output",
)  # fmt: skip
_PICTURES = ("images", "image", "imgs", "img", "pictures", "picture", "data")
_FOLDERS = ("dicom", "anon", "inphase", "outphase")
"""Of folders of DICOM."""
_WORD = re.compile(
    rf"(?<![a-z])({'|'.join((*_MASKS, *_PICTURES, *_FOLDERS))})(?:tr|ts|val)?(?![a-z])"
)
_BETWEEN = re.compile(r"[-_. ]+")
_CHANNEL = re.compile(r"_0000$")
"""nnU-Net's ending of the first channel's picture; programs name predictions after their input."""

_HOMES = ("ground", "results", "dicom_anon", "inphase", "outphase")
_SEQUENCES = {"t1dual": "t1", "t2spir": "t2"}
_OWN = re.compile(r"(?P<kind>mr|ct)(?P<number>\d+)-(?P<sequence>t1in|t1out|t1|t2|ct)")


def telling(parts: Sequence[str]) -> Literal["mask", "picture", ""]:
    """Say what a file is by its name and the nearest folder above it that tells.

    Parameters
    ----------
    parts
        Folders, then the name without its ending.
    """
    *folders, name = [part.casefold() for part in parts] or [""]
    above = next((words for words in map(_words, reversed(folders)) if words), set())
    words = _words(name) | above
    if words & set(_MASKS):
        return "mask"
    return "picture" if words & set(_PICTURES) else ""


def cleaned(parts: Sequence[str]) -> tuple[str, ...]:
    """Give the folders and the name without the words that only say what kind of file it is.

    ``("labelsTr", "case_07_gt")`` is ``("case_07",)``; a part of which nothing is left is gone.
    """
    kept = (_BETWEEN.sub("_", _WORD.sub("", part.casefold())).strip("_") for part in parts)
    return tuple(part for part in kept if part)


def without_channel(key: tuple[str, ...]) -> tuple[str, ...]:
    """Give a cleaned name without nnU-Net's ``_0000``."""
    return (*key[:-1], _CHANNEL.sub("", key[-1])) if key else key


def numbers(key: Sequence[str]) -> tuple[int, ...]:
    """Give the numbers in the last part of a cleaned name."""
    return tuple(int(one) for one in re.findall(r"\d+", key[-1])) if key else ()


def chaos_id(folders: Sequence[str], name: str = "") -> tuple[str, str] | None:
    """Give the patient and case of a place of the CHAOS layout, as medprep names them.

    Parameters
    ----------
    folders
        Of the whole path: ``.../MR/1/T2SPIR/Ground``, ``.../CT/3/Results``.
    name
        Without its ending; one that medprep gave (``mr01-t2``) says it too.

    Returns
    -------
    tuple or None
        ``("mr01", "mr01-t2")``; both phases of T1DUAL share a mask and are ``mr01-t1``.
    """
    above = [part.casefold() for part in folders]
    own = _OWN.fullmatch(name.casefold())
    if own:
        sequence = "t1" if own["sequence"].startswith("t1") else own["sequence"]
        return _named(own["kind"], own["number"], sequence)
    while above and above[-1] in _HOMES:
        above.pop()
    sequence = _SEQUENCES.get(above[-1], "") if above else ""
    if sequence and len(above) > 1 and above[-2].isdecimal():
        return _named("mr", above[-2], sequence)
    if len(above) > 1 and above[-1].isdecimal() and _BETWEEN.split(above[-2])[0] == "ct":
        return _named("ct", above[-1], "ct")
    return None


def _named(kind: str, number: str, sequence: str) -> tuple[str, str]:
    patient = f"{kind}{int(number):02d}"
    return patient, f"{patient}-{sequence}"


def _words(part: str) -> set[str]:
    return {word.group(1) for word in _WORD.finditer(part)}
