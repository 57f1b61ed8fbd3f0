"""Label volumes on their own grids by one trained net, or by several together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from medprep.errors import CheckpointError, OptionError
from medprep.inference.options import AXES, PredictorOptions
from medprep.models.backend import choose_device, make_repeatable
from medprep.models.checkpoint import load_model
from medprep.models.folding import fold
from medprep.models.layout import quickest
from medprep.models.mirroring import mirrored_channels
from medprep.models.preparation import Preparation
from medprep.models.resampling import Shape
from medprep.models.scaling import Scaling, Window
from medprep.models.windows import Manner, Seen, predict_together
from medprep.volume import Volume

_SIDES = ("L", "R")


class Predictor:
    """Trained nets, loaded once for many volumes.

    Parameters
    ----------
    paths
        A ``model.safetensors``, or several: an ensemble, whose probabilities are averaged. Each
        sees a volume on its own spacing; labels are decided on the first one's grid.
    options
        How.

    Raises
    ------
    CheckpointError
        If a file holds no net we can rebuild, or the nets have not the same channels and labels.
    OptionError
        If there is no file, or a net cannot be mirrored so.
    """

    def __init__(self, paths: Sequence[Path], options: PredictorOptions) -> None:
        if not paths:
            raise OptionError("no net to predict with; wanted is at least one file of weights")
        make_repeatable()
        self._device = choose_device(options.device)
        loaded = [_load(path, self._device) for path in paths]
        self._nets = [net for net, _, _ in loaded]
        self.records = [record for _, _, record in loaded]
        self.preparations = [preparation for _, preparation, _ in loaded]
        _require_alike(self.preparations, paths)
        self._options = options
        if "slices" in options.mirror and any(one.dimensions == 2 for one in self.preparations):
            raise OptionError("--mirror slices: a net for slices sees nothing across them")
        self._one_sided = mirrored_channels(self.preparations[0].targets) is None

    @property
    def organs(self) -> dict[int, str]:
        """Label value to organ name."""
        return dict(self.preparations[0].targets.names)

    @property
    def channels(self) -> int:
        """How many pictures of a case it takes."""
        return len(self.preparations[0].scalings)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of how it predicts."""
        if not (self._options.mirror and self._one_sided):
            return ()
        organs = ", ".join(self.organs.values())
        return (
            f"not mirrored from left to right: an organ of one side has no partner among {organs}",
        )

    @property
    def wants_windows(self) -> bool:
        """Whether it was trained with each volume's own window, and needs one."""
        return any(
            scaling.kind == "window" and scaling.low is None
            for preparation in self.preparations
            for scaling in preparation.scalings
        )

    def predict(
        self, pictures: Volume | Sequence[Volume], windows: Window | Sequence[Window] | None = None
    ) -> NDArray[np.uint8]:
        """Label every voxel.

        Parameters
        ----------
        pictures
            A volume, or one for each channel, all on one grid.
        windows
            The grey values that become 0 and 1, or two for each channel; where `wants_windows`.

        Returns
        -------
        ndarray
            ``[slice, row, column]`` on that grid.

        Raises
        ------
        GeometryError
            If the channels are not on one grid.
        OptionError
            If channels or windows are missing.
        FormatError
            If a picture holds what is no finite number.
        """
        volumes = [pictures] if isinstance(pictures, Volume) else list(pictures)
        grid = volumes[0].geometry
        for volume in volumes[1:]:
            grid.require_same(volume.geometry)
        arrays: dict[tuple[tuple[Scaling, ...], Shape], NDArray[np.float32]] = {}
        seen = []
        for net, preparation in zip(self._nets, self.preparations, strict=True):
            shape = preparation.shape_in_net(grid.shape, grid.spacing_mm)
            alike = (preparation.scalings, shape)
            if alike not in arrays:
                arrays[alike] = preparation.to_net(
                    [volume.array for volume in volumes], grid.spacing_mm, _each(windows)
                )
            seen.append(Seen(net, arrays[alike], preparation))
        labels = predict_together(seen, self._device, self._manner(grid.orientation))
        return self.preparations[0].to_grid(labels, grid.shape)

    def _manner(self, orientation: str) -> Manner:
        """Mirror along every axis asked for, but not from left to right what has one side."""
        across = next(axis for axis, letter in enumerate(orientation) if letter in _SIDES)
        axes = [axis for axis, name in enumerate(AXES) if name in self._options.mirror]
        if self._one_sided and across in axes:
            axes.remove(across)
        return Manner(self._options.overlap, tuple(axes), across)


def threads_here() -> int:
    """Give the number of threads that torch uses in this process."""
    return torch.get_num_threads()


def set_threads(count: int | None) -> None:
    """Let torch use as many threads in this process; None leaves it as it is."""
    if count is not None and count != torch.get_num_threads():
        torch.set_num_threads(count)


def load_predictor(
    paths: Path | Sequence[Path],
    options: PredictorOptions | str = PredictorOptions(),  # noqa: B008 - frozen
) -> Predictor:
    """Give a predictor, the same one for the same files and options.

    Parameters
    ----------
    paths
        Weights of one net, or of those of an ensemble.
    options
        How, or the device alone.

    Raises
    ------
    CheckpointError, OptionError
        As `Predictor`.
    """
    several = (paths,) if isinstance(paths, Path) else tuple(paths)
    changed = tuple(path.stat().st_mtime_ns if path.exists() else 0 for path in several)
    how = PredictorOptions(options) if isinstance(options, str) else options
    return _loaded(several, changed, how)


@lru_cache(maxsize=2)
def _loaded(
    paths: tuple[Path, ...], mtimes_ns: tuple[int, ...], options: PredictorOptions
) -> Predictor:
    return Predictor(paths, options)


def _load(path: Path, device: torch.device) -> tuple[torch.nn.Module, Preparation, dict[str, Any]]:
    net, record = load_model(path, device)
    if record["model"] == "sam-med3d":
        raise CheckpointError(
            "it holds a sam-med3d, which answers clicks and does not predict by itself: medprep "
            "prompt SCAN --point X,Y,Z --checkpoint FILE",
            path=path,
        )
    try:
        preparation = Preparation.from_record(record)
    except CheckpointError as error:
        raise CheckpointError(
            f"{error.message}; wanted are weights that 'train' made: of others nobody knows what "
            "their pictures and labels are",
            path=path,
        ) from error
    if device.type == "cpu":  # elsewhere a convolution may round more than the two differ
        net = fold(net).to(memory_format=quickest(net))  # type: ignore[call-overload]
    return net, preparation, record


def _require_alike(preparations: Sequence[Preparation], paths: Sequence[Path]) -> None:
    """Refuse nets that cannot answer together."""
    first = preparations[0]
    for own, path in zip(preparations, paths, strict=True):
        if own.targets != first.targets or len(own.scalings) != len(first.scalings):
            raise CheckpointError(
                f"this net gives {', '.join(own.targets.names.values())} of "
                f"{len(own.scalings)} channels, the first one "
                f"{', '.join(first.targets.names.values())} of {len(first.scalings)}; an ensemble "
                "is of nets for the same",
                path=path,
            )


def _each(windows: Window | Sequence[Window] | None) -> Sequence[Window]:
    """Give a window for each channel, none where there is none."""
    if windows is None:
        return ()
    if isinstance(windows[0], tuple):
        return windows  # type: ignore[return-value]
    return [windows]  # type: ignore[list-item]
