"""Train a net, from files to weights, in as much memory as there is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medprep.errors import TrainingError
from medprep.models.backend import choose_device, make_repeatable
from medprep.models.preparation import Preparation
from medprep.models.transplant import give_encoder, told_of
from medprep.progress import Progress, Silent
from medprep.training.batches import Batches, Share
from medprep.training.cache import Store
from medprep.training.clicking.loop import train_clicks
from medprep.training.dataset import Copies, TrainingCase, decode
from medprep.training.distributed import Crew
from medprep.training.ending import finish, result_of
from medprep.training.events import Events
from medprep.training.fingerprint import Fingerprint
from medprep.training.guard import free_memory, is_out_of_memory, smaller_patch
from medprep.training.objective import Supervised
from medprep.training.online import Online
from medprep.training.options import Settled, TrainingOptions, TrainingResult, trainable
from medprep.training.samples import Samples
from medprep.training.session import Job, Session
from medprep.training.settling import as_before, settle
from medprep.training.shards import Shard, require_shards
from medprep.training.state import remove_states, saved_state
from medprep.training.together import Together, remove_prepared
from medprep.training.validation import Validation
from medprep.training.workers import Ahead

if TYPE_CHECKING:
    # Not before `medprep.models.backend`, which says how torch's threads wait.
    import torch


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
    regions: Mapping[str, tuple[str, ...]] | None = None,
    events: Events | None = None,
    begins: Callable[[], object] = lambda: None,
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
    options
        How.
    folder
        Gets ``model.safetensors``, ``model.json``, ``log.csv``; holds the state until the end.
    key
        Says what this training depends on: a state of another key is not continued.
    progress
        Is told loss and Dice.
    online
        How slices or patches are augmented as they are shown; None shows them as they are.
    regions
        Region to the organs in it, for ``target="regions"``.
    events
        Where TensorBoard is told, if anywhere.
    begins
        Is called when nothing is refused any more, before a file of an earlier training goes.

    Raises
    ------
    OptionError
        If the options do not go with the net, the machine or the data.
    TrainingError
        If there is nothing to learn from, a loss or gradient is no number any more, or the memory
        does not take the smallest patch.
    """
    crew = Crew.here()
    if trainable(options.model).answers_clicks:
        return train_clicks(
            cases, augmented, validation, organs, options, folder, key, progress, begins, events,
            crew,
        )  # fmt: skip
    crew.call(
        cases=cases, augmented=augmented, validation=validation, organs=organs, options=options,
        folder=folder, key=key, online=online, regions=regions,
    )  # fmt: skip
    device = crew.device(choose_device(options.device))
    make_repeatable()
    # What several processes share lies in files.
    budget = 0 if options.workers else None
    with Store(budget, folder if crew.leads else None, crew.beside) as store:
        crew.each(lambda: require_shards(_shards([*cases, *validation], crew)))
        decoded = list(decode(cases, augmented, store))

        def settled_on() -> tuple[Settled, Preparation, dict[str, Any]]:
            found = Fingerprint.of(decoded)
            given = (options, device, found, organs, regions or {}, crew.count)
            return *settle(*given), found.to_dict()

        settled, preparation, told = crew.lead(settled_on)
        together = Together(folder, key, preparation, crew)
        samples = Samples.prepared(decoded, preparation, store, together)
        watched = Validation(validation, preparation, store, crew)
        order = _Order(
            samples, watched, organs, told, device, folder, key, progress, online, events, crew,
            begins,
        )  # fmt: skip
        return _in_memory(order, settled, preparation)


def _shards(cases: Sequence[TrainingCase], crew: Crew) -> dict[str, Shard]:
    """Give the shards that this process looks for: a part each, so that all are looked for."""
    mine = (cases[number] for number in crew.places(len(cases)))
    return {one.case: one.shard for one in mine if one.shard is not None}


def follow(crew: Crew) -> None:
    """Train what the first process of several trains, until it sends this one home."""
    nothing: dict[str, Any] = {}
    while True:
        try:
            order = crew.agree(nothing)
        except RuntimeError:  # the first one is gone, and has said why
            sys.exit(1)
        if not order:
            return
        train(**order, progress=Silent())


@dataclass(frozen=True)
class _Order:
    """What stays the same whatever the patch."""

    samples: Samples
    validation: Validation
    organs: Mapping[int, str]
    found: Mapping[str, Any]
    device: torch.device
    folder: Path
    key: str
    progress: Progress
    online: Online | None
    events: Events | None
    crew: Crew
    begins: Callable[[], object]


def _in_memory(order: _Order, settled: Settled, preparation: Preparation) -> TrainingResult:
    """Train with the largest patch that the memory takes; a run that goes on knows it already."""
    crew = order.crew
    known = crew.agree(saved_state(order.folder, order.key) if crew.leads else None)
    if known is not None:
        settled = as_before(settled, known.settled, crew.count)
        settled, preparation = _with_patch(settled, preparation, tuple(known.patch))
    while True:
        try:
            return _train(order, settled, preparation)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            patch = _smaller(order, settled, error)
        free_memory(order.device)
        order.progress.say(
            f"    the memory does not take patches of {_sides(settled.patch)}: going on with "
            f"{_sides(patch)}"
        )
        settled, preparation = _with_patch(settled, preparation, patch)


def _smaller(order: _Order, settled: Settled, error: BaseException) -> tuple[int, ...]:
    """Give the patch to go on with where memory ran out, or say why there is none."""
    crew, shown = order.crew, _sides(settled.patch)
    if crew.count > 1:  # the others wait for this one's gradients
        raise TrainingError(
            f"the memory of process {crew.rank} of {crew.count} does not take a patch of {shown}; "
            "take a smaller --patch or --batch-size"
        ) from error
    if "shape" in settled.config and saved_state(order.folder, order.key) is not None:
        raise TrainingError(
            f"the memory no longer takes a patch of {shown}, and {settled.model} is built for it; "
            "end what else runs and give the same command again, which goes on from the last "
            "save, or begin anew with a smaller --patch or --batch-size"
        ) from error
    patch = smaller_patch(settled.patch, trainable(settled.model).multiple)
    if patch is None:
        raise TrainingError(
            f"the memory does not take a patch of {shown}; take a smaller --width or --batch-size, "
            "or end what else runs"
        ) from error
    return patch


def _train(order: _Order, settled: Settled, preparation: Preparation) -> TrainingResult:
    record: dict[str, Any] = {
        "key": order.key,
        "organs": {str(value): name for value, name in order.organs.items()},
        "preparation": preparation.to_dict(),
        "fingerprint": order.found,
    }
    crew = order.crew
    objective = Supervised(settled, preparation, order.validation, order.device, crew)
    began = None
    if settled.encoder_from is not None:
        began = give_encoder(Path(settled.encoder_from), objective.net)
        order.progress.say(f"    {told_of(began)}")
        record["began_from"] = began
    job = Job(
        settled, objective, order.folder, order.key, record, order.progress, order.events, crew
    )
    session = Session(job)
    order.begins()
    session.resume()
    batches = Batches(
        order.samples, preparation, settled.batch_size, settled.seed, order.online, settled.block
    )
    feed = Ahead(batches, settled.workers) if settled.workers else nullcontext(batches)
    with feed as given:
        session.run(Share(given, crew.places(settled.batch_size) if crew.count > 1 else None))
    session.load_best()
    counts = (order.samples.count(own=True), order.samples.count(own=False))
    result = result_of(session.state, settled, session.net, counts, order.online, began)
    if crew.leads:
        finish(order.folder, settled, session.net, session.state, {**record, **asdict(result)})
        remove_states(order.folder)
        remove_prepared(order.folder)
    return result


def _with_patch(
    settled: Settled, preparation: Preparation, patch: tuple[int, ...]
) -> tuple[Settled, Preparation]:
    """Show the net less."""
    config = settled.config
    if "shape" in config:
        config = {**config, "shape": patch}
    return replace(settled, patch=patch, config=config), replace(preparation, patch=patch)


def _sides(patch: Sequence[int]) -> str:
    return " x ".join(map(str, patch))
