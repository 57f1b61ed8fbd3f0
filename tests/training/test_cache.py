"""What is stored comes back as it was, from memory or from a file, here or in another process."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from medprep.errors import WriteError
from medprep.files import remove_parts
from medprep.training import cache
from medprep.training.cache import Store, available_bytes

KINDS = ["uint8", "uint16", "int16", "float32"]


@pytest.mark.parametrize("budget", [0, 1 << 20])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_stored_comes_back(budget: int, kind: str, tmp_path: Path) -> None:
    array = np.random.default_rng(0).integers(0, 200, (3, 4, 5)).astype(kind)
    with Store(budget, tmp_path) as store:
        stored = store.add(array)
        assert stored.mapped == (budget == 0)
        assert stored.array.dtype == kind
        assert np.array_equal(stored.array, array)
        again = pickle.loads(pickle.dumps(stored))
        assert np.array_equal(again.array, array)


def test_memory_first_then_files(tmp_path: Path) -> None:
    small, large = np.zeros(100, np.uint8), np.ones(300, np.uint8)
    with Store(350, tmp_path) as store:
        mapped = [store.add(array).mapped for array in (small, small, large, small)]
        assert mapped == [False, False, True, True]
        assert (store.held_bytes, store.mapped_bytes) == (200, 400)
        assert len(list(tmp_path.rglob("*.npy"))) == 2
    assert not list(tmp_path.iterdir())


def test_another_process_gets_a_file_and_no_copy(tmp_path: Path) -> None:
    array = np.zeros((100, 100), np.float32)
    with Store(0, tmp_path) as store:
        stored = store.add(array)
        assert stored.array is not None
        assert len(pickle.dumps(stored)) < 1000


def test_what_a_killed_run_left_is_found(tmp_path: Path) -> None:
    store = Store(0, tmp_path)
    store.add(np.zeros(10, np.uint8))
    assert remove_parts(tmp_path) == 1
    assert not list(tmp_path.iterdir())
    store.close()


def test_without_a_folder_files_go_to_the_systems_own() -> None:
    store = Store(0)
    folder = Path(str(store.add(np.zeros(10, np.uint8)).array.filename)).parent  # type: ignore[attr-defined]
    assert folder.is_dir()
    store.close()
    assert not folder.exists()


def test_a_full_disk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with Store(0, tmp_path) as store, pytest.raises(WriteError, match=r"No space left .* free"):
        store.add(np.zeros(10, np.uint8))


def test_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "/proc/meminfo": "MemTotal: 9000 kB\nMemAvailable:    2000 kB\n",
        "/sys/fs/cgroup/memory.max": "max\n",
        "/sys/fs/cgroup/memory.current": "500\n",
    }
    monkeypatch.setattr(cache, "_text", lambda path: said.get(path, ""))
    assert available_bytes() == 2000 << 10
    said["/sys/fs/cgroup/memory.max"] = "1500\n"
    assert available_bytes() == 1000
    said.clear()
    assert available_bytes() == 4 << 30
    assert Store()._left == (4 << 30) // 3
