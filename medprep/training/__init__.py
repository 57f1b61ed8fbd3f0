"""Training: options, slices in memory, the loss, and a loop that can be stopped and goes on."""

from medprep.training.dataset import AugmentedSlices, TrainingCase
from medprep.training.loop import train
from medprep.training.options import TrainingOptions, TrainingResult

__all__ = ["AugmentedSlices", "TrainingCase", "TrainingOptions", "TrainingResult", "train"]
