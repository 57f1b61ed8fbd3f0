"""Which prediction belongs to which reference, by what their files are called."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from medprep.errors import SourceError
from medprep.evaluations.places import Place, Side
from medprep.evaluations.words import chaos_id, cleaned, numbers, without_channel
from medprep.reporting.text import counted

_Key = Callable[[Place], Hashable]
_SHOWN = 3


@dataclass
class Matched:
    """Pairs as indices into the two sides.

    Parameters
    ----------
    partner
        Index of the reference to that of its prediction.
    notes
        What a person should know.
    """

    partner: dict[int, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def distinct(side: Side) -> Side:
    """Give a side on which no two places mean the same case.

    Where a volume has its slices beside it, the volume is taken: it has a grid.

    Raises
    ------
    SourceError
        If two files give one case; names both.
    """
    groups: dict[Hashable, list[Place]] = defaultdict(list)
    for place in side.places:
        groups[chaos_of(place) or cleaned(place.parts)].append(place)
    kept, spared = [], 0
    for places in groups.values():
        volumes = [place for place in places if not place.sliced]
        if len(volumes) == 1:
            spared += len(places) - 1
            kept.append(volumes[0])
        elif len(places) > 1:
            raise SourceError(
                f"two volumes of the {side.called} give one case: '{_shown(places[0])}' and "
                f"'{_shown(places[1])}'; take one away, or point at the folder of the other",
                path=places[1].path,
            )
        else:
            kept.append(places[0])
    if not spared:
        return side
    folders = counted(spared, "folder")
    note = f"{side.called}: passed over {folders} of slices of volumes that are there too"
    return replace(side, places=tuple(kept), notes=(*side.notes, note))


def match(references: Sequence[Place], others: Sequence[Place]) -> Matched:
    """Pair places by their names, from what leaves least doubt on.

    The path as it is; the case of the CHAOS layout; the path without words like ``label`` and
    ``pred``; the same without nnU-Net's ``_0000``; one path that is the end of the other. Only
    where all that pairs nobody, the name alone, and at last the numbers in it. What two would fit
    stays alone.
    """
    found = Matched()
    for key in (_as_it_is, chaos_of, _by_words, _case):
        _pair(references, others, key, found)
    _pair_tails(references, others, found)
    for key, said in ((_by_name, "name alone, in other folders"), (_by_numbers, "numbers alone")):
        if found.partner:
            break
        _pair(references, others, key, found)
        if found.partner:
            shown = [f"'{references[i]}' and '{others[j]}'" for i, j in found.partner.items()]
            more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
            found.notes.append(f"paired by their {said}: {', '.join(shown[:_SHOWN])}{more}")
    return found


def _as_it_is(place: Place) -> Hashable:
    return tuple(part.casefold() for part in place.parts) or None


def _by_words(place: Place) -> Hashable:
    return cleaned(place.parts)


def _by_name(place: Place) -> Hashable:
    return _case(place)[-1:] or None


def _by_numbers(place: Place) -> Hashable:
    return numbers(_case(place)) or numbers(cleaned(place.parts)) or None


def chaos_of(place: Place) -> tuple[str, str] | None:
    """Give the patient and case of a place that is laid out or named as CHAOS is."""
    if place.kind in ("png", "dicom"):
        folder = place.files[0].parent.absolute()
        return chaos_id(folder.parts, folder.name)
    return chaos_id((), place.parts[-1] if place.parts else "")


def _pair(references: Sequence[Place], others: Sequence[Place], key: _Key, found: Matched) -> None:
    """Add the pairs whose key is theirs alone among those still without a partner."""
    taken = set(found.partner.values())
    ours = _once([(i, key(one)) for i, one in enumerate(references) if i not in found.partner])
    theirs = _once([(j, key(one)) for j, one in enumerate(others) if j not in taken])
    found.partner.update({ours[name]: theirs[name] for name in ours if name in theirs})


def _once(keyed: list[tuple[int, Hashable]]) -> dict[Hashable, int]:
    counts = Counter(name for _, name in keyed)
    return {name: index for index, name in keyed if counts[name] == 1 and name is not None}


def _pair_tails(references: Sequence[Place], others: Sequence[Place], found: Matched) -> None:
    """Add the pairs of which one's path is the end of the other's: a folder deeper, say."""
    taken = set(found.partner.values())
    ours = {i: _case(one) for i, one in enumerate(references) if i not in found.partner}
    theirs = {j: _case(one) for j, one in enumerate(others) if j not in taken}
    fits = set(_ends(ours, theirs)) | {(i, j) for j, i in _ends(theirs, ours)}
    by_reference, by_other = Counter(i for i, _ in fits), Counter(j for _, j in fits)
    found.partner.update({i: j for i, j in fits if by_reference[i] == by_other[j] == 1})


def _ends(
    longer: Mapping[int, tuple[str, ...]], shorter: Mapping[int, tuple[str, ...]]
) -> Iterator[tuple[int, int]]:
    """Yield which of the one end with which of the other."""
    whole: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, key in shorter.items():
        whole[key].append(index)
    for index, key in longer.items():
        for begin in range(len(key)):
            yield from ((index, other) for other in whole.get(key[begin:], ()))


def _case(place: Place) -> tuple[str, ...]:
    return without_channel(cleaned(place.parts))


def _shown(place: Place) -> str:
    return "/".join((*place.parts[:-1], place.path.name)) if not place.sliced else str(place)
