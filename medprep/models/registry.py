"""Nets by name. Listing them loads no torch; building one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from importlib import import_module
from math import prod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Literal

from medprep.errors import OptionError

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class ModelInfo:
    """What a person should know of a net.

    Parameters
    ----------
    name
        What `build` calls it.
    dimensions
        2 for slices, 3 for volumes.
    published
        The config that it was published with; ``parameters`` and ``bytes_per_voxel`` are of it.
    parameters
        Their number.
    multiple
        Inputs are padded to a multiple of this and cropped back.
    takes
        Sizes of input: ``any``; ``up to`` the shape it is built for, smaller ones are padded and
        larger refused; ``exactly`` the published shape.
    bytes_per_voxel
        What it keeps for the backward pass in float32, for each pixel or voxel of its input.
    paper
        Where it comes from.
    """

    name: str
    dimensions: int
    published: Mapping[str, Any]
    parameters: int
    multiple: int
    takes: Literal["any", "up to", "exactly"]
    bytes_per_voxel: int
    paper: str

    @property
    def any_size(self) -> bool:
        """Whether one net serves inputs of every size."""
        return self.takes == "any"

    @property
    def answers_clicks(self) -> bool:
        """Whether it is told by clicks what to mark."""
        return self.takes == "exactly"

    @property
    def demands(self) -> str:
        """What it demands of an input's size."""
        if self.any_size:
            return f"any size, padded to multiples of {self.multiple}"
        if self.takes == "up to":
            return f"up to the shape it is built for, multiples of {self.multiple}"
        return f"exactly {' x '.join([str(self.multiple)] * self.dimensions)}, and clicks"


_HOMES = {
    "unet2d": ("medprep.models.unet2d", "UNet2dConfig", "UNet2d"),
    "unet3d": ("medprep.models.unet3d", "UNet3dConfig", "UNet3d"),
    "unetr": ("medprep.models.unetr", "UnetrConfig", "Unetr"),
    "unetr-official": ("medprep.models.unetr_official", "UnetrOfficialConfig", "UnetrOfficial"),
    "densenet-unet": ("medprep.models.densenet_unet", "DenseUNetConfig", "DenseUNet"),
    "sam-med3d": ("medprep.models.sam_med3d", "SamMed3dConfig", "SamMed3d"),
}
_UNETR = "Hatamizadeh et al. 2022, arXiv:2103.10504"
_INFOS = (
    ModelInfo(
        "unet2d",
        2,
        {"in_channels": 1, "out_channels": 1, "width": 64},
        31_042_369,
        16,
        "any",
        6_309,
        "Ronneberger et al. 2015, arXiv:1505.04597",
    ),
    ModelInfo(
        "unet3d",
        3,
        {"in_channels": 3, "out_channels": 3, "width": 32, "activation": "prelu"},
        19_077_859,
        8,
        "any",
        4_692,
        "Çiçek et al. 2016, arXiv:1606.06650",
    ),
    ModelInfo(
        "unetr",
        3,
        {"in_channels": 4, "out_channels": 3, "shape": (128, 128, 128), "embed_dim": 768,
         "heads": 12},
        148_955_299,
        16,
        "up to",
        3_519,
        f"{_UNETR}, in a tutorial's form",
    ),
    ModelInfo(
        "unetr-official",
        3,
        {"in_channels": 1, "out_channels": 14, "shape": (96, 96, 96), "feature_size": 16,
         "hidden_size": 768, "mlp_dim": 3072, "heads": 12},
        92_790_958,
        16,
        "up to",
        1_210,
        f"{_UNETR}, in its authors' form",
    ),
    ModelInfo(
        "densenet-unet",
        2,
        {"in_channels": 3, "out_channels": 3, "width": 96},
        49_527_843,
        32,
        "any",
        6_590,
        "ours, after Li et al. 2018, arXiv:1709.07330",
    ),
    ModelInfo(
        "sam-med3d",
        3,
        {"image_size": 128},
        100_509_232,
        128,
        "exactly",
        266,
        "Wang et al. 2024, arXiv:2310.15161",
    ),
)  # fmt: skip

_ADAM = 4
"""Numbers kept for each parameter: itself, its gradient, and two moments of Adam."""
_FLOAT = 4


def describe() -> tuple[ModelInfo, ...]:
    """Give every net there is."""
    return _INFOS


def training_bytes(info: ModelInfo, patch: Sequence[int], batch: int) -> int | None:
    """Estimate the memory that one training step of a published net takes, in bytes.

    The rule: 16 bytes a parameter (itself, its gradient, two moments of Adam) and
    ``bytes_per_voxel`` for each voxel of the batch, padded to the net's multiple. The runtime's own
    memory is not in it. At half the width a net has a quarter of the parameters and half the bytes.

    Parameters
    ----------
    info
        One of `describe`.
    patch
        Rows and columns, or slices, rows and columns.
    batch
        Patches in a step.

    Returns
    -------
    int or None
        None where the patch has not the net's dimensions, or the net takes none so large.

    Raises
    ------
    OptionError
        If a side or the batch is below 1.
    """
    if min(*patch, batch) < 1:
        raise OptionError(f"sides and batch are 1 or more, not {tuple(patch)} and {batch}")
    too_large = info.takes == "exactly" and max(patch) > info.multiple
    if len(patch) != info.dimensions or too_large:
        return None
    voxels = batch * prod(side + -side % info.multiple for side in patch)
    return _FLOAT * _ADAM * info.parameters + voxels * info.bytes_per_voxel


def require_model(name: str) -> None:
    """Refuse a name that is no net's.

    Raises
    ------
    OptionError
        With the names there are.
    """
    if name not in _HOMES:
        raise OptionError(f"no model '{name}' (have {', '.join(_HOMES)})")


def build(name: str, **config: Any) -> nn.Module:
    """Make a net with fresh weights.

    Parameters
    ----------
    name
        One of `describe`.
    **config
        The fields of the net's config; each has a default.

    Raises
    ------
    OptionError
        If there is no such net, no such field of its config, or no such value of a field.
    """
    require_model(name)
    module, config_name, net_name = _HOMES[name]
    home = import_module(module)
    config_class = getattr(home, config_name)
    _require_fields(name, config_class, config)
    net: nn.Module = getattr(home, net_name)(config_class(**config))
    return net


def _require_fields(name: str, config_class: Any, config: Mapping[str, Any]) -> None:
    defaults = {one.name: one.default for one in fields(config_class)}
    for key, value in config.items():
        if key not in defaults:
            raise OptionError(f"model '{name}' has no '{key}' (has {', '.join(defaults)})")
        for kind, (accepts, called) in _KINDS.items():
            if isinstance(defaults[key], kind) and not accepts(value):
                raise OptionError(f"{key} of model '{name}' is {called}, not {value!r}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


_KINDS: dict[type, tuple[Callable[[Any], bool], str]] = {
    int: (_is_whole, "a whole number"),
    float: (lambda value: isinstance(value, Real) and not isinstance(value, bool), "a number"),
    tuple: (
        lambda value: isinstance(value, tuple | list) and all(map(_is_whole, value)),
        "whole numbers",
    ),
    str: (lambda value: isinstance(value, str), "a word"),
}
"""For the type of a field's default: what a value must be."""


def config_of(net: nn.Module) -> dict[str, Any]:
    """Give the config that `build` makes an equal net from."""
    return asdict(net.config)  # type: ignore[call-overload, no-any-return]
