"""nnU-Net v2's raw form, as its ``documentation/dataset_format.md`` has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from medprep.exports.gather import NIFTI, FileJob, Gathered, side_note
from medprep.exports.planned import Planned
from medprep.version import VERSION

_CHANNEL = {"CT": "CT", "MR": "MRI", "": "picture"}
"""nnU-Net clips and scales a channel named "CT" by the whole set, any other by each picture."""
SPLITS = "splits_final.json"


def plan_nnunet(found: Gathered, number: int, title: str) -> Planned:
    """Say which files make the data set."""
    folder = f"Dataset{number:03d}_{title}"
    jobs = []
    for case in found.cases:
        which = "Tr" if case.trains else "Ts"
        jobs.append(FileJob(case.image, f"images{which}/{case.case}_0000{NIFTI}"))
        if case.labels is not None:
            jobs.append(case.label_job(f"labels{which}/{case.case}{NIFTI}"))
    documents: dict[str, Any] = {"dataset.json": _description(found, title)}
    splits = _splits(found)
    notes = [*found.notes, *_channel_notes(found), *side_note(found.names)]
    if all(one["train"] and one["val"] for one in splits):
        documents[SPLITS] = splits
        notes.append(
            f"copy {SPLITS} to nnUNet_preprocessed/{folder}/ before you train, and train its "
            f"{len(splits)} folds only: else nnU-Net deals the cases itself and may part a patient"
        )
    else:
        notes.append(
            f"no {SPLITS}: a fold has nobody to validate with; nnU-Net deals the cases itself and "
            "may part a patient"
        )
    return Planned(folder, tuple(jobs), documents, tuple(notes))


def _description(found: Gathered, title: str) -> dict[str, Any]:
    labels, order = labels_and_order(found.names, found.regions)
    regions = {"regions_class_order": order} if found.regions else {}
    return {
        "channel_names": {"0": _CHANNEL.get(found.modality, found.modality)},
        "labels": labels,
        **regions,
        "numTraining": len(found.training),
        "file_ending": NIFTI,
        "name": title,
        "description": f"written by medprep {VERSION}",
    }


def labels_and_order(
    names: Mapping[int, str], regions: Mapping[str, tuple[str, ...]]
) -> tuple[dict[str, Any], list[int]]:
    """Give nnU-Net's ``labels`` and ``regions_class_order``.

    nnU-Net paints one region over the other in their order, so the large ones come first and
    single labels last: what a region alone covers bears its first label.

    Parameters
    ----------
    names
        Label value to organ.
    regions
        Region to organs.

    Returns
    -------
    dict
        Name to value, or to the list of values of a region.
    list of int
        The label to paint for each entry behind the background.
    """
    values = {name: value for value, name in names.items()}
    sets = {name: sorted(values[one] for one in members) for name, members in regions.items()}
    large_first = sorted(sets, key=lambda name: (-len(sets[name]), name))
    labels: dict[str, Any] = {"background": 0}
    labels.update({name: sets[name] for name in large_first})
    labels.update({names[value]: value for value in sorted(names)})
    return labels, [sets[name][0] for name in large_first] + sorted(names)


def _channel_notes(found: Gathered) -> list[str]:
    if found.modality:
        return []
    return [
        "nobody knows the modality: the channel is named 'picture' and scaled picture by picture; "
        'if it is CT, write "CT" into channel_names of dataset.json'
    ]


def _splits(found: Gathered) -> list[dict[str, list[str]]]:
    return [
        {
            fold: [case.case for case in found.training if case.roles[number] == fold]
            for fold in ("train", "val")
        }
        for number in range(found.folds)
    ]
