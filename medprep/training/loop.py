"""The training loop: plain, repeatable, and stopped at any moment it goes on exactly.

Everything a step depends on is in its `State` or follows from (seed, step): the batch, the dropout,
the learning rate.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW

from medprep.errors import CheckpointError, TrainingError
from medprep.files import AtomicFiles, json_bytes
from medprep.models.backend import choose_device, make_repeatable
from medprep.models.checkpoint import read_tensors, save_model, write_tensors
from medprep.models.inputs import to_input
from medprep.models.registry import build, config_of
from medprep.progress import Progress
from medprep.training.dataset import Batch, Batches, Copies, SliceSet, TrainingCase
from medprep.training.losses import dice_cross_entropy
from medprep.training.online import Online
from medprep.training.options import Settled, TrainingOptions, TrainingResult, settle
from medprep.training.state import State
from medprep.training.validation import mean_dice

LOG_EVERY = 10
"""Steps between two rows of the log."""
VALIDATIONS = 10
"""Times a training looks at its validation cases, and saves its state."""
_WARM_UP = 0.05
_LARGEST_GRADIENT = 1.0
_WEIGHT_DECAY = 1e-2
_STATE, _BEST, _MODEL = "state.safetensors", "best.safetensors", "model.safetensors"


def train(
    cases: Sequence[TrainingCase],
    augmented: Sequence[Copies],
    validation: Sequence[TrainingCase],
    organs: Mapping[int, str],
    options: TrainingOptions,
    folder: Path,
    key: str,
    progress: Progress,
    online: Online | None = None,
) -> TrainingResult:
    """Train a net, or go on with a training that was stopped.

    Parameters
    ----------
    cases, augmented
        What is learnt from.
    validation
        What chooses the weights; without any the last ones are kept.
    organs
        Label value to name, from 1 without gaps.
    folder
        Gets ``model.safetensors``, ``model.json``, ``log.csv``; holds the state until the end.
    key
        Says what this training depends on: a state of another key is not continued.
    progress
        Is told loss and Dice.
    online
        How slices are augmented as they are shown; None shows them as they are.

    Raises
    ------
    TrainingError
        If there is nothing to learn from, or the loss is no number any more.
    """
    device = choose_device(options.device)
    make_repeatable()
    slices = SliceSet.load(cases, augmented)
    settled = settle(options, device.type, slices.own, slices.patch)
    torch.manual_seed(settled.seed)
    net = build(settled.model, in_channels=1, out_channels=len(organs) + 1, width=settled.width)
    loop = _Loop(net, settled, device, folder, key, progress)
    loop.resume()
    batches = Batches(slices, settled.patch, settled.batch_size, settled.seed, online)
    loop.run(batches, validation, list(organs))
    result = loop.result(slices.own, len(slices.pictures) - slices.own, online)
    _finish(loop, result, organs)
    return result


class _Loop:
    """One training under way."""

    def __init__(
        self,
        net: nn.Module,
        settled: Settled,
        device: torch.device,
        folder: Path,
        key: str,
        progress: Progress,
    ) -> None:
        self.net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.settled = settled
        self.folder = folder
        self.state = State(key)
        self._device = device
        self._progress = progress
        self._optimiser = AdamW(self.net.parameters(), settled.lr, weight_decay=_WEIGHT_DECAY)
        self._started = time.monotonic()
        self._every = max(LOG_EVERY, settled.steps // VALIDATIONS // LOG_EVERY * LOG_EVERY)

    def resume(self) -> None:
        """Take up the saved state if it is of this training."""
        path = self.folder / _STATE
        if not path.exists():
            return
        try:
            self.state = State.load(path, self.state.key, self.net, self._optimiser)
            self._progress.say(f"    going on after step {self.state.step}")
        except CheckpointError as error:
            self._progress.say(f"    the training starts anew: {error.message}")
        self._started -= self.state.seconds

    def run(self, batches: Batches, validation: Sequence[TrainingCase], organs: list[int]) -> None:
        """Train to the end."""
        self._progress.start("train", self.settled.steps)
        self._progress.advance(self.state.step)
        losses: list[float] = []
        while not self._is_over():
            losses.append(self._step(batches.at(self.state.step)))
            self.state.step += 1
            over = self._is_over()
            validated = None
            if over or self.state.step % self._every == 0:
                validated = self._validate(validation, organs)
            if over or self.state.step % LOG_EVERY == 0:
                row = [self.state.step, round(sum(losses) / len(losses), 6), self._lr(), validated]
                self.state.log.append(row)
                losses = []
            if over or self.state.step % self._every == 0:
                self.state.seconds = self._seconds()
                self.state.save(self.folder / _STATE, self.net, self._optimiser)
            self._progress.advance(1, self._note())
        self._progress.finish()

    def result(self, slices: int, copies: int, online: Online | None) -> TrainingResult:
        """Say how it ended."""
        state, settled = self.state, self.settled
        augment = "none" if online is None else online.called
        if state.best_dice is None:
            choice = "last step: there is no validation patient to choose by"
        else:
            choice = f"step {state.best_step}: the best mean Dice on the validation patients"
        return TrainingResult(
            state.step,
            state.step if state.best_dice is None else state.best_step,
            state.best_dice,
            choice,
            settled.minutes is None and settled.device == "cpu",
            slices,
            copies,
            sum(tensor.numel() for tensor in self.net.parameters()),
            torch.get_num_threads(),
            {**asdict(settled), "patch": list(settled.patch), "augment": augment},
            None if online is None else asdict(online.recipe),
        )

    def _step(self, batch: Batch) -> float:
        step, settled = self.state.step, self.settled
        torch.manual_seed(_seed_of(settled.seed, step))  # the dropout of this step
        for group in self._optimiser.param_groups:
            group["lr"] = self._lr()
        self.net.train()
        logits = self.net(to_input(batch.pictures, self._device))
        loss = dice_cross_entropy(logits, torch.from_numpy(batch.labels).to(self._device))
        value = float(loss.detach())
        if not math.isfinite(value):
            raise TrainingError(
                f"the loss is {value} at step {step + 1}, in a batch of "
                f"{', '.join(sorted(set(batch.cases)))}; look at these cases, or lower --lr "
                f"(it is {settled.lr:g}). The weights up to the last save are kept"
            )
        self._optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.net.parameters(), _LARGEST_GRADIENT)
        self._optimiser.step()
        return value

    def _validate(self, cases: Sequence[TrainingCase], organs: list[int]) -> float | None:
        score = mean_dice(self.net, cases, organs, self._device)
        state = self.state
        if score is not None and (state.best_dice is None or score > state.best_dice):
            state.best_dice, state.best_step = score, state.step
            with AtomicFiles() as files:
                write_tensors(files.file(self.folder / _BEST), self.net.state_dict(), {})
        return score

    def _lr(self) -> float:
        """Warm up, then fall along a cosine to nothing at the end."""
        part = self._part()
        if part < _WARM_UP:
            return self.settled.lr * (part / _WARM_UP + 1e-2)
        return self.settled.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, part)))

    def _part(self) -> float:
        """Give how much of the training is done, from 0 to 1."""
        if self.settled.minutes is not None:
            return self._seconds() / (60 * self.settled.minutes)
        return self.state.step / self.settled.steps

    def _is_over(self) -> bool:
        return self._part() >= 1

    def _seconds(self) -> float:
        return time.monotonic() - self._started if self.settled.minutes is not None else 0.0

    def _note(self) -> str:
        if not self.state.log:
            return ""
        best = self.state.best_dice
        dice = "" if best is None else f", validation Dice {best:.3f}"
        return f"loss {self.state.log[-1][1]:.3f}{dice}"


def _finish(loop: _Loop, result: TrainingResult, organs: Mapping[int, str]) -> None:
    """Write the chosen weights and what people read; then the state is no more."""
    best = loop.folder / _BEST
    if result.validation_dice is not None:
        loop.net.load_state_dict(read_tensors(best)[0])
    record: dict[str, Any] = {
        "key": loop.state.key,
        "organs": {str(value): name for value, name in organs.items()},
        **asdict(result),
    }
    with AtomicFiles() as files:
        model = files.file(loop.folder / _MODEL)
        save_model(model, loop.settled.model, loop.net, record)
        shown = {
            **record,
            "config": config_of(loop.net),
            "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        }
        files.file(loop.folder / "model.json").write_bytes(json_bytes(shown))
        files.file(loop.folder / "log.csv").write_bytes(loop.state.log_csv())
    for name in (_STATE, _BEST):
        (loop.folder / name).unlink(missing_ok=True)


def _seed_of(seed: int, step: int) -> int:
    """Give a seed for one step; neighbouring steps must not share a stream."""
    content = hashlib.sha256(f"{seed}:{step}".encode()).digest()
    return int.from_bytes(content[:8], "little") >> 1
