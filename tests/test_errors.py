"""The tree of errors."""

from __future__ import annotations

import re

from medprep import errors
from medprep.errors import FormatError, MedprepError


def subclasses(kind: type[MedprepError]) -> list[type[MedprepError]]:
    return [one for child in kind.__subclasses__() for one in (child, *subclasses(child))]


def test_every_error_has_a_code_of_its_own_and_is_drawn() -> None:
    kinds = [kind for kind in subclasses(MedprepError) if kind.__module__ == "medprep.errors"]
    drawn = dict(re.findall(r"── (\w+) .*?([a-z-]+) {2,}", errors.__doc__ or ""))
    assert drawn == {kind.__name__: kind.code for kind in kinds}
    assert len(set(drawn.values())) == len(drawn)


def test_the_path_is_shown_and_kept_apart() -> None:
    error = FormatError("cut short", path="/home/smith/a.nii")
    assert str(error) == "cut short [/home/smith/a.nii]"
    assert error.message == "cut short"
    assert isinstance(error, ValueError)
