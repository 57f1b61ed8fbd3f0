"""Slices of one size and direction to stacks: echoes, time points and other pictures of one place.

Two slices of one place cannot be of one volume. What the headers say of echo, kind of picture,
b-value and time parts them, most telling first, until no place is left with two.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from medprep.dicom.pixels import stored_pixels
from medprep.dicom.places import crowd, places, steps_mm
from medprep.dicom.records import SliceHeader
from medprep.errors import DicomError

EVEN = 1.5
"""Steps of an even stack differ by less than this factor."""


@dataclass(frozen=True)
class Stack:
    """Slices that belong to one volume, in natural order of their files.

    Parameters
    ----------
    slices
        At least one.
    suffix
        What tells it apart from the other stacks of its series: ``_e2``, ``_b1000_t003``, or
        ``""``.
    notes
        What a person should know.
    time
        Number of the time point from 1, or 0 where there is but one.
    """

    slices: tuple[SliceHeader, ...]
    suffix: str = ""
    notes: tuple[str, ...] = ()
    time: int = 0


_COMPONENTS = {
    "M": "", "MAGNITUDE": "", "P": "ph", "PHASE": "ph", "PHASE MAP": "ph", "R": "real",
    "REAL": "real", "I": "imaginary", "IMAGINARY": "imaginary", "VELOCITY": "velocity",
    "W": "water", "WATER": "water", "F": "fat", "FAT": "fat", "IP": "in", "IN_PHASE": "in",
    "OP": "out", "OUT_PHASE": "out", "OPP_PHASE": "out", "FIELD_MAP": "fieldmap",
    "FIELDMAPHZ": "fieldmap", "B0 MAP": "fieldmap",
}  # fmt: skip
"""Words of ImageType that name a picture better than a number does (PS3.3 C.8.13.3.1.1)."""


def _echo(one: SliceHeader) -> float | None:
    echo = one.contrast.echo_ms
    return None if echo is None else round(echo, 3)


def _kind(one: SliceHeader) -> tuple[str, tuple[str, ...]]:
    contrast = one.contrast
    return contrast.component, contrast.image_type


def _kind_name(kind: tuple[str, tuple[str, ...]], number: int) -> str:
    words = (*kind[1][2:], kind[0])
    named = next((_COMPONENTS[word] for word in words if word in _COMPONENTS), None)
    return f"i{number}" if named is None else named


def _letter(letter: str, width: int = 1) -> Callable[[Any, int], str]:
    return lambda value, number: f"{letter}{number:0{width}d}"


@dataclass(frozen=True)
class _Split:
    """What may tell pictures of one place apart.

    Parameters
    ----------
    value_of
        Of a slice.
    name_of
        A value's part of the suffix, from the value and its rank.
    of_time
        A measure of time: it may differ from place to place within one time point, and never parts
        a stack in which no place is shown twice.
    """

    value_of: Callable[[SliceHeader], Any]
    name_of: Callable[[Any, int], str]
    of_time: bool = False


_SPLITS = (
    _Split(lambda one: one.contrast.stack, _letter("s")),
    _Split(_kind, _kind_name),
    _Split(_echo, _letter("e")),
    _Split(lambda one: one.contrast.b_value, lambda value, number: f"b{value or 0:.0f}"),
    _Split(lambda one: one.contrast.inversion_ms, _letter("ti"), of_time=True),
    _Split(lambda one: one.contrast.temporal, _letter("t", 3), of_time=True),
    _Split(lambda one: one.contrast.trigger_ms, _letter("t", 3), of_time=True),
    _Split(lambda one: one.contrast.acquisition, _letter("a"), of_time=True),
    _Split(lambda one: one.contrast.acquired, _letter("t", 3), of_time=True),
)
"""Most telling first."""


def split_contrasts(slices: Sequence[SliceHeader]) -> list[Stack]:
    """Part slices of one size and direction until no two of a stack show one place."""
    if slices[0].position_mm is None:
        return _unplaced(slices)
    kept, notes = _without_copies(slices)
    return [replace(stack, notes=(*notes, *stack.notes)) for stack in _parted(kept, "", 0)]


def _unplaced(slices: Sequence[SliceHeader]) -> list[Stack]:
    """One volume for each file: nothing says how files without positions belong together."""
    files: dict[str, list[SliceHeader]] = defaultdict(list)
    for one in slices:
        files[str(one.blob)].append(one)
    several = len(files) > 1
    return [
        Stack(tuple(members), f"_n{number}" if several else "")
        for number, members in enumerate(files.values(), 1)
    ]


def _without_copies(
    slices: Sequence[SliceHeader],
) -> tuple[Sequence[SliceHeader], tuple[str, ...]]:
    """Pass over slices of which header and stored pixels are there already."""
    twins: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for one in slices:
        key = (one.position_mm, one.contrast, one.instance, one.frame, one.tile)
        twins[key].append(one)
    extra: set[int] = set()
    for candidates in twins.values():
        if len(candidates) > 1:
            seen: set[bytes] = set()
            for one in candidates:
                pixels = _pixels(one)
                if pixels in seen:
                    extra.add(id(one))
                seen.add(pixels)
    if not extra:
        return slices, ()
    text = f"{len(extra)} slices are there twice; the copies were passed over"
    if len(extra) == 1:
        text = "1 slice is there twice; the copy was passed over"
    return [one for one in slices if id(one) not in extra], (text,)


def _pixels(one: SliceHeader) -> bytes:
    try:
        return stored_pixels(one)
    except DicomError:  # told when its volume is read
        return str(one.blob).encode()


def _parted(slices: Sequence[SliceHeader], suffix: str, start: int) -> list[Stack]:
    crowded = crowd(slices)
    for place, split in enumerate(_SPLITS[start:], start):
        classes = _classes(slices, split)
        if len(classes) > 1 and _tells(split, list(classes.values()), crowded):
            return _by_class(classes, split, suffix, place)
    return [Stack(tuple(slices), suffix)] if crowded == 1 else _repeated(slices, suffix)


def _classes(slices: Sequence[SliceHeader], split: _Split) -> dict[Any, list[SliceHeader]]:
    classes: dict[Any, list[SliceHeader]] = defaultdict(list)
    for one in slices:
        classes[split.value_of(one)].append(one)
    return classes


def _tells(split: _Split, parts: Sequence[Sequence[SliceHeader]], crowded: int) -> bool:
    """Judge whether the values of a split are those of whole stacks."""
    if split.of_time and not 1 < len(parts) <= crowded:
        return False
    if crowded > 1 and max(map(crowd, parts)) < crowded:
        return True
    return not split.of_time and all(len(part) > 1 and _is_even(part) for part in parts)


def _is_even(slices: Sequence[SliceHeader]) -> bool:
    steps = steps_mm(slices)
    return len(steps) > 0 and bool(steps.max() < EVEN * steps.min())


def _by_class(
    classes: dict[Any, list[SliceHeader]], split: _Split, suffix: str, place: int
) -> list[Stack]:
    values = sorted(classes, key=lambda value: (value is not None, value))
    names = _distinct([split.name_of(value, number) for number, value in enumerate(values, 1)])
    most = max(map(len, classes.values()))
    stacks: list[Stack] = []
    for value, name in zip(values, names, strict=True):
        part = classes[value]
        notes = _short_notes(len(part), most) if split.of_time else ()
        time = int(name[1:]) if name[:1] == "t" and name[1:].isdecimal() else 0
        for stack in _parted(part, f"{suffix}_{name}" if name else suffix, place + 1):
            notes_of_all = (*notes, *stack.notes)
            stacks.append(replace(stack, time=stack.time or time, notes=notes_of_all))
    return stacks


def _short_notes(count: int, most: int) -> tuple[str, ...]:
    return (f"{count} slices, where others of its series have {most}",) if count < most else ()


def _distinct(names: list[str]) -> list[str]:
    counted = Counter(names)
    return [
        f"{name}i{number}" if counted[name] > 1 else name for number, name in enumerate(names, 1)
    ]


def _repeated(slices: Sequence[SliceHeader], suffix: str) -> list[Stack]:
    """Part by time what no one value parts: it differs from place to place, or is not told."""
    shown = places(slices)
    if len({len(place) for place in shown}) == 1:
        ranked = zip(*(sorted(place, key=_when) for place in shown), strict=True)
        return _numbered([list(one) for one in ranked], suffix, _doubts(shown))
    for number, split in enumerate(_SPLITS):
        if split.of_time:
            classes = _classes(slices, split)
            if all(crowd(part) == 1 and _is_even(part) for part in classes.values()):
                return _by_class(classes, split, suffix, number)  # acquisitions that overlap
    times = _passes(slices, shown)
    return _numbered(times, suffix, _doubts(shown)) if times else [Stack(tuple(slices), suffix)]


def _when(one: SliceHeader) -> tuple[Any, ...]:
    values = [split.value_of(one) for split in _SPLITS if split.of_time]
    return (*((value is not None, 0 if value is None else value) for value in values), one.instance)


def _doubts(shown: Sequence[Sequence[SliceHeader]]) -> tuple[str, ...]:
    """Say why pictures of one place may be no time points after all."""
    if any(len({_when(one) for one in place}) < len(place) for place in shown):
        return (
            "nothing in the headers tells pictures of one place apart: they are in the order of "
            "file names",
        )
    if len(shown) == 1:  # any time that differed would have parted them
        return (
            f"{len(shown[0])} slices at one position, told apart by InstanceNumber only: are "
            "their positions wrong?",
        )
    return ()


def _passes(
    slices: Sequence[SliceHeader], shown: Sequence[Sequence[SliceHeader]]
) -> list[list[SliceHeader]]:
    """Part slices numbered time point by time point, the last one cut short; else give none."""
    place_of = {id(one): number for number, place in enumerate(shown) for one in place}
    times: list[list[SliceHeader]] = []
    seen: set[int] = set(place_of.values())
    for one in sorted(slices, key=lambda one: one.instance):
        if place_of[id(one)] in seen:
            times.append([])
            seen = set()
        times[-1].append(one)
        seen.add(place_of[id(one)])
    whole = len(times) > 2 and all(len(time) == len(shown) for time in times[:-1])
    return times if whole else []


def _numbered(
    times: Sequence[Sequence[SliceHeader]], suffix: str, notes: tuple[str, ...]
) -> list[Stack]:
    most = max(map(len, times))
    return [
        Stack(
            tuple(members),
            f"{suffix}_t{number:03d}",
            (*_short_notes(len(members), most), *notes),
            number,
        )
        for number, members in enumerate(times, 1)
    ]


__all__ = ["Stack", "split_contrasts"]
