"""Options of ``deidentify DIR --output OUT``."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, get_args

from medprep.confidentiality.table import Clean, Retain
from medprep.errors import OptionError
from medprep.places.paths import path_of


@dataclass(frozen=True)
class Deidentify:
    """What to make of a tree, and what may stay in it.

    Parameters
    ----------
    source
        Folder, zip archive or file.
    output
        Folder of what is written.
    retain
        Options of the profile: ``uids``, ``dates``, ``device``, ``patient`` (characteristics).
    clean
        ``descriptors``: descriptions keep their imaging words; without it they go.
    shift_dates
        Move the dates of each patient by a number of days that only the key tells.
    id_key
        File with the key; None takes or makes ``id-key`` beside the key file.
    key_file
        The way back, outside the output; None is ``OUT.private/reidentification.csv``.
    """

    source: str
    output: str
    retain: tuple[Retain, ...] = ()
    clean: tuple[Clean, ...] = ()
    shift_dates: bool = False
    id_key: str | None = None
    key_file: str | None = None

    name: ClassVar[str] = "deidentify"

    def __post_init__(self) -> None:
        for option, given, known in (
            ("--retain", self.retain, get_args(Retain)),
            ("--clean", self.clean, get_args(Clean)),
        ):
            for one in given:
                if one not in known:
                    raise OptionError(f"{option} is '{one}'; wanted is one of {', '.join(known)}")
        if self.shift_dates and "dates" in self.retain:
            raise OptionError("--retain dates and --shift-dates contradict: give one of them")
        source, output = path_of(self.source).resolve(), Path(self.output).resolve()
        if output == source or source in output.parents or output in source.parents:
            raise OptionError("the output lies in the source, or the source in it: give another")
        if output in self.way_back.resolve().parents:
            raise OptionError(
                "--key-file leads back to the patients; wanted is a place outside the output"
            )

    @property
    def way_back(self) -> Path:
        """The table that leads from what is written to the patients."""
        if self.key_file is not None:
            return Path(self.key_file)
        output = Path(self.output).resolve()
        return output.with_name(output.name + ".private") / "reidentification.csv"

    def facts(self) -> dict[str, Any]:
        """Give what decides the bytes that are written, and names nobody."""
        record = asdict(self)
        named = {key: record[key] for key in ("retain", "clean")}
        return {
            **{key: sorted(set(value)) for key, value in named.items()},
            "shift_dates": self.shift_dates,
        }
