"""Slices to stacks: which of them are one volume.

A SeriesInstanceUID is only a hint: one can hold two echoes, and an export can give each slice a
UID of its own. What rules is size, direction and contrast; positions tell where a stack holds
several pictures of one place.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import numpy as np

from medprep.dicom.contrasts import EVEN, Stack, split_contrasts
from medprep.dicom.places import alike, steps_mm
from medprep.dicom.records import Plane, SliceHeader
from medprep.files import natural_key

_KINDS = "sizes, directions or kinds of pixel"


def group(slices: Iterable[SliceHeader]) -> list[Stack]:
    """Sort the slices of a whole tree into stacks.

    Returns
    -------
    list of Stack
        In the order of patients, studies, series; no slice is lost: each is in exactly one stack,
        or counted as a copy in its stacks' notes.
    """
    series: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for one in sorted(slices, key=_in_files):
        origin = one.origin
        uid = origin.series or origin.number  # some exports strip the one and keep the other
        series[origin.patient, origin.study, uid, origin.modality].append(one)
    stacks = []
    for members in _joined_singles(list(series.values())):
        parts = _by_plane(members)
        for number, part in enumerate(parts, 1):
            view = f"_v{number}" if len(parts) > 1 else ""
            for stack in split_contrasts(part):
                notes = stack.notes
                if view:
                    notes = (*notes, f"one of {len(parts)} {_KINDS} in its series")
                stacks.append(replace(stack, suffix=view + stack.suffix, notes=notes))
    return sorted(stacks, key=_order)


def _in_files(one: SliceHeader) -> tuple[Any, ...]:
    return natural_key(str(one.blob)), one.frame, one.tile or ()


def _order(stack: Stack) -> tuple[Any, ...]:
    first = stack.slices[0]
    origin = first.origin
    return (
        origin.patient, origin.study_time, origin.study, origin.number, origin.series,
        natural_key(stack.suffix), natural_key(str(first.blob)),
    )  # fmt: skip


def _joined_singles(series: list[list[SliceHeader]]) -> list[list[SliceHeader]]:
    """Join series of one slice each that lie as a stack does: their UIDs were made up one by one.

    One folder and one series number must hold them. A stack that lacks a slice is joined too, so
    that its checks can say so.
    """
    joined: list[list[SliceHeader]] = []
    singles: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for members in series:
        one = members[0]
        if len(members) > 1 or one.frames > 1 or one.position_mm is None:
            joined.append(members)
        else:
            folder = str(PurePath(one.blob.member or one.blob.path).parent)
            origin = one.origin
            # Who is told by the study alone may have been given one for each slice too.
            patient = "" if origin.patient == origin.study else origin.patient
            singles[patient, origin.modality, origin.number, folder].append(one)
    for found in singles.values():
        for part in _by_plane(found):
            joined.extend([part] if _is_stack(part) else [[one] for one in part])
    return joined


def _is_stack(slices: Sequence[SliceHeader]) -> bool:
    """Tell whether there are three places, and most of their distances are alike."""
    steps = steps_mm(slices)
    if len(steps) < 2:
        return False
    usual = float(np.median(steps))
    usual_ones = (steps > usual / EVEN) & (steps < usual * EVEN)
    return int(usual_ones.sum()) * 2 > len(steps)


def _by_plane(slices: Sequence[SliceHeader]) -> list[list[SliceHeader]]:
    """Part slices of another size, direction, spacing or kind of pixel; the largest part first."""
    kinds: dict[Plane, Plane] = {}
    for plane in {one.plane: None for one in slices}:
        kinds[plane] = next((known for known in kinds.values() if alike(plane, known)), plane)
    parts: dict[Hashable, list[SliceHeader]] = defaultdict(list)
    for one in slices:
        encoding = one.encoding
        key = (kinds[one.plane], encoding.samples, encoding.photometric, one.origin.role)
        parts[key, one.position_mm is None].append(one)
    unplaced = [part for part in parts.values() if part[0].position_mm is None]
    placed = [part for part in parts.values() if part[0].position_mm is not None]
    return sorted(placed, key=len, reverse=True) + unplaced


__all__ = ["Stack", "group"]
