"""Click into a cube: the embedding once, then each click with the mask before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medprep.errors import OptionError
from medprep.models.prompts.clicks import Click, Draw, Strategy, next_click
from medprep.models.sam_med3d import SamMed3d

Logits = NDArray[np.float32]


class Spot(NamedTuple):
    """A point in a cube, in voxels along its axes; between them a fraction."""

    place: tuple[float, float, float]
    positive: bool


class Round(NamedTuple):
    """A simulated click and what came of it.

    Parameters
    ----------
    click
        In voxels of the cube.
    logits
        ``[right, front, head]``.
    mask
        Where the organ's probability is above one half.
    """

    click: Click
    logits: Logits
    mask: NDArray[np.bool_]


class Segmenter:
    """A SAM-Med3D that is clicked with.

    Parameters
    ----------
    net
        Of any size, with its weights.
    device
        Where it computes; the net is moved there.
    """

    def __init__(self, net: SamMed3d, device: torch.device | None = None) -> None:
        self._device = device or torch.device("cpu")
        self._net = net.to(self._device).eval()
        self.side = net.config.image_size
        """Voxels of the cube that it sees."""

    @torch.inference_mode()
    def embed(self, picture: Logits) -> Tensor:
        """Give the embedding of a cube, which serves all its clicks.

        Parameters
        ----------
        picture
            ``[right, front, head]``, scaled, of `side` voxels each way.
        """
        cube = torch.from_numpy(np.ascontiguousarray(picture, np.float32))
        embedding: Tensor = self._net.image_encoder(cube[None, None].to(self._device))
        return embedding

    @torch.inference_mode()
    def click(
        self, embedding: Tensor, spots: Sequence[Spot | Click], low_res: Tensor | None
    ) -> Tensor:
        """Give the low-resolution logits after a click.

        Parameters
        ----------
        embedding
            Of the cube.
        spots
            All until now.
        low_res
            What the click before gave; None at the first, which is given a mask of zeros: the
            released weights were made to work from that, not from no mask.
        """
        if not spots:
            raise OptionError("no point to click on")
        net, side = self._net, self._net.config.low_res
        if low_res is None:
            low_res = torch.zeros(1, 1, side, side, side, device=self._device)
        places = torch.tensor([[one.place for one in spots]], dtype=torch.float32)
        labels = torch.tensor([[int(one.positive) for one in spots]])
        points = (places.to(self._device), labels.to(self._device))
        return net.answer(embedding, points, low_res)

    @torch.inference_mode()
    def enlarge(self, low_res: Tensor) -> Logits:
        """Give a cube's logits ``[right, front, head]``; above 0 is the organ."""
        whole: Logits = self._net.enlarge(low_res)[0, 0].float().cpu().numpy()
        return whole

    def after(self, embedding: Tensor, spots: Sequence[Spot]) -> Logits:
        """Click all spots one after the other and give the logits after the last."""
        low_res = None
        for count in range(1, len(spots) + 1):
            low_res = self.click(embedding, spots[:count], low_res)
        if low_res is None:
            raise OptionError("no point to click on")
        return self.enlarge(low_res)


def simulate(
    segmenter: Segmenter,
    embedding: Tensor,
    reference: NDArray[np.bool_],
    clicks: int,
    strategy: Strategy,
    draw: Draw,
    *,
    first: Click | None = None,
    within: NDArray[np.bool_] | None = None,
) -> Iterator[Round]:
    """Click where the mask is wrong, time after time, and give what comes of each click.

    Parameters
    ----------
    segmenter
        What is clicked with.
    embedding
        Of a cube, as ``segmenter.embed`` gives it.
    reference
        What is to be marked, on the cube's voxels.
    clicks
        How many.
    strategy, draw
        As `clicks.next_click` takes them.
    first
        The first click, where it is made already.
    within
        Where clicks may lie; None: anywhere, as the authors do, beyond the volume too.

    Raises
    ------
    OptionError
        If there is no such strategy.
    LabelError
        If the reference is empty.
    """
    predicted, low_res = np.zeros_like(reference), None
    made: list[Click] = []
    for _ in range(clicks):
        new = next_click(predicted, reference, strategy, draw) if made or first is None else first
        made.append(new)
        low_res = segmenter.click(embedding, made, low_res)
        logits = segmenter.enlarge(low_res)
        # Not logits above 0: the least of them are one half after rounding, and one voxel more
        # or less changes every click after it.
        mask = (torch.from_numpy(logits).sigmoid() > 0.5).numpy()
        yield Round(new, logits, mask)
        predicted = mask if within is None else mask & within
