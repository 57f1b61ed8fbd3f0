"""What is known of weights that others published: where they are, what they have seen. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PUBLISHED = {
    "sam-med3d": (
        "sam_med3d_turbo.pth at Hugging Face, blueyo0/SAM-Med3D: look there for the licence of the "
        "weights, that of the code (Apache-2.0) need not be theirs. They were trained on 44 public "
        "data sets, among them CHAOS, AMOS, LiTS, KiTS, WORD and TotalSegmentator: a score on "
        "those tells nothing of unseen data"
    ),
}
"""Where weights are published; medprep downloads none."""

CONTAMINATION = (
    "these weights were not trained here. The published ones have seen 44 sets, CHAOS_Task_4, "
    "AMOS, LiTS, KiTS, WORD, TotalSegmentator and MSD among them: a score on one of those says "
    "nothing of new patients"
)

_SEEN = {"chaos-": "CHAOS_Task_4"}
"""How presets of `medprep.sources` begin whose patients the published weights have seen."""


def is_foreign(record: Mapping[str, Any]) -> bool:
    """Tell whether a file's record says that its weights, or those it began from, are others'."""
    return "imported" in record or bool((record.get("began_from") or {}).get("foreign"))


def contamination(record: Mapping[str, Any], preset: str | None = None) -> str:
    """Give what is to be said beside every score of a net; empty for nothing.

    Parameters
    ----------
    record
        Of its file.
    preset
        Of the data that it is scored on; None where they are not known.
    """
    if not is_foreign(record):
        return ""
    began = record.get("began_from") or {}
    if not began and preset is None:
        return CONTAMINATION
    what = f"THE WEIGHTS BEGAN WITH {began['file']}" if began else "THE WEIGHTS WERE IMPORTED"
    seen = next((name for start, name in _SEEN.items() if (preset or "").startswith(start)), None)
    if seen is not None:
        return (
            f"{what}; the published ones of sam-med3d were trained on {seen}, these patients among "
            "them: this is no score of new patients"
        )
    return (
        f"{what}; the published ones of sam-med3d were trained on 44 sets (CHAOS, AMOS, LiTS, "
        "KiTS, WORD, TotalSegmentator, MSD ...): see whether these patients are of one of them "
        "(docs/models.md lists all), then this is no score of new patients"
    )
