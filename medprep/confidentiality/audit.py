"""What may be told of a de-identification: counts of actions, never a value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medprep.confidentiality.table import EDITION, Profile
from medprep.confidentiality.write import Written
from medprep.files import csv_bytes, json_bytes, write_bytes
from medprep.version import VERSION

AUDIT, SUSPECTED, SUMMARY = "audit.csv", "suspected.csv", "deidentification.json"


def write_audit(
    output: Path, written: Sequence[Written], facts: dict[str, Any], profile: Profile
) -> None:
    """Write three files beside the DICOM: each tag's actions, suspected pictures, what was done."""
    counted = Counter(row for one in written for row in one.account)
    rows = [(*row, count) for row, count in sorted(counted.items())]
    write_bytes(output / AUDIT, csv_bytes(("tag", "keyword", "action", "why", "files"), rows))
    doubted = sorted((one.name, "; ".join(one.suspected)) for one in written if one.suspected)
    write_bytes(output / SUSPECTED, csv_bytes(("file", "why"), doubted))
    record = {
        "medprep": VERSION,
        "profile": "Basic Application Level Confidentiality Profile",
        "standard": f"DICOM PS3.15 {EDITION} Annex E",
        "codes": [{"value": value, "meaning": meaning} for value, meaning in profile.codes],
        "options": facts,
        "files": len(written),
        "patients": len({one.pseudonym for one in written}),
        "pictures_suspected_of_text": len(doubted),
        "caution": "who has the key, or knows more from elsewhere, may find people again",
    }
    write_bytes(output / SUMMARY, json_bytes(record))
