"""One case's share of the data check: its labels in numbers and in a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from numpy.typing import NDArray

from medprep.colours import colours_of
from medprep.files import AtomicFiles
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.labels.statistics import Intensity, LabelStatistics, label_statistics
from medprep.reporting.montage import thumbnail_png
from medprep.reporting.overlay import overlay_png
from medprep.stages.base import CaseResult
from medprep.workspace.layout import Layout


@dataclass(frozen=True)
class CheckCase:
    """What checking one case needs."""

    layout: Layout
    case: str
    image: dict[str, Any]
    names: dict[str, str]


def check_case(work: CheckCase) -> CaseResult:
    """Measure a case's cleaned labels and draw them."""
    layout = work.layout
    seen = _Seen.of(layout, work.case, work.image, work.names)
    rows = label_statistics(seen.labels, seen.picture, seen.grid, seen.names)
    targets = [layout.overlay(work.case), layout.thumbnail(work.case)]
    with AtomicFiles() as files:
        files.file(targets[0]).write_bytes(seen.overlay())
        files.file(targets[1]).write_bytes(seen.thumbnail())
    facts = {"statistics": [asdict(row) for row in rows]}
    return CaseResult(tuple(layout.relative(path) for path in targets), facts)


def overlay_of(
    layout: Layout, case: str, image: Mapping[str, Any], names: Mapping[str, str]
) -> bytes:
    """Draw a case that was not checked."""
    return _Seen.of(layout, case, image, names).overlay()


@dataclass(frozen=True, eq=False)
class _Seen:
    """A picture with its cleaned labels."""

    picture: NDArray[Any]
    labels: NDArray[Any]
    grid: Geometry | None
    names: dict[int, str]
    window: tuple[float, float]

    @classmethod
    def of(
        cls, layout: Layout, case: str, image: Mapping[str, Any], names: Mapping[str, str]
    ) -> _Seen:
        labels = nifti.read_label_map(layout.cleaned(case))
        return cls(
            nifti.read(layout.image(case)).array,
            labels.array,
            labels.geometry if image["spacing_known"] else None,
            {int(value): name for value, name in names.items()},
            (image["window"]["low"], image["window"]["high"]),
        )

    def overlay(self) -> bytes:
        colours = colours_of(self.names)
        return overlay_png(self.picture, self.labels, self.grid, self.names, colours, self.window)

    def thumbnail(self) -> bytes:
        return thumbnail_png(
            self.picture, self.labels, self.grid, colours_of(self.names), self.window
        )


def statistics_of(facts: Mapping[str, Any]) -> list[LabelStatistics]:
    """Give the statistics that `check_case` recorded."""
    found = []
    for row in facts["statistics"]:
        own = dict(row)
        own["faces"] = tuple(own["faces"])
        own["box"] = tuple((first, last) for first, last in own["box"])
        for name in ("centroid", "centroid_mm"):
            own[name] = None if own[name] is None else tuple(own[name])
        own["intensity"] = None if own["intensity"] is None else Intensity(**own["intensity"])
        found.append(LabelStatistics(**own))
    return found
