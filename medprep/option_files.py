"""Options that name a file: what is recorded is its content, what is shown its name."""

from __future__ import annotations

from pathlib import Path

from medprep.files import read_option_file


def option_toml(value: str, what: str) -> tuple[str, str] | None:
    """Give name and content of a TOML file that an option names or holds; None where it is none.

    Raises
    ------
    OptionError
        If it cannot be read.
    """
    called, held, content = value.partition("\n")
    if not called.casefold().endswith(".toml"):
        return None
    return (called, content) if held else (Path(value).name, read_option_file(value, what))


def held_toml(value: str, what: str) -> str:
    """Give an option's value as it is recorded: of a TOML file its name, a new line, its content.

    So a recorded option means the same wherever it is used again, and says no folder's name.

    Raises
    ------
    OptionError
        If it cannot be read.
    """
    found = option_toml(value, what)
    return value if found is None else "\n".join(found)


def option_name(value: str) -> str:
    """Give an option's value as it is shown: of a TOML file that it holds its name."""
    called, held, _ = value.partition("\n")
    return called if held and called.casefold().endswith(".toml") else value
