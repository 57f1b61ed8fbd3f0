"""The bundled nets: one file each, built by name.

::

    from medprep.models import build, load_original

    net = build("unet2d", in_channels=1, out_channels=5, width=16)
    tutorial = load_original(build("unet2d"), torch.load("tutorial.pth", weights_only=True))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medprep.models.registry import ModelInfo, build, config_of, describe

if TYPE_CHECKING:
    from medprep.models.originals import load_original

__all__ = ["ModelInfo", "build", "config_of", "describe", "load_original"]


def __getattr__(name: str) -> Any:
    """Import what needs torch when it is asked for: listing nets must not load it."""
    if name == "load_original":
        from medprep.models.originals import load_original

        return load_original
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
