"""The one place where OpenCV is imported.

``import cv2`` costs a quarter of a second and fails where the system lacks libGL, so it happens
on first use, and the failure says which Debian packages mend it.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

from medprep.errors import LibraryError


@cache
def load_cv2() -> ModuleType:
    """Give the ``cv2`` module.

    Raises
    ------
    LibraryError
        If OpenCV or a shared library it needs is missing.
    """
    try:
        import cv2
    except ImportError as error:
        raise LibraryError(
            f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu run "
            "'apt-get install libgl1 libglib2.0-0', or 'pip install opencv-python-headless'"
        ) from error
    # Threads of OpenCV change nothing in our results but would multiply with our processes.
    cv2.setNumThreads(1)
    module: ModuleType = cv2
    return module
