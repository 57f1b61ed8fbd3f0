"""A small box of everything that commands read, and a way to run a line in this process."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.sources.phantom import make_chaos
from medprep.volume import LabelMap, Volume
from medprep_cli.main import main


def run(words: Sequence[str]) -> tuple[Any, str, str]:
    """Run a line and give its exit status and what it printed."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace") for _ in range(2))
    status: Any = "none"
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(list(words))
        except SystemExit as end:
            status = end.code or 0
    logging.getLogger("medprep").handlers.clear()
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8", "replace"))  # type: ignore[attr-defined]
    return status, texts[0], texts[1]


def fill(box: Path) -> None:
    """Make the box: a phantom, a workspace made from it, files and what is none."""
    here = box / "here"
    here.mkdir(parents=True)
    (box / "home").mkdir()
    make_chaos(
        box / "CHAOS", mr_patients=(1, 2, 3), unlabelled=(), ct_patients=(), slices=(2, 3), size=32
    )
    _made(here, "split", "../CHAOS", "convert", "extract", "clean", "augment", "--copies", "1",
    "train",
          "--steps", "1", "--width", "2", "predict", "dice", "report")  # fmt: skip
    _write_nifti(box / "nifti")
    (box / "file.txt").write_text("a file\n")
    (box / "empty").mkdir()
    (box / "dangling").symlink_to("nowhere")
    (box / "loop").symlink_to(".")
    (box / "splits.json").write_text(
        json.dumps([{"train": ["mr01-t1in", "mr02-t1in"], "val": ["mr03-t1in"]}])
    )
    (box / "prompts.json").write_text('{"liver": [[1, 2, 3]]}')
    (box / "organs.toml").write_text("[organs]\nliver = [55, 70]\n")
    (box / "recipe.toml").write_text('start = "nnunet"\n')
    (box / "table.csv").write_text("case,fold,site\nmr01-t1in,train,a\nmr02-t1in,val,b\n")
    shutil.copy(
        next(here.glob("medprep-work/models/*/model.safetensors")), box / "weights.safetensors"
    )
    (box / "rubbish.pth").write_bytes(b"PK\3\4rubbish")
    for name in ("broken", "locked", "empty-database"):
        (box / name).mkdir()
        shutil.copy(here / "medprep-work" / "medprep.sqlite", box / name)
    (box / "broken" / "medprep.sqlite").write_bytes(b"rubbish" * 1000)
    (box / "empty-database" / "medprep.sqlite").write_bytes(b"")
    record = {"host": "elsewhere", "boot": "x", "pid": 1, "started": ""}
    (box / "locked" / "medprep.lock").write_text(json.dumps(record))


def _made(here: Path, *words: str) -> None:
    os.chdir(here)
    status, out, err = run(["-j", "1", *words])
    if status:
        raise RuntimeError(f"the box cannot be filled: {status} {out} {err}")


def _write_nifti(root: Path) -> None:
    grid = Geometry.from_parts((3, 16, 16), (2, 1, 1))
    for name in ("a", "b", "c", "d"):
        for below in ("imagesTr", "labelsTr"):
            (root / below).mkdir(parents=True, exist_ok=True)
        values = np.arange(768, dtype=np.int16).reshape(grid.shape)
        nifti.write(root / "imagesTr" / f"{name}.nii.gz", Volume(values, grid, "MR"))
        labels = LabelMap((values > 400).astype(np.uint8), grid)
        nifti.write(root / "labelsTr" / f"{name}.nii.gz", labels)
