"""The plain way to label slices by a net and a window: what quicker ways must equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_TOGETHER = 4 * 256 * 256


def prepare(array: NDArray[Any], window: tuple[float, float]) -> NDArray[np.float32]:
    """Map a window's lower end to 0 and its upper end to 1, and clip what lies outside.

    Parameters
    ----------
    array
        Grey values, any shape.
    window
        Low and high, in the array's own unit.
    """
    low, high = window
    scaled = (array.astype(np.float32) - np.float32(low)) / np.float32(high - low)
    return np.asarray(np.clip(scaled, 0.0, 1.0))


def to_input(slices: NDArray[np.float32], device: torch.device) -> Tensor:
    """Give ``[batch, row, column]`` as a net takes it: (B, 1, H, W), channels last."""
    tensor = torch.from_numpy(np.ascontiguousarray(slices)).unsqueeze(1).to(device)
    return tensor.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def predict_slices(
    net: nn.Module, array: NDArray[Any], window: tuple[float, float], device: torch.device
) -> NDArray[np.uint8]:
    """Label each slice of a volume.

    Parameters
    ----------
    net
        In eval mode, on ``device``; its logits' first channel is the background.
    array
        ``[slice, row, column]`` grey values.
    window
        As `prepare` takes it.

    Returns
    -------
    ndarray
        Labels of the same shape; no slice gives none.
    """
    labels = np.zeros(array.shape, np.uint8)
    together = max(1, _TOGETHER // (array.shape[1] * array.shape[2]))
    for start in range(0, len(array), together):
        part = slice(start, start + together)
        logits = net(to_input(prepare(array[part], window), device))
        labels[part] = logits.argmax(1).to(torch.uint8).cpu().numpy()
    return labels
