"""A cluster for all tests of a module; whoever kills some of it starts its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from dask_box import DaskBox, dask_box

pytest.importorskip("distributed")


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskBox]:
    """A scheduler and two workers."""
    with dask_box(tmp_path_factory.mktemp("dask")) as box:
        yield box
