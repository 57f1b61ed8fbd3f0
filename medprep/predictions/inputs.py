"""The cases of a folder of pictures: volumes of DICOM, and NIfTI files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from medprep.dicom.stacks import Plan
from medprep.evaluations.words import telling
from medprep.execute import Failure
from medprep.files import safe_name, walk_files
from medprep.places.paths import is_far, path_of
from medprep.predictions.options import PredictFolder
from medprep.progress import Progress
from medprep.trees.survey import Survey, survey

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

_ENDINGS = (".nii.gz", ".nii")
_CHANNEL = re.compile(r"(.+)_(\d{4})")
"""nnU-Net's names of a case's channels."""
_SHADOW = "__MACOSX"


@dataclass(frozen=True)
class Case:
    """One volume to label.

    Parameters
    ----------
    name
        Public: of DICOM a pseudonym and the series' number, of NIfTI its own name made safe.
    plan
        Slices of DICOM, or None.
    files
        NIfTI, one for each channel; none of DICOM.
    """

    name: str
    plan: Plan | None
    files: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Inputs:
    """What a folder holds.

    Parameters
    ----------
    cases
        DICOM first, then NIfTI in natural order.
    failed
        Name to why it is no case.
    tree
        The DICOM.
    notes
        What was passed over.
    """

    cases: tuple[Case, ...]
    failed: dict[str, Failure]
    tree: Survey
    notes: tuple[str, ...]


def find_inputs(
    options: PredictFolder,
    channels: int,
    key: bytes,
    progress: Progress,
    cluster: Cluster | None = None,
) -> Inputs:
    """Find every case in the source.

    Parameters
    ----------
    options
        The source, and what to do with gaps and tilt. What lies in the output is no input.
    channels
        How many pictures the net takes: of several, NIfTI files are called ``NAME_0000``, ...
    key
        Of the pseudonyms.
    progress
        Is told how many files were read.
    cluster
        Where headers are read; None reads them here.

    Raises
    ------
    SourceError
        If there is no such folder or file, or one cannot be read.
    """
    progress.start("scan", -1)
    source, output = path_of(options.source), Path(options.output)
    tree = survey(
        source, key, policy=options.policy, advance=progress.advance, cluster=cluster,
        without=output,
    )  # fmt: skip
    progress.finish()
    cases, failed = _volumes(tree, channels)
    found, notes = _nifti(source, output)
    more, broken = _cases(found, channels)
    return Inputs((*cases, *more), failed | broken, tree, tuple(notes))


def _volumes(tree: Survey, channels: int) -> tuple[list[Case], dict[str, Failure]]:
    failed = {one.name: one.failure for one in tree.refused if one.failure is not None}
    cases = [Case(one.name, one.plan) for one in tree.volumes if one.plan is not None]
    if channels > 1:
        why = Failure(
            "source",
            f"one series, and the net takes {channels} channels on one grid; convert them, and "
            "call the files NAME_0000.nii.gz, NAME_0001.nii.gz, ...",
        )
        return [], failed | {case.name: why for case in cases}
    seen: Counter[str] = Counter()
    for place, case in enumerate(cases):
        seen[case.name] += 1
        if seen[case.name] > 1:  # the volumes of one series on two grids, called as by `convert`
            cases[place] = replace(case, name=f"{case.name}_g{seen[case.name]}")
    return cases, failed


def _nifti(root: Path, output: Path) -> tuple[list[tuple[Path, tuple[str, ...]]], list[str]]:
    """Give each NIfTI file with its folders and name below the root; masks are passed over."""
    if root.is_file():
        ending = _ending(root)
        return ([(root, (root.name[: -len(ending)],))] if ending else []), []
    found = []
    own = output.resolve()
    for path in walk_files(root):
        ending = _ending(path)
        shadow = _SHADOW in path.parts or path.name.startswith("._")
        if ending and not shadow and (is_far(path) or own not in path.resolve().parents):
            parts = path.relative_to(root).parts
            found.append((path, (*parts[:-1], path.name[: -len(ending)])))
    pictures = [(path, parts) for path, parts in found if telling(parts) != "mask"]
    if not pictures or len(pictures) == len(found):
        return found, []
    left = len(found) - len(pictures)
    return pictures, [f"passed over {left} NIfTI files that are called masks"]


def _ending(path: Path) -> str:
    return next((one for one in _ENDINGS if path.name.casefold().endswith(one)), "")


def _cases(
    found: list[tuple[Path, tuple[str, ...]]], channels: int
) -> tuple[list[Case], dict[str, Failure]]:
    """Put the channels of a case together, and name the cases."""
    groups: dict[tuple[str, ...], dict[int, Path]] = defaultdict(dict)
    twice: dict[tuple[str, ...], Failure] = {}
    for path, parts in found:
        numbered = _CHANNEL.fullmatch(parts[-1])
        channel = 0 if numbered is None else int(numbered[2])
        if numbered is None or (channels == 1 and channel):
            own, channel = parts, 0
        else:
            own = (*parts[:-1], numbered[1])
        other = groups[own].setdefault(channel, path)
        if other != path:
            why = f"{other.name} and {path.name} would both be this case: take one of them away"
            twice[own] = Failure("source", why, str(path))
    cases, failed = [], {}
    for name, parts in _named(list(groups)):
        files = groups[parts]
        if parts in twice:
            failed[name] = twice[parts]
        elif sorted(files) == list(range(channels)):
            cases.append(Case(name, None, tuple(files[channel] for channel in range(channels))))
        else:
            have = ", ".join(f"_{channel:04d}" for channel in sorted(files))
            failed[name] = Failure(
                "source",
                f"the net takes {channels} channels, called {name}_0000 to _{channels - 1:04d}; "
                f"there is {have}",
                str(files[min(files)]),
            )
    shared = Counter(case.name for case in cases)
    for case in cases:
        if shared[case.name] > 1:
            failed[case.name] = Failure(
                "source", f"{shared[case.name]} files would give this name: rename them",
                str(case.files[0]),
            )  # fmt: skip
    return [case for case in cases if shared[case.name] == 1], failed


def _named(keys: list[tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    """Call each by its own name; where that is another's too, by its folders and its name."""
    own = Counter(safe_name(parts[-1]) for parts in keys)
    return [
        (safe_name("-".join(parts) if own[safe_name(parts[-1])] > 1 else parts[-1]), parts)
        for parts in keys
    ]
