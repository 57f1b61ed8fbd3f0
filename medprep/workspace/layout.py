"""Where things lie in a workspace. Stable: people and other programs read these paths.

::

    medprep.sqlite                  cases, artifacts with their keys, steps
    cases.csv  splits.json          the same for people; splits.json as nnU-Net has it
    report.html
    images/<case>.nii.gz .json      the picture and its sidecar (grid, window, 16-bit scale)
    labels/<case>.nii.gz            organs as extracted
    labels/<case>/NNN.png           the same as slices, where asked for
    labels/itk-snap.txt slicer.ctbl names and colours of the labels, for viewers
    cleaned/<case>.nii.gz           organs as training reads them
    fingerprints/<case>.npz         what the leak gate compares; leaks.csv what it found
    shards/<case>-picture.bricks    the picture, <case>-labels.bricks the cleaned organs, in parts
    shards/<case>-marks.npz         for a training, where asked for; where organs lie
    check/                          the data check's tables and pictures
    slices/<case>/images|labels/NNN.png
    augmented/<case>/plans.json     what each copy was made from and how; geometry.json its grid
    augmented/<case>/<copy>/images|labels/NNN.png, or <copy>.nii.gz and <copy>-labels.nii.gz
    augmented/preview.png           cases beside their copies, where asked for
    models/<run>/                   model.safetensors model.json log.csv curve.png
                                    (<name>-fold0, <name>-fold1, ...: those of all folds)
    predictions/<run>/<case>.nii.gz and <case>/NNN.png
    metrics/<run>.json .csv .md     of all folds also <name>-out-of-fold.json .csv .md
    private/                        mode 0700: source paths, id map, key, debug log

What begins as `OF_CASES` lies behind a URL instead where the workspace has one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from medprep.places.paths import is_far

OF_CASES = (
    "images/", "labels/", "cleaned/", "fingerprints/", "slices/", "augmented/", "predictions/",
    "check/overlays/", "check/thumbnails/",
)  # fmt: skip
"""How names of files begin that belong to a single case."""


@dataclass(frozen=True)
class Layout:
    """The paths of one workspace; nothing is read or written here.

    Parameters
    ----------
    root
        Its folder.
    far
        The place behind a URL where files of single cases lie; None: they lie in the folder.
    """

    root: Path
    far: Path | None = None

    @property
    def cases(self) -> Path:
        """Where the files of single cases lie."""
        return self.root if self.far is None else self.far

    @property
    def database(self) -> Path:
        """The database of cases, artifacts and steps."""
        return self.root / "medprep.sqlite"

    @property
    def private(self) -> Path:
        """The folder nobody else may read."""
        return self.root / "private"

    @property
    def report(self) -> Path:
        """The report."""
        return self.root / "report.html"

    def image(self, case: str) -> Path:
        """Give the picture of a case."""
        return self.cases / "images" / f"{case}.nii.gz"

    def sidecar(self, case: str) -> Path:
        """Give the JSON that lets slices go back to the picture's grid."""
        return self.cases / "images" / f"{case}.json"

    def labels(self, case: str) -> Path:
        """Give the organs of a case as extracted."""
        return self.cases / "labels" / f"{case}.nii.gz"

    def label_slices(self, case: str) -> Path:
        """Give the folder of a case's organs as extracted, slice by slice."""
        return self.cases / "labels" / case

    def cleaned(self, case: str) -> Path:
        """Give the organs of a case as cleaned."""
        return self.cases / "cleaned" / f"{case}.nii.gz"

    def fingerprint(self, case: str) -> Path:
        """Give what the leak gate remembers of a case's slices."""
        return self.cases / "fingerprints" / f"{case}.npz"

    def shard_picture(self, case: str) -> Path:
        """Give the picture of a case in bricks."""
        return self.root / "shards" / f"{case}-picture.bricks"

    def shard_labels(self, case: str) -> Path:
        """Give the cleaned organs of a case in bricks."""
        return self.root / "shards" / f"{case}-labels.bricks"

    def shard_marks(self, case: str) -> Path:
        """Give where the organs of a case lie, and grey values of them."""
        return self.root / "shards" / f"{case}-marks.npz"

    def check(self, name: str) -> Path:
        """Give a table or picture of the data check."""
        return self.root / "check" / name

    def overlay(self, case: str) -> Path:
        """Give the picture of a case with its organs' outlines."""
        return self.cases / "check" / "overlays" / f"{case}.png"

    def thumbnail(self, case: str) -> Path:
        """Give the same in small."""
        return self.cases / "check" / "thumbnails" / f"{case}.png"

    def slice_images(self, case: str) -> Path:
        """Give the folder of a case's picture slices."""
        return self.cases / "slices" / case / "images"

    def slice_labels(self, case: str) -> Path:
        """Give the folder of a case's label slices."""
        return self.cases / "slices" / case / "labels"

    def augmented(self, case: str) -> Path:
        """Give the folder of a case's augmented copies."""
        return self.cases / "augmented" / case

    @property
    def augmentation_preview(self) -> Path:
        """The picture of cases beside their augmented copies."""
        return self.root / "augmented" / "preview.png"

    def model(self, run: str) -> Path:
        """Give the folder of a trained model."""
        return self.root / "models" / run

    def prediction(self, run: str, case: str) -> Path:
        """Give a predicted label map."""
        return self.cases / "predictions" / run / f"{case}.nii.gz"

    def prediction_pictures(self, run: str, case: str) -> Path:
        """Give the folder of picture/reference/prediction triples."""
        return self.cases / "predictions" / run / case

    def metrics(self, run: str, ending: str) -> Path:
        """Give a table of scores, ``.json`` or ``.csv``."""
        return self.root / "metrics" / f"{run}{ending}"

    def relative(self, path: Path) -> str:
        """Give a path inside the workspace as it is stored: with forward slashes."""
        return path.relative_to(self.cases if is_far(path) else self.root).as_posix()

    def at(self, name: str) -> Path:
        """Give the path that `relative` gave the name of."""
        return (self.cases if name.startswith(OF_CASES) else self.root) / name
