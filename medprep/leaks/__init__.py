"""Find the same or nearly the same picture in two folds.

A case becomes a `Fingerprint` of a few kilobytes per slice (`fingerprint`); `find_leaks` compares
fingerprints only, so pictures are read once.
"""

from medprep.leaks.fingerprints import Fingerprint, fingerprint, planes
from medprep.leaks.leak import KINDS, Kind, Leak
from medprep.leaks.search import find_leaks

__all__ = ["KINDS", "Fingerprint", "Kind", "Leak", "find_leaks", "fingerprint", "planes"]
