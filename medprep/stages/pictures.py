"""Where a case's picture is in the source, and how it is read there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medprep.dicom.stacks import Policy
from medprep.sources.base import Reader
from medprep.sources.detect import Picture, read_picture
from medprep.workspace.database import CaseRow
from medprep.workspace.ledger import LedgerFile, at_hand
from medprep.workspace.workspace import Workspace


@dataclass(frozen=True)
class SourcePicture:
    """A case's picture files; small enough to be handed to another process.

    Parameters
    ----------
    reader, modality, sequence
        As `medprep.sources.base.SourceCase` has them.
    files
        In the order of their names, with what `split` saw of them.
    """

    reader: Reader
    modality: str
    sequence: str
    files: tuple[LedgerFile, ...]

    @classmethod
    def of(cls, workspace: Workspace, row: CaseRow) -> SourcePicture:
        """Find the files of a case."""
        reader: Reader = row.reader  # type: ignore[assignment]
        files = tuple(workspace.ledger.files(row.name, "picture"))
        return cls(reader, row.modality, row.sequence, files)

    def read(self, policy: Policy) -> Picture:
        """Read it, once its files are seen to be those that `split` saw."""
        with at_hand(self.files) as paths:
            return read_picture(
                self.reader, paths, self.modality, sequence=self.sequence, policy=policy
            )


def is_inverted(image: Mapping[str, Any]) -> bool:
    """Tell from the facts of a conversion whether its 8-bit slices show low numbers bright."""
    # Where nobody recorded it yet, the note of a MONOCHROME1 series is what is known.
    noted = any(one.startswith("MONOCHROME1") for one in image["notes"])
    return image["scale16"] is None and bool(image.get("inverted", noted))
