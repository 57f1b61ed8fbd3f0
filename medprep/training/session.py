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
from typing import Any, Generic

import torch
from torch import nn

from medprep.errors import CheckpointError, TrainingError
from medprep.interrupts import go_on
from medprep.progress import Progress
from medprep.training.distributed import ALONE, Crew
from medprep.training.ending import LAST_GOOD, remove_left, save_weights
from medprep.training.events import Events
from medprep.training.guard import is_finite, not_finite
from medprep.training.objective import B, Feed, Objective
from medprep.training.optimisers import make_optimiser
from medprep.training.options import Course
from medprep.training.recipes import named_recipe
from medprep.training.schedules import learning_rate
from medprep.training.settling import kept_of
from medprep.training.state import LAST, State, saved_states

LOG_EVERY = 10
"""Steps between two rows of the log."""
SAVE_EVERY_S = 300.0
"""Seconds after which a state is saved, with the next row of the log, whether or not anything is
validated."""


@dataclass(frozen=True)
class Job(Generic[B]):
    """What a training is made of.

    Parameters
    ----------
    settled
        How.
    objective
        What is learnt, and what chooses the weights.
    folder, key
        Where its state is, and what it depends on.
    record
        What is written with weights beside the config.
    progress
        Who is told.
    events
        Where TensorBoard is told, if anywhere.
    crew
        Who trains with this process.
    """

    settled: Course
    objective: Objective[B]
    folder: Path
    key: str
    record: Mapping[str, Any]
    progress: Progress
    events: Events | None = None
    crew: Crew = ALONE


class Session(Generic[B]):
    """One training under way: its net, its optimiser, its state."""

    def __init__(self, job: Job[B]) -> None:
        settled, objective = job.settled, job.objective
        self._job, self._settled, self._objective = job, settled, objective
        self._recipe = named_recipe(settled.recipe)
        self.net, self._whole = objective.net, objective.whole
        self._optimiser = make_optimiser(self._recipe, objective.groups(), settled.lr)
        every = settled.steps // objective.validations() // LOG_EVERY * LOG_EVERY
        self._every = max(LOG_EVERY, every)
        self.state = State(job.key, patch=list(settled.patch), settled=kept_of(settled))
        self._started = time.monotonic()
        self._saved = self._started
        self._gone_s = 0.0
        self._came_to = 0

    def resume(self) -> None:
        """Take up the newest saved state that is whole and of this training."""
        crew = self._job.crew
        if crew.leads:
            self._take_up()
        crew.share(self._whole)
        self.state = crew.agree(self.state)
        moments = crew.agree(self._optimiser.state_dict())
        if not crew.leads:
            self._optimiser.load_state_dict(moments)

    def _take_up(self) -> None:
        job = self._job
        for path in saved_states(job.folder):
            try:
                self.state = State.load(path, job.key, self._whole, self._optimiser)
            except CheckpointError as error:
                job.progress.say(f"    {path.name} is of no use: {error.message}")
                continue
            # Else the next save would keep one of no use as the previous.
            path.replace(job.folder / LAST)
            # It may be smaller than when it was saved.
            self.state.patch = list(self._settled.patch)
            self.state.settled = kept_of(self._settled)
            job.progress.say(f"    going on after step {self.state.step}")
            self._started -= self.state.seconds
            self._came_to = self.state.step
            break
        else:
            remove_left(job.folder)
        if job.events is not None:
            job.events.begin(self.state.log)

    def run(self, feed: Feed[B]) -> None:
        """Train to the end."""
        job, state = self._job, self.state
        job.progress.start("train", -1 if self._settled.minutes else self._settled.steps)
        job.progress.advance(state.step)
        losses: list[float] = []
        self._look_at_clock()
        while not self._is_over():
            loss, cases = self._step(feed)
            losses.append(loss)
            state.step += 1
            self._look_at_clock()
            due = self._part() >= 1 or state.step % self._every == 0
            validated = self._validate() if due else None
            told = due or state.step % LOG_EVERY == 0
            if told:
                row = [state.step, round(sum(losses) / len(losses), 6), self._lr(), validated]
                state.log.append(row)
                if job.events is not None:
                    job.events.add(row)
                losses = []
            if due or (told and self._is_time_to_save()):
                self._save(cases)
            self._keep_weights()
            job.progress.advance(1, self._note())
        job.progress.finish()

    def load_best(self) -> None:
        """Take the weights that are kept: the best ones, the last where nothing chose."""
        if self.state.best_dice is not None and self._job.crew.leads:
            self.state.load_best(self._job.folder, self.net)

    def _step(self, feed: Feed[B]) -> tuple[float, list[str]]:
        """Make one step; give its loss and whose pictures it saw."""
        settled, step, crew = self._settled, self.state.step, self._job.crew
        torch.manual_seed(_seed_of(settled.seed, step, crew.rank))  # the dropout of this step
        for group in self._optimiser.param_groups:
            group["lr"] = self._lr() * group.get("share", 1.0)
        self._whole.train()
        self._optimiser.zero_grad()
        total, cases = 0.0, list[str]()
        for part in range(settled.accumulate):
            batch = feed.at(step * settled.accumulate + part)
            cases += batch.cases
            total += crew.mean(self._objective.learn(batch, settled.accumulate))
            if not math.isfinite(total):
                raise self._ended("loss", total, batch.cases)
        longest = self._recipe.largest_gradient or math.inf
        gradient = float(nn.utils.clip_grad_norm_(self._whole.parameters(), longest))
        if not math.isfinite(gradient):
            raise self._ended("gradient", gradient, cases)
        go_on()
        self._optimiser.step()
        return total, cases

    def _validate(self) -> float | None:
        state, job = self.state, self._job
        score = self._objective.score()
        if score is None:
            return None
        state.stale += 1
        if state.best_dice is None or score > state.best_dice:
            state.best_dice, state.best_step, state.stale = score, state.step, 0
            if job.crew.leads:
                state.save_best(job.folder, self.net)
        return score

    def _save(self, cases: list[str]) -> None:
        go_on()
        crew = self._job.crew
        if not crew.agree(is_finite(self._whole)):
            raise self._ended("largest weight", math.inf, cases)
        self.state.seconds = self._gone_s
        if crew.leads:
            self.state.save(self._job.folder, self._whole, self._optimiser)
        self._saved = time.monotonic()

    def _keep_weights(self) -> None:
        every, epochs = self._settled.keep_every, self._recipe.keep_every_epochs
        if every is None or epochs is None or not self._job.crew.leads:
            return
        step = self.state.step
        for times in range((step - 1) // every + 1, step // every + 1):
            path = self._job.folder / f"epoch-{times * epochs}.safetensors"
            save_weights(path, self._settled.model, self.net, self._job.record)

    def _ended(self, name: str, value: float, cases: list[str] | tuple[str, ...]) -> TrainingError:
        """Keep the last good weights, and give the error that says why the training ends."""
        job, step = self._job, self.state.step
        cases = [case for part in job.crew.gather(list(cases)) for case in part]
        kept = "Nothing was saved before"
        for path in saved_states(job.folder) if job.crew.leads else ():
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
            return self._gone_s / (60 * self._settled.minutes)
        return self.state.step / self._settled.steps

    def _is_over(self) -> bool:
        patience = self._settled.patience
        return self._part() >= 1 or (patience is not None and self.state.stale >= patience)

    def _look_at_clock(self) -> None:
        """Take the time of a step, the same for all who train together."""
        if self._settled.minutes is not None:
            self._gone_s = self._job.crew.agree(time.monotonic() - self._started)

    def _is_time_to_save(self) -> bool:
        return self._job.crew.agree(time.monotonic() - self._saved >= SAVE_EVERY_S)

    def _note(self) -> str:
        if not self.state.log:
            return ""
        best = self.state.best_dice
        dice = "" if best is None else f", validation Dice {best:.3f}"
        return f"loss {self.state.log[-1][1]:.3f}{dice}, {self._left()}"

    def _left(self) -> str:
        """Say how long it still takes; by steps it is a guess from those made here."""
        state, minutes = self.state, self._settled.minutes
        if minutes is not None:
            return f"{max(0.0, minutes - self._gone_s / 60):.1f} min left"
        each = (time.monotonic() - self._started) / max(1, state.step - self._came_to)
        return f"about {each * (self._settled.steps - state.step) / 60:.1f} min left"


def _seed_of(seed: int, step: int, rank: int) -> int:
    """Give a seed for one step; neither steps nor processes may share a stream."""
    content = hashlib.sha256(f"{seed}:{step}{f':{rank}' if rank else ''}".encode()).digest()
    return int.from_bytes(content[:8], "little") >> 1
