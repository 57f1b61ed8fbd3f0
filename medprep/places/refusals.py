"""Say why a place behind a URL gave nothing, without the words of the library that asked it.

Those may hold keys, signed addresses or passwords; ours name the bucket and what to set.
"""

from __future__ import annotations

import errno
import re
from dataclasses import dataclass

from medprep.errors import AccessError
from medprep.places.paths import FarPath, shown

_DOORS = {
    "s3": "AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (with AWS_SESSION_TOKEN "
    "where they are lent), or FSSPEC_S3_ANON=true for a public bucket",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, or run 'gcloud auth application-default login'",
    "https": "a line for this host in ~/.netrc",
}
_DOORS.update(s3a=_DOORS["s3"], gcs=_DOORS["gs"], http=_DOORS["https"])
_EXPIRED = re.compile(r"expired|TokenRefreshRequired", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"NoCredentials|Unable to locate credentials|InvalidAccessKeyId|SignatureDoesNotMatch|"
    r"access key id you provided|signature we calculated|InvalidToken|TokenRetrieval|"
    r"CredentialRetrieval|PartialCredentials|ProfileNotFound|RefreshError|DefaultCredentials"
)
_FORBIDDEN = re.compile(r"AccessDenied|Access Denied|Forbidden|\b40[13]\b|Unauthorized")
_GONE = re.compile(r"\b404\b|NoSuchBucket|NoSuchKey")
_PASSING = re.compile(r"Timeout|Connect|IncompleteRead|IncompleteBody|PayloadError|\b50[0234]\b")
_BUSY = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO))
_COLD = re.compile(r"InvalidObjectState|storage class")


@dataclass(frozen=True)
class Refusal:
    """Why, as an error, and whether another try may help."""

    error: OSError
    passing: bool = False


def refused(error: Exception, path: FarPath, kind: str, *, writing: bool = False) -> Refusal:
    """Turn what a library raised into an error of ours."""
    where = _where(path, kind)
    said = " ".join(_words(error))
    if isinstance(error, FileNotFoundError | NotADirectoryError) or _GONE.search(said):
        hint = "; memory:// lives in one process: --jobs 1" if kind == "memory" else ""
        text = f"No such file or folder{hint}"
        return Refusal(FileNotFoundError(2, text, shown(str(path))))
    wanted = (
        "write (listing, reading, writing and deleting" if writing else "read (listing and reading"
    )
    door = _DOORS.get(kind, "what its kind of storage wants")
    if _EXPIRED.search(said):
        text = f"the credentials for {where} have expired; get new ones and set {door}"
    elif _UNKNOWN.search(said):
        text = f"no credentials that {where} knows; set {door}"
    elif _COLD.search(said):
        text = f"an object of {where} lies in an archive class; restore it first"
    elif isinstance(error, PermissionError) or _FORBIDDEN.search(said):
        text = f"{where} does not let us {wanted} must be allowed); set {door}, or ask who owns it"
    else:
        # Of other errors only the kind is said.
        text = f"{where} cannot be reached ({type(error).__name__}); see the network and the name"
        passing = bool(_PASSING.search(said)) or getattr(error, "errno", None) in _BUSY
        return Refusal(AccessError(text, path=shown(str(path))), passing)
    return Refusal(AccessError(text, path=shown(str(path))))


def _words(error: BaseException | None) -> list[str]:
    """Give the names and texts of an error and of what caused it."""
    words: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        words += [type(error).__name__, str(error), str(getattr(error, "status", ""))]
        error = error.__cause__ or error.__context__
    return words


def _where(path: FarPath, kind: str) -> str:
    name = path.parts[1] if len(path.parts) > 1 else ""
    if kind in ("http", "https"):
        return f"the host '{shown(name)}'"
    return f"the bucket '{name}'" if kind in _DOORS else f"{kind}://{name}"
