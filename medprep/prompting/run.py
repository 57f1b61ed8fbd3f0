"""Mark organs in one scan and write one label map on its grid."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medprep.errors import FormatError, LabelError, MedprepError, WriteError
from medprep.files import AtomicFiles, json_bytes, read_option_file
from medprep.formats import nifti
from medprep.inference.prompts.points import (
    Point,
    Prompt,
    centroids,
    read_prompts,
    require_inside,
    to_lps,
    told,
)
from medprep.models.prompts.clicks import official_draw
from medprep.models.prompts.framing import official_back, official_frame, require_volume
from medprep.models.published import contamination
from medprep.places.paths import path_of
from medprep.prompting.options import Organ, Outcome, Prompting
from medprep.prompting.reading import Scan, read_labels, read_scan
from medprep.prompting.weights import load_net, require_weights, spacing_of
from medprep.version import VERSION
from medprep.volume import LabelMap, Volume

if TYPE_CHECKING:
    from medprep.inference.prompts.tiling import PromptedVolume

_NAME = "organ"
"""Of what --point marks."""

Result = tuple[NDArray[Any], list[Organ]]


def prompt(options: Prompting, *, overwrite: bool = False, dry_run: bool = False) -> Outcome:
    """Mark what points tell of.

    Parameters
    ----------
    options
        What and how.
    overwrite
        Replace what is at the output.
    dry_run
        Read the scan and place the points, no more; clicks are not simulated.

    Raises
    ------
    OptionError
        If a point lies outside the scan, or the prompts cannot be read.
    CheckpointError
        If there are no weights, or not of a SAM-Med3D.
    SourceError, DicomError, FormatError, GeometryError, LabelError
        If the scan or the labels cannot be used, or no organ could be marked.
    WriteError
        If the output is there already, or cannot be written.
    """
    if not (overwrite or dry_run):
        _require_free(options)
    if not dry_run:
        require_weights(options.checkpoint)
    scan = read_scan(path_of(options.source))
    require_volume(scan.volume)
    asked, reference = _asked(options, scan)
    if dry_run:
        planned = [Organ(one.name, one.value, _told(one.points, scan.volume)) for one in asked]
        return Outcome(options.output, tuple(planned), scan.notes)
    array, organs, notes = _mark(options, scan.volume, asked, reference)
    outcome = Outcome(options.output, tuple(organs), (*scan.notes, *notes), "".join(notes))
    _write(options, outcome, scan.volume.label(array, {one.label: one.name for one in organs}))
    return outcome


def _require_free(options: Prompting) -> None:
    for path in (Path(options.output), options.sidecar):
        if path.exists():
            raise WriteError("it is there already; say --overwrite or another --output", path=path)


def _asked(options: Prompting, scan: Scan) -> tuple[list[Prompt], LabelMap | None]:
    """Give the points, placed and checked; or the reference that they are to come from."""
    grid, space = scan.volume.geometry, options.space or scan.space
    if options.from_reference is not None:
        return [], read_labels(Path(options.from_reference), scan.volume)
    if options.clicks_from is not None:
        asked = centroids(read_labels(Path(options.clicks_from), scan.volume))
    elif options.prompts is not None:
        asked = read_prompts(read_option_file(options.prompts, "the prompts"), space, grid)
    else:
        both = ((options.points, True), (options.negative, False))
        points = [Point(to_lps(one, space, grid), kind) for given, kind in both for one in given]
        asked = [Prompt(_NAME, 1, tuple(points))]
    for one in asked:
        for point in one.points:
            require_inside(point, grid, space)
    return asked, None


def _mark(
    options: Prompting, volume: Volume, asked: Sequence[Prompt], reference: LabelMap | None
) -> tuple[NDArray[Any], list[Organ], tuple[str, ...]]:
    """Mark all organs, and give what is to be said of the weights."""
    # First: it says how threads wait, which torch asks once.
    from medprep.models.backend import choose_device, make_repeatable

    from medprep.inference.prompts.tiling import PromptedVolume  # isort: skip

    make_repeatable()
    device = choose_device("auto")
    net, record = load_net(require_weights(options.checkpoint), device)
    prompted = PromptedVolume(net, volume, device, spacing_of(record))
    notes = tuple(filter(None, [contamination(record)]))
    if reference is None:
        given = {one.value: one for one in asked}
        names = {value: one.name for value, one in given.items()}
        return *_by_points(prompted, names, lambda value: given[value].points), notes
    values = [int(one) for one in np.unique(reference.array) if one]
    names = {value: f"label_{value}" for value in values}
    if options.crop == "official":
        return *_official(prompted, names, reference, options), notes
    draw = official_draw()

    def points_of(value: int) -> Sequence[Point]:
        mask = reference.array == value
        return prompted.simulate(mask, options.clicks, options.strategy, draw)

    return *_by_points(prompted, names, points_of), notes


def _by_points(
    prompted: PromptedVolume, names: Mapping[int, str], points_of: Callable[[int], Sequence[Point]]
) -> Result:
    """Mark each organ by its points; one that cannot be marked does not stop the others."""
    from medprep.inference.prompts.painting import paint

    marks, points = {}, {}
    failed: dict[int, MedprepError] = {}
    for value in names:
        try:
            points[value] = points_of(value)
            marks[value] = prompted.mark(points[value])
        except (FormatError, LabelError) as error:
            failed[value] = error
    _require_any(marks, failed)
    array = paint(marks, prompted.volume.geometry)
    organs = []
    for value, name in names.items():
        told = _told(points.get(value, ()), prompted.volume)
        one = marks.get(value)
        windows, cut = (one.windows, one.cut) if one is not None else (0, False)
        failure = str(failed[value]) if value in failed else None
        organs.append(
            Organ(name, value, told, *_size(array, value, prompted), windows, cut, failure)
        )
    return array, organs


def _official(
    prompted: PromptedVolume, names: Mapping[int, str], reference: LabelMap, options: Prompting
) -> Result:
    """Mark each label as the authors' inference does: later ones paint over earlier ones."""
    from medprep.inference.prompts.segment import simulate

    volume, segmenter, draw = prompted.volume, prompted.segmenter, official_draw()
    array = np.zeros_like(reference.array)
    points: dict[int, list[Point]] = {}
    failed: dict[int, MedprepError] = {}
    for value in names:
        try:
            mask = reference.array == value
            seen = official_frame(volume, mask, segmenter.side, prompted.spacing_mm)
        except (FormatError, LabelError) as error:
            failed[value] = error
            continue
        embedding = segmenter.embed(seen.picture)
        rounds = list(
            simulate(segmenter, embedding, seen.mask, options.clicks, options.strategy, draw)
        )
        array[official_back(rounds[-1].mask, seen.geometry, volume.geometry)] = value
        points[value] = [
            Point(_place(seen.geometry.affine[:3] @ [*one.click.place, 1]), one.click.positive)
            for one in rounds
        ]
    _require_any(points, failed)
    organs = [
        Organ(
            name, value, _told(points.get(value, ()), volume), *_size(array, value, prompted),
            int(value in points), False, str(failed[value]) if value in failed else None,
        )
        for value, name in names.items()
    ]  # fmt: skip
    return array, organs


def _require_any(done: Mapping[int, Any], failed: Mapping[int, MedprepError]) -> None:
    if not done:
        raise next(iter(failed.values()))


def _told(points: Sequence[Point], volume: Volume) -> tuple[dict[str, Any], ...]:
    return tuple(told(point, volume) for point in points)


def _size(array: NDArray[Any], value: int, prompted: PromptedVolume) -> tuple[int, float]:
    voxels = int(np.count_nonzero(array == value))
    return voxels, round(voxels * prompted.volume.geometry.voxel_ml, 3)


def _place(numbers: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = numbers
    return float(x), float(y), float(z)


def _write(options: Prompting, outcome: Outcome, labels: LabelMap) -> None:
    """Write the label map, and beside it what its numbers mean and how it came about."""
    record = {
        "labels": {str(value): name for value, name in labels.names.items()},
        "organs": outcome.to_dict()["organs"],
        "crop": options.crop,
        "notes": list(outcome.notes),
        "contamination": outcome.contamination,
        "medprep": VERSION,
    }
    with AtomicFiles() as files:
        nifti.write(files.file(Path(options.output)), labels)
        files.file(options.sidecar).write_bytes(json_bytes(record))
