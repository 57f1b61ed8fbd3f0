"""The objective of a net that answers clicks, for `medprep.training.session.Session`."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from medprep.models.sam_med3d import SamMed3d
from medprep.training.clicking.batches import ClickBatch
from medprep.training.clicking.clicker import Clicker
from medprep.training.clicking.losses import dice_bce_squared, enlarged
from medprep.training.clicking.validation import ClickValidation
from medprep.training.objective import VALIDATION_SHARE, VALIDATIONS, Group
from medprep.training.options import ClickCourse
from medprep.training.recipes import Clicking

_FEWEST_VALIDATIONS = 2
_FORWARD_AND_BACKWARD = 3


class Clicked:
    """The objective of a SAM-Med3D: good masks after every click.

    The encoder runs once a step; prompts are read and masks drawn once for each click. A click is
    drawn where the mask before it is wrong, and that mask goes back in, its gradient with it.

    Parameters
    ----------
    net
        As it begins.
    settled, clicking
        How.
    validation
        What chooses the weights.
    device
        Where.
    """

    def __init__(
        self,
        net: SamMed3d,
        settled: ClickCourse,
        clicking: Clicking,
        validation: ClickValidation,
        device: torch.device,
    ) -> None:
        self._settled, self._clicking = settled, clicking
        self._validation, self._device = validation, device
        self.net = self.whole = net.to(device)
        net.image_encoder.requires_grad_(not settled.freeze_encoder)

    def groups(self) -> Iterable[Group]:
        """Give the encoder, where it learns, and the rest at its share of the learning rate."""
        net, share = self.net, self._clicking.decoder_share
        if not self._settled.freeze_encoder:
            yield {"params": list(net.image_encoder.parameters())}
        for part in (net.prompt_encoder, net.mask_decoder):
            yield {"params": list(part.parameters()), "share": share}

    def learn(self, batch: ClickBatch, parts: int) -> float:
        """Add the gradient of a batch; its loss is the sum over all clicks."""
        mixed = self._settled.precision == "bf16"
        with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
            embedding = self._embed(torch.from_numpy(batch.pictures).to(self._device))
            loss = self._loss_of(batch, embedding) / parts
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def score(self) -> float | None:
        """Give the mean Dice on the validation cases."""
        self.whole.eval()
        return self._validation.mean_dice(self.net, self._device)

    def validations(self) -> int:
        """Give how often a training should look: as often as it costs little."""
        settled, seen = self._settled, self._validation.count
        if not seen:
            return VALIDATIONS
        shown = settled.steps * settled.batch_size * settled.accumulate * settled.clicks
        each = seen * self._validation.clicks / _FORWARD_AND_BACKWARD
        most = int(VALIDATION_SHARE * shown / each)
        return max(_FEWEST_VALIDATIONS, min(VALIDATIONS, most))

    def _embed(self, pictures: Tensor) -> Tensor:
        with torch.set_grad_enabled(not self._settled.freeze_encoder):
            embedding: Tensor = self.net.image_encoder(pictures)
        return embedding

    def _loss_of(self, batch: ClickBatch, embedding: Tensor) -> Tensor:
        net, clicker, rounds = self.net, Clicker(batch), self._settled.clicks
        wanted = torch.from_numpy(batch.masks).to(self._device)[:, None].float()
        low_res = embedding.new_zeros((len(wanted), 1, *[net.config.low_res] * 3))
        predicted = np.zeros_like(batch.masks)
        loss = embedding.new_zeros((), dtype=torch.float32)
        for number in range(rounds):
            points = None
            if not self._by_mask(number, batch.mask_round):
                clicker.click(predicted)
                points = clicker.points(self._device, newest_only=self._clicking.newest_only)
            low_res = net.answer(embedding, points, low_res)
            logits = enlarged(low_res.float(), net.config.image_size)
            loss = loss + dice_bce_squared(logits, wanted)
            predicted = _mask(logits)
        return loss

    def _by_mask(self, number: int, chosen: int) -> bool:
        """Tell whether an answer comes from the last mask alone; the first never does."""
        last = self._settled.clicks - 1
        return self._clicking.mask_rounds and number > 0 and number in (chosen, last)


def _mask(logits: Tensor) -> NDArray[np.bool_]:
    marked: NDArray[np.bool_] = (logits.detach()[:, 0] > 0).cpu().numpy()
    return marked
