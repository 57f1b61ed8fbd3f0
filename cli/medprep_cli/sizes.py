"""Sizes on the command line: ``96,96,96``."""

from __future__ import annotations

import click


def read_sizes(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    """Give the whole numbers, from 1 on, that stand between commas."""
    if value is None:
        return None
    words = [word.strip() for word in value.split(",")]
    if not all(word.isdecimal() and int(word) for word in words):
        raise click.BadParameter(
            f"'{value}' is no list of whole numbers such as 96,96,96", ctx, param
        )
    return tuple(map(int, words))
