"""Random command lines, run in this process: `fuzz.py` says how to run it.

Every line works in a copy of one small box: a phantom, a workspace made from it, files of all kinds
that commands read, and things that are no such file. No net is trained: that would be real work.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click
from cli_box import fill, run
from fuzz import ForbiddenError

from medprep.errors import TrainingError
from medprep_cli.main import ALONE, IN_CHAIN, cli

_ODD = (
    "", " ", "-", "--", "---", "-1", "0", "1", "2", "3", "0.5", "1e309", "nan", "inf", "-inf",
    "x" * 300,
    "99999999999999999999", "\udcff", "\N{GRINNING FACE}", "\u0663", "1,2,3", "12,-34,56",
    "1x2x3", "16x16",
    "liver", "liver=3", "a=b=c", "=", "*", "?", "~", "$HOME", "a;b", "(", "(?P<patient>", "(.*)",
    "\\", "%s",
    "{}", "auto", "percentile:1,99", "percentile:9,1", "0,0", "all", "chaos-mr", "chaos-mr-t1in",
    "unet2d",
    "sam-med3d", "dice", "hd95", "--help", "--json", "--version", "--nonsense", "--workspace",
    "-w", "-x",
)  # fmt: skip
_PATHS = (
    ".", "..", "../CHAOS", "../CHAOS/Train_Sets/MR/1", "../no/such", "../file.txt", "../empty",
    "../dangling",
    "../pipe", "../loop", "../nifti", "../nifti/imagesTr/a.nii.gz", "../nifti/labelsTr/a.nii.gz",
    "../splits.json", "../prompts.json", "../organs.toml", "../recipe.toml", "../table.csv",
    "../weights.safetensors", "../rubbish.pth", "../file.txt/below", "../out", "out.nii.gz",
    "/dev/null",
    "/dev/null/x", "medprep-work", "../broken", "../locked", "../empty-database",
    "medprep-work/medprep.sqlite",
)  # fmt: skip
_WORKSPACES = (
    "medprep-work", "medprep-work", "medprep-work", "medprep-work", "new", "../broken", "../locked",
    "../empty-database", "../empty", "../file.txt", "../file.txt/w", "/dev/null",
)  # fmt: skip
_LIKELY = {
    "organ": ("liver", "spleen"), "organs": ("liver",), "table": ("chaos-mr", "../organs.toml"),
    "window": ("auto", "dicom", "percentile:1,99", "0,100"), "metrics": ("dice", "dice,hd95"),
    "model": ("unet2d", "unet3d"), "run": ("unet2d-fold0",), "fold": ("0", "1", "all"),
    "splits": ("../splits.json", "../table.csv"),
    "site_from": ("../table.csv", "dicom", "folder:1"),
    "augment": ("tutorial", "nnunet", "none", "../recipe.toml"), "recipe": ("default", "tutorial"),
    "patient_pattern": ("mr(.*)", "(?P<patient>.)"), "checkpoint": ("../weights.safetensors",),
    "points": ("1,2,3",), "prompts": ("../prompts.json",), "tolerance": ("2", "liver=3"),
    "output": ("../out", "out", "out.nii.gz"), "input": ("../CHAOS", "../nifti"),
    "predicted": ("../nifti/labelsTr",), "reference": ("../nifti/labelsTr", "cleaned"),
}  # fmt: skip
"""What options take by their names; the others get anything."""
_STATES = {0, 1, 2, 8}


def make(folder: Path) -> Callable[[random.Random], None]:
    """Give a case: one command line in a fresh box."""
    template, box = folder / "template", folder / "box"
    for name in ("HOME", "MPLCONFIGDIR", "TMPDIR"):
        os.environ[name] = str(box / "home")
    fill(template)
    _do_no_real_work()
    watched = Watch(box)
    sys.addaudithook(watched)

    fresh: dict[str, tuple[int, int]] = {}

    def case(chance: random.Random) -> None:
        nonlocal fresh
        if not fresh or _snapshot(box) != fresh:
            os.chdir(folder)
            shutil.rmtree(box, ignore_errors=True)
            shutil.copytree(template, box, symlinks=True)
            os.mkfifo(box / "pipe")
            os.chdir(box / "here")
            fresh = _snapshot(box)
        words = line(chance)
        watched.begin()
        status, out, err = run(words)
        written = watched.end()
        said = f"medprep {json.dumps(words)}: exit {status}\n{out[-500:]}\n{err[-2000:]}"
        if status not in _STATES:
            raise ForbiddenError(f"exit status: {said}")
        asked = any(word.startswith("-") and "v" in word for word in words)
        if re.search(r"unexpected [A-Z]\w+: ", err) or ("Traceback" in err and not asked):
            raise ForbiddenError(f"a fault of ours: {said}")
        if written:
            raise ForbiddenError(f"written outside: {written} by {said}")
        after = _snapshot(box)
        for path, was in fresh.items():
            is_file = was[0] >= 0  # what is asked for may appear in a folder of inputs
            if is_file and path.split("/")[0] in _INPUTS and after.get(path) != was:
                raise ForbiddenError(f"{path} was changed: {said}")

    return case


def line(chance: random.Random) -> list[str]:
    """Draw a command line: mostly one that could be meant, then damaged or not."""
    words: list[str] = ["-j", "1"]
    if chance.random() < 0.4:
        words += ["-w", chance.choice(_WORKSPACES)]
    if chance.random() < 0.1:
        words.append("--dry-run")
    names = chance.sample(IN_CHAIN, chance.choice((1, 1, 1, 2, 2, 3, 4)))
    if chance.random() < 0.9:
        names.sort(key=IN_CHAIN.index)
    if chance.random() < 0.35:
        names = [chance.choice(ALONE)]
    for name in names:
        words += [name, *_share(name, chance)]
    for _ in range(chance.choice((0, 0, 0, 0, 0, 0, 1, 2))):
        at = chance.randint(2, len(words))
        kind = chance.randrange(4)
        if kind == 0:
            words[at : at + 1] = []
        elif kind == 1:
            words.insert(at, chance.choice((*_ODD, *_PATHS, *IN_CHAIN)))
        elif kind == 2 and at < len(words):
            words[at] = words[at][:-1] + chance.choice(("", "x", words[at][-1:] * 2))
        elif at < len(words):
            other = chance.randrange(2, len(words))
            words[at], words[other] = words[other], words[at]
    return words


def _share(name: str, chance: random.Random) -> list[str]:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    words: list[str] = []
    options = [one for one in command.params if isinstance(one, click.Option)]
    for one in command.params:
        if isinstance(one, click.Argument) and chance.random() < (0.95 if one.required else 0.2):
            words.append(_value(one, chance))
            words += ["-o", "../out"] if name == "convert" else []
    chosen = chance.sample(options, min(len(options), chance.choice((0, 0, 0, 0, 1, 1, 2, 4))))
    needed = [one for one in options if one.required]
    chosen += [one for one in needed if one not in chosen and chance.random() < 0.9]
    for option in chosen:
        flag = chance.choice((*option.opts, *option.secondary_opts))
        if option.is_flag or option.count:
            words.append(flag)
        elif option.name == "jobs":
            words += [flag, chance.choice(("1", "1", "1", "-1", "x"))]
        elif option.name == "wait":
            words += [flag, chance.choice(("0", "0.1", "0.1", "nan", "x"))]
        else:
            words += [flag, *(_value(option, chance) for _ in range(option.nargs))]
    return words


def _value(param: click.Parameter, chance: random.Random) -> str:
    likely = chance.random() < 0.85
    if likely and isinstance(param.type, click.Choice):
        return str(chance.choice(list(param.type.choices)))
    if likely and isinstance(param.type, click.types.IntParamType | click.types.FloatParamType):
        whole = isinstance(param.type, click.types.IntParamType)
        return chance.choice(("0", "1", "1", "2", "3", "7", "-1") if whole else ("0.1", "0.5", "1"))
    likely_words = _LIKELY.get(str(param.name))
    if likely and likely_words:
        return chance.choice(likely_words)
    if isinstance(param, click.Argument) and likely:
        return chance.choice(("../CHAOS", "../CHAOS", "../nifti", *_PATHS))
    return chance.choice(_PATHS if chance.random() < 0.5 else _ODD)


class Watch:
    """Notes every file that is opened for writing, made, renamed or removed outside the box."""

    def __init__(self, box: Path) -> None:
        self._box = str(box)
        self._on = False
        self._found: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self._on:
            return
        if event == "open":
            path, mode, flags = args
            writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) if flags is not None else mode
            if isinstance(path, str) and writes and (mode is None or set("wax+") & set(mode)):
                self._note(path)
        elif event in ("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod"):
            self._note(args[0])
        elif event in ("os.rename", "os.link", "os.symlink"):
            self._note(args[1])

    def _note(self, path: Any) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            text = os.path.realpath(os.fsdecode(path))
            if not text.startswith(self._box) and not text.startswith("/dev/null"):
                self._found.append(text)

    def begin(self) -> None:
        """Watch from here on."""
        self._found, self._on = [], True

    def end(self) -> list[str]:
        """Give what was found."""
        self._on = False
        return self._found


_INPUTS = (
    "CHAOS",
    "nifti",
    "file.txt",
    "splits.json",
    "prompts.json",
    "organs.toml",
    "weights.safetensors",
)


def _snapshot(box: Path) -> dict[str, tuple[int, int]]:
    """Give size and time of everything in the box."""
    found = {}
    for folder, folders, files in os.walk(box):
        for name in [*folders, *files]:
            path = os.path.join(folder, name)  # noqa: PTH118 - a Path costs more than the call
            status = os.lstat(path)
            size = -1 if name in folders else status.st_size
            found[os.path.relpath(path, box)] = size, status.st_mtime_ns
    return found


def _do_no_real_work() -> None:
    import medprep.sources.phantom as phantom
    import medprep.training.loop as loop

    def refuse(*words: object, **named: object) -> NoReturn:
        raise TrainingError("nothing is trained while lines are tried; this is no real work")

    loop.train = refuse
    # The whole phantom takes seconds.
    phantom.make_chaos = partial(phantom.make_chaos, mr_patients=(1,), slices=(2, 2), size=32)
