"""Every error medprep raises on purpose.

::

    MedprepError
    ├── OptionError       (ValueError)    option        an option's value cannot be used
    │   └── OrderError                    order         stages in an order that cannot work
    ├── SourceError       (OSError)       source        the data set is missing or unknown
    │   └── AccessError                   access        a place behind a URL lets nobody in
    ├── DicomError        (ValueError)    dicom         a DICOM file or series cannot be used
    ├── FormatError       (ValueError)    format        a NIfTI, PNG or JSON file cannot be used
    ├── GeometryError     (ValueError)    geometry      two grids differ, or a grid is impossible
    ├── LabelError        (ValueError)    label         a mask does not fit its picture or its table
    │   ├── UnmappedError                 unmapped      a grey level lies in no organ's range
    │   └── AlignmentError                alignment     a mask does not sit on its picture
    ├── SplitError        (ValueError)    split         patients cannot be put into folds as asked
    │   └── LeakError                     leak          a picture stands in two folds
    ├── WorkspaceError    (OSError)       workspace     the workspace cannot be used
    │   ├── LockedError                   locked        another process works in it
    │   ├── NewerError                    newer         it was written by a newer medprep
    │   └── OtherDataError                other-data    it holds another data set
    ├── TrainingError     (RuntimeError)  training      a model cannot be trained
    ├── CheckpointError   (ValueError)    checkpoint    a file holds no weights we can use
    ├── WorkerError       (RuntimeError)  worker        a worker process died
    │   └── SchedulerError                scheduler     a Dask cluster cannot do the work
    ├── WriteError        (OSError)       write         a file cannot be written
    ├── LibraryError      (ImportError)   library       a needed library cannot be loaded
    └── NothingDoneError                  nothing-done  no case came through

``code`` never changes between releases, so scripts may rely on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class MedprepError(Exception):
    """What went wrong, in one line that says what was found, what was wanted and what to do.

    Parameters
    ----------
    message
        The public part: case ids and slice numbers, never a path of the source.
    path
        The file it is about. Shown on the terminal, kept out of tables and reports, because
        paths of a source can hold a patient's name.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else str(path)
        self.stage: str | None = None
        """Where in the chain it happened, as ``3/7 extract``; set by the pipeline."""

    def to_dict(self) -> dict[str, str | None]:
        """Give it for programs; without the path, as everything that may be passed on."""
        return {"code": self.code, "stage": self.stage, "message": self.message}

    def __str__(self) -> str:
        return self.message if self.path is None else f"{self.message} [{self.path}]"


class OptionError(MedprepError, ValueError):
    """An option's value cannot be used."""

    code = "option"
    exit_code = 2


class OrderError(OptionError):
    """Stages stand in an order that cannot work."""

    code = "order"


class SourceError(MedprepError, OSError):
    """The data set is missing, empty, or of no kind medprep knows."""

    code = "source"


class AccessError(SourceError):
    """A place behind a URL lets nobody in: no credentials, expired ones, no right, no answer."""

    code = "access"

    def __init__(self, message: str, *, path: Path | str | None = None) -> None:
        super().__init__(message, path=path)
        # For whoever takes it for any other OSError.
        self.strerror, self.filename = message, self.path


class DicomError(MedprepError, ValueError):
    """A DICOM file or series cannot be used."""

    code = "dicom"


class FormatError(MedprepError, ValueError):
    """A NIfTI, PNG or JSON file cannot be used."""

    code = "format"


class GeometryError(MedprepError, ValueError):
    """Two grids that must agree differ, or a grid is impossible."""

    code = "geometry"


class LabelError(MedprepError, ValueError):
    """A mask does not fit its picture or its table of organs."""

    code = "label"


class UnmappedError(LabelError):
    """A grey level lies in no organ's range."""

    code = "unmapped"


class AlignmentError(LabelError):
    """A mask does not sit on its picture."""

    code = "alignment"


class SplitError(MedprepError, ValueError):
    """Patients cannot be put into folds as asked."""

    code = "split"


class LeakError(SplitError):
    """The same patient or picture stands in two folds."""

    code = "leak"


class WorkspaceError(MedprepError, OSError):
    """The workspace cannot be used."""

    code = "workspace"


class LockedError(WorkspaceError):
    """Another process works in the workspace."""

    code = "locked"


class NewerError(WorkspaceError):
    """The workspace was written by a newer medprep."""

    code = "newer"


class OtherDataError(WorkspaceError):
    """The workspace holds another data set."""

    code = "other-data"


class TrainingError(MedprepError, RuntimeError):
    """A model cannot be trained."""

    code = "training"


class CheckpointError(MedprepError, ValueError):
    """A file holds no weights we can use."""

    code = "checkpoint"


class WorkerError(MedprepError, RuntimeError):
    """A worker process died."""

    code = "worker"


class SchedulerError(WorkerError):
    """A Dask scheduler does not answer, or its workers cannot do the work."""

    code = "scheduler"


class WriteError(MedprepError, OSError):
    """A file cannot be written."""

    code = "write"


class LibraryError(MedprepError, ImportError):
    """A needed library cannot be loaded."""

    code = "library"


class NothingDoneError(MedprepError):
    """No case came through."""

    code = "nothing-done"
