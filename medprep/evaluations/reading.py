"""Read a pair: two arrays of labels on one grid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import GeometryError, LabelError, MedprepError, OptionError
from medprep.evaluations.dicom_grids import SliceGrid, read_slice_grid
from medprep.evaluations.greys import Grey, read_grey
from medprep.evaluations.grids import onto
from medprep.evaluations.levels import Labels, Seen, settle_labels
from medprep.evaluations.pairs import Pair
from medprep.evaluations.places import Place
from medprep.execute import Failure, map_cases
from medprep.geometry import Geometry
from medprep.organs import named_table
from medprep.places.hand import at_hand

if TYPE_CHECKING:
    from medprep.execute.cluster import Cluster


@dataclass(frozen=True)
class ReadOptions:
    """How pairs are read.

    Parameters
    ----------
    organs
        Table of organs that names numbers or grey levels, a name of `medprep.organs.TABLES` or
        a file; None finds out.
    resample
        Allow a prediction on another grid to be put on the reference's by nearest neighbours.
    spacing_mm
        Between slices, rows and columns, for slices of which no DICOM says it.
    labels
        What numbers mean in a whole set, as `settle` finds out; None: as each pair alone looks.
    """

    organs: str | None = None
    resample: bool = False
    spacing_mm: tuple[float, float, float] | None = None
    labels: Labels | None = None

    def __post_init__(self) -> None:
        given = self.spacing_mm
        if given is not None and not (
            len(given) == 3 and all(np.isfinite(one) and one > 0 for one in given)
        ):
            raise OptionError(
                f"--spacing is {','.join(str(one) for one in given)}; wanted are three numbers "
                "above 0: mm between slices, rows and columns"
            )


@dataclass(frozen=True, eq=False)
class LabelPair:
    """Reference and prediction on one grid.

    Parameters
    ----------
    reference
        ``[slice, row, column]`` labels, uint8 or uint16.
    predicted
        The same of the prediction; None where it is missing.
    geometry
        The grid. Where ``spacing_known`` is False it counts voxels of 1 mm.
    spacing_known
        Whether it states millimetres.
    names
        Label to organ, in order; the same for every pair that one `Labels` reads.
    regions
        Named sets of organs, where the table has them.
    notes
        What was done on the way, and what a person should know.
    """

    reference: NDArray[Any]
    predicted: NDArray[Any] | None
    geometry: Geometry
    spacing_known: bool
    names: Mapping[int, str]
    regions: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


def settle(
    pairs: Sequence[Pair], options: ReadOptions, *, jobs: int = 1, cluster: Cluster | None = None
) -> ReadOptions:
    """Say once for all pairs what their numbers mean; without a table that takes a look at each.

    Parameters
    ----------
    jobs, cluster
        As `map_cases` has them. What cannot be read says nothing here, and why when it is read.

    Raises
    ------
    OptionError
        If there is no such table.
    LabelError
        If the two sides do not speak of the same, or no file holds a label.
    """
    if options.organs is not None:
        return replace(options, labels=settle_labels((), (), named_table(options.organs)))
    found = [seen for _, seen in map_cases(_look, pairs, jobs=jobs, cluster=cluster)]
    looks = [seen for seen in found if not isinstance(seen, Failure)]
    if not looks:
        return options
    predicted = [seen for _, seen in looks if seen is not None]
    return replace(options, labels=settle_labels([seen for seen, _ in looks], predicted))


def _look(pair: Pair) -> tuple[Seen, Seen | None]:
    try:
        reference, predicted = _greys(pair)
    except MedprepError:
        if pair.predicted is None:
            raise
        return _look(replace(pair, predicted=None))
    return Seen.of(reference), None if predicted is None else Seen.of(predicted)


def read_pair(pair: Pair, options: ReadOptions = ReadOptions()) -> LabelPair:
    """Read a pair.

    Raises
    ------
    MedprepError
        `FormatError` or `DicomError` for a file that cannot be read; `LabelError` for numbers
        that mean nothing or slices that do not pair; `GeometryError` for grids that differ. It
        concerns this pair alone.
    """
    reference, predicted = _greys(pair)
    labels = options.labels
    notes: list[str] = []
    if labels is None:
        table = None if options.organs is None else named_table(options.organs)
        others = () if predicted is None else (Seen.of(predicted),)
        labels = settle_labels((Seen.of(reference),), others, table)
        notes += labels.notes
    grid = _slice_grid(pair, notes)
    ours = _side("reference", pair.reference, reference, labels, grid, notes)
    theirs = None
    if pair.predicted is not None and predicted is not None:
        if reference.sliced and predicted.sliced:
            _require_as_many(pair.reference, pair.predicted, notes)
        theirs = _side("prediction", pair.predicted, predicted, labels, grid, notes)
    array, geometry, known = _on_one_grid(ours, theirs, options, notes)
    known = known and (grid is None or grid.spacing_known or not reference.sliced)
    return LabelPair(ours.array, array, geometry, known, labels.names, labels.regions, tuple(notes))


@dataclass(frozen=True)
class _Side:
    """Labels of one side; no geometry: slices of which no DICOM says where they lie."""

    array: NDArray[Any]
    geometry: Geometry | None


@contextmanager
def _said_of(called: str) -> Iterator[None]:
    """Say in an error which of the two sides it is about."""
    try:
        yield
    except MedprepError as error:
        raise type(error)(f"{called}: {error.message}", path=error.path) from error


def _greys(pair: Pair) -> tuple[Grey, Grey | None]:
    theirs = () if pair.predicted is None else pair.predicted.files
    with at_hand((*pair.reference.files, *theirs)):
        with _said_of("reference"):
            reference = read_grey(pair.reference)
        if pair.predicted is None:
            return reference, None
        with _said_of("prediction"):
            return reference, read_grey(pair.predicted)


def _slice_grid(pair: Pair, notes: list[str]) -> SliceGrid | None:
    if not pair.sliced:
        return None
    if not pair.grid:
        if pair.grid_wanted:
            raise GeometryError(
                "the folder of --grid holds no series of this case; wanted is a folder of DICOM "
                "named as the reference's"
            )
        return None
    with _said_of("grid"):
        grid = read_slice_grid(pair.grid)
    notes += [f"grid: {one}" for one in grid.notes]
    return grid


def _side(
    called: str, place: Place, grey: Grey, labels: Labels, grid: SliceGrid | None, notes: list[str]
) -> _Side:
    with _said_of(called):
        array, more = labels.apply(grey, place.path)
        notes += [f"{called}: {one}" for one in (*grey.notes, *more)]
        if grey.geometry is not None or grid is None:
            return _Side(array, grey.geometry)
        if array.shape != grid.geometry.shape:
            slices, rows, columns = grid.geometry.shape
            raise LabelError(
                f"{_slices(place)} of {array.shape[1]} x {array.shape[2]} pixels for {slices} "
                f"DICOM slices of {rows} x {columns}; wanted is one for each slice",
                path=place.path,
            )
        # Pairs by name first, then sorted together by position.
        return _Side(array[list(grid.order)], grid.geometry)


def _require_as_many(reference: Place, predicted: Place, notes: list[str]) -> None:
    """Refuse stacks of slices that cannot be paired by their order."""
    if len(reference.files) != len(predicted.files):
        raise LabelError(
            f"the reference has {_slices(reference)}, the prediction {_slices(predicted)}; they "
            "pair by their order, so both must have as many",
            path=predicted.path,
        )
    jumps = [_jumps(place) for place in (reference, predicted)]
    if jumps[0] != jumps[1]:
        notes.append(
            f"slices pair by their order, but their numbers jump at other places: the reference "
            f"has {_slices(reference)}, the prediction {_slices(predicted)}"
        )


def _jumps(place: Place) -> list[int]:
    """Give after which slices the last number in the names takes another step than before."""
    found = [re.findall(r"\d+", path.stem) for path in place.files]
    if not all(found):
        return []
    steps = np.diff([int(one[-1]) for one in found])
    return [int(at) for at in np.flatnonzero(np.diff(steps))]


def _slices(place: Place) -> str:
    first, last = place.files[0].name, place.files[-1].name
    return f"{len(place.files)} slices ('{first}' to '{last}')" if first != last else f"'{first}'"


def _on_one_grid(
    ours: _Side, theirs: _Side | None, options: ReadOptions, notes: list[str]
) -> tuple[NDArray[Any] | None, Geometry, bool]:
    """Give the prediction on the reference's grid, that grid, and whether its mm are known."""
    grid = ours.geometry
    if theirs is not None and (grid is None) != (theirs.geometry is None):
        raise GeometryError(
            "one side is slices that state no place, the other a volume that does: give the DICOM "
            "they were drawn on, --grid DIR, or make both of one kind"
        )
    if grid is not None:
        if options.spacing_mm is not None:
            notes.append("--spacing is not used: the grid is known")
        if theirs is None or theirs.geometry is None:
            return None, grid, True
        array, more = onto(theirs.array, theirs.geometry, grid, resample=options.resample)
        notes += more
        return array, grid, True
    if theirs is not None and theirs.array.shape != ours.array.shape:
        raise GeometryError(
            f"the prediction's slices are {theirs.array.shape[1]} x {theirs.array.shape[2]} "
            f"pixels, the reference's {ours.array.shape[1]} x {ours.array.shape[2]}"
        )
    plain = Geometry.from_parts(ours.array.shape, options.spacing_mm or (1.0, 1.0, 1.0))
    return None if theirs is None else theirs.array, plain, options.spacing_mm is not None
