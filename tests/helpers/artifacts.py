"""Workspaces whose files of single cases lie behind a URL."""

from __future__ import annotations

import hashlib
from pathlib import Path

from same_bytes import content, records

from medprep.stages.augment import Augment
from medprep.stages.base import Stage
from medprep.stages.check import Check
from medprep.stages.clean import Clean
from medprep.stages.convert import Convert
from medprep.stages.evaluate import Evaluate
from medprep.stages.extract import Extract
from medprep.stages.predict import Predict
from medprep.stages.report import Report
from medprep.stages.split import Split
from medprep.stages.train import Train

MARK = "medprep-workspace.json"
FOLDERS = {
    "images", "labels", "cleaned", "slices", "fingerprints", "check", "augmented", "predictions",
}  # fmt: skip


def chain(source: str) -> list[Stage]:
    """Give every stage."""
    net = Train(steps=4, width=2, batch_size=2, device="cpu")
    return [
        Split(source, preset="chaos-mr-t1in"), Convert(), Extract(format="png"), Clean(), Check(),
        Augment(copies=2), net, Predict(), Evaluate(), Report(),
    ]  # fmt: skip


def objects(url: str) -> dict[str, str]:
    """Give the hash of every object below a URL, but of the mark and of weights sent to workers."""
    import fsspec

    kind, _, path = url.partition("://")
    store = fsspec.filesystem(kind, use_listings_cache=False)
    found = {name.lstrip("/").removeprefix(f"{path}/"): name for name in store.find(path)}
    return {
        name: hashlib.sha256(store.cat_file(key)).hexdigest()
        for name, key in found.items()
        if name != MARK and not name.startswith("models/")
    }


def told(work: Path) -> dict[str, list[tuple[object, ...]]]:
    """Give the records, without where artifacts lie."""
    found = records(work)
    found["meta"] = [row for row in found["meta"] if row[0] != "artifacts"]
    return found


def require_same(work: Path, url: str, home: Path) -> None:
    """See that folder and URL together hold what lies in another workspace's folder."""
    own, far = content(work), objects(url)
    assert not own.keys() & far.keys()
    assert {name.partition("/")[0] for name in far} == FOLDERS
    both, wanted = (
        {name: found for name, found in one.items() if not name.startswith("private/")}
        for one in ({**own, **far}, content(home))
    )
    assert both.keys() == wanted.keys()
    assert [name for name in wanted if both[name] != wanted[name]] == []
    assert told(work) == told(home)
