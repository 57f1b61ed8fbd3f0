"""The weights of SAM-Med3D: where they are, what they have seen, how ours are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import CheckpointError
from medprep.models.prompts.grids import SPACING_MM
from medprep.models.published import PUBLISHED

if TYPE_CHECKING:
    import torch

    from medprep.models.sam_med3d import SamMed3d

MODEL = "sam-med3d"

_PICKLES = (".pth", ".pt", ".bin")


def require_weights(path: str | None) -> Path:
    """Give the path of weights, or say where there are some.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    if path is None:
        raise CheckpointError(
            f"--checkpoint is wanted: medprep brings no weights. Published are {PUBLISHED[MODEL]}. "
            f"Then: medprep import-weights sam_med3d_turbo.pth --model {MODEL}"
        )
    return Path(path)


def load_net(path: Path, device: torch.device) -> tuple[SamMed3d, dict[str, Any]]:
    """Rebuild a SAM-Med3D from a file of medprep, and give the file's record.

    Parameters
    ----------
    path
        A safetensors file. Nothing is ever unpickled here.
    device
        Where it is to compute.

    Raises
    ------
    CheckpointError
        If there is none, it holds another net, or tensors are missing, unknown or of another
        shape: they are listed.
    """
    from medprep.models.checkpoint import load_model
    from medprep.models.sam_med3d import SamMed3d

    if path.suffix.casefold() in _PICKLES and path.is_file():
        raise CheckpointError(
            "this is a file of torch.save, which may hold code; nothing in it was run. Bring its "
            f"tensors into medprep's own form first: medprep import-weights FILE --model {MODEL}",
            path=path,
        )
    net, record = load_model(path, device)
    if not isinstance(net, SamMed3d):
        raise CheckpointError(f"it holds a {record['model']}; wanted is {MODEL}", path=path)
    return net, record


def spacing_of(record: Mapping[str, Any]) -> float:
    """Give the spacing in mm that a file's net was trained at; the released one's, if none."""
    return float(record.get("prompting", {}).get("spacing_mm", SPACING_MM))
