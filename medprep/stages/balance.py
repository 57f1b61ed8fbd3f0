"""What the folds of a split are balanced by, and which site a patient belongs to."""

from __future__ import annotations

import hashlib
import hmac
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import OptionError, SplitError
from medprep.files import safe_name
from medprep.folds.given import name_column, named, read_table
from medprep.folds.patterns import compiled, sites_in
from medprep.folds.spread import Traits
from medprep.folds.strata import UNKNOWN, Criterion, traits
from medprep.places.paths import inside, path_of
from medprep.reporting.text import counted
from medprep.sources.base import SourceCase, SourceSet
from medprep.stages.base import Context
from medprep.stages.case_facts import Ask, CaseFacts, read_facts
from medprep.stages.patients import relative_names

if TYPE_CHECKING:
    from medprep.stages.split import Split

_DIGITS = 8


@dataclass(frozen=True)
class Known:
    """What was read for a split.

    Parameters
    ----------
    facts
        Case to what its files say.
    sites
        Case to the public name of its site.
    hashed
        Whether names of sites were made with the key of pseudonyms.
    lines
        What a person should read.
    """

    facts: dict[str, CaseFacts]
    sites: dict[str, str]
    hashed: bool = False
    lines: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, options: Split, found: SourceSet, context: Context, key: bytes) -> Known:
        """Read what the options ask for, and nothing else.

        Raises
        ------
        OptionError
            If the sites cannot be had from where they are said to stand.
        """
        sited = options.leave_out == "site" or "site" in options.stratify
        origin = _site_source(options, found) if sited else ""
        ask: set[Ask] = {"identity"}
        if origin == "dicom" or "scanner" in options.stratify:
            ask.add("origin")
        ask |= {one for one in ("label", "volume") if one in options.stratify}
        facts = read_facts(found.cases, ask, found.table, context)
        sites: dict[str, str] = {}
        if origin == "dicom":
            sites = {name: _hashed(one.site, key) for name, one in facts.items() if one.site}
        elif sited:
            sites = _named_sites(origin, options, found)
        return cls(facts, sites, origin == "dicom", _unread(facts))

    def sites_of_patients(
        self, cases: Sequence[SourceCase]
    ) -> tuple[dict[str, frozenset[str]], list[str]]:
        """Give the sites of each patient, and what a person should read of them.

        A case of which nothing is known is at site ``unknown``.

        Raises
        ------
        SplitError
            If no case's site is known.
        """
        if not any(case.case in self.sites for case in cases):
            raise SplitError("no case says its site; say where else it stands: --site-from")
        found = _by_patient(cases, lambda case: {self.sites.get(case.case, UNKNOWN)})
        lost = sum(case.case not in self.sites for case in cases)
        notes = [
            f"{counted(lost, 'case')} without a word of the site: together they count as one "
            "more, though they may come from any"
        ]
        sites = {patient: frozenset(several) for patient, several in found.items()}
        return sites, notes if lost else []


def balance(
    cases: Sequence[SourceCase], criteria: Sequence[Criterion], known: Known
) -> tuple[dict[str, Traits], list[str]]:
    """Give the traits of each patient, and what a person should read of them.

    Raises
    ------
    SplitError
        If nothing is known of a criterion in any case.
    """
    patients = sorted({case.patient for case in cases})
    if not criteria:
        sequences = _by_patient(cases, lambda case: {case.sequence})
        return {p: frozenset(["+".join(sorted(sequences[p]))]) for p in patients}, []
    lines: list[str] = []
    values: dict[Criterion, Mapping[str, Collection[str]]] = {}
    volumes: dict[str, list[float]] | None = None
    for criterion in criteria:
        read = _READ[criterion]
        own = {case.case: found for case in cases if (found := read(case, known)) is not None}
        if not own:
            raise SplitError(f"--stratify {criterion}: no case says its {criterion}")
        lost = len(cases) - len(own)
        if lost:
            lines.append(
                f"{counted(lost, 'case')} without a word of the {criterion}: stratum {UNKNOWN}"
            )
        told = [case for case in cases if case.case in own]
        if criterion == "volume":
            volumes = defaultdict(list)
            for case in told:
                volumes[case.patient].extend(own[case.case])
        else:
            values[criterion] = _by_patient(told, lambda case, own=own: own[case.case])  # type: ignore[misc]
    return traits(patients, values, volumes), lines


def _labels(case: SourceCase, known: Known) -> set[str] | None:
    organs = known.facts.get(case.case, CaseFacts()).organs
    return None if organs is None else set(organs)


def _volume(case: SourceCase, known: Known) -> set[float] | None:
    volume = known.facts.get(case.case, CaseFacts()).volume
    return None if volume is None else {volume}


def _modality(case: SourceCase, known: Known) -> set[str] | None:
    words = " ".join(filter(None, (case.modality, case.sequence)))
    return {words} if words else None


def _site(case: SourceCase, known: Known) -> set[str] | None:
    return {known.sites[case.case]} if case.case in known.sites else None


def _scanner(case: SourceCase, known: Known) -> set[str] | None:
    scanner = known.facts.get(case.case, CaseFacts()).scanner
    return {scanner.casefold()} if scanner else None


_READ: dict[Criterion, Callable[[SourceCase, Known], set[Any] | None]] = {
    "label": _labels,
    "volume": _volume,
    "modality": _modality,
    "site": _site,
    "scanner": _scanner,
}


def _by_patient(
    cases: Sequence[SourceCase], read: Callable[[SourceCase], Collection[str]]
) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        found[case.patient].update(read(case))
    return found


def _site_source(options: Split, found: SourceSet) -> str:
    """Say where sites stand: as told, else in the names of files, else in DICOM headers."""
    pattern = options.patient_pattern
    named_site = pattern is not None and "site" in compiled(pattern).groupindex
    origin = options.site_from
    if origin is None:
        if named_site:
            return "name"
        if any(case.reader.startswith("dicom") for case in found.cases):
            return "dicom"
        raise OptionError(
            "nobody says what a case's site is; say where it stands: --site-from folder:1, a "
            "table with the columns case and site, or a group (?P<site>...) in --patient-pattern"
        )
    if origin == "name" and not named_site:
        raise OptionError("--site-from name needs a group (?P<site>...) in --patient-pattern")
    return origin


def _named_sites(origin: str, options: Split, found: SourceSet) -> dict[str, str]:
    names = relative_names(found.cases, inside(path_of(options.source)))
    kind, _, level = origin.partition(":")
    if origin == "name":
        texts = sites_in(compiled(str(options.patient_pattern)), names)
    elif kind == "folder" and level.isdecimal() and int(level) > 0:
        folders = {case: name.split("/")[:-1] for case, name in names.items()}
        texts = {c: own[int(level) - 1] for c, own in folders.items() if len(own) >= int(level)}
    elif Path(origin).suffix.casefold() in (".csv", ".tsv", ".txt"):
        texts = _sites_in_table(Path(origin), found)
    else:
        raise OptionError(
            f"--site-from is '{origin}'; wanted is dicom, name, folder:N (N from 1) or a table "
            "(.csv, .tsv)"
        )
    return {case: safe_name(text) for case, text in texts.items()}


def _sites_in_table(path: Path, found: SourceSet) -> dict[str, str]:
    table = read_table(path)
    by = name_column(table, "site", path)
    site_of = {row[by].casefold(): row["site"] for row in table if row["site"]}
    sites: dict[str, str] = {}
    used: set[str] = set()
    for case in found.cases:
        own = case.case if by == "case" else case.patient
        for name in (own.casefold(), case.identity.casefold(), safe_name(case.identity)):
            if name in site_of:
                sites[case.case] = site_of[name]
                used.add(name)
                break
    strangers = set(site_of) - used
    if strangers:
        raise SplitError(
            f"the table of sites names {len(strangers)} that are not in the data set: "
            f"{named(strangers)}",
            path=path,
        )
    return sites


def _hashed(site: str, key: bytes) -> str:
    """Give a site's public name: the same under the same key, and telling nothing without it."""
    plain = " ".join(site.casefold().split())
    return "site-" + hmac.new(key, plain.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def _unread(facts: Mapping[str, CaseFacts]) -> list[str]:
    cases: dict[str, list[str]] = defaultdict(list)
    for name, one in facts.items():
        for why in one.unread:
            cases[why].append(name)
    return [f"{named(names)}: cannot be read for the split: {why}" for why, names in cases.items()]
