"""Tables of organs: which number or grey level of a mask means which organ, and who says so.

The tables of known data sets are data, in ``organs.toml`` beside this file; `read_table` reads
tables of one's own in the same form.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from medprep.errors import OptionError
from medprep.files import parse_toml
from medprep.option_files import option_toml

Side = Literal["left", "right"]
TABLE = "the table of organs"
"""What a file of one is in messages."""
_FORM = re.compile(r"[a-z0-9][a-z0-9_+-]*")


@dataclass(frozen=True)
class Organ:
    """An organ and its grey levels in a mask.

    Parameters
    ----------
    name
        Lower case, words joined by ``_``.
    ranges
        Inclusive bounds ``(low, high)`` of the grey levels that mean this organ.
    """

    name: str
    ranges: tuple[tuple[int, int], ...]

    def __post_init__(self) -> None:
        for low, high in self.ranges:
            if not 0 < low <= high <= 65535:
                raise OptionError(
                    f"the range of {self.name} runs from {low} to {high}; wanted is "
                    "0 < low <= high <= 65535 (0 is the background)"
                )

    def __str__(self) -> str:
        spans = (f"{low}" if low == high else f"{low}-{high}" for low, high in self.ranges)
        return " ".join((self.name, ", ".join(spans))).strip()


@dataclass(frozen=True)
class OrganTable:
    """The organs of a data set, in the order of their label values 1, 2, ...

    Parameters
    ----------
    organs
        In order.
    regions
        Names of sets of organs, for targets that overlap: ``("whole_liver", ("liver", "tumour"))``
        as nnU-Net's regions.

    Raises
    ------
    OptionError
        If two organs share a name or a grey level, or a region is empty, has the name of an
        organ, or holds an organ that is not in the table.
    """

    organs: tuple[Organ, ...]
    regions: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def __post_init__(self) -> None:
        names = [organ.name for organ in self.organs] + [name for name, _ in self.regions]
        if len(set(names)) < len(names):
            raise OptionError(f"an organ or region is named twice in: {', '.join(names)}")
        spans = sorted((*span, organ.name) for organ in self.organs for span in organ.ranges)
        for (_, high, one), (low, _, other) in pairwise(spans):
            if low <= high:
                raise OptionError(f"the ranges of {one} and {other} share the grey level {low}")
        for region, members in self.regions:
            strangers = [name for name in members if name not in self.names]
            if strangers or not members:
                raise OptionError(
                    f"the region {region} holds {', '.join(strangers) or 'nothing'}; the organs "
                    f"are {', '.join(self.names) or 'none'}"
                )

    def __str__(self) -> str:
        return "; ".join(str(organ) for organ in self.organs)

    @property
    def names(self) -> tuple[str, ...]:
        """The organs' names in order."""
        return tuple(organ.name for organ in self.organs)

    def get(self, name: str) -> Organ:
        """Give the organ of that name.

        Raises
        ------
        OptionError
            If the table has none.
        """
        for organ in self.organs:
            if organ.name == name:
                return organ
        raise OptionError(
            f"no organ '{name}' in this data set (have {', '.join(self.names) or 'none'}); "
            "give its grey levels: --label NAME LOW HIGH"
        )

    def only(self, organs: Sequence[Organ]) -> OrganTable:
        """Give a table of those organs, with the regions that are whole in it."""
        names = {organ.name for organ in organs}
        whole = tuple(one for one in self.regions if names.issuperset(one[1]))
        return OrganTable(tuple(organs), whole)


def read_table(content: str, called: str) -> OrganTable:
    """Read a table from TOML: ``[organs]`` and, where targets overlap, ``[regions]``.

    Parameters
    ----------
    content
        The text.
    called
        What a message calls it.

    Raises
    ------
    OptionError
        If it is no such table.
    """
    return _table(parse_toml(content, called), called)


def named_table(name: str) -> OrganTable:
    """Give the table of a known data set, or of a TOML file.

    Parameters
    ----------
    name
        A name of `TABLES`, the path of a file that ends in ``.toml``, or what `held_toml` made of
        that.

    Raises
    ------
    OptionError
        If there is no such table or file, or the file holds none.
    """
    own = option_toml(name, TABLE)
    if own is not None:
        return read_table(own[1], own[0])
    if name not in TABLES:
        raise OptionError(
            f"no table of organs '{name}'; there are {', '.join(TABLES)}, or give a file .toml"
        )
    return TABLES[name]


def _table(found: Mapping[str, Any], called: str) -> OrganTable:
    strangers = set(found) - {"organs", "regions", "source"}
    organs, regions = found.get("organs"), found.get("regions", {})
    if strangers or not isinstance(organs, dict) or not isinstance(regions, dict) or not organs:
        raise OptionError(
            f"{called} holds {', '.join(sorted(found)) or 'nothing'}; wanted is [organs] with "
            "lines name = 3 or name = [55, 70], and [regions] with name = ['organ', 'organ']"
        )
    rows = tuple(
        Organ(_name(name, called), tuple(_ranges(value, name, called)))
        for name, value in organs.items()
    )
    for name, members in regions.items():
        if not isinstance(members, list) or not all(isinstance(one, str) for one in members):
            raise OptionError(f"{called}: the region {name} is {members}; wanted are names")
    return OrganTable(rows, tuple((_name(n, called), tuple(m)) for n, m in regions.items()))


def _name(name: str, called: str) -> str:
    if not _FORM.fullmatch(name):
        raise OptionError(
            f"{called}: the name '{name}'; wanted are lower-case letters, digits and _"
        )
    return name


def _ranges(value: object, name: str, called: str) -> Iterator[tuple[int, int]]:
    spans = [value, value] if type(value) is int else value
    if isinstance(spans, list) and spans and all(type(one) is int for one in spans):
        spans = [spans]
    if not isinstance(spans, list) or not spans:
        spans = [None]
    for span in spans:
        if not (isinstance(span, list) and len(span) == 2 and all(type(n) is int for n in span)):
            raise OptionError(
                f"{called}: {name} is {value}; wanted is a number, [low, high], or a list of those"
            )
        yield span[0], span[1]


_DATA = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))

TABLES: Mapping[str, OrganTable] = MappingProxyType(
    {name: _table(one, name) for name, one in _DATA["tables"].items()}
)
"""The tables of known data sets by name; each one's source stands in ``organs.toml``."""

CHAOS_MR = TABLES["chaos-mr"]
CHAOS_CT = TABLES["chaos-ct"]

BINARY = OrganTable((Organ("foreground", ((1, 1),)),))
"""A mask of one unnamed organ, already thresholded."""


def numbered(values: Sequence[int]) -> OrganTable:
    """Give a table for label maps of which only the numbers are known: ``label_1``, ..."""
    return OrganTable(tuple(Organ(f"label_{v}", ((v, v),)) for v in sorted(values) if v > 0))


def _paired() -> Iterator[tuple[str, tuple[str, Side]]]:
    for left, right in (("left", "right"), ("l", "r"), ("lt", "rt")):
        forms = ["{side}_{stem}", "{stem}_{side}"]
        if left != "left":
            forms += ["{side}{stem}", "{stem}{side}"]
        for form, stem in product(forms, _DATA["paired"]):
            one, other = (form.format(side=word, stem=stem) for word in (left, right))
            yield one, (other, "left")
            yield other, (one, "right")


_PAIRED = dict(_paired())
_WRITTEN_OUT = re.compile(r"left|right")
_SHORTENED = re.compile(r"(?<![a-z0-9])[lr]t?(?![a-z0-9])")


def partner(name: str) -> str | None:
    """Give the name that an organ bears in a mirror; None where it is no organ of a known pair."""
    return _PAIRED[name][0] if name in _PAIRED else None


def side(name: str) -> Side | None:
    """Give the side that an organ of a known pair lies on by its name, and None for any other."""
    return _PAIRED[name][1] if name in _PAIRED else None


def shortens_sides(names: Iterable[str]) -> bool:
    """Tell whether a name says its side by a letter or two: ``parotid_l``, ``lkidney``."""
    return any(
        _SHORTENED.search(name) or (name in _PAIRED and not _WRITTEN_OUT.search(name))
        for name in names
    )


def singular(name: str) -> str:
    """Give the name of one of several organs: ``kidneys`` is ``kidney``, a ``pelvis`` is itself."""
    return name if name.endswith(("us", "is", "ss")) else name.removesuffix("s")


def is_pair(name: str) -> bool:
    """Tell whether a name means both organs of a known pair: ``kidneys``, ``lung``."""
    return singular(name) in _DATA["paired"]


def mirror_partners(names: Mapping[int, str]) -> dict[int, int] | None:
    """Give the label that each label becomes when the patient's left and right are exchanged.

    Parameters
    ----------
    names
        Label value to organ name.

    Returns
    -------
    dict or None
        Only the labels that change. None where a mirror would make a wrong label: a name says a
        side (left, right, l, r, lt, rt) and its partner is unknown or not among ``names``.
    """
    values = {name: value for value, name in names.items()}
    changes: dict[int, int] = {}
    for value, name in names.items():
        other = partner(name)
        if other in values:
            changes[value] = values[other]
        elif other is not None or _WRITTEN_OUT.search(name) or _SHORTENED.search(name):
            return None
    return changes
