"""Label a volume slice by slice, on its own grid."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medprep.models.backend import choose_device, make_repeatable
from medprep.models.checkpoint import load_model
from medprep.models.inputs import predict_slices
from medprep.volume import Volume


class Predictor:
    """A trained net, loaded once for many volumes.

    Parameters
    ----------
    path
        A ``model.safetensors``.
    device
        ``cpu``, ``cuda``, ``mps`` or ``auto``.

    Raises
    ------
    CheckpointError
        If the file holds no net we can rebuild.
    """

    def __init__(self, path: Path, device: str) -> None:
        make_repeatable()
        self._device = choose_device(device)
        self._net, self.record = load_model(path, self._device)

    def predict(self, volume: Volume, window: tuple[float, float]) -> NDArray[np.uint8]:
        """Label every voxel.

        Parameters
        ----------
        volume
            The picture.
        window
            The grey values that become 0 and 1, as in training.

        Returns
        -------
        ndarray
            ``[slice, row, column]`` on the volume's grid.
        """
        return predict_slices(self._net, volume.array, window, self._device)

    @property
    def organs(self) -> dict[int, str]:
        """Label value to organ name."""
        names: dict[str, Any] = self.record["organs"]
        return {int(value): str(name) for value, name in names.items()}


def load_predictor(path: Path, device: str) -> Predictor:
    """Give a predictor, the same one for the same file."""
    return _loaded(path, path.stat().st_mtime_ns if path.exists() else 0, device)


@lru_cache(maxsize=2)
def _loaded(path: Path, mtime_ns: int, device: str) -> Predictor:
    return Predictor(path, device)
