"""Turn a case's masks into a label map: organs by their grey levels, on the picture's grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Literal

from medprep.errors import LabelError, OptionError
from medprep.execute import Failure
from medprep.files import AtomicFiles
from medprep.formats import nifti
from medprep.geometry import Geometry
from medprep.labels.ranges import extract_labels, threshold_binary
from medprep.organs import BINARY, Organ, OrganTable
from medprep.sources.base import Reader
from medprep.sources.detect import read_mask
from medprep.stages.base import (
    CaseResult,
    Context,
    Summary,
    artifact_input,
    run_cases,
    source_input,
    task,
    tell_notes,
)
from medprep.volume import LabelMap
from medprep.workspace.layout import Layout
from medprep.workspace.ledger import LedgerFile

_VERSION = 1


@dataclass(frozen=True)
class Extract:
    """Options of ``extract``.

    Parameters
    ----------
    organ
        Organs of the data set's table to take; none takes all.
    label
        Organs of one's own as (name, low, high), inclusive; they come after those of ``organ``.
    unmapped
        ``error``: a grey level in no range fails its case. ``background``: it is background, and
        counted.
    """

    organ: tuple[str, ...] = ()
    label: tuple[tuple[str, int, int], ...] = ()
    unmapped: Literal["error", "background"] = "error"

    name: ClassVar[str] = "extract"
    needs: ClassVar[tuple[str, ...]] = ("convert",)

    def __post_init__(self) -> None:
        object.__setattr__(self, "organ", tuple(self.organ))
        labels = tuple((str(n), int(low), int(high)) for n, low, high in self.label)
        object.__setattr__(self, "label", labels)
        if self.unmapped not in ("error", "background"):
            raise OptionError(f"--unmapped is '{self.unmapped}'; wanted is error or background")
        OrganTable(self._own())

    def _own(self) -> tuple[Organ, ...]:
        return tuple(Organ(name, ((low, high),)) for name, low, high in self.label)

    def wanted(self, table: OrganTable) -> OrganTable:
        """Give the organs to take, in the order of their label values.

        Raises
        ------
        OptionError
            If the data set's table lacks one.
        """
        if table == BINARY and len(self.organ) == 1 and not self.label:
            # A mask of one unnamed organ: the user knows its name.
            return OrganTable((Organ(self.organ[0], BINARY.organs[0].ranges),))
        named = tuple(table.get(name) for name in self.organ)
        return OrganTable(named + self._own() if self.organ or self.label else table.organs)

    def perform(self, context: Context) -> Summary:
        """Extract every labelled case."""
        workspace = context.workspace
        table = dataset_table(workspace.require_split())
        wanted = self.wanted(table)
        images = workspace.current("convert")
        tasks = []
        for row in workspace.database.cases():
            image = images.get(row.name)
            if not row.labelled or image is None:
                continue
            reader: Reader = row.reader  # type: ignore[assignment]
            payload = _Payload(
                workspace.layout,
                row.name,
                reader,
                tuple(workspace.ledger.files(row.name, "mask")),
                image.facts,
                wanted,
                table,
                self.unmapped,
                table == BINARY and not self.label,
            )
            inputs = [source_input(row, "mask"), artifact_input(image)]
            options = {"wanted": asdict(wanted), "table": asdict(table), **asdict(self)}
            tasks.append(task("extract", _VERSION, row.name, inputs, options, payload))
        summary = run_cases(context, "extract", tasks, _extract)
        _tell(summary, context, wanted)
        return summary


def dataset_table(meta: dict[str, Any]) -> OrganTable:
    """Give the table of organs that the split recorded."""
    return OrganTable(
        tuple(Organ(name, tuple((r[0], r[1]) for r in ranges)) for name, ranges in meta["organs"])
    )


@dataclass(frozen=True)
class _Payload:
    layout: Layout
    case: str
    reader: Reader
    files: tuple[LedgerFile, ...]
    image: dict[str, Any]
    wanted: OrganTable
    table: OrganTable
    unmapped: Literal["error", "background"]
    binary: bool


def _extract(work: _Payload) -> CaseResult:
    grid = Geometry.from_dict(work.image)
    paths = [file.checked() for file in work.files]
    grey, notes = read_mask(work.reader, paths, work.image["source_order"], grid)
    changed = 0
    if work.binary:
        grey, changed = threshold_binary(grey)
    labels, counts = extract_labels(grey, work.wanted, work.table, work.unmapped)
    names = dict(enumerate(work.wanted.names, 1))
    target = work.layout.labels(work.case)
    with AtomicFiles() as files:
        nifti.write(files.file(target), LabelMap(labels, grid, names))
    facts = {
        "names": {str(value): name for value, name in names.items()},
        "voxels": dict(counts.organs),
        "voxel_ml": grid.voxel_ml if work.image["spacing_known"] else None,
        "snapped_pixels": int(changed),
        "unmapped": {str(level): count for level, count in counts.unmapped.items()},
        "notes": list(notes),
    }
    return CaseResult((work.layout.relative(target),), facts)


def _tell(summary: Summary, context: Context, wanted: OrganTable) -> None:
    made = context.workspace.database.artifacts("extract")
    summary.lines.append("labels: " + ", ".join(f"{n} {o}" for n, o in enumerate(wanted.organs, 1)))
    facts = [artifact.facts for artifact in made.values()]
    snapped = sum(one["snapped_pixels"] for one in facts)
    if snapped:
        summary.lines.append(
            f"{snapped} pixels of interpolated edges were set to organ (>= 128) or background"
        )
    unmapped = sum(sum(one["unmapped"].values()) for one in facts)
    if unmapped:
        summary.lines.append(f"{unmapped} voxels in no organ's range count as background")
    tell_notes(summary, made)
    for organ in wanted.names:
        if facts and not any(one["voxels"].get(organ) for one in facts):
            error = LabelError(
                f"no voxel of any case is {wanted.get(organ)}; look at the masks' grey levels and "
                "give the right range: --label NAME LOW HIGH"
            )
            summary.failed[f"organ {organ}"] = Failure(error.code, error.message)
