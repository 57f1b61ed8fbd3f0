"""What no file of medprep may do: run text as code, unpickle, load YAML, ask a shell."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted([*(ROOT / "medprep").rglob("*.py"), *(ROOT / "cli").rglob("*.py")])
FORBIDDEN = {
    "eval", "exec", "compile", "__import__", "input", "os.system", "os.popen", "pickle.load",
    "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "shelve.open",
    "joblib.load",
    "yaml.load", "yaml.unsafe_load", "dill.load", "dill.loads", "tempfile.mktemp", "torch.hub.load",
    "subprocess.getoutput", "subprocess.getstatusoutput", "zipfile.ZipFile.extractall",
    "extractall",
    "extract_archive", "shutil.unpack_archive", "importlib.reload",
}  # fmt: skip
IMPORTS = {"yaml", "dill", "joblib", "marshal", "shelve", "telnetlib", "ftplib", "xml", "requests"}
PICKLE = {
    "medprep/execute/failure.py": "says of a result that it cannot be sent: PicklingError",
    "medprep/models/foreign.py": "says of a file that it is refused: UnpicklingError",
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def faults(text: str, name: str = "x.py") -> list[str]:
    """Name what a file does that none may."""
    tree, found = ast.parse(text), []
    for called, node in calls(tree):
        given = {one.arg: ast.unparse(one.value) for one in node.keywords}
        if called in FORBIDDEN or called.rpartition(".")[2] in ("extractall", "unsafe_load"):
            found.append(f"{called} at line {node.lineno}")
        if called == "torch.load" and given.get("weights_only") != "True":
            found.append(f"torch.load without weights_only at line {node.lineno}")
        if called.endswith(".load") and "np" in called and given.get("allow_pickle") == "True":
            found.append(f"allow_pickle at line {node.lineno}")
        if given.get("shell") == "True":
            found.append(f"a shell at line {node.lineno}")
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for one in names:
            first = one.split(".")[0]
            if first in IMPORTS or (first == "pickle" and name not in PICKLE):
                found.append(f"import {one}")
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_input_is_ever_run(path: Path) -> None:
    assert faults(path.read_text("utf-8"), str(path.relative_to(ROOT))) == []


@pytest.mark.parametrize(
    "text",
    [
        "eval('1')", "import pickle", "import os\nos.system('x')", "torch.load(path)",
        "torch.load(path, weights_only=False)", "np.load(path, allow_pickle=True)", "yaml.load(x)",
        "archive.extractall(path)", "subprocess.run('x', shell=True)", "from yaml import load",
    ],
)  # fmt: skip
def test_what_is_looked_for_would_be_found(text: str) -> None:
    assert faults(text)
