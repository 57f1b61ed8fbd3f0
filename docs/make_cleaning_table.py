"""Print the table of ``docs/cleaning.md``: which rule drops which organ in how many cases.

    python docs/make_cleaning_table.py FOLDER [NAME ...]

FOLDER holds label maps ``label_*.nii.gz``; the names are those of the labels 1, 2, ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from medprep.formats import nifti
from medprep.labels.audit import AuditRow
from medprep.labels.cleaning import judge
from medprep.labels.rules import Rules

CHAOS = ("liver", "right_kidney", "left_kidney", "spleen")
PAPER = Rules.preset("sam-med3d")
RULES = {
    "a picture under 1 ml or 15 mm": Rules(
        min_case_ml=PAPER.min_case_ml, min_case_side_mm=PAPER.min_case_side_mm
    ),
    "a mask under 1 ml or 15 mm": Rules(min_ml=1, min_side_mm=15),
    "background over 99%": Rules(max_background_percent=PAPER.max_background_percent),
    "`sam-med3d`": replace(PAPER, split_pairs=False),  # the kidneys have a label each
}


def judged(folder: Path, names: dict[int, str], rules: Rules) -> Iterator[AuditRow]:
    """Yield the rows of all cases."""
    for path in sorted(folder.glob("label_*.nii.gz")):
        labels = nifti.read_label_map(path)
        yield from judge(labels.array, labels.geometry, names, rules)


def main() -> None:
    """Print the table in Markdown."""
    folder, given = Path(sys.argv[1]), tuple(sys.argv[2:]) or CHAOS
    names = dict(enumerate(given, 1))
    results = {rule: list(judged(folder, names, rules)) for rule, rules in RULES.items()}
    lines = [["organ", "cases", "ml", *RULES], ["---"] * (3 + len(RULES))]
    for name in given:
        found = [row for row in results["background over 99%"] if row.name == name and row.before]
        volumes = [row.before_ml for row in found if row.before_ml is not None]
        dropped = [
            str(sum(row.dropped for row in rows if row.name == name)) for rows in results.values()
        ]
        span = f"{min(volumes):.0f}-{max(volumes):.0f}" if volumes else ""
        lines.append([name, str(len(found)), span, *dropped])
    sys.stdout.write("\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n")


if __name__ == "__main__":
    main()
