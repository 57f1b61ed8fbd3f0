"""Pictures and masks as pairs of files: NIfTI volumes or single slices as PNG or JPEG.

A file is a mask where its name or the nearest telling folder above it says so, and a picture
otherwise; what is left of the name without that word is what pairs them::

    images/case_07.nii.gz + labels/case_07.nii.gz       image_7.nii.gz + label_7.nii.gz
    imagesTr/amos_0001.nii.gz + labelsTr/...            img/img0001.nii.gz + label/label0001.nii.gz
    train/Data/a.png + train/Ground/a.png, val/Data/... (then the folders are the split)
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Literal

import numpy as np

from medprep.errors import MedprepError, SourceError
from medprep.files import natural_key, safe_name, walk_files
from medprep.formats import nifti
from medprep.organs import BINARY, numbered
from medprep.places.hand import ahead
from medprep.sources.base import Reader, SourceCase, SourceSet
from medprep.sources.dataset_json import NO_PATIENT

_MASK_WORDS = ("labels", "label", "masks", "mask", "ground", "segmentations", "segmentation", "seg")
_PICTURE_WORDS = ("images", "image", "pictures", "data", "imgs", "img")
_FOLDS: dict[str, Literal["train", "val", "test"]] = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
_ENDINGS: dict[Reader, tuple[str, ...]] = {
    "nifti": (".nii.gz", ".nii"), "png": (".png", ".jpg", ".jpeg"),
}  # fmt: skip
_WORD = re.compile(rf"(?<![a-z])(?:{'|'.join(_MASK_WORDS + _PICTURE_WORDS)})(?:tr|ts)?(?![a-z])")


def find_pairs(root: Path, reader: Reader) -> tuple[list[SourceCase], int]:
    """Pair the NIfTI or PNG and JPEG files below a folder.

    Returns
    -------
    list of SourceCase
        None gives an empty one.
    int
        How many files were passed over.

    Raises
    ------
    SourceError
        If two pictures give one case, or a mask has no picture.
    """
    pictures: dict[str, Path] = {}
    masks: dict[str, Path] = {}
    passed_over = 0
    for path in walk_files(root):
        ending = next((e for e in _ENDINGS[reader] if path.name.casefold().endswith(e)), "")
        if not ending or path.name.startswith("._"):  # what macOS leaves beside a file
            passed_over += 1
            continue
        relative = path.relative_to(root).as_posix().casefold().removesuffix(ending)
        into = masks if _is_mask(relative) else pictures
        key = "/".join(
            filter(None, (_WORD.sub("", part).strip("_-. ") for part in relative.split("/")))
        )
        if key in into:
            raise SourceError(f"two files give the pair '{key}': also {into[key].name}", path=path)
        into[key] = path
    lonely = sorted(set(masks) - set(pictures), key=natural_key)
    if lonely and pictures:
        raise SourceError(
            f"{len(lonely)} masks have no picture of the same name, first '{lonely[0]}'",
            path=masks[lonely[0]],
        )
    return _cases(pictures, masks, reader), passed_over


def describe_pairs(cases: list[SourceCase], reader: Reader, passed_over: int = 0) -> SourceSet:
    """Give the set with its organs and what should be known about it."""
    labelled = [case for case in cases if case.masks]
    notes = [f"{reader}-pairs: {len(cases)} pictures, {len(labelled)} with masks"]
    folds = Counter(case.fold for case in cases if case.fold)
    if folds:
        counts = ", ".join(f"{count} {fold}" for fold, count in folds.items())
        notes.append(f"the folders are taken as the split: {counts}")
    if passed_over:
        notes.append(f"passed over: {passed_over} files of another kind")
    notes.append(NO_PATIENT)
    if reader == "png":
        return SourceSet("png-pairs", tuple(cases), BINARY, tuple(notes))
    found = np.zeros(65536, bool)
    for case, mask in zip(labelled, ahead(case.masks[0] for case in labelled), strict=True):
        try:
            found[nifti.read_labels(mask)] = True
        except MedprepError as error:  # the case will fail by itself
            notes.append(f"{case.case}: {error.message}")
    table = numbered([int(value) for value in np.flatnonzero(found)])
    return SourceSet("nifti-pairs", tuple(cases), table, tuple(notes))


def _is_mask(relative: str) -> bool:
    *folders, name = relative.split("/")
    telling = [words for words in map(_words, reversed(folders)) if words]
    nearest = telling[0] if telling else set()
    return bool((_words(name) | nearest) & set(_MASK_WORDS))


def _words(part: str) -> set[str]:
    return {word.group().removesuffix("tr").removesuffix("ts") for word in _WORD.finditer(part)}


def _cases(pictures: dict[str, Path], masks: dict[str, Path], reader: Reader) -> list[SourceCase]:
    ends = Counter(key.split("/")[-1] for key in pictures)
    cases: dict[str, SourceCase] = {}
    for key, picture in pictures.items():
        parts = key.split("/")
        name = parts[-1] if ends[parts[-1]] == 1 else "-".join(parts)
        case = safe_name(f"case{int(name):03d}" if name.isdecimal() else name)
        if case in cases:
            raise SourceError(f"two pictures would be the case {case}: rename one", path=picture)
        cases[case] = SourceCase(
            case=case,
            patient=case,
            sequence="",
            modality="",
            identity=key,
            reader=reader,
            pictures=(picture,),
            masks=(masks[key],) if key in masks else (),
            fold=next((_FOLDS[part] for part in parts[:-1] if part in _FOLDS), ""),
        )
    return sorted(cases.values(), key=lambda case: natural_key(case.case))
