"""Which metrics are wanted, how they are defined, and what a case scores by them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from numpy.typing import NDArray

from medprep.errors import OptionError
from medprep.geometry import Geometry
from medprep.metrics.catalogue import CHAOS, METRICS, require_metrics
from medprep.metrics.chaos import POINTS, WORST_RAVD
from medprep.metrics.definitions import DEFINITIONS
from medprep.metrics.evaluation import LabelScore

TOLERANCE_MM = 2.0
"""Of the normalised surface Dice, where none is given: about what two readers differ by in organs
of the abdomen."""

NO_REFERENCE = (
    "its reference cannot be read: it counts 0 where that is the worst there can be, and is left "
    "out of distances, volumes and the Dice of all voxels"
)
"""What is said of a case that `Measures.failed` scores."""

_OVERLAP = ("dice", "iou", "recall", "volume_similarity", "nsd")
_WORST = {**dict.fromkeys((*_OVERLAP, *POINTS, "chaos_score"), 0.0), "ravd_percent": WORST_RAVD}


@dataclass(frozen=True)
class Measures:
    """What is measured. Made by `of`, which checks it.

    Parameters
    ----------
    metrics
        Names, in the order of `medprep.metrics.catalogue.METRICS`.
    definition
        Name in `medprep.metrics.definitions.DEFINITIONS`.
    tolerance_mm
        Of every organ that ``own_tolerance_mm`` does not name.
    own_tolerance_mm
        Pairs of organ and tolerance.
    """

    metrics: tuple[str, ...]
    definition: str
    tolerance_mm: float
    own_tolerance_mm: tuple[tuple[str, float], ...]

    @classmethod
    def of(cls, metrics: Sequence[str], definition: str, tolerances: Sequence[str]) -> Self:
        """Make it from what a user said.

        Parameters
        ----------
        metrics
            None takes those that suit the definition.
        definition
            A name.
        tolerances
            ``MM`` or ``ORGAN=MM``; the last word on an organ counts.

        Raises
        ------
        OptionError
            If a name is unknown or a tolerance no length.
        """
        if definition not in DEFINITIONS:
            raise OptionError(f"no preset '{definition}'; there are {', '.join(DEFINITIONS)}")
        offered = _offered(definition)
        wanted = require_metrics(metrics or offered)
        if strange := [name for name in wanted if name not in offered]:
            raise OptionError(
                f"the preset {definition} has no {strange[0]}; it has {', '.join(offered)}"
            )
        general, own = TOLERANCE_MM, dict[str, float]()
        for said in tolerances:
            organ, equals, length = said.rpartition("=")
            value = _length(length, said)
            if equals:
                own[organ] = value
            else:
                general = value
        return cls(wanted, definition, general, tuple(sorted(own.items())))

    @property
    def says(self) -> str:
        """The definition in words."""
        return DEFINITIONS[self.definition].says

    @property
    def sized(self) -> bool:
        """Whether any metric takes voxels of known size."""
        return any(_sized(name) for name in self.metrics)

    def without_size(self) -> Self:
        """Give what can be measured on voxels of unknown size."""
        return self.only([name for name in self.metrics if not _sized(name)])

    def only(self, names: Collection[str]) -> Self:
        """Give it without the metrics that are not named."""
        return replace(self, metrics=tuple(name for name in self.metrics if name in names))

    def require_organs(self, names: Iterable[str]) -> None:
        """Refuse a tolerance for an organ that is not there.

        Raises
        ------
        OptionError
            If so.
        """
        have = list(names)
        for organ, _ in self.own_tolerance_mm:
            if organ not in have:
                raise OptionError(f"--tolerance names {organ}; there are {', '.join(have)}")

    def tolerances(self, names: Iterable[str]) -> dict[str, float]:
        """Give each organ's tolerance in mm; nothing where none is needed."""
        if "nsd" not in self.metrics:
            return {}
        return dict.fromkeys(names, self.tolerance_mm) | dict(self.own_tolerance_mm)

    def score(
        self,
        reference: NDArray[Any],
        predicted: NDArray[Any] | None,
        names: Mapping[int, str],
        geometry: Geometry,
        regions: Mapping[str, tuple[str, ...]],
    ) -> list[LabelScore]:
        """Score a case, as `medprep.metrics.scores.score_case` has it."""
        from medprep.metrics.scores import score_case

        return score_case(
            reference,
            predicted,
            names,
            geometry,
            metrics=self.metrics,
            definition=DEFINITIONS[self.definition],
            tolerance_mm=dict.fromkeys((*names.values(), *regions), self.tolerance_mm)
            | dict(self.own_tolerance_mm),
            regions=regions,
        )

    def failed(self, names: Mapping[int, str], regions: Iterable[str]) -> list[LabelScore]:
        """Give the score of a case without a reference: the worst where that is known."""
        values = {name: _WORST.get(name) for name in self.metrics}
        every = [(value, name, False) for value, name in sorted(names.items())]
        every += [(0, name, True) for name in regions]
        return [
            LabelScore(label, organ, region, "missing", 0, 0, 0, 0.0, 0.0, values)
            for label, organ, region in every
        ]


def _offered(definition: str) -> tuple[str, ...]:
    """Give the metrics that a definition has; all of them are the default."""
    if definition.startswith("chaos"):
        return CHAOS
    offers = DEFINITIONS[definition].offers
    families = {"overlap", "volume"}
    return tuple(name for name, one in METRICS.items() if one.family in families or name in offers)


def _sized(name: str) -> bool:
    return METRICS[name].unit in ("mm", "ml") or name == "nsd" or "score" in name


def _length(text: str, said: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise OptionError(f"--tolerance is '{said}'; wanted is MM or ORGAN=MM, 0 or more")
    return value
