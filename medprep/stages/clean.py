"""Remove from a case's labels what cannot be an organ, and account for every voxel."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from medprep.files import AtomicFiles
from medprep.formats import nifti, png
from medprep.labels.components import CleaningOptions, clean_labels
from medprep.stages.base import CaseResult, Context, Summary, artifact_input, run_cases, task
from medprep.volume import LabelMap
from medprep.workspace.layout import Layout

_VERSION = 1


@dataclass(frozen=True)
class Clean:
    """Options of ``clean``.

    Parameters
    ----------
    largest
        Keep only the largest component of each organ (3D, 26 neighbours).
    min_volume_ml
        Drop components smaller than this.
    fill_holes
        Fill holes of each organ in 3D.
    """

    largest: bool = True
    min_volume_ml: float = 0.05
    fill_holes: bool = True

    name: ClassVar[str] = "clean"
    needs: ClassVar[tuple[str, ...]] = ("extract",)

    def __post_init__(self) -> None:
        self.rules()

    def rules(self) -> CleaningOptions:
        """Give the rules, checked."""
        return CleaningOptions(self.largest, self.min_volume_ml, self.fill_holes)

    def perform(self, context: Context) -> Summary:
        """Clean every extracted case."""
        workspace = context.workspace
        images, labels = workspace.current("convert"), workspace.current("extract")
        tasks = []
        for case, extracted in labels.items():
            slices = workspace.layout.relative(workspace.layout.slice_images(case))
            payload = _Payload(
                workspace.layout, case, extracted.facts, self, slices in images[case].files
            )
            options = {**asdict(self), "slices": payload.slices}
            tasks.append(
                task("clean", _VERSION, case, [artifact_input(extracted)], options, payload)
            )
        summary = run_cases(context, "clean", tasks, _clean)
        made = workspace.database.artifacts("clean")
        rows = [row for name in summary.made for row in made[name].facts["rows"]]
        touched = [row for row in rows if row["removed"] or row["filled"]]
        if summary.made:
            summary.lines.append(
                f"{len(touched)} of {len(rows)} organs changed: "
                f"{sum(row['removed'] for row in rows)} voxels removed, "
                f"{sum(row['filled'] for row in rows)} filled"
            )
        for name in summary.made:
            for row in made[name].facts["rows"]:
                if row["before"] and not row["after"]:
                    summary.lines.append(
                        f"{name}: all {row['before']} voxels of {row['name']} dropped"
                    )
        return summary


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    facts: dict[str, Any]
    options: Clean
    slices: bool


def _clean(work: _Payload) -> CaseResult:
    layout, case = work.layout, work.case
    labels = nifti.read_label_map(layout.labels(case))
    names = {int(value): name for value, name in work.facts["names"].items()}
    kept, rows = clean_labels(labels.array, work.facts["voxel_ml"], work.options.rules(), names)
    targets = [layout.cleaned(case)]
    with AtomicFiles() as files:
        nifti.write(files.file(targets[0]), LabelMap(kept, labels.geometry, names))
        if work.slices:
            targets.append(layout.slice_labels(case))
            folder = files.folder(targets[1])
            for number, plane in enumerate(kept):
                png.write_labels(folder / f"{number:03d}.png", plane)
    facts = {"names": work.facts["names"], "rows": [asdict(row) for row in rows]}
    return CaseResult(tuple(layout.relative(path) for path in targets), facts)
