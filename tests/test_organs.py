"""Tables of organs."""

from __future__ import annotations

import pytest

from medprep.errors import OptionError
from medprep.organs import (
    BINARY,
    CHAOS_CT,
    CHAOS_MR,
    Organ,
    OrganTable,
    mirror_partners,
    numbered,
)

OFFICIAL = {"liver": 63, "right_kidney": 126, "left_kidney": 189, "spleen": 252}


def test_chaos_levels_lie_well_inside_their_ranges() -> None:
    assert CHAOS_MR.names == tuple(OFFICIAL)
    for name, level in OFFICIAL.items():
        ((low, high),) = CHAOS_MR.get(name).ranges
        assert low < level < high, "half-open readers of the ranges agree only if none is a bound"
    assert CHAOS_CT.get("liver").ranges == ((1, 1), (255, 255))
    assert BINARY.names == ("foreground",)


def test_a_table_reads_as_people_write_it() -> None:
    assert str(CHAOS_MR).startswith("liver 55-70; right_kidney 110-135")
    assert str(CHAOS_CT) == "liver 1, 255"


@pytest.mark.parametrize("bounds", [(0, 5), (-1, 5), (6, 5), (1, 65536)])
def test_impossible_ranges_are_refused(bounds: tuple[int, int]) -> None:
    with pytest.raises(OptionError, match=f"liver runs from {bounds[0]} to {bounds[1]}"):
        Organ("liver", (bounds,))


def test_organs_share_neither_name_nor_level() -> None:
    with pytest.raises(OptionError, match="named twice"):
        OrganTable((Organ("a", ((1, 1),)), Organ("a", ((2, 2),))))
    with pytest.raises(OptionError, match="a and b share the grey level 5"):
        OrganTable((Organ("a", ((1, 5),)), Organ("b", ((5, 9),))))
    with pytest.raises(OptionError, match="share"):
        OrganTable((Organ("a", ((1, 100),)), Organ("b", ((200, 300),)), Organ("c", ((50, 60),))))
    OrganTable((Organ("a", ((1, 5),)), Organ("b", ((6, 9),))))


def test_an_organ_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(OptionError, match=r"'lung'.*liver, right_kidney.*--label"):
        CHAOS_MR.get("lung")
    with pytest.raises(OptionError, match="have none"):
        OrganTable(()).get("lung")


def test_numbers_become_names_in_order() -> None:
    table = numbered([7, 0, 2])
    assert table.names == ("label_2", "label_7")
    assert table.get("label_7").ranges == ((7, 7),)
    assert numbered([0]).organs == ()


def test_a_mirror_exchanges_the_kidneys() -> None:
    names = dict(enumerate(CHAOS_MR.names, 1))
    assert mirror_partners(names) == {2: 3, 3: 2}
    assert mirror_partners({1: "liver", 2: "spleen"}) == {}
    assert mirror_partners({}) == {}


@pytest.mark.parametrize(
    "names", [{1: "left_kidney"}, {1: "left_lung", 2: "right_lung"}, {1: "liver", 2: "leftover"}]
)
def test_no_mirror_where_it_would_make_a_wrong_label(names: dict[int, str]) -> None:
    assert mirror_partners(names) is None
