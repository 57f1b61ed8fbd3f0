"""Make what is large: trees of DICOM headers with sparse pixels, and workspaces of many cases.

    python benchmarks/make_scale.py tree FOLDER FILES
    python benchmarks/make_scale.py workspace FOLDER CASES

A tree holds series of 100 slices of 512 x 512, three series of a patient, some ninety tags each;
its pixels are a hole in the file and take no room. A workspace is made by the stages themselves,
of which only the work on pixels is left out: records, keys and (empty) files are those of a real
one.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from medprep.pipeline import run
from medprep.sources.phantom import make_chaos
from medprep.stages import clean, convert, extract
from medprep.stages.base import CaseResult
from medprep.stages.split import Split
from medprep.workspace.database import CaseRow, Database
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import LedgerFile, write_ledger
from medprep.workspace.workspace import Workspace

SLICES = 100
"""Slices of a series."""
_SERIES_OF_PATIENT = 3
_SIDE = 512
_SERIES, _PLACE, _HEIGHT = 777777, 8887, "53322"
_STAGES = (convert.Convert(), extract.Extract(), clean.Clean())


def make_tree(folder: Path, files: int) -> None:
    """Write a tree of so many files, unless it is there."""
    if folder.exists():
        return
    head, size = _template()
    for number in range(files):
        series, place = divmod(number, SLICES)
        patient = series // _SERIES_OF_PATIENT
        target = folder / f"patient{patient:05d}" / f"series{series:05d}"
        if place == 0:
            target.mkdir(parents=True)
        content = head.replace(b"P777777", b"P%06d" % patient)
        content = content.replace(b".2.777777", b".2.%06d" % (100000 + patient))
        content = content.replace(b"777777", b"%06d" % (100000 + series))
        content = content.replace(b"8888", b"%04d" % (1000 + place))
        content = content.replace(_HEIGHT.encode(), b"%05d" % (6 * place))
        with (target / f"IMG-{place:04d}.dcm").open("wb") as handle:
            handle.write(content)
            handle.truncate(len(content) + size)


def _template() -> tuple[bytes, int]:
    """Give the bytes before the pixels of a slice, and the number of those of its pixels."""
    from make_headers import header_of
    from pydicom.dataset import FileDataset

    one: FileDataset = header_of(np.zeros((_SIDE, _SIDE), np.int16), "MR", _SERIES, _PLACE)
    size = len(one.PixelData)
    buffer = BytesIO()
    one.save_as(buffer, enforce_file_format=True)
    content = buffer.getvalue()
    assert content.endswith(bytes(size)) and _HEIGHT.encode() in content
    return content[:-size], size


def make_workspace(folder: Path, cases: int) -> None:
    """Make a workspace of so many cases, all of them converted, extracted and cleaned."""
    if folder.exists():
        return
    with tempfile.TemporaryDirectory() as scratch:
        meta, facts = _of_a_real_one(Path(scratch))
    work: dict[str, Callable[[Any], CaseResult]] = {
        "convert": lambda one: _made(
            one.layout, ["image", "sidecar", "slice_images"], one.case, facts["convert"]
        ),
        "extract": lambda one: _made(one.layout, ["labels"], one.case, facts["extract"]),
        "clean": lambda one: _made(
            one.layout, ["cleaned", "slice_labels"], one.case, facts["clean"]
        ),
    }
    own = convert._convert, extract.extract_case, clean.clean_case
    convert._convert, extract.extract_case = work["convert"], work["extract"]
    clean.clean_case = work["clean"]
    connect, sqlite3.connect = sqlite3.connect, _hasty(sqlite3.connect)  # type: ignore[assignment]
    try:
        with Workspace(folder) as opened:
            _split(opened, meta, cases)
        run(_STAGES, folder)
    finally:
        convert._convert, extract.extract_case, clean.clean_case = own
        sqlite3.connect = connect


def _of_a_real_one(scratch: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Give what a split recorded, and what each stage recorded of a case."""
    make_chaos(scratch / "CHAOS", mr_patients=(1, 2, 3), unlabelled=(), ct_patients=(), size=64)
    run([Split(str(scratch / "CHAOS"), preset="chaos-mr-t2"), *_STAGES], scratch / "work")
    database = Database(scratch / "work" / "medprep.sqlite")
    made = {one.name: database.artifacts(one.name) for one in _STAGES}
    return database.meta(), {name: next(iter(own.values())).facts for name, own in made.items()}


def _hasty(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
    def connected(*given: Any, **named: Any) -> sqlite3.Connection:
        found = connect(*given, **named)
        if "mode=ro" not in str(given[0]):
            found.execute("PRAGMA synchronous = OFF")
        return found

    return connected


def _split(opened: Workspace, meta: dict[str, Any], cases: int) -> None:
    named = [(f"p{number:07d}-t2", f"p{number:07d}") for number in range(cases)]

    def rows() -> Iterator[CaseRow]:
        for number, (case, patient) in enumerate(named):
            fold = ("train", "train", "train", "train", "train", "train", "train", "val", "test",
                    "test")[number % 10]  # fmt: skip
            yield CaseRow(
                case, patient, "t2", "MR", "dicom", True, fold, None, 2, 1000,
                f"{number:064x}", f"{number + 10**9:064x}",
            )  # fmt: skip

    files = [
        LedgerFile(case, role, place, f"/nowhere/{case}/{role}/{place}", 500, 1, "0" * 64)
        for case, _ in named
        for role in ("picture", "mask")
        for place in range(2)
    ]
    patients = {patient: patient for _, patient in named}
    ledger = write_ledger(opened.layout.private, Path("/nowhere"), patients, files)
    opened.database.put_split({**meta, "ledger": ledger}, rows())


def _made(layout: Layout, kinds: Sequence[str], case: str, facts: dict[str, Any]) -> CaseResult:
    paths: list[Path] = [getattr(layout, kind)(case) for kind in kinds]
    for path in paths:
        if path.suffix:
            path.parent.mkdir(exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True)
            (path / "001.png").touch()
    return CaseResult(tuple(layout.relative(one) for one in paths), facts)


if __name__ == "__main__":
    {"tree": make_tree, "workspace": make_workspace}[sys.argv[1]](
        Path(sys.argv[2]), int(sys.argv[3])
    )
