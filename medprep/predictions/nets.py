"""Which nets label a folder: files of weights, found by a run's name or given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medprep.errors import CheckpointError
from medprep.inference.options import PredictorOptions
from medprep.predictions.options import PredictFolder
from medprep.stages.run_names import FOLD, families, members
from medprep.workspace.layout import Layout

if TYPE_CHECKING:
    from medprep.inference.predict import Predictor


@dataclass(frozen=True)
class Nets:
    """What a process loads that labels cases.

    Parameters
    ----------
    weights
        Files.
    how
        As they are used.
    threads
        Of torch: its numbers depend on how many. None takes those of the process.
    """

    weights: tuple[Path, ...]
    how: PredictorOptions
    threads: int | None = None

    def load(self) -> Predictor:
        """Give the predictor, the same one each time.

        Raises
        ------
        CheckpointError, OptionError
            As `medprep.inference.predict.load_predictor`.
        """
        from medprep.inference.predict import load_predictor, set_threads

        set_threads(self.threads)
        return load_predictor(self.weights, self.how)


def threads_here() -> int:
    """Give the number of threads that torch uses in this process."""
    from medprep.inference import predict

    return predict.threads_here()


def weights(options: PredictFolder, workspace: Path | None) -> tuple[Path, ...]:
    """Give the files of weights.

    Raises
    ------
    CheckpointError
        If the workspace has no such run.
    """
    if options.run is None:
        return tuple(map(Path, options.checkpoint))
    layout = Layout(workspace or Path())
    models = layout.model("x").parent
    found = sorted(path.parent.name for path in models.glob("*/model.safetensors"))
    nets = [options.run] if options.run in found else members(options.run, found)
    if not nets:
        have = ", ".join([*found, *families(found)]) or "none"
        raise CheckpointError(
            f"no run '{options.run}' in this workspace (have {have})", path=models
        )
    if options.run not in found:
        nets = _all_folds(options.run, nets, layout)
    return tuple(models / net / "model.safetensors" for net in nets)


def _all_folds(run: str, nets: Sequence[str], layout: Layout) -> list[str]:
    """Give the nets of an ensemble: as many as the split says, where there is one."""
    last = int(nets[-1].removeprefix(f"{run}{FOLD}"))
    split = layout.root / "splits.json"
    count = len(json.loads(split.read_text("utf-8"))) if split.is_file() else last + 1
    wanted = [f"{run}{FOLD}{fold}" for fold in range(count)]
    missing = [net for net in wanted if net not in nets]
    if missing:
        raise CheckpointError(
            f"'{run}' wants {count} nets, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not trained; give one net, or train all: "
            "medprep train --fold all, with the options of the others",
            path=layout.model(run).parent,
        )
    return wanted
