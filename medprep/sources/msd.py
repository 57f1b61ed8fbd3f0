"""A task of the Medical Segmentation Decathlon (Antonelli et al. 2022), or a set in its form.

::

    Task09_Spleen/dataset.json      modality, labels, training: [{image, label}], test: [image]
                  imagesTr/  labelsTr/  imagesTs/

AMOS has the same form with a list ``validation`` beside them. Paths are relative to the folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from medprep.errors import SourceError
from medprep.files import natural_key, safe_name
from medprep.sources.base import SourceCase, SourceSet
from medprep.sources.dataset_json import (
    ENDINGS,
    NAME,
    NO_PATIENT,
    find_described,
    modality_of,
    passed_over,
    read_labels,
    unique_case,
)

Fold = Literal["", "val", "test"]


def find_msd(root: Path) -> SourceSet | None:
    """Find the cases that a ``dataset.json`` of the Decathlon lists.

    Parameters
    ----------
    root
        The task's folder, or the folder in which it is the only one.

    Returns
    -------
    SourceSet or None
        None where no ``dataset.json`` lists training cases.

    Raises
    ------
    SourceError
        If a list cannot be read, leads out of the folder, or no case is there.
    """
    described = find_described(root, "training")
    if described is None:
        return None
    folder, record = described
    labels = read_labels(record.get("labels"), folder / NAME)
    modalities = _modalities(record.get("modality"))
    cases: dict[str, SourceCase] = {}
    missing: list[str] = []
    folds: tuple[tuple[str, Fold], ...] = (("training", ""), ("validation", "val"), ("test", ""))
    for key, fold in folds:
        for picture, mask in _entries(record.get(key), key, folder):
            if not picture.is_file():
                missing.append(picture.name)
                continue
            # The Decathlon keeps the masks of its test cases; other sets put them beside.
            beside = folder / "labelsTs" / picture.name
            given = mask or (beside if key == "test" and beside.is_file() else None)
            own: Fold = ("test" if key == "test" else fold) if given else ""
            case = _case(picture, given, own, modalities, cases)
            cases[case.case] = case
    if not cases:
        raise SourceError("none of the pictures that it lists is there", path=folder / NAME)
    found = tuple(sorted(cases.values(), key=lambda case: natural_key(case.case)))
    used = [path for case in found for path in (*case.pictures, *case.masks)]
    notes = (
        _counts(found),
        *_modality_notes(modalities),
        *labels.notes,
        *_missing_notes(missing),
        *passed_over(folder, used),
        NO_PATIENT,
    )
    return SourceSet("msd", found, labels.table, notes)


def _modalities(found: object) -> tuple[str, ...]:
    if not isinstance(found, dict):
        return ()
    return tuple(str(found[key]) for key in sorted(found, key=natural_key))


def _entries(listed: object, key: str, folder: Path) -> Iterable[tuple[Path, Path | None]]:
    """Give picture and mask of each entry: ``{image, label}``, or a picture alone."""
    for number, one in enumerate(listed if isinstance(listed, list) else (), 1):
        record: Mapping[str, Any] = one if isinstance(one, dict) else {"image": one}
        picture, mask = record.get("image"), record.get("label")
        if not isinstance(picture, str) or not isinstance(mask, str | None):
            raise SourceError(f"entry {number} of '{key}' names no picture", path=folder / NAME)
        yield _inside(picture, folder), None if mask is None else _inside(mask, folder)


def _inside(name: str, folder: Path) -> Path:
    path = folder / name
    if ".." in Path(name).parts or not path.is_relative_to(folder):
        raise SourceError("a path in it leads out of its folder", path=folder / NAME)
    return path


def _case(
    picture: Path,
    mask: Path | None,
    fold: Fold,
    modalities: tuple[str, ...],
    taken: Mapping[str, SourceCase],
) -> SourceCase:
    ending = next((one for one in ENDINGS if picture.name.casefold().endswith(one)), "")
    if not ending:
        raise SourceError(
            f"a picture ends in '{picture.suffix}'; medprep reads {', '.join(ENDINGS)}",
            path=picture,
        )
    name = picture.name[: -len(ending)]
    case = unique_case(name, taken, picture)
    return SourceCase(
        case=case,
        patient=case,
        sequence=safe_name(modalities[0]) if len(modalities) > 1 else "",
        modality=modality_of(modalities[0]) if modalities else "",
        identity=name,
        reader=ENDINGS[ending],
        pictures=(picture,),
        masks=() if mask is None else (mask,),
        fold=fold,
    )


def _counts(cases: tuple[SourceCase, ...]) -> str:
    labelled = [case for case in cases if case.masks]
    text = f"msd: {len(cases)} pictures, {len(labelled)} with masks"
    folds = [(fold, sum(case.fold == fold for case in labelled)) for fold in ("val", "test")]
    told = ", ".join(f"{count} {fold}" for fold, count in folds if count)
    return f"{text} ({told} as its lists say)" if told else text


def _modality_notes(modalities: tuple[str, ...]) -> list[str]:
    if len(modalities) < 2:
        return []
    return [
        f"{len(modalities)} modalities in one 4D file ({', '.join(modalities)}): the first is "
        "taken; for another write it as a 3D file of the same name"
    ]


def _missing_notes(missing: list[str]) -> list[str]:
    if not missing:
        return []
    return [f"{len(missing)} pictures that dataset.json lists are not there, first '{missing[0]}'"]
