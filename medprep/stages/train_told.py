"""What a person reads of a training that has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medprep.reporting.text import counted
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
        f"{counted(len(cases.names), 'organ')}, on {used['device']}",
        _work(cases, result),
        f"kept: {result.choice}"
        + ("" if result.validation_dice is None else f" ({result.validation_dice:.4f})"),
    ]
    if result.began_from is not None:
        lines.append(_began(result.began_from))
    if cases.passed_over:
        lines.append(
            f"augmented slices of {counted(len(cases.passed_over), 'case')} are of no use to a net "
            "for volumes and were left out (augment --dimensions 3 makes volumes)"
        )
    if cases.missing:
        lines.append(f"without labels because they failed before: {', '.join(cases.missing)}")
    if not result.repeatable:
        lines.append("this run cannot be repeated to the last digit (a clock or a GPU)")
    if online is not None and cases.across(online.recipe):
        organs, off = cases.names.values(), online.mirror is None
        lines.extend(about_flips(organs if off else (), () if off else organs))
    return lines


def _began(began: dict[str, Any]) -> str:
    if "taken" not in began:
        return f"begun with the weights of {began['file']}"
    from medprep.models.transplant import told_of

    return told_of(began)


def _work(cases: Cases, result: TrainingResult) -> str:
    """Say what was shown how often."""
    used = result.resolved
    pieces, wholes = ("slices", "slices") if len(used["patch"]) == 2 else ("patches", "volumes")
    if "clicks" in used:
        pieces, wholes = "cubes", "organs"
    batch = (
        f"{used['batch_size']}"
        if used["accumulate"] == 1
        else (f"{used['accumulate']} times {used['batch_size']}")
    )
    sides = " x ".join(map(str, used["patch"]))
    if "clicks" in used:
        sides += f" voxels of {used['spacing_mm']:g} mm, {counted(used['clicks'], 'answer')} each"
    elif used.get("spacing_mm"):
        sides += f" voxels of {' x '.join(f'{step:.4g}' for step in used['spacing_mm'])} mm"
    changed = used["augment"]
    return (
        f"{counted(result.steps, 'step')} of {batch} {pieces} of {sides}, from {result.slices} "
        f"{wholes} of {counted(len(cases.train), 'case')} and {result.augmented_slices} augmented "
        "ones"
        + ("" if changed == "none" else f", changed as they are shown ({changed})")
        + ("" if used["recipe"] == "default" else f", {used['recipe']} recipe")
    )
