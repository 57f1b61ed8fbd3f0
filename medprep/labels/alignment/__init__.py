"""Tell whether a mask sits on its picture.

`check_alignment` looks at one case, `find_strangers` at a whole set of them.
"""

from medprep.labels.alignment.check import TURNS, Alignment, Fault, check_alignment
from medprep.labels.alignment.strangers import Sketch, Stranger, find_strangers, sketch

__all__ = [
    "TURNS",
    "Alignment",
    "Fault",
    "Sketch",
    "Stranger",
    "check_alignment",
    "find_strangers",
    "sketch",
]
