"""Clean a label map by the rules, with an account of every voxel they touch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.geometry import Geometry
from medprep.labels.audit import Audit, AuditRow, RuleName
from medprep.labels.components import (
    ROUNDING,
    clear,
    large_enough,
    largest,
    organ_pieces,
    require_labels,
    require_names,
)
from medprep.labels.holes import fill_holes
from medprep.labels.rules import Rules
from medprep.labels.runs import Pieces, Runs, find_runs, per_label
from medprep.labels.smoothing import smooth_labels

Splitter = Callable[[NDArray[Any]], tuple[NDArray[Any], str]]
"""Gives a label map whose paired organs have a label a side, and how that was decided."""

_UNKNOWN = "not judged: the spacing is unknown"

_Verdict = tuple[bool, str]
"""Whether a mask is dropped, and what was seen."""


def apply_rules(
    labels: NDArray[Any],
    geometry: Geometry | None,
    names: Mapping[int, str],
    rules: Rules,
    split: Splitter | None = None,
) -> tuple[NDArray[Any], list[AuditRow]]:
    """Clean a label map by the rules.

    A piece is a set of voxels of one label that touch by faces, edges or corners (26 neighbours);
    of equally large ones those come first whose first voxel comes first in C order. Where a rule
    has changed what an earlier one looked at, all but smoothing follow once more: the result is
    one that they do not change. Smoothing is done once and would go on.

    Parameters
    ----------
    labels
        ``[slice, row, column]``, uint8 or uint16.
    geometry
        The grid; None where the spacing is unknown, then no rule of ml or mm drops anything.
    names
        Label value to name, those too that ``split`` gives; each has a row at least, also one of
        which there is no voxel.
    rules
        Which.
    split
        Parts the pairs; needed where ``rules.split_pairs`` is on. Called once.

    Returns
    -------
    cleaned : ndarray
        A new array of the same shape and type.
    rows : list of AuditRow
        By label, then in the order in which the rules were applied.

    Raises
    ------
    LabelError
        If the array is of another type or shape, or holds a label without a name.
    OptionError
        If pairs are to be parted and ``split`` is missing, or ``keep_of`` names no organ.
    """
    require_labels(labels)
    if rules.split_pairs and split is None:
        raise OptionError("pairs are to be split, but nothing is given that splits them")
    strangers = {name for name, _ in rules.keep_of} - set(names.values())
    if strangers:
        raise OptionError(f"no organ {sorted(strangers)} here (there are {dict(names)})")
    cleaned = np.array(labels, order="C")
    audit = _start(cleaned, geometry, names)
    if too_small := _case(labels.shape, geometry, rules):
        cleaned[:] = 0
        audit.note("case", dict.fromkeys(audit.left, too_small), audit.voxels)
    if rules.split_pairs and split is not None:
        parted, how = split(cleaned)
        _note_moves(audit, "split", cleaned, parted, how)
        cleaned = np.array(parted, order="C")
    if rules.smooth_radius:
        smooth = smooth_labels(cleaned, rules.smooth_radius)
        _note_moves(audit, "smooth", cleaned, smooth, f"radius {rules.smooth_radius}")
        cleaned = smooth
    while _round(cleaned, audit, geometry, rules):
        audit.only_changes = True
    return cleaned, audit.rows()


def judge(
    labels: NDArray[Any],
    geometry: Geometry | None,
    names: Mapping[int, str],
    rules: Rules,
    split: Splitter | None = None,
) -> list[AuditRow]:
    """Tell what `apply_rules` would do."""
    return apply_rules(labels, geometry, names, rules, split)[1]


def _start(labels: NDArray[Any], geometry: Geometry | None, names: Mapping[int, str]) -> Audit:
    runs = find_runs(labels)
    voxels = per_label(runs.label, runs.length)
    require_names(voxels, names)
    return Audit(voxels, names, geometry.voxel_ml if geometry else None)


def _case(shape: tuple[int, ...], geometry: Geometry | None, rules: Rules) -> str:
    """Tell why a whole case is dropped; ``""`` where it stays."""
    if geometry is None:
        return ""
    ml = geometry.voxel_ml * math.prod(shape)
    if ml < rules.min_case_ml * (1 - ROUNDING):
        return f"the picture has {ml:.4g} ml, at least {rules.min_case_ml:g} ml stay"
    sides = [n * step for n, step in zip(shape, geometry.spacing_mm, strict=True)]
    if min(sides) < rules.min_case_side_mm * (1 - ROUNDING):
        seen = " x ".join(f"{side:.4g}" for side in sides)
        return f"the picture has {seen} mm, at least {rules.min_case_side_mm:g} mm stay"
    return ""


def _note_moves(
    audit: Audit, rule: RuleName, old: NDArray[Any], new: NDArray[Any], reason: str
) -> None:
    """Take down which voxels changed their label."""
    changed = np.flatnonzero(old != new)
    once = np.ones(changed.size, np.int64)
    removed = per_label(old.reshape(-1)[changed], once)
    added = per_label(new.reshape(-1)[changed], once)
    require_names(added, audit.names)
    audit.note(rule, dict.fromkeys({*removed, *added}, reason), removed, added)


def _round(labels: NDArray[Any], audit: Audit, geometry: Geometry | None, rules: Rules) -> bool:
    """Apply the rules but splitting and smoothing in place; tell whether to do it once more."""
    runs, pieces = organ_pieces(labels)
    keep = _judge_pieces(pieces, audit, rules)
    clear(labels, runs.select(~keep[pieces.of_run]))
    runs = runs.select(keep[pieces.of_run])
    filled = fill_holes(labels, rules.fill_holes)
    if rules.fill_holes != "none":
        reasons = {n: f"{filled.get(n, 0)} voxels in holes" for n in audit.left}
        audit.note("holes", reasons, added=filled)
    if filled:
        runs = find_runs(labels)
    dropped = _judge_masks(runs, audit, geometry, rules)
    clear(labels, runs.select(np.isin(runs.label, dropped)))
    # A dropped organ may leave a hole in another one. Each such round drops one, so it ends.
    return bool(dropped) and rules.fill_holes != "none"


def _judge_pieces(pieces: Pieces, audit: Audit, rules: Rules) -> NDArray[np.bool_]:
    """Tell which pieces stay, and take down why."""
    counts = dict(rules.keep_of)
    limits = {label: counts.get(audit.names[label], rules.keep) for label in audit.left}
    keep = largest(pieces, {label: k for label, k in limits.items() if k is not None})
    found = per_label(pieces.label, np.ones_like(pieces.size))
    reasons = {
        label: f"{found[label]} pieces, at most {k} stay"
        for label, k in limits.items()
        if k is not None
    }
    audit.note("keep", reasons, per_label(pieces.label[~keep], pieces.size[~keep]))
    if rules.min_piece_ml:
        enough = large_enough(pieces, audit.voxel_ml, rules.min_piece_ml)
        small = keep & ~enough
        under = f"pieces under {rules.min_piece_ml:g} ml"
        number = per_label(pieces.label[small], np.ones_like(pieces.size[small]))
        reasons = {
            label: _UNKNOWN if audit.voxel_ml is None else f"{number.get(label, 0)} {under}"
            for label in audit.left
        }
        audit.note("min-piece", reasons, per_label(pieces.label[small], pieces.size[small]))
        keep &= enough
    return keep


def _judge_masks(runs: Runs, audit: Audit, geometry: Geometry | None, rules: Rules) -> list[int]:
    """Give the labels whose masks are dropped, and take down why."""
    judges: list[tuple[RuleName, Callable[[int], _Verdict]]] = []
    if rules.min_ml:
        judges.append(("min-volume", lambda label: _volume(audit, label, rules)))
    if rules.min_side_mm:
        judges.append(("min-side", lambda label: _sides(runs, label, geometry, rules)))
    if rules.max_background_percent < 100:
        judges.append(("background", lambda label: _background(audit, label, runs.shape, rules)))
    dropped: list[int] = []
    for rule, verdict in judges:
        verdicts = {label: verdict(label) for label in audit.left}
        removed = {label: audit.voxels[label] for label, (bad, _) in verdicts.items() if bad}
        audit.note(rule, {label: seen for label, (_, seen) in verdicts.items()}, removed)
        dropped += removed
    return dropped


def _volume(audit: Audit, label: int, rules: Rules) -> _Verdict:
    if audit.voxel_ml is None:
        return False, _UNKNOWN
    ml = audit.voxels[label] * audit.voxel_ml
    return ml < rules.min_ml * (1 - ROUNDING), f"{ml:.4g} ml, at least {rules.min_ml:g} ml stay"


def _sides(runs: Runs, label: int, geometry: Geometry | None, rules: Rules) -> _Verdict:
    if geometry is None:
        return False, _UNKNOWN
    mine = runs.select(runs.label == label)
    row, column = np.divmod(mine.start, runs.shape[2])
    slices, row = np.divmod(row, runs.shape[1])
    voxels = (np.ptp(slices) + 1, np.ptp(row) + 1, (column + mine.length).max() - column.min())
    sides = [float(n) * step for n, step in zip(voxels, geometry.spacing_mm, strict=True)]
    seen = " x ".join(f"{side:.4g}" for side in sides)
    return (
        min(sides) < rules.min_side_mm * (1 - ROUNDING),
        f"{seen} mm, at least {rules.min_side_mm:g} mm stay",
    )


def _background(audit: Audit, label: int, shape: tuple[int, int, int], rules: Rules) -> _Verdict:
    size = shape[0] * shape[1] * shape[2]
    background = size - audit.voxels[label]
    # Exact: a part of the volume that equals the limit does not exceed it.
    over = 100 * background > Fraction(str(rules.max_background_percent)) * size
    percent = 100 * background / size
    return over, f"background {percent:.4f}%, up to {rules.max_background_percent:g}% stay"
