"""Deep supervision: coarser levels of a net answer too while it is trained.

Lee et al. 2015 (arXiv:1409.5185), with nnU-Net's weights: each level half of the finer one's, the
coarsest level of the decoder none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from medprep.training.losses import LossFunction

LEVELS = {"unet2d": ("up.5", "up.3"), "unet3d": ("up.3",)}
"""Modules whose outputs are the decoder's levels below the finest, finer ones first, without the
coarsest; a net that is not here has none."""


class DeepSupervision(nn.Module):
    """A net and a 1x1 convolution for each level; these are left out of what is predicted with.

    Parameters
    ----------
    net
        Gives logits (B, K, ...) of (B, C, ...).
    levels
        Names of its modules.
    classes
        K.
    """

    def __init__(self, net: nn.Module, levels: Sequence[str], classes: int) -> None:
        super().__init__()
        self.net = net
        self.heads = nn.ModuleList()
        self._seen: dict[int, Tensor] = {}
        for number, name in enumerate(levels):
            level = net.get_submodule(name)
            norms = [one for one in level.modules() if isinstance(one, _NORMS)]
            self.heads.append(_HEADS[type(norms[-1])](norms[-1].num_features, classes, 1))
            level.register_forward_hook(self._keep(number))

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Give the logits of each level, the finest first."""
        finest = self.net(pictures)
        answers = [head(self._seen.pop(number)) for number, head in enumerate(self.heads)]
        return [finest, *answers]

    def _keep(self, number: int) -> Callable[[nn.Module, object, Tensor], None]:
        def hook(_: nn.Module, __: object, output: Tensor) -> None:
            if self.training:
                self._seen[number] = output

        return hook


_NORMS = (nn.BatchNorm2d, nn.BatchNorm3d)
_HEADS: dict[type[nn.Module], type[nn.Conv2d] | type[nn.Conv3d]] = {
    nn.BatchNorm2d: nn.Conv2d,
    nn.BatchNorm3d: nn.Conv3d,
}


def supervised(loss: LossFunction, answers: Sequence[Tensor], targets: Tensor) -> Tensor:
    """Give the weighted mean of a loss over levels.

    Parameters
    ----------
    answers
        As `DeepSupervision` gives them.
    targets
        Of the finest level: int64 (B, ...), or float (B, K, ...). Coarser ones see their nearest
        voxels.
    """
    total = sum(2.0**-level for level in range(len(answers)))
    parts = [
        loss(answer, _coarser(targets, answer.shape[2:])) * (2.0**-level / total)
        for level, answer in enumerate(answers)
    ]
    return torch.stack(parts).sum()


def _coarser(targets: Tensor, size: Sequence[int]) -> Tensor:
    classes = targets.dtype == torch.int64
    spatial = targets.shape[1 if classes else 2 :]
    if tuple(spatial) == tuple(size):
        return targets
    several = targets[:, None].float() if classes else targets
    coarse = functional.interpolate(several, tuple(size), mode="nearest-exact")
    return coarse[:, 0].long() if classes else coarse
