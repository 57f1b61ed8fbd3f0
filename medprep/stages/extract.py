"""Turn masks into label maps: organs by their grey levels, on the picture's grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Literal

from medprep.colours import colours_of
from medprep.errors import LabelError, OptionError
from medprep.execute import Failure
from medprep.files import write_bytes
from medprep.formats import colour_tables
from medprep.labels.corrections import Correction, Flip, Order
from medprep.labels.pairs import Pair
from medprep.organs import BINARY, Organ, OrganTable, named_table
from medprep.sources.base import Reader
from medprep.stages.base import (
    Context,
    Summary,
    artifact_input,
    look_at,
    names_of,
    run_cases,
    source_input,
    task,
    tell_notes,
)
from medprep.stages.extract_case import ExtractCase, doubts, extract_case
from medprep.stages.overlaps import find_scheme

_VERSION = 3


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
    table
        A known table of organs (``btcv``) or a TOML file instead of the data set's own.
    snap
        Set blurred edges to the organ or background beside them, and count them.
    split_pair
        Organs that are two in one label; each becomes a right and a left one.
    mask_order, mask_flip, mask_transpose
        How masks that lie wrong are put right, see `Correction`.
    strict
        A mask that does not sit on its picture fails its case; else it is told.
    format
        ``png`` writes the label slices beside the NIfTI file.
    """

    organ: tuple[str, ...] = ()
    label: tuple[tuple[str, int, int], ...] = ()
    unmapped: Literal["error", "background"] = "error"
    table: str | None = None
    snap: bool = False
    split_pair: tuple[str, ...] = ()
    mask_order: Order = "given"
    mask_flip: tuple[Flip, ...] = ()
    mask_transpose: bool = False
    strict: bool = False
    format: Literal["nifti", "png"] = "nifti"

    name: ClassVar[str] = "extract"
    needs: ClassVar[tuple[str, ...]] = ("convert",)

    def __post_init__(self) -> None:
        for name in ("organ", "split_pair", "mask_flip"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        labels = tuple((str(n), int(low), int(high)) for n, low, high in self.label)
        object.__setattr__(self, "label", labels)
        if self.unmapped not in ("error", "background"):
            raise OptionError(f"--unmapped is '{self.unmapped}'; wanted is error or background")
        if self.format not in ("nifti", "png"):
            raise OptionError(f"--format is '{self.format}'; of extract wanted is nifti or png")
        OrganTable(self._own())
        self.correction()
        self.table_for(BINARY)

    def correction(self) -> Correction:
        """Give how masks are put right, checked."""
        return Correction(self.mask_order, self.mask_flip, self.mask_transpose)

    def table_for(self, of_data_set: OrganTable) -> OrganTable:
        """Give the table that grey levels are looked up in."""
        return of_data_set if self.table is None else named_table(self.table)

    def wanted(self, table: OrganTable) -> OrganTable:
        """Give the organs to take, in the order of their label values.

        Raises
        ------
        OptionError
            If the table lacks one.
        """
        if table == BINARY and len(self.organ) == 1 and not self.label:
            # A mask of one unnamed organ: the user knows its name.
            return OrganTable((Organ(self.organ[0], BINARY.organs[0].ranges),))
        if not (self.organ or self.label):
            return table
        return table.only(tuple(table.get(name) for name in self.organ) + self._own())

    def _own(self) -> tuple[Organ, ...]:
        return tuple(Organ(name, ((low, high),)) for name, low, high in self.label)

    def pairs(self, wanted: OrganTable) -> tuple[Pair, ...]:
        """Give the pairs to part, with the names they get.

        Raises
        ------
        OptionError
            If one is not wanted, or a name it would get is taken.
        """
        found = tuple(Pair.of(wanted.get(name).name) for name in self.split_pair)
        taken = {*wanted.names} & {name for pair in found for name in (pair.right, pair.left)}
        if taken:
            raise OptionError(f"--split-pair would name a second {', '.join(sorted(taken))}")
        return found

    def _require_levels_unasked(self) -> None:
        asked = {"--table": self.table, "--label": self.label, "--snap": self.snap}
        given = [option for option, value in asked.items() if value]
        if given:
            raise OptionError(
                f"{', '.join(given)} speaks of grey levels; here each organ is a mask of its own: "
                "choose some with --organ NAME"
            )

    def perform(self, context: Context) -> Summary:
        """Extract every labelled case."""
        workspace = context.workspace
        rows = [row for row in workspace.database.cases() if row.labelled]
        table = self.table_for(dataset_table(workspace.require_split()))
        wanted = self.wanted(table)
        scheme = find_scheme(context, rows, self.organ, table.names)
        if scheme is not None:
            self._require_levels_unasked()
            merged = tuple(Organ(name, ()) for name in scheme.names.values())
            wanted = OrganTable(merged, tuple(scheme.regions.items()))
        pairs = self.pairs(wanted)
        images = workspace.current("convert")
        if self.strict:  # it changes no label map: only cases that fail now are asked again
            known = workspace.database.artifacts("extract")
            doubted = [case for case, one in known.items() if doubts(one.facts)]
            workspace.database.forget("extract", doubted)
        tasks = []
        for row in rows:
            image = images.get(row.name)
            if image is None:
                continue
            reader: Reader = row.reader  # type: ignore[assignment]
            files = tuple(workspace.ledger.files(row.name, "mask"))
            payload = ExtractCase(
                workspace.layout, row.name, reader, files, image.facts, wanted, table, pairs,
                scheme, self.correction(), self.unmapped, self.snap, self.strict,
                self.format == "png", table == BINARY and not self.label,
            )  # fmt: skip
            inputs = [source_input(row, "mask"), artifact_input(image)]
            options = {
                **asdict(replace(self, strict=False)),
                "wanted": asdict(wanted), "table": asdict(table),
                "scheme": None if scheme is None else [list(one) for one in scheme.values],
            }  # fmt: skip
            tasks.append(task("extract", _VERSION, row.name, inputs, options, payload))
        summary = run_cases(context, "extract", tasks, extract_case)
        _tell(summary, context, wanted)
        _write_colours(context)
        return summary


def dataset_table(meta: dict[str, Any]) -> OrganTable:
    """Give the table of organs that the split recorded."""
    organs = tuple(
        Organ(name, tuple((r[0], r[1]) for r in ranges)) for name, ranges in meta["organs"]
    )
    regions = tuple((name, tuple(members)) for name, members in meta.get("regions", ()))
    return OrganTable(organs, regions)


def _tell(summary: Summary, context: Context, wanted: OrganTable) -> None:
    made = context.workspace.current("extract")
    facts = [artifact.facts for artifact in made.values()]
    names = names_of(facts[0]) if facts else {}
    told = {organ.name: str(organ) for organ in wanted.organs}
    if not facts:
        summary.lines.append("no case has masks to extract")
        return
    summary.lines.append("labels: " + ", ".join(f"{n} {told.get(o, o)}" for n, o in names.items()))
    _count(summary, facts)
    tell_notes(summary, made)
    new = {case: made[case].facts for case in sorted(summary.made) if case in made}
    found = [f"{case}: {text}" for case, one in new.items() for text in doubts(one)]
    summary.lines.extend(look_at(found))
    absent = [o for o in names.values() if not any(one["voxels"].get(o) for one in facts)]
    if absent:
        error = LabelError(
            f"no voxel of any case is {'; '.join(told.get(o, o) for o in absent)}: look at the "
            "masks' grey levels and give the right range (--label NAME LOW HIGH), or take only the "
            "organs that are there (--organ NAME)"
        )
        summary.failed["organs"] = Failure(error.code, error.message)


def _count(summary: Summary, facts: list[dict[str, Any]]) -> None:
    halved = sum(one["thresholded_pixels"] for one in facts)
    if halved:
        summary.lines.append(
            f"{halved} pixels of interpolated edges were set to organ (>= 128) or background"
        )
    snapped = sum(one["snapped_pixels"] for one in facts)
    if snapped:
        summary.lines.append(f"{snapped} pixels of blurred edges were snapped (--snap)")
    unmapped = sum(sum(one["unmapped"].values()) for one in facts)
    if unmapped:
        summary.lines.append(f"{unmapped} voxels in no organ's range count as background")


def _write_colours(context: Context) -> None:
    """Lay colour tables for viewers beside the label maps."""
    workspace = context.workspace
    made = workspace.current("extract")
    if not made:
        return
    names = names_of(next(iter(made.values())).facts)
    colours = colours_of(names)
    folder = workspace.layout.root / "labels"
    write_bytes(folder / "itk-snap.txt", colour_tables.itk_snap(names, colours))
    write_bytes(folder / "slicer.ctbl", colour_tables.slicer(names, colours))
