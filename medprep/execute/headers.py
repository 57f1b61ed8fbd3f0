"""Headers of a tree, read on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.dicom.scan import Reader, read_group, unread
from medprep.execute.failure import Failure

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster

_BATCHES = 4
"""So many of the scan's batches make a task: a smaller one is not worth its way there and back."""


def reader(cluster: Cluster | None) -> Reader | None:
    """Give what reads batches of files there, for `dicom.scan.scan`; None reads them here."""
    if cluster is None:
        return None

    def read(batches: Iterator[list[Path]]) -> Iterable[Any]:
        for paths, found in cluster.map_in_order(read_group, _joined(batches)):
            yield unread(paths, found.message) if isinstance(found, Failure) else found

    return read


def _joined(batches: Iterator[list[Path]]) -> Iterator[list[Path]]:
    while joined := [path for batch in islice(batches, _BATCHES) for path in batch]:
        yield joined
