"""How good weights are on organs of patients they were not trained on."""

from __future__ import annotations

import numpy as np
import torch

from medprep.models.prompts.clicks import OFFICIAL_SEED
from medprep.models.sam_med3d import SamMed3d
from medprep.training.clicking.batches import ClickBatch
from medprep.training.clicking.clicker import Clicker
from medprep.training.clicking.cubes import Organs
from medprep.training.online import generator_at

AT_CLICKS = (1, 3, 5)
"""After so many clicks the Dice is taken."""
_TOGETHER = 4


class ClickValidation:
    """Organs that are clicked on again and again, always beginning at the same voxels.

    Parameters
    ----------
    organs
        May be none.
    """

    def __init__(self, organs: Organs) -> None:
        self._organs = organs
        self.count = len(organs.pairs)
        self.clicks = AT_CLICKS[-1]

    @torch.inference_mode()
    def mean_dice(self, net: SamMed3d, device: torch.device) -> float | None:
        """Give the mean Dice over organs, after each of `AT_CLICKS`; None without any.

        As when a person clicks: the cube lies around the first click, all clicks are told, and the
        mask of each is given to the next.

        Parameters
        ----------
        net
            In eval mode, on ``device``.
        """
        scores: list[float] = []
        for start in range(0, self.count, _TOGETHER):
            scores += self._scores(net, device, range(start, min(start + _TOGETHER, self.count)))
        return float(np.mean(scores)) if scores else None

    def _scores(self, net: SamMed3d, device: torch.device, numbers: range) -> list[float]:
        pairs = [self._organs.pairs[number] for number in numbers]
        chances = [generator_at(OFFICIAL_SEED, 0, number) for number in numbers]
        cubes = [
            self._organs.around_click(pair, chance)
            for pair, chance in zip(pairs, chances, strict=True)
        ]
        batch = ClickBatch.of(cubes, [pair.seen.case for pair in pairs], chances, 0)
        clicker, wanted = Clicker(batch), batch.masks
        embedding = net.image_encoder(torch.from_numpy(batch.pictures).to(device))
        low_res = embedding.new_zeros((len(pairs), 1, *[net.config.low_res] * 3))
        predicted, scores = np.zeros_like(wanted), list[float]()
        for number in range(1, self.clicks + 1):
            clicker.click(predicted)
            low_res = net.answer(embedding, clicker.points(device, newest_only=False), low_res)
            predicted = (net.enlarge(low_res)[:, 0] > 0).cpu().numpy()
            if number in AT_CLICKS:
                both = (predicted & wanted).sum((1, 2, 3))
                all_of = predicted.sum((1, 2, 3)) + wanted.sum((1, 2, 3))
                scores += (2 * both / all_of).tolist()
        return scores
