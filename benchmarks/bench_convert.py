"""Measure ``medprep convert DIR --output OUT`` beside its peers, in one run, as ratios.

    python benchmarks/bench_convert.py [--pairs 5] [--slow-pairs 1] [--only nifti-mr]
                                       [--data DIR] [--size small]

Whole processes in alternating pairs on made-up DICOM (`make_dicom`): 20 MR series of 256 x 256, a
CT of 200 slices of 512 x 512, three MR series and 40 slices of CT in compressed transfer syntaxes.
Start-up and imports count; medprep and dcm2niix write sidecars, the others none. The medians of
the pairs' ratios matter; seconds are the machine's. Let nothing else run meanwhile. Linux only.
Peers are installed by hand (``pip install dcm2niix dicom2nifti nibabel``); one that is missing is
passed over.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from peers_convert import NEEDS
from timing import HEADING, MIB, CommandError, Cost, adopt_orphans, median, pairs, row, run

HERE = Path(__file__).parent
SECTIONS = ("nifti-mr", "nifti-ct", "png", "compressed", "startup", "memory")
SYNTAXES = ("rle", "jpeg-lossless", "jpeg-ls", "jpeg-2000")
PACKAGES = (
    "medprep", "numpy", "pydicom", "isal", "opencv-python", "SimpleITK", "dcm2niix", "nibabel",
    "dicom2nifti", "matplotlib", "python-gdcm", "pylibjpeg-openjpeg", "pyjpegls",
)  # fmt: skip
NOT_MADE = 3
"""Exit status of `make_dicom` where nobody encodes the syntax; that module would fill memory."""


@dataclass(frozen=True)
class Tree:
    """A tree of DICOM files and what it holds."""

    folder: Path
    series: int
    files: int
    pixel_bytes: int

    def __str__(self) -> str:
        return f"{self.series} series, {self.files} files, {self.pixel_bytes / 1e6:.1f} MB pixels"


def main() -> None:
    """Run the wanted sections and print their tables; exit code 1 where a command failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--slow-pairs", type=int, default=1, help="for peers that take long")
    parser.add_argument("--only", choices=SECTIONS, action="append", help="repeatable")
    parser.add_argument("--size", choices=("full", "small"), default="full")
    parser.add_argument("--data", type=Path, help="keep the made-up files here for the next run")
    given = parser.parse_args()
    adopt_orphans()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        bench = Bench(scratch, given.data or scratch, given.size, given.pairs, given.slow_pairs)
        describe(given.size)
        for section in given.only or SECTIONS:
            getattr(bench, section.replace("-", "_"))()
            print(flush=True)
    sys.exit(bench.failures > 0)


def describe(size: str) -> None:
    """Say what machine this is, and what is installed."""
    code = (
        "import importlib.metadata as m, sys\nfor p in sys.argv[1:]:\n"
        " try: print(p, m.version(p), end='; ')\n except m.PackageNotFoundError: pass"
    )  # in a process of its own: a child's peak counts what its parent held when it was born
    asked = [sys.executable, "-c", code, *PACKAGES]
    versions = subprocess.run(asked, capture_output=True, check=True, text=True).stdout
    models = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    load = os.getloadavg()[0]
    machine = f"{len(os.sched_getaffinity(0))} cores ({(models or [platform.machine()])[0]})"
    text = f"{machine}; Python {platform.python_version()}; {versions.strip('; ')}"
    print(textwrap.fill(text, 100))
    print(
        f"load before the start {load:.1f}{' - SOMETHING ELSE RUNS' * (load > 0.5)}; peaks are of "
        f"the largest process, below {run(['true']).peak_mib:.0f} MiB they are this benchmark's own"
    )
    if size == "small":
        print("SMALL DATA: shows that everything runs; the figures mean nothing")
    print("ratios are medians of n pairs' ratios; the smaller, the better for medprep")
    print("dcm2niix: -z i; limit: read all, igzip level 2 in two threads, write nothing\n")


def dcm2niix_program() -> str:
    """Give the path of dcm2niix, "" where there is none.

    What PyPI's package puts on the path is a Python script that calls the program beside it: its
    start is none of dcm2niix's cost.
    """
    package = importlib.util.find_spec("dcm2niix")
    if package and package.origin:
        return str(Path(package.origin).with_name("dcm2niix"))
    return shutil.which("dcm2niix") or ""


class Bench:
    """Data and a scratch folder, and what is measured there."""

    def __init__(self, scratch: Path, data: Path, size: str, count: int, slow: int) -> None:
        self.scratch, self.data, self.size, self.count, self.slow = scratch, data, size, count, slow
        self.failures = 0
        self.environment = os.environ | {"PYTHONPYCACHEPREFIX": str(scratch / "compiled")}
        # As installed: else medprep alone, not being in site-packages, is compiled at each start.
        self.environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def tree(self, kind: str, syntax: str = "") -> Tree | None:
        """Make a tree, or find it; None, and a line that says why, where it cannot be made."""
        command = [sys.executable, str(HERE / "make_dicom.py"), str(self.data), kind]
        command += ["--size", self.size, *(["--syntax", syntax] if syntax else [])]
        done = subprocess.run(command, stdout=subprocess.PIPE, check=False, text=True)
        if done.returncode == NOT_MADE:
            print(f"  {kind} {syntax}: not made: {done.stdout.strip()}")
            return None
        done.check_returncode()
        facts = json.loads(done.stdout)
        return Tree(Path(facts.pop("folder")), **facts)

    def once(self, command: list[str], tree: Tree, wanted: tuple[str, int] | None) -> Cost:
        """Run a command whose last words are IN and OUT, and see that it wrote what is wanted."""
        output = self.scratch / "out"
        shutil.rmtree(output, ignore_errors=True)
        output.mkdir()
        places = {"{in}": str(tree.folder), "{out}": str(output)}
        cost = run([places.get(word, word) for word in command], self.environment)
        if wanted is None:
            return cost
        ending, count = wanted
        made = list(output.rglob(f"*{ending}"))
        if len(made) != count:
            raise CommandError(f"wrote {len(made)} of {count} files *{ending}")
        return replace(cost, out_bytes=sum(path.stat().st_size for path in made))

    def medprep(self, tree: Tree, form: str = "nifti") -> Callable[[], Cost]:
        """Give medprep's run on a tree."""
        command = [sys.executable, "-m", "medprep_cli", "convert", "{in}", "--output", "{out}"]
        wanted = (".png", tree.files) if form == "png" else (".nii.gz", tree.series)
        return lambda: self.once([*command, "--format", form], tree, wanted)

    def peer(self, name: str, tree: Tree, ending: str = ".nii.gz") -> Callable[[], Cost]:
        """Give a Python peer's run on a tree."""
        command = [sys.executable, str(HERE / "peers_convert.py"), name, "{in}", "{out}"]
        wanted = (ending, tree.files if ending == ".png" else tree.series)
        return lambda: self.once(command, tree, None if name == "limit" else wanted)

    def dcm2niix(self, tree: Tree) -> Callable[[], Cost]:
        """Give dcm2niix's run on a tree, at its default level."""
        command = [dcm2niix_program(), "-z", "i", "-f", "%p_%s", "-o", "{out}", "{in}"]
        return lambda: self.once(command, tree, (".nii.gz", tree.series))

    def here(self, name: str) -> bool:
        """Tell whether a peer is installed, and say so where it is not."""
        if name == "dcm2niix":
            found = bool(dcm2niix_program())
        else:
            found = all(importlib.util.find_spec(module) for module in NEEDS[name])
        if not found:
            print(f"  {name:22} not installed")
        return found

    def line(
        self, name: str, ours: Callable[[], Cost], theirs: Callable[[], Cost], count: int
    ) -> list[Cost]:
        """Measure pairs and print their line; give our costs, none where a command failed."""
        try:
            mine, other = pairs(ours, theirs, count)
        except CommandError as error:
            self.failures += 1
            print(f"  {name:22} FAILED: {error}")
            return []
        print(row(name, mine, other), flush=True)
        return mine

    def against(self, tree: Tree, names: tuple[str, ...]) -> None:
        """Compare conversion to .nii.gz with each peer that is installed."""
        ours = self.medprep(tree)
        for name in names:
            if not self.here(name):
                continue
            theirs = self.dcm2niix(tree) if name == "dcm2niix" else self.peer(name, tree)
            quick = name in ("dcm2niix", "limit")
            self.line(name, ours, theirs, self.count if quick else self.slow)

    def nifti_mr(self) -> None:
        """Compare a batch of MR series to .nii.gz."""
        self._nifti("mr")

    def nifti_ct(self) -> None:
        """Compare one CT to .nii.gz."""
        self._nifti("ct")

    def _nifti(self, kind: str) -> None:
        if tree := self.tree(kind):
            print(f"{kind.upper()} to .nii.gz: {tree}\n{HEADING}")
            self.against(tree, ("dcm2niix", "simpleitk", "pydicom_nibabel", "dicom2nifti", "limit"))

    def compressed(self) -> None:
        """Compare compressed transfer syntaxes."""
        for kind in ("mr3", "ct40"):
            for syntax in SYNTAXES:
                if tree := self.tree(kind, syntax):
                    print(f"{kind[:2].upper()} as {syntax} to .nii.gz: {tree}\n{HEADING}")
                    self.against(tree, ("dcm2niix", "simpleitk", "pydicom_nibabel"))

    def png(self) -> None:
        """Compare conversion to 8-bit PNG: medprep windows a volume, the peers each file."""
        for kind in ("mr", "ct"):
            if not (tree := self.tree(kind)) or not self.here("pydicom_cv2"):
                continue
            print(f"{kind.upper()} to 8-bit PNG: {tree}\n{HEADING}")
            ours, theirs = self.medprep(tree, "png"), self.peer("pydicom_cv2", tree, ".png")
            mine = self.line("pydicom + cv2", ours, theirs, self.count)
            if kind == "mr" and mine and self.here("imsave"):
                self.scaled(tree, median(mine))

    def scaled(self, tree: Tree, ours: Cost) -> None:
        """Compare matplotlib, measured on few files and scaled to the tree's number."""
        few, one = self.tree("few"), self.tree("one")
        assert few and one
        for name in ("imsave", "savefig"):
            try:
                many = pairs(self.peer(name, few, ".png"), self.peer(name, one, ".png"), self.slow)
            except CommandError as error:
                self.failures += 1
                print(f"  {name:22} FAILED: {error}")
                continue
            figures = []
            for whole, start in zip(*many, strict=True):
                wall = (whole.wall_s - start.wall_s) / (few.files - one.files)
                cpu = (whole.cpu_s - start.cpu_s) / (few.files - one.files)
                rest = tree.files - one.files
                figures.append(
                    Cost(start.wall_s + rest * wall, start.cpu_s + rest * cpu, whole.peak_mib)
                )
            print(row(f"matplotlib {name} *", [ours] * len(figures), figures))
        print(f"  * measured on {few.files} files and on one, scaled to {tree.files}")

    def startup(self) -> None:
        """Measure a whole conversion of one tiny slice beside an interpreter that does nothing."""
        tree = self.tree("tiny")
        assert tree
        print(f"One tiny slice to .nii.gz\n{HEADING}")
        for name, code in (("python -c pass", "pass"), ("import numpy", "import numpy")):
            bare = [sys.executable, "-c", code]
            self.line(name, self.medprep(tree), partial(run, bare, self.environment), self.count)
        self.against(tree, ("dcm2niix",))

    def memory(self) -> None:
        """Measure what a CT adds to the peak of one tiny slice."""
        tiny, ct = self.tree("tiny"), self.tree("ct")
        assert tiny and ct
        try:
            large, least = pairs(self.medprep(ct), self.medprep(tiny), self.count)
        except CommandError as error:
            self.failures += 1
            print(f"memory FAILED: {error}")
            return
        more = median(large).peak_mib - median(least).peak_mib
        volume = ct.pixel_bytes / MIB
        print(
            f"Memory: peak {median(large).peak_mib:.0f} MiB for the CT, "
            f"{median(least).peak_mib:.0f} for one tiny slice: "
            f"{more:.0f} more = {more / volume:.2f} x the volume's {volume:.0f} MiB"
        )


if __name__ == "__main__":
    main()
