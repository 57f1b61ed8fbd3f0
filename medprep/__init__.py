"""medprep: from a folder of DICOM with organ masks to a trained model and a Dice to trust.

Every command is a function of the same name::

    import medprep

    medprep.split("CHAOS/", workspace="work")
    medprep.extract(organ=["liver"], workspace="work")
    medprep.train(workspace="work")
    print(medprep.dice(workspace="work").summaries[-1].facts)

Importing medprep loads nothing else; each function loads what it needs when it is called.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medprep.api import (
        augment,
        check,
        clean,
        convert,
        dice,
        evaluate,
        export,
        extract,
        extract_liver,
        predict,
        report,
        split,
        train,
    )
    from medprep.errors import MedprepError
    from medprep.outside import (
        convert_tree,
        deidentify,
        evaluate_folders,
        predict_folder,
        sample_data,
        scan,
    )
    from medprep.overview import status

_HOMES = {
    **dict.fromkeys(
        (
            "split", "convert", "extract", "extract_liver", "clean", "check", "augment", "train",
            "predict", "dice", "evaluate", "report", "export",
        ),
        "medprep.api",
    ),
    **dict.fromkeys(
        (
            "scan", "convert_tree", "deidentify", "evaluate_folders", "predict_folder",
            "sample_data",
        ),
        "medprep.outside",
    ),
    "MedprepError": "medprep.errors",
    "status": "medprep.overview",
}  # fmt: skip

__all__ = [
    "MedprepError",
    "augment",
    "check",
    "clean",
    "convert",
    "convert_tree",
    "deidentify",
    "dice",
    "evaluate",
    "evaluate_folders",
    "export",
    "extract",
    "extract_liver",
    "predict",
    "predict_folder",
    "report",
    "sample_data",
    "scan",
    "split",
    "status",
    "train",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'medprep' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
