"""Nets by name. Listing them loads no torch; building one does."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

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
    parameters
        Their number as published: one channel in, one out, full width.
    multiple
        Inputs are padded to a multiple of this and cropped back.
    paper
        Where it comes from.
    """

    name: str
    dimensions: int
    parameters: int
    multiple: int
    paper: str


_HOMES = {"unet2d": ("medprep.models.unet2d", "UNet2dConfig", "UNet2d")}
_INFOS = (ModelInfo("unet2d", 2, 31_042_369, 16, "Ronneberger et al. 2015, arXiv:1505.04597"),)


def describe() -> tuple[ModelInfo, ...]:
    """Give every net there is."""
    return _INFOS


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
        If there is no such net, or no such field of its config.
    """
    require_model(name)
    module, config_name, net_name = _HOMES[name]
    home = import_module(module)
    try:
        settings = getattr(home, config_name)(**config)
    except TypeError as error:
        raise OptionError(f"model '{name}': {error}") from error
    net: nn.Module = getattr(home, net_name)(settings)
    return net


def config_of(net: nn.Module) -> dict[str, Any]:
    """Give the config that `build` makes an equal net from."""
    return asdict(net.config)  # type: ignore[call-overload, no-any-return]
