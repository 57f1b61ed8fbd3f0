"""What runs are called: one net, and the nets of all folds together."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from medprep.errors import OptionError

FOLD = "-fold"
"""Stands in a net's name between the run of all folds and the number of its own."""
OUT_OF_FOLD = "-out-of-fold"
"""Added to the name of a run of all folds: its scores on the patients that chose its weights."""


def families(runs: Iterable[str]) -> tuple[str, ...]:
    """Give the names that runs of folds begin with."""
    parted = (run.rpartition(FOLD) for run in runs)
    return tuple(dict.fromkeys(name for name, _, number in parted if name and number.isdecimal()))


def members(family: str, runs: Iterable[str]) -> list[str]:
    """Give the runs of a family in the order of their folds."""
    own = [run for run in runs if families([run]) == (family,)]
    return sorted(own, key=lambda run: int(run.rpartition(FOLD)[2]))


def require_free_names(run: str, *, all_folds: bool, known: Collection[str]) -> None:
    """Refuse a name that stands for something else already, before an hour is spent.

    Raises
    ------
    OptionError
        If a net is called as all folds' nets together would be, or the other way about.
    """
    if all_folds:
        taken = {run, run + OUT_OF_FOLD} & set(known)
    else:
        several = [name for name in families(known) if len(members(name, known)) > 1]
        taken = {run} & {name + ending for name in several for ending in ("", OUT_OF_FOLD)}
    if taken:
        what = "one net" if all_folds else "the nets of all folds together"
        raise OptionError(f"'{taken.pop()}' is already the name of {what}; give another --run")
