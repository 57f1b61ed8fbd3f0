"""The ``dataset.json`` of nnU-Net and the Medical Segmentation Decathlon: labels and channels."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medprep.errors import OptionError, SourceError
from medprep.files import natural_key, safe_name, walk_files
from medprep.organs import Organ, OrganTable
from medprep.sources.base import Reader

NAME = "dataset.json"
SPLITS = "splits_final.json"
ENDINGS: Mapping[str, Reader] = {
    ".nii.gz": "nifti", ".nii": "nifti", ".png": "png", ".jpg": "png", ".jpeg": "png",
}  # fmt: skip
"""What of their file endings medprep reads."""

NO_PATIENT = (
    "no patient is known: each picture counts as its own patient; pictures of one patient in two "
    "folds would make the Dice too good"
)

_MR = ("mr", "t1", "t2", "pd", "flair", "dwi", "adc", "swi", "dce")
_MOST_BYTES = 1 << 28


@dataclass(frozen=True)
class Labels:
    """What the ``labels`` of a ``dataset.json`` say.

    Parameters
    ----------
    table
        Organs by their numbers, with the regions.
    notes
        What a person should know.
    """

    table: OrganTable
    notes: tuple[str, ...]


def find_described(root: Path, key: str) -> tuple[Path, dict[str, Any]] | None:
    """Find the ``dataset.json`` that has a key: in a folder, or in one of the folders in it.

    Returns
    -------
    tuple or None
        The folder of the data set and the record; None where there is none.

    Raises
    ------
    SourceError
        If several folders have one, or the only one cannot be read.
    """
    here = root / NAME
    places = [here] if here.is_file() else sorted(root.glob(f"*/{NAME}"), key=natural_key)
    found = [(path.parent, record) for path in places if key in (record := _read(path))]
    if len(found) > 1:
        raise SourceError(
            f"{len(found)} data sets lie here: "
            + ", ".join(folder.name for folder, _ in found)
            + "; point at one of them",
            path=root,
        )
    return found[0] if found else None


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SourceError(
                f"{NAME} is too large to be one; wanted are at most {_MOST_BYTES:,} bytes",
                path=path,
            )
        record = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{NAME} cannot be read: {type(error).__name__}", path=path) from error
    return record if isinstance(record, dict) else {}


def read_labels(labels: object, path: Path) -> Labels:
    """Read ``{"liver": 1, "whole": [1, 2], "ignore": 3}`` or ``{"0": "background", ...}``.

    A label that only regions hold is named after its number: ``label_2``.

    Raises
    ------
    SourceError
        If they are neither, or a number has two names.
    """
    if not isinstance(labels, dict):
        raise SourceError("its labels are no table of names and numbers", path=path)
    if labels and all(str(key).isdecimal() for key in labels):
        labels = _by_name(labels)
    numbers: dict[int, str] = {}
    regions: dict[str, tuple[int, ...]] = {}
    notes = []
    for written, value in labels.items():
        values = _numbers(value, written, path)
        if written == "ignore":
            notes.append(
                f"label {values[0]} is 'ignore' (nobody has labelled these voxels) and no organ: "
                "extract stops at it, or with --unmapped background takes it for background, "
                "which it need not be"
            )
        elif len(values) > 1:
            regions[organ_name(written)] = values
        elif values[0] > 0:
            if values[0] in numbers:
                raise SourceError(
                    f"label {values[0]} has two names, {numbers[values[0]]} and {written}",
                    path=path,
                )
            numbers[values[0]] = organ_name(written)
    for value in sorted({one for values in regions.values() for one in values if one > 0}):
        numbers.setdefault(value, f"label_{value}")
    organs = tuple(Organ(numbers[value], ((value, value),)) for value in sorted(numbers))
    named = tuple(
        (name, tuple(numbers[one] for one in values if one > 0)) for name, values in regions.items()
    )
    try:
        table = OrganTable(organs, named)
    except OptionError as error:
        raise SourceError(f"its labels cannot be used: {error.message}", path=path) from error
    notes.extend(f"region {name}: {' + '.join(parts)}" for name, parts in named)
    return Labels(table, tuple(notes))


def _by_name(labels: Mapping[Any, Any]) -> dict[str, int]:
    """Turn number to name into name to number; a name that comes twice bears its number."""
    count = Counter(organ_name(str(name)) for name in labels.values())
    return {
        str(name) if count[organ_name(str(name))] == 1 else f"{name}_{number}": int(number)
        for number, name in labels.items()
    }


def _numbers(value: object, name: object, path: Path) -> tuple[int, ...]:
    values = value if isinstance(value, list) and value else [value]
    if not all(isinstance(one, int) and 0 <= one <= 65535 for one in values):
        raise SourceError(
            f"label '{name}' is {str(value)[:60]}; wanted is a whole number from 0 to 65535 or a "
            "list of them",
            path=path,
        )
    return tuple(values)


def organ_name(text: str) -> str:
    """Give a name the form of organs': lower case, words joined by ``_``, mixtures by ``+``."""
    return re.sub(r"[^a-z0-9+]+", "_", text.casefold()).strip("_+") or "x"


def modality_of(channel: str) -> str:
    """Give the DICOM modality that a channel's name speaks of, or ``""``."""
    word = channel.strip().casefold()
    if word.startswith("ct"):
        return "CT"
    return "MR" if word.startswith(_MR) else ""


def unique_case(name: str, taken: Iterable[str], path: Path) -> str:
    """Give the case id of a name.

    Raises
    ------
    SourceError
        If another case has it.
    """
    case = safe_name(name)
    if case in taken:
        raise SourceError(f"two pictures would be the case {case}: rename one", path=path)
    return case


def passed_over(folder: Path, used: Iterable[Path]) -> tuple[str, ...]:
    """Say how many files below a folder belong to no case; hidden ones are counted too."""
    known = {*used, folder / NAME, folder / SPLITS}
    strangers = [path for path in walk_files(folder) if path not in known]
    if not strangers:
        return ()
    hidden = sum(path.name.startswith(".") for path in strangers)
    text = f"passed over: {len(strangers)} files that belong to no case"
    return (f"{text} ({hidden} hidden ones, as macOS leaves them)" if hidden else text,)
