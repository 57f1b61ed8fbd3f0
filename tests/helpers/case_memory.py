"""Compare what a case is estimated to take in memory with what it takes, stage by stage.

    python tests/helpers/case_memory.py --shape 200,512,512

One case of int16 with two organs; each stage runs in a process of its own, whose peak (VmHWM) is
read at its end. Exit status 1 if an estimate is off by more than a factor of 2.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.stages.memory import needed_bytes
from medprep.volume import LabelMap, Volume

STAGES = {
    "convert": "Convert(format='png16')", "extract": "Extract()", "clean": "Clean()",
    "check": "Check()", "augment": "Augment(copies=1)",
}  # fmt: skip
MIB = 1 << 20
CODE = """
import os, sys
os.environ["OPENBLAS_NUM_THREADS"] = "1"
from medprep import pipeline
from medprep.execute.memory import peak_bytes
from medprep.stages.{module} import {name}
pipeline.run([{stage}], sys.argv[1])
print(peak_bytes())
"""


def make(folder: Path, shape: tuple[int, int, int]) -> None:
    """Write a picture and a mask as two folders of NIfTI."""
    chance = np.random.default_rng(1)
    slices, rows, columns = shape
    mask = np.zeros(shape, np.uint8)
    mask[slices // 5 : -slices // 5, rows // 4 : rows // 2, columns // 5 : columns // 2] = 1
    mask[slices // 3 : -slices // 3, rows * 5 // 9 : rows * 3 // 4, columns // 2 : -9] = 2
    grid = Geometry.from_parts(shape, (2, 0.8, 0.8))
    pixels = mask.astype(np.int16) * 200 + chance.integers(0, 99, shape, np.int16)
    for kind, one in (("images", Volume(pixels, grid, "CT")), ("labels", LabelMap(mask, grid))):
        (folder / kind).mkdir(parents=True)
        nifti.write(folder / kind / "a.nii.gz", one)


def measure(folder: Path, shape: tuple[int, int, int]) -> dict[str, tuple[int, int]]:
    """Give the estimated and the measured bytes of each stage."""
    make(folder / "source", shape)
    work = str(folder / "work")
    split = f"Split({str(folder / 'source')!r}, leak_check=False)"
    _run(CODE.format(module="split", name="Split", stage=split), work)
    found = {}
    for name, stage in STAGES.items():
        code = CODE.format(module=name, name=stage.partition("(")[0], stage=stage)
        found[name] = (needed_bytes(name, 2 * int(np.prod(shape))), int(_run(code, work)))
    return found


def _run(code: str, work: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, work], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--shape", default="200,512,512")
    slices, rows, columns = map(int, parser.parse_args().shape.split(","))
    with tempfile.TemporaryDirectory(prefix="medprep-memory-") as folder:
        found = measure(Path(folder), (slices, rows, columns))
    for name, (estimated, measured) in found.items():
        ratio = estimated / measured
        print(f"{name}: estimated {estimated // MIB} MiB, took {measured // MIB} ({ratio:.2f})")
    sys.exit(not all(0.5 < estimated / measured < 2 for estimated, measured in found.values()))


if __name__ == "__main__":
    main()
