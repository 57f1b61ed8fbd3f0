"""Mark organs in a scan by points: from files to a file."""

from medprep.prompting.options import Organ, Outcome, Prompting
from medprep.prompting.run import prompt

__all__ = ["Organ", "Outcome", "Prompting", "prompt"]
