"""Find the pairs of reference and prediction in two places, and read one of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from medprep.errors import OptionError, SourceError, SplitError
from medprep.evaluations.dicom_grids import beside, series_of
from medprep.evaluations.matching import chaos_of, distinct, match
from medprep.evaluations.places import Place, Side, find_places
from medprep.evaluations.words import cleaned
from medprep.files import natural_key, safe_name
from medprep.folds.patterns import compiled, grouped, suggestion
from medprep.places.paths import is_far
from medprep.reporting.text import counted

_SHOWN = 3


@dataclass(frozen=True)
class Pair:
    """One case; small enough to be handed to another process.

    Parameters
    ----------
    case
        Public id: of the CHAOS layout ``mr01-t2``, else the reference's name.
    patient
        Public id of whose it is.
    reference
        Where its labels are.
    predicted
        Where the prediction is; None: it is missing, a failure.
    grid
        DICOM slices that state where slices drawn as PNG lie, in natural order; or none.
    grid_wanted
        Whether there must be such slices, because the user named a folder of them.
    """

    case: str
    patient: str
    reference: Place
    predicted: Place | None
    grid: tuple[Path, ...] = ()
    grid_wanted: bool = False

    @property
    def sliced(self) -> bool:
        """Whether one of the two is slices, which state no place."""
        return self.reference.sliced or (self.predicted is not None and self.predicted.sliced)


@dataclass(frozen=True)
class Found:
    """What two paths hold.

    Parameters
    ----------
    pairs
        One for each reference, in natural order of cases.
    extra
        Names of predictions without a reference: an error.
    notes
        What a person should know.
    """

    pairs: tuple[Pair, ...]
    extra: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[Pair, ...]:
        """Those without a prediction."""
        return tuple(pair for pair in self.pairs if pair.predicted is None)


def find_pairs(
    reference: Path,
    predicted: Path,
    *,
    grid: Path | None = None,
    patient_pattern: str | None = None,
) -> Found:
    """Pair the volumes of two places by their names.

    Parameters
    ----------
    reference, predicted
        Files, or folders of NIfTI, MetaImage or NRRD files or of folders of PNG slices, at any
        depth. Two single volumes are a pair whatever they are called.
    grid
        Folder of the DICOM slices that masks in PNG were drawn on: one series, or a tree whose
        folders are named as those of the references. Without it the ``DICOM_anon`` that CHAOS
        lays beside ``Ground`` is taken.
    patient_pattern
        Regular expression that tells the patient from a name, as for ``split``.

    Raises
    ------
    SourceError
        If one of them is missing or holds no volume, two volumes of one side give one case, or no
        names fit.
    OptionError, SplitError
        If the pattern cannot be used.
    """
    ours = distinct(find_places(reference, "reference"))
    theirs = distinct(find_places(predicted, "prediction"))
    far = is_far(reference) or is_far(predicted)
    if reference == predicted or (not far and reference.samefile(predicted)):
        raise OptionError(
            "--reference and --predicted are the same place; wanted are the truth and what is held "
            "against it"
        )
    partner, notes = _partners(ours, theirs, (reference, predicted))
    taken = set(partner.values())
    pairs = [
        Pair(case, patient, place, theirs.places[partner[i]] if i in partner else None)
        for i, (place, (case, patient)) in enumerate(
            zip(ours.places, _named(ours.places), strict=True)
        )
    ]
    pairs, told = _by_pattern(pairs, patient_pattern)
    pairs, where = _with_grids(pairs, grid)
    return Found(
        tuple(sorted(pairs, key=lambda pair: natural_key(pair.case))),
        tuple(str(place) for j, place in enumerate(theirs.places) if j not in taken),
        (*ours.notes, *theirs.notes, *notes, *told, *where),
    )


def _partners(
    ours: Side, theirs: Side, roots: tuple[Path, Path]
) -> tuple[dict[int, int], list[str]]:
    if len(ours.places) == len(theirs.places) == 1 and (ours.single or theirs.single):
        return {0: 0}, []
    found = match(ours.places, theirs.places)
    if found.partner:
        return found.partner, found.notes
    raise SourceError(
        f"no name is on both sides: {_listed(ours)}; {_listed(theirs)}. Wanted are the same names; "
        "words like label, gt, seg and pred in them do not count. Two files are a pair whatever "
        "they are called",
        path=f"{roots[0]}, {roots[1]}",
    )


def _listed(side: Side) -> str:
    shown = ", ".join(f"'{place}'" for place in side.places[:_SHOWN])
    more = f" and {len(side.places) - _SHOWN} more" if len(side.places) > _SHOWN else ""
    return f"the {side.called} holds {shown}{more}"


def _named(places: Sequence[Place]) -> list[tuple[str, str]]:
    """Give each place its case and patient.

    Raises
    ------
    SourceError
        If two would share a case.
    """
    ends = Counter(cleaned(place.parts)[-1:] for place in places)
    names: list[tuple[str, str]] = []
    seen: dict[str, Place] = {}
    for place in places:
        chaos = chaos_of(place)
        parts = cleaned(place.parts)
        if ends[parts[-1:]] == 1:
            parts = parts[-1:]
        text = "-".join(parts) or str(place)
        own = safe_name(f"case{int(text):03d}" if text.isdecimal() else text)
        case = chaos[1] if chaos else own
        if case in seen:
            raise SourceError(
                f"'{seen[case]}' and '{place}' of the reference would both be the case {case}: "
                "rename one",
                path=place.path,
            )
        seen[case] = place
        names.append((case, chaos[0] if chaos else case))
    return names


def _by_pattern(
    pairs: Sequence[Pair], patient_pattern: str | None
) -> tuple[list[Pair], tuple[str, ...]]:
    """Give each pair the patient that its name tells."""
    # By the name in the last part, as the pattern is written for files.
    names = {
        pair.case: "/".join(pair.reference.parts) or pair.reference.path.name for pair in pairs
    }
    if patient_pattern is None:
        unknown = [names[one.case].rpartition("/")[2] for one in pairs if one.patient == one.case]
        hint = suggestion(unknown)
        return list(pairs), () if hint is None else (hint,)
    texts = grouped(compiled(patient_pattern), names)
    public = {
        case: safe_name(f"p{text}" if text.isdecimal() else text) for case, text in texts.items()
    }
    if len(set(public.values())) < len({text.casefold() for text in texts.values()}):
        raise SplitError(
            "--patient-pattern gives one id to two patients; letters and digits alone must tell "
            "patients apart"
        )
    others = [pair.case for pair in pairs if pair.case not in texts]
    patients = counted(len(set(public.values())), "patient")
    notes = [f"{counted(len(texts), 'case')} of {patients} by their names"]
    if others:
        notes.append(
            f"{len(others)} names do not match --patient-pattern, first {others[0]}: they keep the "
            "patient they had"
        )
    return [replace(one, patient=public.get(one.case, one.patient)) for one in pairs], tuple(notes)


def _with_grids(pairs: Sequence[Pair], grid: Path | None) -> tuple[list[Pair], tuple[str, ...]]:
    """Give slices the DICOM they were drawn on."""
    sliced = [pair for pair in pairs if pair.sliced]
    if grid is None:
        found = {pair.case: place for pair in sliced if (place := beside(pair.reference))}
        notes = (f"{len(found)} grids from DICOM_anon beside Ground",) if found else ()
    elif not sliced:
        return list(pairs), ("--grid is not needed: every file states its own grid",)
    else:
        series = series_of([pair.reference for pair in sliced], grid)
        found = {sliced[index].case: place for index, place in series.items()}
        notes = ()
    wanted = {pair.case for pair in sliced} if grid is not None else set()
    return [
        replace(
            pair,
            grid=found[pair.case].files if pair.case in found else (),
            grid_wanted=pair.case in wanted,
        )
        for pair in pairs
    ], notes
