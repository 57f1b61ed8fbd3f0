"""Patients into folds: by share, in parts, nested, by site, or as a file says.

``shares`` and ``spread`` say who goes where, ``schemes`` what that means for each fold number,
``strata`` what a patient counts as, ``given`` reads a split somebody made, ``identity`` says who
is who.
"""

from medprep.folds.schemes import Roles
from medprep.folds.shares import FOLDS, Fold, assign, counts, parts

__all__ = ["FOLDS", "Fold", "Roles", "assign", "counts", "parts"]
