"""One file: read it, apply the profile, write it under a name that tells nothing."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medprep.confidentiality.clean import Account, Cleaner
from medprep.confidentiality.elements import dummy_of, texts_of, vr_of
from medprep.confidentiality.identity import Identity, words_that_name
from medprep.confidentiality.pictures import strip
from medprep.confidentiality.secrets import days_earlier, file_name
from medprep.confidentiality.suspicions import suspicions
from medprep.confidentiality.table import EDITION, Profile
from medprep.confidentiality.words import tells_term
from medprep.dicom.blobs import Blob
from medprep.dicom.headers import patient_of
from medprep.dicom.names import pseudonym
from medprep.dicom.roles import role_of
from medprep.dicom.tags import EXPLICIT, IMPLICIT, NoDicomError, read_tags
from medprep.errors import DicomError
from medprep.files import AtomicFiles
from medprep.version import VERSION

DICOMDIR = "DICOMDIR"
STRANGER = ""
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_BULK = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_STUDY_DIGITS, _SERIES_DIGITS, _FILE_DIGITS = 8, 8, 16
_SHORTEST_TRACE = 4
_METHOD = (f"medprep {VERSION}", f"DICOM PS3.15 {EDITION} Annex E", "Basic Profile and options")


@dataclass(frozen=True, slots=True)
class FileJob:
    """One file to write.

    Parameters
    ----------
    blob
        The file.
    inside
        Its path below the source; private.
    output
        Folder of all files.
    profile
        What to do.
    key
        Of pseudonyms.
    """

    blob: Blob
    inside: str
    output: str
    profile: Profile
    key: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a file.

    Parameters
    ----------
    role
        `STRANGER` for what is no DICOM and `DICOMDIR` for an index; neither is written.
    name
        Path below the output.
    pseudonym
        Of the patient.
    days
        By which dates moved.
    identity
        Private.
    account
        What was done to each element, in order.
    suspected
        Why text may be in the picture.
    """

    role: str
    name: str = ""
    pseudonym: str = ""
    days: int = 0
    identity: Identity | None = None
    account: tuple[Account, ...] = ()
    suspected: tuple[str, ...] = ()


def write_file(job: FileJob) -> Written:
    """Write what a file may say; nothing is written where that is not sure.

    Raises
    ------
    DicomError
        If it cannot be read, or not be written safely.
    """
    try:
        tags = read_tags(job.blob).tags
    except NoDicomError:
        return Written(STRANGER)
    if role_of(tags) == DICOMDIR:
        return Written(DICOMDIR)
    with _tolerant():
        try:
            return _write(job, patient_of(tags))
        except (DicomError, OSError):
            raise
        except (Exception, RecursionError) as error:  # pydicom raises many kinds on odd files
            # Its text may hold a value, and values may not come out.
            raise DicomError(
                f"cannot be written safely ({type(error).__name__}); mend the file or leave it out",
                path=str(job.blob),
            ) from error


def _write(job: FileJob, patient: str) -> Written:
    dataset = _read(job.blob)
    identity = _identity(dataset, patient, job.blob)
    suspected = suspicions(dataset)
    days = days_earlier(patient, job.key) if job.profile.shift_dates else 0
    called = pseudonym(patient, job.key)
    named = words_that_name(dataset, job.profile)
    cleaner = Cleaner(job.profile, job.key, called, days, named)
    try:
        strip(dataset)
    except DicomError as error:
        raise DicomError(error.message, path=str(job.blob)) from error
    cleaner.clean(dataset)
    _require_no_trace(dataset, named, called, job.blob)  # before our own words are in it
    _sign(dataset, called, job)
    _parse_where_misstated(dataset)
    name = _name(job, identity, called)
    with AtomicFiles(durable=False) as files:
        dataset.save_as(files.file(Path(job.output, name)), enforce_file_format=True)
    account = tuple(sorted(cleaner.account))
    return Written("written", name, called, days, identity, account, suspected)


def _read(blob: Blob) -> Any:
    import pydicom

    try:
        with blob.open() as handle:
            return pydicom.dcmread(handle, force=True)
    except DicomError:
        raise
    except Exception as error:
        raise DicomError(
            f"not readable as DICOM ({type(error).__name__}); copy or export the file anew",
            path=str(blob),
        ) from error


def _identity(dataset: Any, patient: str, blob: Blob) -> Identity:
    def text(keyword: str) -> str:
        value = dataset.get(keyword)
        return "" if value is None else str(value)

    found = Identity(
        patient, text("PatientID"), text("PatientName"), text("StudyInstanceUID"),
        text("SeriesInstanceUID"), text("SOPInstanceUID"),
    )  # fmt: skip
    if not found.instance or not text("SOPClassUID"):
        raise DicomError(
            "it has no SOPClassUID or no SOPInstanceUID; wanted are both, to write it as DICOM",
            path=str(blob),
        )
    return found


def _sign(dataset: Any, called: str, job: FileJob) -> None:
    """State what was done (PS3.3 C.7.1.1, C.12.1.1.7; PS3.15 E.1.1), in a new file meta group."""
    from pydicom.dataset import Dataset, FileMetaDataset

    dataset.PatientName = dataset.PatientID = called
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = list(_METHOD)
    items = []
    for value, meaning in job.profile.codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
        items.append(item)
    dataset.DeidentificationMethodCodeSequence = items
    dataset.LongitudinalTemporalInformationModified = job.profile.dates_are
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = _syntax(dataset)
    meta.ImplementationVersionName = "MEDPREP"
    dataset.file_meta, dataset.preamble = meta, b"\0" * 128


def _syntax(dataset: Any) -> Any:
    stated = dataset.file_meta.get("TransferSyntaxUID") if hasattr(dataset, "file_meta") else None
    if stated:
        return stated
    implicit, little = dataset.original_encoding
    return (IMPLICIT if implicit else EXPLICIT) if little else _BIG_ENDIAN


def _parse_where_misstated(dataset: Any) -> None:
    """Let a file that is not written as its meta information says be written so."""
    unstated = any(dataset.get_item(tag).VR is None for tag in list(dataset.keys()))
    if unstated and not dataset.file_meta.TransferSyntaxUID.is_implicit_VR:
        for _ in dataset.iterall():
            pass


def _require_no_trace(dataset: Any, named: frozenset[str], called: str, blob: Blob) -> None:
    """Look for names and ids in all that is no picture, once more and without any table.

    What cleaning puts there is passed over, and what stands inside a term of the standard.
    """
    telling = frozenset(
        word for word in named
        if len(word) >= _SHORTEST_TRACE and any(sign.isalpha() for sign in word)
    )  # fmt: skip
    written = _without_ours(_bytes_of(dataset), called)
    found = [word.encode() for word in telling if word.encode() in written]
    if not found:
        return
    terms = list(_terms(dataset))
    excused = _without_ours("\\".join(terms).encode().lower(), called)
    if any(tells_term(term, telling) for term in terms if term != dummy_of("CS")) or any(
        written.count(word) > excused.count(word) for word in found
    ):
        raise DicomError(
            "a part of a name or id would have stayed in it: not written", path=str(blob)
        )


def _bytes_of(dataset: Any) -> bytes:
    """Give what is about to be written, less the picture, in lower case."""
    from pydicom.dataset import Dataset

    tags = [tag for tag in list(dataset.keys()) if tag not in _BULK]
    short = Dataset({tag: dataset.get_item(tag) for tag in tags})
    content = io.BytesIO()
    implicit, little = dataset.original_encoding
    short.save_as(content, implicit_vr=implicit, little_endian=little)
    return content.getvalue().lower()


def _without_ours(written: bytes, called: str) -> bytes:
    for ours in (called, dummy_of("UR"), dummy_of("LO")):
        written = written.replace(ours.lower().encode(), b"\0")
    return written


def _terms(dataset: Any) -> Iterator[str]:
    """Yield the coded strings of a data set and of the items in it."""
    for tag in list(dataset.keys()):
        element = dataset.get_item(tag)
        vr = vr_of(element)
        if vr == "CS":
            yield from texts_of(element, vr)
        elif vr == "SQ":
            for item in dataset[tag].value or ():
                yield from _terms(item)


def _name(job: FileJob, identity: Identity, called: str) -> str:
    study = file_name(identity.study, job.key, _STUDY_DIGITS)
    series = file_name(identity.series, job.key, _SERIES_DIGITS)
    return f"{called}/{study}/{series}/{file_name(job.inside, job.key, _FILE_DIGITS)}.dcm"


@contextmanager
def _tolerant() -> Iterator[None]:
    """Let pydicom read and write odd values without a word: what they are is our business."""
    from pydicom import config

    settings = config.settings
    before = settings.reading_validation_mode, settings.writing_validation_mode
    settings.reading_validation_mode = settings.writing_validation_mode = config.IGNORE
    try:
        yield
    finally:
        settings.reading_validation_mode, settings.writing_validation_mode = before
