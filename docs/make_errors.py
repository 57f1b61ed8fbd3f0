"""Write docs/errors.md from medprep's errors and errors.toml; with --check only compare it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from medprep.errors import MedprepError

HERE = Path(__file__).parent
PAGE = HERE / "errors.md"
OF_A_CASE = ("memory", "missing", "extra", "internal")
"""Codes that a single case fails with; they stop no run."""
HEAD = """# Errors

Made by `python docs/make_errors.py` from `medprep/errors.py` and `docs/errors.toml`; edit it there.

Every error has a code that stays the same between releases. On the terminal the last line of an
error names it (`More: docs/errors.md#label`), with `--json` it stands in the document, there also
for each case that failed. In Python each is a class of `medprep.errors`, and all are a
`MedprepError`.

A message says where it happened (stage, case, slice, on the terminal the file), what was found,
what was wanted and what to do. In tables and reports it never holds a path of the source.

| exit status | |
| --: | --- |
| 0 | all well |
| 1 | nothing could be done |
| 2 | wrong usage: nothing was begun |
| 8 | some cases failed, each for a reason of its own below; everything else is done |
| 130, 143 | stopped by Ctrl-C or SIGTERM: the same command goes on from there |
"""


def kinds() -> list[type[MedprepError]]:
    """Give the errors in the order of the tree."""

    def below(kind: type[MedprepError]) -> list[type[MedprepError]]:
        own = [one for one in kind.__subclasses__() if one.__module__ == "medprep.errors"]
        return [one for child in own for one in (child, *below(child))]

    return below(MedprepError)


def entries() -> dict[str, dict[str, Any]]:
    """Give what `errors.toml` says, by code."""
    return tomllib.loads((HERE / "errors.toml").read_text("utf-8"))


def page() -> str:
    """Give the page: a table of all codes, then each."""
    told = entries()
    rows = ["| code | meaning | exit status |", "| --- | --- | --: |"]
    parts = []
    for kind in kinds():
        means = (kind.__doc__ or "").splitlines()[0]
        rows.append(f"| [{kind.code}](#{kind.code}) | {means} | {kind.exit_code} |")
        bases = " and ".join(f"`{one.__name__}`" for one in kind.__bases__)
        status = "2" if kind.exit_code == 2 else "1, of a single case 8"
        facts = f"`{kind.__name__}`, a kind of {bases}; exit status {status}."
        parts.append(_entry(kind.code, means, facts, told.pop(kind.code)))
    for code in OF_A_CASE:
        entry = told.pop(code)
        rows.append(f"| [{code}](#{code}) | {entry['means']} | 8 |")
        facts = "Only of a single case; exit status 8."
        parts.append(_entry(code, entry["means"], facts, entry))
    if told:
        sys.exit(f"errors.toml: no error has the code {', '.join(told)}")
    return "\n".join([HEAD, *rows, "", *parts])


def _entry(code: str, means: str, facts: str, entry: dict[str, Any]) -> str:
    causes = "\n".join(f"- {one}" for one in entry["causes"])
    steps = "\n".join(f"- {one}" for one in entry["do"])
    return (
        f"## {code}\n\n{means} {facts}\n\n```text\n{entry['example']}\n```\n\n"
        f"Common causes:\n\n{causes}\n\nWhat to do:\n\n{steps}\n"
    )


def main() -> None:
    """Write the page, or with --check compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif not PAGE.is_file() or PAGE.read_text() != page():
        sys.exit("docs/errors.md is not what the errors say; run: python docs/make_errors.py")


if __name__ == "__main__":
    main()
