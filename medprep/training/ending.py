"""How a training ends: what is written of it, and what is said."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from medprep.files import AtomicFiles, json_bytes
from medprep.models.checkpoint import save_model
from medprep.models.registry import config_of
from medprep.training.events import FILE
from medprep.training.online import Online
from medprep.training.options import Course, TrainingResult
from medprep.training.state import State

MODEL, TOLD, LOG = "model.safetensors", "model.json", "log.csv"
LAST_GOOD = "last-good.safetensors"
_LEFT = ("epoch-*.safetensors", LAST_GOOD, FILE)
"""What a training leaves beside its model."""


def result_of(
    state: State,
    settled: Course,
    net: nn.Module,
    counts: tuple[int, int],
    online: Online | None,
    began_from: Mapping[str, Any] | None = None,
) -> TrainingResult:
    """Say how a training ended; ``counts`` are of what was shown, own and augmented."""
    if state.best_dice is None:
        choice = "last step: there is no validation patient with an organ to choose by"
    else:
        choice = f"step {state.best_step}: the best mean Dice on the validation patients"
    if settled.patience is not None and state.stale >= settled.patience:
        choice += f"; ended early, after {state.stale} validations without a better one"
    told = {name: value for name, value in asdict(settled).items() if name != "config"}
    if settled.keep_every is not None:
        told["keep_every"] = math.ceil(settled.keep_every)
    for name in ("block", "spacing_mm"):  # what was trained before there were these says the same
        if told.get(name) is None:
            told.pop(name, None)
    return TrainingResult(
        state.step,
        state.step if state.best_dice is None else state.best_step,
        state.best_dice,
        choice,
        settled.minutes is None and settled.device == "cpu",
        *counts,
        sum(tensor.numel() for tensor in net.parameters()),
        torch.get_num_threads(),
        {**told, "patch": list(settled.patch), "augment": online.called if online else "none"},
        None if online is None else asdict(online.recipe),
        None if began_from is None else dict(began_from),
    )


def finish(
    folder: Path, settled: Course, net: nn.Module, state: State, record: Mapping[str, Any]
) -> None:
    """Write the chosen weights and what people read, together."""
    with AtomicFiles() as files:
        model = files.file(folder / MODEL)
        save_model(model, settled.model, net, dict(record))
        shown = {
            **record,
            "config": config_of(net),
            "sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        }
        files.file(folder / TOLD).write_bytes(json_bytes(shown))
        files.file(folder / LOG).write_bytes(state.log_csv())


def save_weights(path: Path, model: str, net: nn.Module, record: Mapping[str, Any]) -> None:
    """Write a net that can be predicted with, beside the one that the training ends with."""
    with AtomicFiles() as files:
        save_model(files.file(path), model, net, dict(record))


def remove_left(folder: Path) -> None:
    """Delete what an earlier training left beside its model: of the next one it would be untrue."""
    for path in [path for pattern in _LEFT for path in folder.glob(pattern)]:
        path.unlink()
