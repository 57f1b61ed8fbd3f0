"""The documents say what the code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_cli_page_is_what_the_commands_say() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_cli.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_hold(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_dependency_has_a_page() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    block = re.search(r"^dependencies = \[(.*?)^\]", text, re.DOTALL | re.MULTILINE)
    assert block is not None
    pages = "\n".join(p.read_text() for p in (ROOT / "docs" / "adr").glob("*.md")).casefold()
    for name in re.findall(r'"([A-Za-z0-9_-]+)', block.group(1)):
        assert name.casefold() in pages, f"no decision page names {name}"


def test_commands_in_the_pages_parse() -> None:
    from medprep_cli.main import ALONE, IN_CHAIN

    known = {*IN_CHAIN, *ALONE, "--help", "--version"}
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.DOTALL):
            for first in re.findall(r"(?:^|&& )medprep ([\w-]+)", block, re.MULTILINE):
                assert first in known, f"{page.name}: medprep {first}"
