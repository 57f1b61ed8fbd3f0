"""Compare the fingerprints of cases in different groups."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from medprep.errors import OptionError
from medprep.leaks.exact_pairs import exact_pairs
from medprep.leaks.fingerprints import Fingerprint
from medprep.leaks.leak import KINDS, Kind, Leak
from medprep.leaks.near import near_pairs
from medprep.leaks.table import lay_out

NEAR_SHARE = 0.25
"""Of the slices of the smaller of two cases at least this part must have a near-duplicate in the
other. Two versions of a scan share most slices; that one of forty looks like one of another
patient's forty is chance, and the more slices there are the likelier. A single picture is whole."""


def find_leaks(prints: Mapping[str, Fingerprint], group_of: Mapping[str, str]) -> list[Leak]:
    """Find cases of different groups that share pictures.

    Parameters
    ----------
    prints
        Case name to fingerprint; none at all gives no leak.
    group_of
        Case name to group (its fold); cases of one group are not compared.

    Returns
    -------
    list of Leak
        One for each pair of cases and kind, sorted by kind and names. Where a picture stands more
        than twice, each of its cases is named in a leak, but not with each other one. Pairs of
        cases found by their pixels are not looked at again for near-duplicates, and these count
        only where enough slices agree (`NEAR_SHARE`).

    Raises
    ------
    OptionError
        If a case has no group, or two cases have the same name apart from upper and lower case.
    """
    _require_names(prints, group_of)
    table = lay_out(prints, group_of)
    same = list(exact_pairs(table))
    near = near_pairs(table, {(leak.one, leak.other) for leak in same})
    slices = {case: int(np.count_nonzero(~one.blank)) for case, one in prints.items()}
    return [leak for leak in _summed([*same, *near]) if _is_enough(leak, slices)]


def _is_enough(leak: Leak, slices: Mapping[str, int]) -> bool:
    least = NEAR_SHARE * min(slices[leak.one], slices[leak.other])
    return leak.kind != "near" or leak.slices >= least


def _require_names(prints: Mapping[str, Fingerprint], group_of: Mapping[str, str]) -> None:
    folded: dict[str, str] = {}
    for name in prints:
        if name not in group_of:
            raise OptionError(f"case '{name}' has no group; wanted is one for each case")
        before = folded.setdefault(name.casefold(), name)
        if before != name:
            raise OptionError(
                f"cases '{before}' and '{name}' have the same name apart from upper and lower "
                "case; rename one of them"
            )


def _summed(found: Iterable[Leak]) -> list[Leak]:
    """Keep the best pair of slices for each pair of cases and kind, and count the slices."""
    pairs: dict[tuple[str, str, Kind], list[Leak]] = defaultdict(list)
    for leak in found:
        pairs[leak.one, leak.other, leak.kind].append(leak)
    best = [
        replace(
            min(leaks, key=lambda leak: (-leak.detail, leak.one_slice, leak.other_slice)),
            slices=min(
                len({leak.one_slice for leak in leaks}), len({leak.other_slice for leak in leaks})
            ),
        )
        for leaks in pairs.values()
    ]
    return sorted(best, key=lambda leak: (KINDS.index(leak.kind), leak.one, leak.other))
