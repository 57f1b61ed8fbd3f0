"""The package from Python, and what it does not need."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import medprep


def test_functions_stay_functions_after_every_submodule_was_imported() -> None:
    for module in pkgutil.walk_packages(medprep.__path__, "medprep."):
        importlib.import_module(module.name)
    for name in (
        "split",
        "convert",
        "extract",
        "clean",
        "augment",
        "train",
        "predict",
        "dice",
        "evaluate",
        "report",
    ):
        assert callable(getattr(medprep, name)), name


def test_importing_medprep_loads_nothing_heavy() -> None:
    code = "import sys, medprep; sys.exit(bool({'numpy', 'torch', 'pydicom'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_it_imports_where_posix_modules_are_missing() -> None:
    code = (
        "import sys, pkgutil, importlib\n"
        "sys.modules.update(fcntl=None, resource=None)\n"
        "import medprep\n"
        "for m in pkgutil.walk_packages(medprep.__path__, 'medprep.'):\n"
        "    importlib.import_module(m.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
