"""The weights of SAM-Med3D: where they are, what they have seen, how ours are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import CheckpointError

if TYPE_CHECKING:
    import torch

    from medprep.models.sam_med3d import SamMed3d

MODEL = "sam-med3d"

CONTAMINATION = (
    "these weights were not trained here. The published ones have seen 44 sets, CHAOS_Task_4, "
    "AMOS, LiTS, KiTS, WORD, TotalSegmentator and MSD among them: a score on one of those says "
    "nothing of new patients"
)

_PICKLES = (".pth", ".pt", ".bin")


def require_weights(path: str | None) -> Path:
    """Give the path of weights, or say where there are some.

    Raises
    ------
    CheckpointError
        If there is none.
    """
    from medprep.models.foreign import PUBLISHED

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


def is_foreign(record: dict[str, Any]) -> bool:
    """Tell whether a file's record says that its weights came from elsewhere."""
    return "imported" in record
