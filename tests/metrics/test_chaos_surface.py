"""The CHAOS challenge's surface distances: its made-up case and a real submission."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from surface_masks import ellipsoids

from medprep.formats.png import read
from medprep.metrics.borders import Surfaces, foreground_box
from medprep.metrics.definitions import DEFINITIONS
from medprep.metrics.surface import surface_metrics

WANTED = ("assd_mm", "mssd_mm", "hd_mm")


def test_the_ellipsoids() -> None:
    case, code = ellipsoids(), DEFINITIONS["chaos-code"]
    one, other = case.reference, case.predicted
    axes = np.diag(case.spacing)
    found = surface_metrics(one, other, [1], axes, code, {}, WANTED)[1]
    assert found["assd_mm"] == pytest.approx(1.0750946475159127, rel=1e-9)
    assert found["mssd_mm"] == pytest.approx(10.346496991735897, rel=1e-9)
    assert found["hd_mm"] == found["mssd_mm"]
    box = foreground_box(one, other)
    assert [len(Surfaces(mask, box, code).of(1).places) for mask in (one, other)] == [610, 611]
    turned = np.array([[0, 0.7, 0], [0, 0, 0.7], [-3.0, 0, 0]])
    assert surface_metrics(one, other, [1], turned, code, {}, WANTED)[1] == found


def test_the_document_has_more_border_than_the_code() -> None:
    case = ellipsoids()
    box = foreground_box(case.reference)
    by_code, by_document = (
        set(Surfaces(case.reference, box, DEFINITIONS[name]).of(1).places.tolist())
        for name in ("chaos-code", "chaos-document")
    )
    assert by_code < by_document


@pytest.mark.realdata
def test_twenty_slices_of_a_real_submission(real_data: Path) -> None:
    case = real_data / "chaos" / "Train_Sets" / "CT" / "3"
    reference, predicted = (
        np.stack([read(path) for path in sorted(folder.glob("*.png"))]) > 0
        for folder in (case / "Ground", real_data / "chaos_ct_submission")
    )
    assert reference.shape == predicted.shape == (20, 512, 512)
    # Slices lie 2 mm apart by position; the header's slice thickness is 3.2 mm.
    axes = np.array([[0, 0, 0.7265625], [0, 0.7265625, 0], [-2.0, 0, 0]])
    known = {"chaos-code": 0.9972560351257271, "chaos-document": 0.770861761716895}
    for name, assd_mm in known.items():
        found = surface_metrics(reference, predicted, [1], axes, DEFINITIONS[name], {}, WANTED)[1]
        # The whole patient's official MSSD is 14 mm as well.
        assert found == {
            "assd_mm": pytest.approx(assd_mm, rel=1e-9),
            "mssd_mm": pytest.approx(14.0, rel=1e-9),
            "hd_mm": pytest.approx(14.0, rel=1e-9),
        }
    # Where the twenty slices end, the liver does not: their edge is no surface of it.
    found = surface_metrics(
        reference, predicted, [1], axes, DEFINITIONS["medprep"], {}, ["assd_mm"]
    )
    assert found[1]["assd_mm"] == pytest.approx(0.3532504960942801, rel=1e-9)
