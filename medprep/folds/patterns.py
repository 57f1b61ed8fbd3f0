"""Patients and sites by the names of files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from medprep.errors import OptionError, SplitError
from medprep.files import natural_key

_COMMON = (
    r"^sub-([A-Za-z0-9]+)_",
    r"^P(\d+)[_-]",
    r"^[Pp](?:at|atient)?[_-]?(\d+)[_-]",
    r"^[Ss]ub(?:j|ject)?[_-]?(\d+)[_-]",
    r"^[Cc]ase[_-]?(\d+)[_-]",
    r"^(\d+)[_-](?:[a-z]+[_-]?)?\d+$",
)
"""Ways to write a patient into the name of a picture, from what leaves least doubt on."""


def compiled(pattern: str) -> re.Pattern[str]:
    """Give ``--patient-pattern`` ready for use.

    Raises
    ------
    OptionError
        If it is no regular expression, or has neither a group ``patient`` nor any other.
    """
    try:
        made = re.compile(pattern)
    except re.error as error:
        raise OptionError(
            f"--patient-pattern '{pattern}' is no regular expression: {error}"
        ) from error
    if "patient" not in made.groupindex and made.groups == len(made.groupindex.keys() & {"site"}):
        raise OptionError(
            f"--patient-pattern '{pattern}' has no group for the patient; wanted is one in "
            r"brackets, as in 'P(\d+)_' or 'P(?P<patient>\d+)_'"
        )
    return made


def grouped(pattern: re.Pattern[str], names: Mapping[str, str]) -> dict[str, str]:
    """Give the text that says who the patient is, for each case whose name has it.

    Parameters
    ----------
    pattern
        As `compiled` gives it. Its group ``patient`` says who, else its first group that is not
        ``site``. With a ``/`` in it, it is looked for in the path, else in the file's name.
    names
        Case to path below the source, with forward slashes.

    Raises
    ------
    SplitError
        If no name matches.
    """
    found = _matches(pattern, names)
    which: str | int = "patient"
    if "patient" not in pattern.groupindex:
        sites = {pattern.groupindex.get("site")}
        which = next(n for n in range(1, pattern.groups + 1) if n not in sites)
    texts = {case: match.group(which) for case, match in found.items() if match.group(which)}
    if not texts:
        first = min(names.values(), key=natural_key, default="none")
        raise SplitError(
            f"--patient-pattern '{pattern.pattern}' matches none of {len(names)} names, as "
            f"{first.rpartition('/')[2]}"
        )
    return texts


def sites_in(pattern: re.Pattern[str], names: Mapping[str, str]) -> dict[str, str]:
    """Give the text of the group ``site`` for each case whose name has it."""
    found = _matches(pattern, names)
    return {case: match.group("site") for case, match in found.items() if match.group("site")}


def _matches(pattern: re.Pattern[str], names: Mapping[str, str]) -> dict[str, re.Match[str]]:
    whole = "/" in pattern.pattern
    texts = {case: name if whole else name.rpartition("/")[2] for case, name in names.items()}
    found = {case: pattern.search(text) for case, text in texts.items()}
    return {case: match for case, match in found.items() if match is not None}


def suggestion(names: Iterable[str]) -> str | None:
    """Give a notice where names look as if they held the patient; None where they do not.

    It is only said, never done: the same look may mean something else.

    Parameters
    ----------
    names
        Names of files without their endings, one for each case.
    """
    stems = sorted(names, key=natural_key)
    for pattern in _COMMON:
        found = {stem: m.group(1) for stem in stems if (m := re.search(pattern, stem))}
        patients = len(set(found.values()))
        if len(found) > patients:
            look = "looks" if len(found) == 1 else "look"
            return (
                f"{len(found)} file names {look} like {next(iter(found))}: --patient-pattern "
                f"'{pattern}' groups them by patient ({patients} patients)"
            )
    return None
