"""Tables of organs: which grey level of a mask means which organ, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from medprep.errors import OptionError


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
        return f"{self.name} {', '.join(spans)}"


@dataclass(frozen=True)
class OrganTable:
    """The organs of a data set, in the order of their label values 1, 2, ...

    Raises
    ------
    OptionError
        If two organs share a name or a grey level.
    """

    organs: tuple[Organ, ...]

    def __post_init__(self) -> None:
        names = [organ.name for organ in self.organs]
        if len(set(names)) < len(names):
            raise OptionError(f"an organ is named twice in: {', '.join(names)}")
        spans = sorted((*span, organ.name) for organ in self.organs for span in organ.ranges)
        for (_, high, one), (low, _, other) in pairwise(spans):
            if low <= high:
                raise OptionError(f"the ranges of {one} and {other} share the grey level {low}")

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


CHAOS_MR = OrganTable(
    (
        Organ("liver", ((55, 70),)),
        Organ("right_kidney", ((110, 135),)),
        Organ("left_kidney", ((175, 200),)),
        Organ("spleen", ((240, 255),)),
    )
)
"""MR masks of the CHAOS challenge: 63, 126, 189, 252, each with the ranges its pages name."""

CHAOS_CT = OrganTable((Organ("liver", ((1, 1), (255, 255))),))
"""CT masks of CHAOS are 1-bit pictures; programs that re-save them write 255 for the 1."""

BINARY = OrganTable((Organ("foreground", ((1, 1),)),))
"""A mask of one unnamed organ, already thresholded."""


def numbered(values: list[int]) -> OrganTable:
    """Give a table for label maps of which only the numbers are known: ``label_1``, ..."""
    return OrganTable(tuple(Organ(f"label_{v}", ((v, v),)) for v in sorted(values) if v > 0))


PAIRS: tuple[tuple[str, str], ...] = (("right_kidney", "left_kidney"),)
"""Organs that a mirror across the patient's left-right axis turns into each other."""


def mirror_partners(names: dict[int, str]) -> dict[int, int] | None:
    """Give the label that each label becomes when the patient's left and right are exchanged.

    Parameters
    ----------
    names
        Label value to organ name.

    Returns
    -------
    dict or None
        Only the labels that change. None where a mirror would make a wrong label: a name holds
        "left" or "right" and its partner is unknown or not among ``names``.
    """
    values = {name: value for value, name in names.items()}
    partner = {one: other for pair in PAIRS for one, other in (pair, pair[::-1])}
    changes: dict[int, int] = {}
    for value, name in names.items():
        if partner.get(name) in values:
            changes[value] = values[partner[name]]
        elif name in partner or "left" in name or "right" in name:
            return None
    return changes
