"""A data set in the raw form of nnU-Net v2, as its ``documentation/dataset_format.md`` has it.

::

    Dataset501_Name/dataset.json            channel_names, labels, file_ending, numTraining
                    imagesTr/<case>_0000.nii.gz     one file a channel
                    labelsTr/<case>.nii.gz
                    imagesTs/<case>_0000.nii.gz     and labelsTs, where somebody added them
                    splits_final.json               or in nnUNet_preprocessed/Dataset501_Name/

A ``dataset.json`` may list its files itself under ``dataset``; then the folders of training cases
do not count.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from medprep.errors import SourceError
from medprep.files import natural_key, walk_files
from medprep.places.paths import is_far
from medprep.sources.base import Reader, SourceCase, SourceSet
from medprep.sources.dataset_json import (
    ENDINGS,
    NAME,
    NO_PATIENT,
    SPLITS,
    find_described,
    modality_of,
    passed_over,
    read_labels,
    unique_case,
)

_CHANNEL = re.compile(r"(?P<case>.+)_(?P<channel>[0-9]{4})")


@dataclass
class _Found:
    """The files of one case."""

    channels: dict[int, Path] = field(default_factory=dict)
    mask: Path | None = None
    fold: Literal["", "test"] = ""


def find_nnunet(root: Path) -> SourceSet | None:
    """Find the cases of a data set in nnU-Net's raw form.

    Parameters
    ----------
    root
        Its folder, or the folder in which it is the only one.

    Returns
    -------
    SourceSet or None
        None where no ``dataset.json`` names channels.

    Raises
    ------
    SourceError
        If it names a file ending that medprep does not read, labels that are none, or holds no
        case.
    """
    described = find_described(root, "channel_names")
    if described is None:
        return None
    folder, record = described
    ending = str(record.get("file_ending", ".nii.gz"))
    reader = ENDINGS.get(ending.casefold())
    if reader is None:
        raise SourceError(
            f"its files end in '{ending}'; medprep reads {', '.join(ENDINGS)}", path=folder / NAME
        )
    labels = read_labels(record.get("labels"), folder / NAME)
    channels = _channel_names(record["channel_names"], folder / NAME)
    training = _listed(record, folder) or _in_folders(folder, "Tr", ending)
    test = _in_folders(folder, "Ts", ending)
    cases, broken = _cases(training, test, reader, channels.get(0, ""))
    if not cases:
        raise SourceError(
            f"no case in it; wanted are imagesTr/<case>_0000{ending}", path=folder / NAME
        )
    used = [
        path
        for one in (*training.values(), *test.values())
        for path in (*one.channels.values(), *((one.mask,) if one.mask and one.channels else ()))
    ]
    splits = _splits(folder)
    notes = (
        _counts(cases),
        *_channel_notes(channels, {**training, **test}),
        *labels.notes,
        *broken,
        *_odd(record, training),
        *(() if splits is None else (_split_note(splits, folder),)),
        *passed_over(folder, used),
        NO_PATIENT,
    )
    return SourceSet("nnunet", cases, labels.table, notes, splits=splits)


def _channel_names(found: object, path: Path) -> dict[int, str]:
    if not isinstance(found, dict) or not all(str(key).isdecimal() for key in found):
        raise SourceError("its channel_names are no table of numbers and names", path=path)
    return {int(key): str(name) for key, name in found.items()}


def _in_folders(folder: Path, which: str, ending: str) -> dict[str, _Found]:
    """Find ``images<which>`` and ``labels<which>``; a mask alone is a case without channels."""
    found: dict[str, _Found] = {}
    for path in _files(folder / f"images{which}", ending):
        match = _CHANNEL.fullmatch(path.name[: -len(ending)])
        if match:
            one = found.setdefault(match["case"], _Found())
            one.channels[int(match["channel"])] = path
    for path in _files(folder / f"labels{which}", ending):
        one = found.setdefault(path.name[: -len(ending)], _Found())
        one.mask = path
        one.fold = "test" if which == "Ts" else ""
    return found


def _files(folder: Path, ending: str) -> list[Path]:
    if not folder.is_dir():
        return []
    wanted = ending.casefold()
    return [
        path
        for path in walk_files(folder)
        if path.parent == folder
        and path.name.casefold().endswith(wanted)
        and not path.name.startswith("._")
    ]


def _listed(record: Mapping[str, Any], folder: Path) -> dict[str, _Found]:
    """Read the cases that ``dataset.json`` lists itself."""
    found = {}
    listed = record.get("dataset", {})
    for name, files in listed.items() if isinstance(listed, dict) else ():
        try:
            channels = {n: folder / str(path) for n, path in enumerate(files["images"])}
            found[str(name)] = _Found(channels, folder / str(files["label"]))
        except (KeyError, TypeError) as error:
            raise SourceError(
                f"its case '{name}' lists no images and label", path=folder / NAME
            ) from error
    return found


def _cases(
    training: Mapping[str, _Found], test: Mapping[str, _Found], reader: Reader, channel: str
) -> tuple[tuple[SourceCase, ...], list[str]]:
    cases: dict[str, SourceCase] = {}
    lonely: list[str] = []
    lacking: list[str] = []
    for name, one in (*training.items(), *test.items()):
        if 0 not in one.channels:
            (lacking if one.channels else lonely).append(name)
            continue
        case = unique_case(name, cases, one.channels[0])
        cases[case] = SourceCase(
            case=case,
            patient=case,
            sequence="",
            modality=modality_of(channel),
            identity=name,
            reader=reader,
            pictures=(one.channels[0],),
            masks=() if one.mask is None else (one.mask,),
            fold=one.fold,
        )
    broken = []
    if lonely:
        broken.append(f"passed over: {len(lonely)} masks without a picture, first '{lonely[0]}'")
    if lacking:
        broken.append(
            f"passed over: {len(lacking)} cases without their first channel _0000, first "
            f"'{lacking[0]}'"
        )
    return tuple(sorted(cases.values(), key=lambda case: natural_key(case.case))), broken


def _counts(cases: tuple[SourceCase, ...]) -> str:
    labelled = [case for case in cases if case.masks]
    test = sum(case.fold == "test" for case in labelled)
    text = f"nnunet: {len(cases)} pictures, {len(labelled)} with masks"
    return f"{text}, {test} of them in labelsTs: taken as the test fold" if test else text


def _channel_notes(channels: Mapping[int, str], found: Mapping[str, _Found]) -> list[str]:
    several = sorted({n for one in found.values() for n in one.channels} | set(channels))
    if len(several) < 2:
        return []
    first, *others = (f"_{n:04d} ({channels.get(n, 'unnamed')})" for n in several)
    return [
        f"{len(several)} channels: only the first, {first}, is taken; left out: "
        f"{', '.join(others)}. To work with another, copy its files to a data set of their own"
    ]


def _odd(record: Mapping[str, Any], training: Mapping[str, _Found]) -> list[str]:
    told, there = record.get("numTraining"), sum(bool(one.channels) for one in training.values())
    if told is None or told == there:
        return []
    return [f"dataset.json speaks of {told} training cases; {there} are there"]


def _split_note(splits: Path, folder: Path) -> str:
    where = "beside dataset.json" if splits.parent == folder else "in nnUNet_preprocessed"
    return f"{SPLITS} came with it, {where}: --splits FILE takes it"


def _splits(folder: Path) -> Path | None:
    """Find the split beside the data set, or where nnU-Net keeps it."""
    preprocessed = folder.parent.parent / "nnUNet_preprocessed" / folder.name
    places = [folder / SPLITS]
    if not is_far(folder):  # beside a bucket's folder it may not be allowed to look
        places.append(preprocessed / SPLITS)
    for path in places:
        if path.is_file():
            return path
    return None
