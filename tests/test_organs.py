"""Tables of organs."""

from __future__ import annotations

from pathlib import Path

import pytest

from medprep.errors import OptionError
from medprep.organs import (
    BINARY,
    CHAOS_CT,
    CHAOS_MR,
    TABLES,
    Organ,
    OrganTable,
    mirror_partners,
    named_table,
    numbered,
    partner,
    read_table,
    shortens_sides,
    side,
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
    ("one", "other"),
    [
        ("parotid_l", "parotid_r"),  # Parotid_L, as AAPM TG-263 names it
        ("l_parotid", "r_parotid"),
        ("parotid_lt", "parotid_rt"),
        ("rt_femoral_head", "lt_femoral_head"),
        ("lkidney", "rkidney"),
        ("kidneyr", "kidneyl"),
    ],
)
def test_sides_may_be_shortened(one: str, other: str) -> None:
    assert (partner(one), partner(other)) == (other, one)
    assert {side(one), side(other)} == {"left", "right"}
    assert mirror_partners({1: "liver", 2: one, 5: other}) == {2: 5, 5: 2}
    assert mirror_partners({1: "liver", 2: one}) is None


def test_which_side_a_name_says() -> None:
    assert [side(one) for one in ("kidney_l", "rt_eye", "left_lung")] == ["left", "right", "left"]
    assert side("liver") is None and side("ventricle_l") is None


def test_which_names_shorten_a_side() -> None:
    assert shortens_sides(["liver", "parotid_l"]) and shortens_sides(["glnd_submand_r"])
    for table in TABLES.values():
        assert not shortens_sides(table.names)
    assert not shortens_sides(["left_kidney", "vertebrae_l1", "lens", "rib", "colon"])


@pytest.mark.parametrize(
    "names",
    [
        {1: "left_kidney"},
        {1: "left_ventricle", 2: "right_ventricle"},
        {1: "liver", 2: "leftover"},
        {1: "ventricle_l", 2: "ventricle_r"},
        {1: "l-lobe", 2: "r-lobe"},
        {1: "lobe_l_upper", 2: "lobe_r_upper"},
    ],
)
def test_no_mirror_where_it_would_make_a_wrong_label(names: dict[int, str]) -> None:
    assert mirror_partners(names) is None


def test_the_tables_of_known_sets() -> None:
    assert TABLES["btcv"].get("liver").ranges == ((6, 6),)
    assert TABLES["amos"].names[-1] == "prostate_or_uterus"
    assert TABLES["msd-liver"].regions == (("whole_liver", ("liver", "liver_tumour")),)
    assert {str(TABLES["chaos-submission"].get(name)) for name in OFFICIAL} == {
        f"{name} {level}" for name, level in OFFICIAL.items()
    }
    for name, table in TABLES.items():
        for one in table.names:
            assert partner(one) is None or partner(one) in table.names, (name, one)


OWN = """
[organs]
liver = [55, 70]
tumour = 90
vessel = [[1, 1], [200, 255]]
[regions]
whole_liver = ["liver", "tumour"]
"""


def test_a_table_of_ones_own(tmp_path: Path) -> None:
    table = read_table(OWN, "own.toml")
    assert str(table) == "liver 55-70; tumour 90; vessel 1, 200-255"
    assert table.regions == (("whole_liver", ("liver", "tumour")),)
    assert table.only((table.get("liver"),)).regions == ()
    (tmp_path / "own.toml").write_text(OWN)
    assert named_table(str(tmp_path / "own.toml")) == table
    assert named_table("chaos-mr") is CHAOS_MR


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("liver = ", "no TOML"),
        ("[organ]\nliver = 1", "holds organ; wanted is"),
        ("", "holds nothing"),
        ("[organs]\nliver = 'x'", "liver is x"),
        ("[organs]\nliver = [1, 2, 3]", r"liver is \[1, 2, 3\]"),
        ("[organs]\nliver = true", "liver is True"),
        ("[organs]\nliver = []", "wanted is a number"),
        ("[organs]\n'../x' = 1", "the name '../x'"),
        ("[organs]\na = 1\nb = 1", "share the grey level 1"),
        ("[organs]\na = 1\n[regions]\nr = ['b']", "the region r holds b"),
        ("[organs]\na = 1\n[regions]\nr = []", "the region r holds nothing"),
        ("[organs]\na = 1\n[regions]\na = ['a']", "named twice"),
        ("[organs]\na = 1\n[regions]\nr = 3", "the region r is 3"),
    ],
)
def test_tables_that_are_none(content: str, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        read_table(content, "own.toml")


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="no table of organs 'btvc'; there are chaos-mr"):
        named_table("btvc")
    with pytest.raises(OptionError, match="cannot be read"):
        named_table(str(tmp_path / "none.toml"))


def test_the_partner_in_a_mirror() -> None:
    assert partner("right_kidney") == "left_kidney"
    assert partner("lung_left") == "lung_right"
    assert partner("left_ventricle") is None and partner("liver") is None
