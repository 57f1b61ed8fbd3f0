"""The account of a cleaning: which rule took or gave how many voxels of which organ, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

RuleName = Literal[
    "case",
    "split",
    "smooth",
    "keep",
    "min-piece",
    "holes",
    "min-volume",
    "min-side",
    "background",
    "none",
]
"""The rules in their order; ``"none"`` stands in the one row of an organ that no rule looked at."""


@dataclass(frozen=True)
class AuditRow:
    """What one rule did to one organ: ``before - removed + added == after``, in voxels.

    The rows of a label follow each other: what is ``after`` in one is ``before`` in the next.

    Parameters
    ----------
    label, name
        Which organ.
    rule
        Which rule.
    before, removed, added, after
        Voxels. What goes from one organ to another is removed there and added here.
    before_ml, after_ml
        The same as volumes; None where the spacing is unknown.
    dropped
        Whether this rule took the last voxel.
    reason
        What it saw, for a person.
    """

    label: int
    name: str
    rule: RuleName
    before: int
    removed: int
    added: int
    after: int
    before_ml: float | None
    after_ml: float | None
    dropped: bool
    reason: str


class Audit:
    """Gathers the rows of one label map.

    Parameters
    ----------
    voxels
        Voxels of each label.
    names
        Label value to name.
    voxel_ml
        Volume of a voxel, or None.

    Attributes
    ----------
    only_changes
        Whether what changes no voxel goes without a row: later rounds tell nothing new.
    """

    def __init__(
        self, voxels: Mapping[int, int], names: Mapping[int, str], voxel_ml: float | None
    ) -> None:
        self.voxels = {label: voxels.get(label, 0) for label in sorted(names)}
        self.names, self.voxel_ml = names, voxel_ml
        self.only_changes = False
        self._rows: list[AuditRow] = []

    @property
    def left(self) -> list[int]:
        """The labels of which there are voxels."""
        return [label for label, count in self.voxels.items() if count]

    def note(
        self,
        rule: RuleName,
        reasons: Mapping[int, str],
        removed: Mapping[int, int] | None = None,
        added: Mapping[int, int] | None = None,
    ) -> None:
        """Take down what a rule did to the labels that it gives a reason for."""
        for label, reason in sorted(reasons.items()):
            before = self.voxels[label]
            lost, won = (removed or {}).get(label, 0), (added or {}).get(label, 0)
            if self.only_changes and not (lost or won):
                continue
            after = self.voxels[label] = before - lost + won
            # What is parted lives on under other names.
            dropped = bool(before) and not after and rule != "split"
            before_ml, after_ml = self._ml(before), self._ml(after)
            self._rows.append(
                AuditRow(
                    label=label,
                    name=self.names[label],
                    rule=rule,
                    before=before,
                    removed=lost,
                    added=won,
                    after=after,
                    before_ml=before_ml,
                    after_ml=after_ml,
                    dropped=dropped,
                    reason=reason,
                )
            )

    def rows(self) -> list[AuditRow]:
        """Give all rows by label, then in order; a label that no rule looked at has one too."""
        self.only_changes = False
        seen = {row.label for row in self._rows}
        self.note(
            "none",
            {
                label: "no rule" if count else "no voxel"
                for label, count in self.voxels.items()
                if label not in seen
            },
        )
        return sorted(self._rows, key=lambda row: row.label)

    def _ml(self, voxels: int) -> float | None:
        return None if self.voxel_ml is None else voxels * self.voxel_ml


def lost_organs(cases: Iterable[Sequence[AuditRow]]) -> tuple[str, ...]:
    """Give the organs of which the rules drop every mask.

    Parameters
    ----------
    cases
        The rows of each case.

    Returns
    -------
    tuple of str
        By their first mention. An organ without a voxel in any case is none of them.
    """
    lost: dict[str, bool] = {}
    for rows in cases:
        after = {row.name: row.after for row in rows}
        dropped = {row.name for row in rows if row.dropped}
        for name, voxels in after.items():
            if voxels or name in dropped:
                lost[name] = lost.get(name, True) and not voxels
    return tuple(name for name, every in lost.items() if every)
