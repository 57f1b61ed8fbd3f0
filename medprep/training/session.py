"""One training under way: plain, repeatable, and stopped at any moment it goes on exactly.

Everything a step depends on is in its `State` or follows from (seed, step): the batches, the
dropout, the learning rate.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError, TrainingError
from medprep.models.preparation import Preparation
from medprep.models.registry import build
from medprep.progress import Progress
from medprep.training.batches import Batch
from medprep.training.ending import LAST_GOOD, save_weights
from medprep.training.guard import is_finite, not_finite
from medprep.training.losses import named_loss
from medprep.training.optimisers import make_optimiser
from medprep.training.options import Settled
from medprep.training.precision import MEMORY_FORMAT, require_compiler
from medprep.training.recipes import named_recipe
from medprep.training.schedules import learning_rate
from medprep.training.state import State, saved_states
from medprep.training.supervision import LEVELS, DeepSupervision, supervised
from medprep.training.validation import Validation

LOG_EVERY = 10
"""Steps between two rows of the log."""
VALIDATIONS = 10
"""Times a training looks at its validation cases, and saves its state."""
VALIDATION_SHARE = 0.25
"""Of a training on volumes: where looking takes more of it, it looks less often."""
_FEWEST_VALIDATIONS = 2
_PASSES_OF_A_VALIDATION = 1 / 3 / 0.75**3
"""Training passes that seeing a voxel once in a validation costs: forward alone, and windows that
overlap by a quarter."""


class Feed(Protocol):
    """What gives the batch of a step."""

    def at(self, step: int) -> Batch:
        """Give it."""


@dataclass(frozen=True)
class Job:
    """What a training is made of.

    Parameters
    ----------
    settled, preparation
        How.
    validation
        What chooses the weights.
    device
        Where.
    folder, key
        Where its state is, and what it depends on.
    record
        What is written with weights beside the config.
    progress
        Who is told.
    """

    settled: Settled
    preparation: Preparation
    validation: Validation
    device: torch.device
    folder: Path
    key: str
    record: Mapping[str, Any]
    progress: Progress


class Session:
    """One training under way: its net, its optimiser, its state."""

    def __init__(self, job: Job) -> None:
        settled, targets = job.settled, job.preparation.targets
        self._job, self._settled = job, settled
        self._recipe = named_recipe(settled.recipe)
        self._format = MEMORY_FORMAT[job.preparation.dimensions]
        torch.manual_seed(settled.seed)
        self.net = build(settled.model, **settled.config)
        whole = self.net
        if settled.deep_supervision:
            whole = DeepSupervision(self.net, LEVELS[settled.model], targets.channels)
        self._whole = whole.to(job.device, memory_format=self._format)  # type: ignore[call-overload]
        self._forward = self._whole
        if settled.compile:
            require_compiler(job.device)
            self._forward = torch.compile(self._whole)
        self._loss = named_loss(
            settled.loss, exclusive=targets.exclusive, weights=settled.class_weights
        )
        self._optimiser = make_optimiser(self._recipe, self._whole.parameters(), settled.lr)
        self._every = _validate_every(settled, job.validation)
        self.state = State(job.key, patch=list(settled.patch))
        self._started = time.monotonic()

    def resume(self) -> None:
        """Take up the newest saved state that is whole and of this training."""
        job = self._job
        for path in saved_states(job.folder):
            try:
                self.state = State.load(path, job.key, self._whole, self._optimiser)
            except CheckpointError as error:
                job.progress.say(f"    {path.name} is of no use: {error.message}")
                continue
            job.progress.say(f"    going on after step {self.state.step}")
            self._started -= self.state.seconds
            return

    def run(self, feed: Feed) -> None:
        """Train to the end."""
        job, state = self._job, self.state
        job.progress.start("train", -1 if self._settled.minutes else self._settled.steps)
        job.progress.advance(state.step)
        losses: list[float] = []
        while not self._is_over():
            loss, cases = self._step(feed)
            losses.append(loss)
            state.step += 1
            due = self._part() >= 1 or state.step % self._every == 0
            validated = self._validate() if due else None
            if due or state.step % LOG_EVERY == 0:
                row = [state.step, round(sum(losses) / len(losses), 6), self._lr(), validated]
                state.log.append(row)
                losses = []
            if due:
                self._save(cases)
            self._keep_weights()
            job.progress.advance(1, self._note())
        job.progress.finish()

    def load_best(self) -> None:
        """Take the weights that are kept: the best ones, the last where nothing chose."""
        if self.state.best_dice is not None:
            self.state.load_best(self._job.folder, self.net)

    def _step(self, feed: Feed) -> tuple[float, list[str]]:
        """Make one step; give its loss and whose pictures it saw."""
        settled, step = self._settled, self.state.step
        torch.manual_seed(_seed_of(settled.seed, step))  # the dropout of this step
        for group in self._optimiser.param_groups:
            group["lr"] = self._lr()
        self._whole.train()
        self._optimiser.zero_grad()
        total, cases = 0.0, list[str]()
        for part in range(settled.accumulate):
            batch = feed.at(step * settled.accumulate + part)
            cases += batch.cases
            loss = self._loss_of(batch) / settled.accumulate
            total += float(loss.detach())
            if not math.isfinite(total):
                raise self._ended("loss", total, batch.cases)
            loss.backward()  # type: ignore[no-untyped-call]
        longest = self._recipe.largest_gradient or math.inf
        gradient = float(nn.utils.clip_grad_norm_(self._whole.parameters(), longest))
        if not math.isfinite(gradient):
            raise self._ended("gradient", gradient, cases)
        self._optimiser.step()
        return total, cases

    def _loss_of(self, batch: Batch) -> Tensor:
        device = self._job.device
        pictures = torch.from_numpy(batch.pictures).to(device, memory_format=self._format)
        mixed = self._settled.precision == "bf16"
        with torch.autocast(device.type, torch.bfloat16, enabled=mixed):
            answers = self._forward(pictures)
        levels = answers if isinstance(answers, list) else [answers]
        targets = torch.from_numpy(batch.targets).to(device)
        return supervised(self._loss, [one.float() for one in levels], targets)

    def _validate(self) -> float | None:
        state, job = self.state, self._job
        self._whole.eval()
        score = job.validation.mean_dice(self.net, job.preparation, job.device)
        if score is None:
            return None
        state.stale += 1
        if state.best_dice is None or score > state.best_dice:
            state.best_dice, state.best_step, state.stale = score, state.step, 0
            state.save_best(job.folder, self.net)
        return score

    def _save(self, cases: list[str]) -> None:
        if not is_finite(self._whole):
            raise self._ended("largest weight", math.inf, cases)
        self.state.seconds = self._seconds()
        self.state.save(self._job.folder, self._whole, self._optimiser)

    def _keep_weights(self) -> None:
        every, epochs = self._settled.keep_every, self._recipe.keep_every_epochs
        if every is None or epochs is None or self.state.step % every:
            return
        epoch = self.state.step // every * epochs
        path = self._job.folder / f"epoch-{epoch}.safetensors"
        save_weights(path, self._settled.model, self.net, self._job.record)

    def _ended(self, name: str, value: float, cases: list[str] | tuple[str, ...]) -> TrainingError:
        """Keep the last good weights, and give the error that says why the training ends."""
        job, step = self._job, self.state.step
        kept = "Nothing was saved before"
        for path in saved_states(job.folder):
            try:
                state = State.load(path, job.key, self._whole, self._optimiser)
            except CheckpointError:
                continue
            if state.best_dice is not None:
                state.load_best(job.folder, self.net)
            good = state.step if state.best_dice is None else state.best_step
            save_weights(job.folder / LAST_GOOD, self._settled.model, self.net, job.record)
            kept = f"The weights of step {good} are kept as {LAST_GOOD}"
            break
        return not_finite(name, value, step, cases, self._settled.lr, kept)

    def _lr(self) -> float:
        recipe = self._recipe
        return learning_rate(recipe.schedule, self._settled.lr, self._part(), recipe.warm_up)

    def _part(self) -> float:
        """Give how much of the training is done, from 0 to 1."""
        if self._settled.minutes is not None:
            return self._seconds() / (60 * self._settled.minutes)
        return self.state.step / self._settled.steps

    def _is_over(self) -> bool:
        patience = self._settled.patience
        return self._part() >= 1 or (patience is not None and self.state.stale >= patience)

    def _seconds(self) -> float:
        return time.monotonic() - self._started if self._settled.minutes is not None else 0.0

    def _note(self) -> str:
        if not self.state.log:
            return ""
        best, minutes = self.state.best_dice, self._settled.minutes
        dice = "" if best is None else f", validation Dice {best:.3f}"
        left = max(0.0, (minutes or 0) - self._seconds() / 60)
        time_left = "" if minutes is None else f", {left:.1f} min left"
        return f"loss {self.state.log[-1][1]:.3f}{dice}{time_left}"


def _validate_every(settled: Settled, validation: Validation) -> int:
    """Give the steps from one validation to the next."""
    times = VALIDATIONS
    if len(settled.patch) == 3 and validation.voxels():
        shown = settled.steps * settled.batch_size * settled.accumulate * math.prod(settled.patch)
        each = validation.voxels() * _PASSES_OF_A_VALIDATION
        times = max(_FEWEST_VALIDATIONS, min(times, int(VALIDATION_SHARE * shown / each)))
    return max(LOG_EVERY, settled.steps // times // LOG_EVERY * LOG_EVERY)


def _seed_of(seed: int, step: int) -> int:
    """Give a seed for one step; neighbouring steps must not share a stream."""
    content = hashlib.sha256(f"{seed}:{step}".encode()).digest()
    return int.from_bytes(content[:8], "little") >> 1
