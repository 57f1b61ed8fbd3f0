"""How good weights are on patients they were not trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from medprep.formats import nifti
from medprep.models.inputs import predict_slices
from medprep.training.dataset import TrainingCase


def mean_dice(
    net: nn.Module, cases: Sequence[TrainingCase], organs: Sequence[int], device: torch.device
) -> float | None:
    """Give the mean volume Dice over cases and organs.

    An organ that is in neither reference nor prediction of a case is left out; None where nothing
    is left, and without cases.
    """
    scores = []
    net.eval()
    for case in cases:
        picture = nifti.read(case.image).array
        reference = nifti.read_labels(case.labels)
        predicted = predict_slices(net, picture, case.window, device)
        for organ in organs:
            ours, theirs = reference == organ, predicted == organ
            both = np.count_nonzero(ours) + np.count_nonzero(theirs)
            if both:
                scores.append(2.0 * np.count_nonzero(ours & theirs) / both)
    return float(np.mean(scores)) if scores else None
