"""Where volumes of labels lie on a disk: files, and folders of slices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from medprep.errors import SourceError
from medprep.evaluations.words import telling
from medprep.files import walk_files
from medprep.reporting.text import counted

Kind = Literal["nifti", "itk", "png", "dicom"]

ENDINGS: dict[str, Kind] = {
    ".nii.gz": "nifti", ".nii": "nifti", ".mha": "itk", ".nrrd": "itk", ".png": "png",
}  # fmt: skip
WANTED = f"{', '.join(list(ENDINGS)[:-1])}, or folders of .png slices"
_LISTED = 3


@dataclass(frozen=True)
class Place:
    """One volume on the disk; small enough to be handed to another process.

    Parameters
    ----------
    kind
        How it is read.
    files
        Its file, or its slices in natural order of their names.
    parts
        Folders below what the user named, then the name without its ending; a folder of slices
        has no name of its own, and no part at all where the user named that folder.
    """

    kind: Kind
    files: tuple[Path, ...]
    parts: tuple[str, ...]

    @property
    def sliced(self) -> bool:
        """Whether it is a folder of slices, which states no place in the patient."""
        return self.kind == "png"

    @property
    def path(self) -> Path:
        """The file, or the folder of slices."""
        return self.files[0] if self.kind in ("nifti", "itk") else self.files[0].parent

    def __str__(self) -> str:
        return "/".join(self.parts) or self.path.name


@dataclass(frozen=True)
class Side:
    """What lies below one of the two paths.

    Parameters
    ----------
    called
        ``reference`` or ``prediction``.
    places
        In natural order of their paths.
    notes
        What was passed over.
    single
        Whether the user named one volume, not a folder to search.
    """

    called: str
    places: tuple[Place, ...]
    notes: tuple[str, ...] = ()
    single: bool = False


def find_places(root: Path, called: str) -> Side:
    """Find every volume of labels at or below a path.

    NIfTI, MetaImage and NRRD files are a volume each, a folder with PNG directly in it is one.
    Beside such files PNG are figures, and beside masks pictures are not wanted: both are passed
    over, with a note.

    Raises
    ------
    SourceError
        If there is no such path, a folder cannot be read, or it holds no volume.
    """
    try:
        root.stat()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "no such file or folder"
        raise SourceError(f"the {called} cannot be read: {why}", path=root) from error
    if not root.is_dir():
        return _single(root, called)
    folders: dict[Path, list[Path]] = {}
    strangers: Counter[str] = Counter()
    for path in walk_files(root):
        if "__MACOSX" in path.parts or path.name.startswith("._"):  # what macOS leaves behind
            continue
        if ending_of(path):
            folders.setdefault(path.parent, []).append(path)
        else:
            strangers[path.suffix.casefold() or "no ending"] += 1
    places: list[Place] = []
    figures = 0
    for folder, files in folders.items():
        own, unused = _in_folder(folder, files, root)
        places.extend(own)
        figures += unused
    if not places:
        raise SourceError(
            f"the folder of the {called} holds {_counted(strangers) or 'nothing'}; wanted is "
            f"{WANTED}",
            path=root,
        )
    masks, notes = _masks(places, called)
    if figures:
        notes.append(f"{called}: passed over {figures} .png beside volumes: figures, not slices")
    if strangers:
        notes.append(f"{called}: passed over {_counted(strangers)}")
    return Side(called, tuple(masks), tuple(notes), single=not any(one.parts for one in masks))


def _single(path: Path, called: str) -> Side:
    ending = ending_of(path)
    if not ending:
        raise SourceError(
            f"the {called} is no file that medprep reads as labels; wanted is {WANTED}", path=path
        )
    place = Place(ENDINGS[ending], (path,), (path.name[: -len(ending)],))
    return Side(called, (place,), single=True)


def ending_of(path: Path) -> str:
    """Give which of `ENDINGS` a name has, or ``""``."""
    name = path.name.casefold()
    return next((one for one in ENDINGS if name.endswith(one)), "")


def _in_folder(folder: Path, files: list[Path], root: Path) -> tuple[list[Place], int]:
    """Give the volumes directly in a folder, and how many PNG beside them were left."""
    parts = folder.relative_to(root).parts
    slices = [path for path in files if ENDINGS[ending_of(path)] == "png"]
    volumes = [
        Place(ENDINGS[ending], (path,), (*parts, path.name[: -len(ending)]))
        for path in files
        if ENDINGS[ending := ending_of(path)] != "png"
    ]
    if volumes:
        return volumes, len(slices)
    return [Place("png", tuple(slices), parts)], 0


def _masks(places: list[Place], called: str) -> tuple[list[Place], list[str]]:
    """Leave out pictures where others are called masks."""
    told = [telling(place.parts) for place in places]
    if "mask" not in told:
        return places, []
    kept = [place for place, kind in zip(places, told, strict=True) if kind != "picture"]
    left = len(places) - len(kept)
    note = f"{called}: passed over {counted(left, 'volume')} with a picture's name"
    return kept, [note] if left else []


def _counted(strangers: Counter[str]) -> str:
    named = strangers.most_common(_LISTED)
    more = sum(strangers.values()) - sum(count for _, count in named)
    listed = [f"{count} {ending}" for ending, count in named]
    return ", ".join([*listed, *([f"{more} others"] if more else [])])
