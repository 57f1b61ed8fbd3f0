"""Text cut down to imaging words: what is in no list cannot come out, whatever somebody typed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files

_TOKEN = re.compile(r"[A-Za-z0-9.+*-]+", re.ASCII)
_WORD = re.compile(r"[^\W_]+")
_TECHNICAL = re.compile(
    r"\d{1,3}(\.\d)?(mm|cm|s|ms|sec|min|ml|kv|ch|deg|t)"  # 5mm
    r"|[a-z]{1,2}\d{2}[a-z]?|f[cl]\d{2}"  # B30f, Br40d, FC08
    r"|b\d{1,4}",  # b1000
    re.ASCII | re.IGNORECASE,
)
_WHOLE = re.compile(
    r"\d{1,3}"  # of a stack
    r"|\*?[a-z]{2,6}[23]d\d(_\d{1,4}[a-z]{0,3})?",  # *tfl3d1_16ns
    re.ASCII,
)
_SHORTEST, _SHORTEST_INSIDE = 2, 4
_PHOTOMETRIC = frozenset(
    (
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL",
        "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB",
    )
)  # fmt: skip
"""What pixels may mean (PS3.3 C.7.6.3.1.2): without it nobody can read them."""


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """Give the imaging words."""
    text = files("medprep.confidentiality").joinpath("vocabulary.txt").read_text("ascii")
    return frozenset(text.split())


def imaging_words(text: str, named: frozenset[str], longest: int) -> str:
    """Give the words of a text that are imaging words and no part of a name.

    Parameters
    ----------
    text
        What somebody typed.
    named
        Words that tell who somebody is, as `words_of` gives them.
    longest
        Characters to give at most.
    """
    if _WHOLE.fullmatch(text) and not tells(text, named):
        return text
    kept = [
        word
        for word in _TOKEN.findall(text)
        if (word.casefold() in vocabulary() or _TECHNICAL.fullmatch(word))
        and not tells(word, named)
    ]
    return " ".join(kept)[:longest].rstrip()


def words_of(texts: Iterable[str]) -> frozenset[str]:
    """Give the words of names and ids, in lower case; single characters are none."""
    found = {word.casefold() for text in texts for word in _WORD.findall(text)}
    return frozenset(word for word in found if len(word) >= _SHORTEST)


def tells(text: str, named: frozenset[str]) -> bool:
    """Tell whether a text holds one of the words; a short one only as a word of its own."""
    lower = text.casefold()
    own = {word.casefold() for word in _WORD.findall(text)}
    return any(word in own or (len(word) >= _SHORTEST_INSIDE and word in lower) for word in named)


def tells_term(term: str, named: frozenset[str]) -> bool:
    """Tell whether a coded string holds one of the words: by itself, or joined to others of them.

    Inside a term of the standard it is none: Mary is not in PRIMARY. What has a digit is an id and
    is found inside words, too.
    """
    if term in _PHOTOMETRIC:
        return False
    lower = term.casefold()
    names = sorted((one for one in named if not one.isdecimal()), key=len, reverse=True)
    for word in _WORD.findall(lower):
        left = word
        for one in names:
            left = left.replace(one, " ")
        if word in named or (left != word and not left.strip(" 0123456789")):
            return True
    ids = (one for one in named if len(one) >= _SHORTEST_INSIDE and not one.isalpha())
    return any(one in lower for one in ids)
