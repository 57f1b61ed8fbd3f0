"""Draw docs/pictures/prediction.png from a finished workspace of the made-up data set.

After the README's first command: ``python docs/make_picture.py medprep-work``. The test patient
with the lowest Dice is drawn, in three slices: picture, reference, prediction.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ENLARGED = 3
SLICES = 3


def main() -> None:
    """Draw the picture."""
    workspace = Path(sys.argv[1])
    record = json.loads(next((workspace / "metrics").glob("*.json")).read_text())["evaluation"]
    worst = min(record["cases"], key=lambda case: case["labels"][0]["values"]["dice"])
    triples = sorted((workspace / "predictions" / record["model"] / worst["case"]).glob("*.png"))
    middle = np.linspace(0, len(triples) - 1, SLICES + 2).round().astype(int)[1:-1]
    rows = [np.asarray(Image.open(triples[number])) for number in middle]
    picture = Image.fromarray(np.vstack(rows))
    target = Path(__file__).parent / "pictures" / "prediction.png"
    target.parent.mkdir(exist_ok=True)
    size = (picture.width * ENLARGED, picture.height * ENLARGED)
    picture.resize(size, Image.Resampling.NEAREST).save(target, optimize=True)


if __name__ == "__main__":
    main()
