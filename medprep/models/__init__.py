"""The bundled nets: one file each, built by name.

::

    from medprep.models import build

    net = build("unet2d", in_channels=1, out_channels=5, width=16)
"""

from medprep.models.registry import ModelInfo, build, config_of, describe

__all__ = ["ModelInfo", "build", "config_of", "describe"]
