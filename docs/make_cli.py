"""Write docs/cli.md from the commands themselves; with --check only tell whether it is true."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from medprep_cli.main import ALONE, IN_CHAIN, cli

PAGE = Path(__file__).with_name("cli.md")
HEAD = """# Commands

Made by `python docs/make_cli.py` from the commands' own help; edit it there.

The first ones follow each other in one line, in this order, or run one by one:
`medprep split CHAOS/ convert extract-liver clean augment train dice report`.
"""


def page() -> str:
    """Give the page: the help of the group, then of each command in the order of the chain."""
    parts = [HEAD, "## medprep\n", _help(cli, ["medprep"])]
    group = click.Context(cli, info_name="medprep")
    for name in (*IN_CHAIN, *ALONE):
        command = cli.get_command(group, name)
        assert command is not None
        parts += [f"## medprep {name}\n", _help(command, ["medprep", name])]
    return "\n".join(parts)


def _help(command: click.Command, words: list[str]) -> str:
    context = click.Context(command, info_name=" ".join(words), terminal_width=96)
    lines = [line.rstrip() for line in command.get_help(context).splitlines()]
    return "```text\n" + "\n".join(lines) + "\n```\n"


def main() -> None:
    """Write the page, or with --check compare it."""
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page())
    elif PAGE.read_text() != page():
        sys.exit("docs/cli.md is not what the commands say; run: python docs/make_cli.py")


if __name__ == "__main__":
    main()
