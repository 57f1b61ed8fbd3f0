"""What a person reads of a training that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from medprep.stages.augment import about_flips
from medprep.stages.train_cases import Cases

if TYPE_CHECKING:
    from medprep.training.online import Online
    from medprep.training.options import TrainingResult


def told(cases: Cases, result: TrainingResult, online: Online | None) -> list[str]:
    """Give it line by line."""
    used = result.resolved
    lines = [
        f"{used['model']}, width {used['width']}, {result.parameters:,} parameters, "
        f"{len(cases.names)} organs, on {used['device']}",
        _work(cases, result),
        f"kept: {result.choice}"
        + ("" if result.validation_dice is None else f" ({result.validation_dice:.4f})"),
    ]
    if cases.passed_over:
        lines.append(
            f"augmented slices of {len(cases.passed_over)} cases are of no use to a net for "
            "volumes and were left out (augment --dimensions 3 makes volumes)"
        )
    if cases.missing:
        lines.append(f"without labels because they failed before: {', '.join(cases.missing)}")
    if not result.repeatable:
        lines.append("this run cannot be repeated to the last digit (a clock or a GPU)")
    if online is not None and cases.across(online.recipe):
        organs, off = cases.names.values(), online.mirror is None
        lines.extend(about_flips(organs if off else (), () if off else organs))
    return lines


def _work(cases: Cases, result: TrainingResult) -> str:
    """Say what was shown how often."""
    used = result.resolved
    pieces, wholes = ("slices", "slices") if len(used["patch"]) == 2 else ("patches", "volumes")
    batch = (
        f"{used['batch_size']}"
        if used["accumulate"] == 1
        else (f"{used['accumulate']} times {used['batch_size']}")
    )
    sides = " x ".join(map(str, used["patch"]))
    changed = used["augment"]
    return (
        f"{result.steps} steps of {batch} {pieces} of {sides}, from {result.slices} {wholes} of "
        f"{len(cases.train)} cases and {result.augmented_slices} augmented ones"
        + ("" if changed == "none" else f", changed as they are shown ({changed})")
        + ("" if used["recipe"] == "default" else f", {used['recipe']} recipe")
    )
