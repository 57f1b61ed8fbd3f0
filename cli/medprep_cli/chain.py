"""Several commands in one line: ``medprep split CHAOS/ --train 0.7 convert clean``.

Click's own chains stop reading options at the first argument, let an argument that takes many
swallow the next command's name, and differ between releases in what they do then. So each command
here cuts the line at the next command's name before Click parses its share. Only public attributes
of Click are used.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from importlib import import_module

import click

from medprep.errors import MedprepError, SourceError
from medprep_cli.options import shared


class StageCommand(click.Command):
    """A command that may be followed by another; it returns its stage and runs nothing."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse this command's share of the line and hand back the rest."""
        names = ctx.parent.command.commands_in_chain if ctx.parent else frozenset()  # type: ignore[attr-defined]
        cut = self._end_of_share(args, names)
        own, rest = args[:cut], args[cut:]
        ctx.allow_interspersed_args = True
        ctx.allow_extra_args = False
        super().parse_args(ctx, own)
        ctx.args = list(rest)
        return ctx.args

    def _end_of_share(self, args: Sequence[str], names: frozenset[str]) -> int:
        """Find the first word that is a command's name and no option's value."""
        takes = {
            flag: param.nargs
            for param in self.params
            if isinstance(param, click.Option) and not param.is_flag and not param.count
            for flag in (*param.opts, *param.secondary_opts)
        }
        place = 0
        while place < len(args):
            word = args[place]
            if word == "--":  # shields the next word: a folder may be called like a command
                place += 2
            elif word in takes:
                place += 1 + takes[word]
            elif word in names:
                return place
            else:
                place += 1
        return len(args)


class ChainGroup(click.Group):
    """The group of all commands; each is imported when it is first asked for.

    Parameters
    ----------
    in_chain
        Names of the commands that may stand in one line, in order.
    alone
        Names of the commands that stand alone.
    """

    def __init__(
        self, *, in_chain: Sequence[str], alone: Sequence[str], **settings: object
    ) -> None:
        super().__init__(chain=True, **settings)  # type: ignore[arg-type]
        self.commands_in_chain = frozenset(in_chain)
        self._order = [*in_chain, *alone]

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the chain."""
        return self._order

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module."""
        if cmd_name not in self._order:
            return None
        module = import_module(f"medprep_cli.commands.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the line; with --json an error is the document."""
        try:
            return self._invoke(ctx)
        except MedprepError as error:
            if shared(ctx).json:
                click.echo(json.dumps({"exit_code": error.exit_code, "error": error.to_dict()}))
            raise

    def _invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except OSError as error:
            if isinstance(error, MedprepError) or error.filename is None:
                raise
            # A path that the system will not even look up: a name too long, a folder closed to us.
            raise SourceError(
                f"{error.strerror}; see how the path is spelt and who may use it",
                path=os.fsdecode(error.filename),
            ) from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which commands there are when a word is none."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            if args[0].startswith("-"):
                raise
            close = _closest(args[0], self._order)
            hint = f" Did you mean '{close}'?" if close else ""
            raise click.UsageError(
                f"'{args[0]}' is no command.{hint} There are: {', '.join(self._order)}.", ctx
            ) from None


def _closest(word: str, names: Sequence[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(word, names, 1)), None)
