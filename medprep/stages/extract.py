"""Turn masks into label maps: organs by their grey levels, on the picture's grid."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar, Literal

from medprep.colours import colours_of
from medprep.errors import LabelError, OptionError
from medprep.execute import Failure
from medprep.files import write_bytes
from medprep.formats import colour_tables
from medprep.labels.corrections import Correction, Flip, Order
from medprep.labels.pairs import Pair
from medprep.labels.regions import Scheme
from medprep.option_files import held_toml
from medprep.organs import BINARY, TABLE, Organ, OrganTable, named_table, shortens_sides
from medprep.sources.base import Reader
from medprep.stages.base import (
    CaseTask,
    Context,
    Summary,
    look_at,
    names_of,
    run_cases,
    tell_notes,
)
from medprep.stages.extract_case import ExtractCase, doubts, extract_case
from medprep.stages.overlaps import find_scheme
from medprep.stages.pending import Keys
from medprep.workspace.currency import Currency
from medprep.workspace.database import Input
from medprep.workspace.in_order import InOrder
from medprep.workspace.workspace import Workspace

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
        if self.table is not None:
            object.__setattr__(self, "table", held_toml(self.table, TABLE))
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
        table = self.table_for(dataset_table(workspace.require_split()))
        wanted = self.wanted(table)
        scheme = find_scheme(context, self.organ, table.names)
        if scheme is not None:
            self._require_levels_unasked()
            merged = tuple(Organ(name, ()) for name in scheme.names.values())
            wanted = OrganTable(merged, tuple(scheme.regions.items()))
        if self.strict:  # it changes no label map: only cases that fail now are asked again
            workspace.database.forget("extract", [case for case, _ in _doubted(workspace)])
        look_up = LookUp(table, wanted, self.pairs(wanted), scheme)
        summary = run_cases(context, "extract", self._tasks(workspace, look_up), extract_case)
        _tell(summary, workspace, wanted)
        _write_colours(workspace)
        return summary

    def _tasks(self, workspace: Workspace, look_up: LookUp) -> Iterator[CaseTask]:
        scheme = look_up.scheme
        options = {
            **asdict(replace(self, strict=False)),
            "wanted": asdict(look_up.wanted), "table": asdict(look_up.table),
            "scheme": None if scheme is None else [list(one) for one in scheme.values],
        }  # fmt: skip
        if shortens_sides(look_up.wanted.names):  # as organs of no side in versions before
            options["sides"] = "shortened"
        keys = Keys("extract", _VERSION, options)
        images = InOrder(workspace.currency.cells("convert", "key"))
        for case, key in workspace.currency.sources("mask"):
            image = images.get(case)
            if image is not None:
                inputs = Input("source", f"{case}/mask", key), Input("convert", *image)
                payload = partial(self._payload, workspace, case, look_up)
                yield CaseTask(case, inputs, keys.of(inputs), payload)

    def _payload(self, workspace: Workspace, case: str, look_up: LookUp) -> ExtractCase:
        database = workspace.database
        reader: Reader = database.case(case).reader  # type: ignore[assignment]
        files = tuple(workspace.ledger.files(case, "mask"))
        image = database.artifacts("convert", [case])[case].facts
        return ExtractCase(
            workspace.layout, case, reader, files, image, look_up.wanted, look_up.table,
            look_up.pairs, look_up.scheme, self.correction(), self.unmapped, self.snap, self.strict,
            self.format == "png", look_up.table == BINARY and not self.label,
        )  # fmt: skip


@dataclass(frozen=True)
class LookUp:
    """What grey levels, or masks of their own, are in all cases.

    Parameters
    ----------
    table, wanted
        The organs that are known, and those to take.
    pairs
        Organs to part.
    scheme
        How masks of their own overlap; None where one mask shows all organs.
    """

    table: OrganTable
    wanted: OrganTable
    pairs: tuple[Pair, ...]
    scheme: Scheme | None


def _doubted(workspace: Workspace) -> Iterator[tuple[str, list[str]]]:
    """Yield the cases that a person should look at, and why."""
    cells = workspace.database.each(
        "SELECT subject, facts FROM facts WHERE stage = 'extract' AND"
        " (json_extract(facts, '$.alignment.flagged') OR json_extract(facts, '$.sides') <> '[]')"
        " ORDER BY subject"
    )
    for case, facts in cells:
        yield case, doubts(json.loads(facts))


def dataset_table(meta: dict[str, Any]) -> OrganTable:
    """Give the table of organs that the split recorded."""
    organs = tuple(
        Organ(name, tuple((r[0], r[1]) for r in ranges)) for name, ranges in meta["organs"]
    )
    regions = tuple((name, tuple(members)) for name, members in meta.get("regions", ()))
    return OrganTable(organs, regions)


def _tell(summary: Summary, workspace: Workspace, wanted: OrganTable) -> None:
    current = workspace.currency
    first = current.first("extract")
    told = {organ.name: str(organ) for organ in wanted.organs}
    if first is None:
        summary.lines.append("no case has masks to extract")
        return
    names = names_of(first.facts)
    summary.lines.append("labels: " + ", ".join(f"{n} {told.get(o, o)}" for n, o in names.items()))
    _count(summary, current)
    tell_notes(summary, workspace.database)
    new = set(summary.made)
    found = [f"{case}: {text}" for case, own in _doubted(workspace) if case in new for text in own]
    summary.lines.extend(look_at(found))
    absent = list(names.values())
    for _, cell in current.cells("extract", "json_extract(facts, '$.voxels')"):
        voxels = json.loads(cell)
        absent = [organ for organ in absent if not voxels.get(organ)]
        if not absent:
            break
    if absent:
        error = LabelError(
            f"no voxel of any case is {'; '.join(told.get(o, o) for o in absent)}: look at the "
            "masks' grey levels and give the right range (--label NAME LOW HIGH), or take only the "
            "organs that are there (--organ NAME)"
        )
        summary.failed["organs"] = Failure(error.code, error.message)


def _count(summary: Summary, current: Currency) -> None:
    halved, snapped, unmapped = current.total(
        "extract",
        "json_extract(facts, '$.thresholded_pixels')",
        "json_extract(facts, '$.snapped_pixels')",
        "(SELECT TOTAL(value) FROM json_each(facts, '$.unmapped'))",
    )
    if halved:
        summary.lines.append(
            f"{halved} pixels of interpolated edges were set to organ (>= 128) or background"
        )
    if snapped:
        summary.lines.append(f"{snapped} pixels of blurred edges were snapped (--snap)")
    if unmapped:
        summary.lines.append(f"{unmapped} voxels in no organ's range count as background")


def _write_colours(workspace: Workspace) -> None:
    """Lay colour tables for viewers beside the label maps."""
    first = workspace.currency.first("extract")
    if first is None:
        return
    names = names_of(first.facts)
    colours = colours_of(names)
    folder = workspace.layout.root / "labels"
    write_bytes(folder / "itk-snap.txt", colour_tables.itk_snap(names, colours))
    write_bytes(folder / "slicer.ctbl", colour_tables.slicer(names, colours))
