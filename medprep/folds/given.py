"""A split that somebody made: nnU-Net's ``splits_final.json``, or a table of cases or patients."""

from __future__ import annotations

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from medprep.errors import FormatError, SplitError
from medprep.folds.schemes import Roles
from medprep.folds.shares import FOLDS

_NAMED = 5
"""So many names a message gives before it only counts the others."""


@dataclass(frozen=True)
class Given:
    """A split as a file has it.

    Parameters
    ----------
    by
        Whether its names are cases or patients.
    count
        How many fold numbers it has.
    roles
        Name, as the file writes it, to roles.
    notes
        What a person should know.
    """

    by: Literal["case", "patient"]
    count: int
    roles: Mapping[str, Roles]
    notes: tuple[str, ...] = ()


def read_given(path: Path) -> Given:
    """Read a split.

    Parameters
    ----------
    path
        A ``.json`` holds a list of ``{"train": [...], "val": [...]}``, where ``test`` may stand
        beside them. Anything else is a table with a head line, separated by commas, semicolons or
        tabs, with the columns ``fold`` and ``case`` or ``patient``; a fold is ``train``, ``val``,
        ``test``, or a number: each number is once the validation fold, and ``test`` may stand
        among numbers.

    Raises
    ------
    FormatError
        If it cannot be read or has another shape.
    SplitError
        If it names somebody twice.
    """
    text = _text(path, "split")
    return _from_json(text, path) if path.suffix.casefold() == ".json" else _from_table(text, path)


def _from_json(text: str, path: Path) -> Given:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"the split is no JSON: {error}", path=path) from error
    if not isinstance(content, list) or not content or not all(map(_is_fold, content)):
        raise FormatError(
            'wanted is a list of {"train": [names], "val": [names]}, as nnU-Net\'s '
            f"splits_final.json has it; found is {_shape(content)}",
            path=path,
        )
    table: dict[str, list[str]] = defaultdict(lambda: [""] * len(content))
    for number, fold in enumerate(content):
        listed = Counter(name for role in FOLDS for name in fold.get(role, ()))
        twice = [name for name, times in listed.items() if times > 1]
        if twice:
            raise SplitError(f"fold {number} names a case twice: {named(twice)}", path=path)
        for role in FOLDS:
            for name in fold.get(role, ()):
                table[name][number] = role
    return Given("case", len(content), {name: tuple(row) for name, row in table.items()})


def _is_fold(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and {"train", "val"} <= set(value)
        and all(isinstance(value.get(role, []), list) for role in FOLDS)
        and all(isinstance(name, str) for role in FOLDS for name in value.get(role, ()))
    )


def _shape(content: Any) -> str:
    if isinstance(content, list) and content:
        bad = next(number for number, one in enumerate(content) if not _is_fold(one))
        held = content[bad]
        inside = (
            f"{{{', '.join(map(str, held))}}}" if isinstance(held, dict) else type(held).__name__
        )
        return f"{inside[:80]} at place {bad}"
    return f"{type(content).__name__} of {len(content) if hasattr(content, '__len__') else 1}"


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        said = getattr(error, "strerror", None) or "it is no text"
        raise FormatError(f"the {what} cannot be read: {said}", path=path) from error


def read_table(path: Path) -> list[dict[str, str]]:
    """Read a table with a head line; names of columns in lower case, cells without blanks around.

    Raises
    ------
    FormatError
        If it cannot be read, has no row, or a row has another number of cells than the head.
    """
    return _rows(_text(path, "table"), path)


def _rows(text: str, path: Path) -> list[dict[str, str]]:
    head = text.partition("\n")[0]
    rows = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=head.count)))
    if len(rows) < 2:
        raise FormatError("the table has no row below its head line", path=path)
    columns = [cell.strip().casefold() for cell in rows[0]]
    table = []
    for number, row in enumerate(rows[1:], 2):
        if row and len(row) != len(columns):
            raise FormatError(
                f"line {number} has {len(row)} cells, the head line {len(columns)}", path=path
            )
        if any(cell.strip() for cell in row):
            table.append({c: cell.strip() for c, cell in zip(columns, row, strict=True)})
    return table


def name_column(table: list[dict[str, str]], other: str, path: Path) -> Literal["case", "patient"]:
    """Give the column that says who a row is about.

    Raises
    ------
    FormatError
        If it, or the column ``other``, is missing.
    """
    columns = list(table[0]) if table else []
    by: Literal["case", "patient"] = "case" if "case" in columns else "patient"
    if by not in columns or other not in columns:
        raise FormatError(
            f"wanted are the columns case (or patient) and {other}; found are "
            f"{', '.join(columns) or 'none'}",
            path=path,
        )
    return by


def _from_table(text: str, path: Path) -> Given:
    table = _rows(text, path)
    by = name_column(table, "fold", path)
    twice = [name for name, times in Counter(row[by] for row in table).items() if times > 1]
    if twice:
        raise SplitError(f"a {by} is named twice: {named(twice)}", path=path)
    folds = {row[by]: row["fold"].casefold() for row in table}
    words = set(folds.values())
    if words <= set(FOLDS):
        return Given(by, 1, {name: (fold,) for name, fold in folds.items()})
    strangers = {word for word in words if not word.isdecimal()} - {"test"}
    numbers = sorted({int(word) for word in words if word.isdecimal()})
    if strangers or len(numbers) < 2 or numbers != list(range(numbers[0], numbers[-1] + 1)):
        raise FormatError(
            "wanted in the column fold is train, val or test, or numbers from 0 without a gap "
            f"(test may stand among them); found is {named(words)}",
            path=path,
        )
    count, first = len(numbers), numbers[0]
    roles = {
        name: tuple(
            "test" if fold == "test" else "val" if int(fold) - first == number else "train"
            for number in range(count)
        )
        for name, fold in folds.items()
    }
    notes = (f"the file counts folds from {first}: its fold {first} is 0 here",) if first else ()
    return Given(by, count, roles, notes)


def match(given: Given, known: Mapping[str, Collection[str]], path: Path) -> dict[str, Roles]:
    """Give the roles of the cases that a split names.

    Parameters
    ----------
    given
        The split.
    known
        Every name that a case (or patient) may go by, in lower case, and the cases it stands for.
    path
        Of the split, for messages.

    Raises
    ------
    SplitError
        If it names somebody who is not there, somebody by a name that stands for two, or one case
        by two names.
    """
    unknown = [name for name in given.roles if not known.get(name.casefold())]
    if unknown:
        raise SplitError(
            f"the split names {len(unknown)} that are not in the data set: {named(unknown)}; this "
            f"set has {named(sorted({c for cases in known.values() for c in cases}))}",
            path=path,
        )
    if given.by == "case":
        unclear = [name for name in given.roles if len(known[name.casefold()]) > 1]
        if unclear:
            raise SplitError(
                f"names of the split stand for several cases each: {named(unclear)}", path=path
            )
    found: dict[str, Roles] = {}
    for name, roles in given.roles.items():
        for case in known[name.casefold()]:
            if case in found:
                raise SplitError(
                    f"the split names the case {case} twice: also as {name}", path=path
                )
            found[case] = roles
    return found


def straddling(
    patient_of: Mapping[str, str], roles: Mapping[str, Roles]
) -> dict[str, tuple[int, ...]]:
    """Give the patients whose cases stand in several folds of one number, with those numbers.

    Parameters
    ----------
    patient_of
        Case to patient.
    roles
        Case to roles.
    """
    seen: dict[tuple[str, int], set[str]] = defaultdict(set)
    for case, row in roles.items():
        for number, role in enumerate(row):
            if role:
                seen[patient_of[case], number].add(role)
    torn: dict[str, list[int]] = defaultdict(list)
    for (patient, number), folds in sorted(seen.items()):
        if len(folds) > 1:
            torn[patient].append(number)
    return {patient: tuple(numbers) for patient, numbers in torn.items()}


def named(names: Collection[str]) -> str:
    """Give the first few names and how many more there are."""
    first = ", ".join(sorted(names)[:_NAMED])
    return first + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
