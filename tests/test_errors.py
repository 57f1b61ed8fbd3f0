"""The tree of errors, and the page that says what to do about each."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from medprep import errors
from medprep.errors import FormatError, MedprepError

ROOT = Path(__file__).parent.parent


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
    assert error.to_dict() == {"code": "format", "stage": None, "message": "cut short"}
    assert isinstance(error, ValueError)


def make_errors() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_errors", ROOT / "docs" / "make_errors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def sources() -> Iterator[Path]:
    yield from (ROOT / "medprep").rglob("*.py")
    yield from (ROOT / "cli").rglob("*.py")


def texts_of(path: Path) -> Iterator[re.Pattern[str]]:
    """Yield the texts of a file, anything in place of what is filled in."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.JoinedStr):
            fixed = [str(one.value) for one in node.values if isinstance(one, ast.Constant)]
            parts = [
                re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*"
                for part in node.values
            ]
            if len("".join(fixed)) > 12:  # else it fits anything
                yield re.compile("".join(parts), re.DOTALL)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.compile(re.escape(node.value))


def test_the_page_is_what_the_errors_say() -> None:
    script = ROOT / "docs" / "make_errors.py"
    done = subprocess.run(
        [sys.executable, script, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_code_has_an_entry_with_causes_and_steps() -> None:
    made = make_errors()
    entries = made.entries()
    kinds = [kind for kind in subclasses(MedprepError) if kind.__module__ == "medprep.errors"]
    assert set(entries) == {kind.code for kind in kinds} | set(made.OF_A_CASE)
    for code, entry in entries.items():
        assert entry["causes"], code
        assert entry["do"], code
        assert entry["example"], code


def test_examples_are_messages_of_the_source() -> None:
    patterns = [one for path in sources() for one in texts_of(path)]
    for code, entry in make_errors().entries().items():
        found = [one for one in patterns if one.fullmatch(entry["example"])]
        assert found, f"{code}: no message reads: {entry['example']}"


def test_codes_of_cases_are_known() -> None:
    known = set(make_errors().entries())
    for path in sources():
        for code in re.findall(r'Failure\(\s*"([a-z-]+)"', path.read_text("utf-8")):
            assert code in known, f"{path.name}: {code}"


def raised(path: Path) -> Iterator[tuple[int, ast.Call]]:
    """Yield where a file raises an error of ours, with the call that makes it."""
    names = {kind.__name__ for kind in subclasses(MedprepError)}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        call = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(call, ast.Call) and ast.unparse(call.func) in names:
            yield node.lineno, call


def test_a_message_says_more_than_that_something_is_wrong() -> None:
    """A text of its own for each, and never a bare number, name or path."""
    for path in sources():
        for line, call in raised(path):
            where = f"{path.name}:{line}"
            assert call.args, where
            text = " ".join(
                str(part.value)
                for part in ast.walk(call.args[0])
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
            if isinstance(call.args[0], ast.Constant | ast.JoinedStr):
                assert len(text.split()) >= 2 or "error.message" in ast.unparse(call), where


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_terminal_names_the_entry(tmp_path: Path, more: list[str]) -> None:
    line = [sys.executable, "-m", "medprep_cli", "status", "-w", str(tmp_path), *more]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    said, hint = done.stderr.splitlines()
    assert said == f"Error: no workspace here; make one: medprep split SOURCE [{tmp_path}]"
    assert hint == "More: docs/errors.md#workspace"
    wanted = (
        '{"exit_code": 1, "error": {"code": "workspace", "stage": null, "message": '
        '"no workspace here; make one: medprep split SOURCE"}}\n'
    )
    assert done.stdout == (wanted if more else "")
