"""Train a net that answers clicks, from files to weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from medprep.errors import OptionError, TrainingError
from medprep.models.backend import choose_device, make_repeatable
from medprep.progress import Progress
from medprep.training.cache import Store
from medprep.training.clicking.batches import ClickBatch, ClickBatches
from medprep.training.clicking.cubes import Organs
from medprep.training.clicking.objective import Clicked
from medprep.training.clicking.settling import begin, settle_clicks
from medprep.training.clicking.validation import ClickValidation
from medprep.training.dataset import Copies, TrainingCase, decode
from medprep.training.distributed import ALONE, Crew
from medprep.training.ending import finish, result_of
from medprep.training.events import Events
from medprep.training.guard import is_out_of_memory
from medprep.training.options import TrainingOptions, TrainingResult
from medprep.training.session import Job, Session
from medprep.training.state import remove_states

_LISTED = 5


def train_clicks(
    cases: Sequence[TrainingCase],
    augmented: Sequence[Copies],
    validation: Sequence[TrainingCase],
    organs: Mapping[int, str],
    options: TrainingOptions,
    folder: Path,
    key: str,
    progress: Progress,
    begins: Callable[[], object],
    events: Events | None = None,
    crew: Crew = ALONE,
) -> TrainingResult:
    """Train a net that answers clicks, or go on with a training that was stopped.

    Parameters
    ----------
    cases, augmented, validation, organs, options, folder, key, progress, begins, events
        As `medprep.training.loop.train` takes them; an organ is whatever has a label of its own.

    Raises
    ------
    OptionError, CheckpointError
        If the options do not go together, or the weights to begin with are of no use.
    TrainingError
        If there is nothing to learn from, a loss or gradient is no number any more, or the memory
        does not take a step.
    """
    if crew.count > 1:
        raise OptionError(
            f"{crew.count} processes; {options.model} is trained by one: leave torchrun out"
        )
    device = choose_device(options.device)
    make_repeatable()
    with Store(None, folder) as store:
        net, began, spacing_mm = begin(options, device)
        side = net.config.image_size
        learnt = Organs.prepared(decode(cases, augmented, store), side, spacing_mm, store)
        watched = Organs.prepared(decode(validation, (), store), side, spacing_mm, store)
        _require_organs(learnt)
        _tell(learnt, began, progress)
        counts = (learnt.count(own=True), learnt.count(own=False))
        settled, clicking = settle_clicks(options, device, net, spacing_mm, counts[0])
        record: dict[str, Any] = {
            "key": key,
            "organs": {str(value): name for value, name in organs.items()},
            "prompting": {"spacing_mm": spacing_mm},
            "began_from": began,
        }
        objective = Clicked(net, settled, clicking, ClickValidation(watched), device)
        session = Session(Job(settled, objective, folder, key, record, progress, events))
        begins()
        session.resume()
        _run(session, ClickBatches(learnt, settled.batch_size, settled.seed, clicking.around_click))
    session.load_best()
    result = result_of(session.state, settled, session.net, counts, None, began)
    finish(folder, settled, session.net, session.state, {**record, **asdict(result)})
    remove_states(folder)
    return result


def _run(session: Session[ClickBatch], feed: ClickBatches) -> None:
    try:
        session.run(feed)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise TrainingError(
            "the memory does not take a step; take a smaller --batch-size, --patch or --width, or "
            "fewer --clicks"
        ) from error


def _require_organs(found: Organs) -> None:
    if found.pairs:
        return
    small = f"; too small are {', '.join(found.left_out[:_LISTED])}" if found.left_out else ""
    raise TrainingError(
        f"no organ to click on at {found.spacing_mm:g} mm{small}; look at what 'extract' and "
        "'clean' left (medprep status), or give a finer --spacing"
    )


def _tell(found: Organs, began: Mapping[str, Any] | None, progress: Progress) -> None:
    if began is not None:
        progress.say(f"    begins with the weights of {began['file']}")
    if found.left_out:
        more = ", ..." * (len(found.left_out) > _LISTED)
        progress.say(
            f"    {len(found.left_out)} organs are too small at {found.spacing_mm:g} mm and left "
            f"out: {', '.join(found.left_out[:_LISTED])}{more}"
        )
