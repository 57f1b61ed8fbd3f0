"""Outliers: what stands out is named, what is usual is not."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medprep.labels.outliers import outliers
from medprep.labels.statistics import LabelStatistics


def row(ml: float | None, name: str = "liver", voxels: int = 10) -> LabelStatistics:
    return LabelStatistics(1, name, voxels, ml, 1, (), (), None, None, None)


def cases(*sizes: float, name: str = "liver") -> dict[str, list[LabelStatistics]]:
    return {f"c{n}": [row(ml, name, int(ml > 0))] for n, ml in enumerate(sizes)}


USUAL = (1000.0, 1100.0, 1250.0, 1400.0, 1500.0)


def test_a_volume_far_off_is_named_with_its_z() -> None:
    found = outliers(cases(*USUAL, 120.0, 20000.0))
    assert [(one.case, one.kind) for one in found] == [("c6", "volume"), ("c5", "volume")]
    logs = [math.log(ml) for ml in (*USUAL, 120.0, 20000.0)]
    centre = sorted(logs)[3]
    spread = 1.4826 * sorted(abs(one - centre) for one in logs)[3]
    assert found[0].z == pytest.approx((logs[6] - centre) / spread)
    assert found[1].z == pytest.approx((logs[5] - centre) / spread)
    assert found[0].median_ml == found[1].median_ml == 1250.0


def test_usual_volumes_are_not_named() -> None:
    assert outliers(cases(*USUAL)) == []


def test_fewer_than_five_cases_say_nothing() -> None:
    assert outliers(cases(1000, 1000, 1000, 9)) == []
    assert [one.case for one in outliers(cases(1000, 1000, 1000, 1000, 9))] == ["c4"]


def test_nearly_equal_volumes_raise_no_alarm() -> None:
    assert outliers(cases(1000, 1000, 1000, 1000, 1001, 1100)) == []
    assert [one.case for one in outliers(cases(1000, 1000, 1000, 1000, 1001, 1250))] == ["c5"]


def test_an_organ_missing_in_a_quarter_of_the_cases_is_missed() -> None:
    found = outliers(cases(*USUAL, 0.0))
    assert [(one.case, one.kind, one.ml, one.z) for one in found] == [("c5", "missing", 0.0, None)]
    assert [one.case for one in outliers(cases(*USUAL, 1200.0, 0.0, 0.0))] == ["c6", "c7"]
    assert outliers(cases(*USUAL, 0.0, 0.0)) == []


def test_a_case_that_does_not_name_an_organ_does_not_miss_it() -> None:
    table = cases(*USUAL, name="spleen") | {"ct": [row(1.0)]}
    assert outliers(table) == []


def test_organs_are_compared_with_their_own_kind() -> None:
    table = {f"c{n}": [row(1000.0 + n), row(10.0 + n / 10, "spleen")] for n in range(5)}
    table["odd"] = [row(1001.0), row(1001.0, "spleen")]
    assert [(one.case, one.name) for one in outliers(table)] == [("odd", "spleen")]


def test_unknown_spacing_is_left_out_of_volumes_and_not_of_what_is_missing() -> None:
    table = {f"c{n}": [row(None)] for n in range(5)} | {"gone": [row(None, voxels=0)]}
    (one,) = outliers(table)
    assert (one.case, one.kind, one.ml, one.median_ml) == ("gone", "missing", None, None)
    assert outliers(cases(*USUAL) | {"x": [row(None)]}) == []


@given(st.lists(st.floats(0.1, 1e4), min_size=5, max_size=12), st.floats(0.01, 100))
def test_the_unit_does_not_matter(sizes: list[float], factor: float) -> None:
    plain = outliers(cases(*sizes))
    scaled = outliers(cases(*(ml * factor for ml in sizes)))
    close = [one for one in plain + scaled if one.z is not None and abs(abs(one.z) - 3.5) < 1e-6]
    if not close:
        assert {one.case for one in plain} == {one.case for one in scaled}
