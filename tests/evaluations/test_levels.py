from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from medprep.errors import LabelError
from medprep.evaluations.greys import Grey
from medprep.evaluations.levels import Seen, settle_labels
from medprep.geometry import Geometry
from medprep.organs import CHAOS_CT, CHAOS_MR, OrganTable, read_table

PATH = Path("m")


def grey(*levels: int, sliced: bool = False) -> Grey:
    array = np.array([[[0, *levels]]], np.uint16)
    return Grey(array, None if sliced else Geometry.from_parts(array.shape, (1, 1, 1)))


def seen(*levels: int, sliced: bool = False) -> Seen:
    return Seen(frozenset(levels), sliced)


def labels_of(labels, *levels: int, sliced: bool = False) -> list[int]:
    return labels.apply(grey(*levels, sliced=sliced), PATH)[0].reshape(-1)[1:].tolist()


@pytest.mark.parametrize(("ours", "theirs"), [(1, 63), (255, 1), (63, 255), (255, 255), (1, 65535)])
def test_one_organ_is_label_one_however_it_is_marked(ours, theirs):
    labels = settle_labels([seen(ours), seen()], [seen(theirs), seen(ours)])
    assert labels.names == {1: "label_1"}
    assert labels_of(labels, ours) == labels_of(labels, theirs) == [1]
    assert labels_of(labels) == []
    assert labels.notes == (
        f"one organ on both sides, marked {' or '.join(map(str, sorted({ours, theirs})))}",
    )


def test_label_numbers_stay_as_they_are_and_all_are_named_for_every_case():
    labels = settle_labels([seen(1, 2), seen(4)], [seen(1), seen(7)])
    assert labels.names == {1: "label_1", 2: "label_2", 4: "label_4", 7: "label_7"}
    assert labels_of(labels, 7, 1) == [7, 1]
    assert labels.notes == ()


def test_a_lone_one_is_a_label_number_beside_others():
    labels = settle_labels([seen(1), seen(1, 2)], [seen(1), seen(1)])
    assert labels.names == {1: "label_1", 2: "label_2"}


def test_another_lone_number_is_no_mark_of_the_same_organ():
    labels = settle_labels([seen(1)], [seen(2)])
    assert labels.names == {1: "label_1", 2: "label_2"}
    assert labels_of(labels, 2) == [2]


def test_grey_levels_of_chaos_are_organs():
    labels = settle_labels(
        [seen(63, 126, 189, 252, sliced=True), seen(252, sliced=True)], [seen(63, sliced=True)]
    )
    assert list(labels.names.values()) == ["liver", "right_kidney", "left_kidney", "spleen"]
    assert labels_of(labels, 252, 63, 126, 189, sliced=True) == [4, 1, 2, 3]
    assert labels_of(labels, 252, sliced=True) == [4]


def test_a_case_of_one_organ_does_not_turn_the_others_meaning():
    # By itself the second case would look like one organ.
    labels = settle_labels([seen(63, 252), seen(63)], [seen(63, 252), seen(63)])
    assert labels_of(labels, 63) == [1]
    assert labels.way == "table"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (seen(63, 126), seen(1, 2)),
        (seen(63, 126), seen(255)),
        (seen(63, 126), seen(1)),
        (seen(1, 2), seen(255)),
        (seen(63), seen(1, 2)),
    ],
)
def test_sides_that_do_not_speak_of_the_same_are_refused(ours, theirs):
    for pair in ((ours, theirs), (theirs, ours)):
        with pytest.raises(LabelError, match=r"nobody says which is which.*--organs"):
            settle_labels([pair[0]], [pair[1]])


def test_nothing_anywhere_is_refused():
    with pytest.raises(LabelError, match="no file holds a label above 0"):
        settle_labels([seen()], [seen()])


def test_one_blurred_mask_spoils_itself_only():
    blurred = seen(3, 120, 200, 255, sliced=True)
    labels = settle_labels([seen(255, sliced=True), blurred], [seen(255, sliced=True)] * 2)
    assert labels_of(labels, 255, sliced=True) == [1]
    with pytest.raises(LabelError, match=r"holds 3 \(1 voxel\), 120 \(1 voxel\), 200") as caught:
        labels.apply(grey(3, 120, 200, 255, sliced=True), PATH)
    assert caught.value.path == "m"
    both = grey(1, 255, sliced=True)
    with pytest.raises(LabelError, match=r"1 \(1 voxel\), 255"):
        labels.apply(both, PATH)


@pytest.mark.parametrize(
    ("levels", "sliced", "kind"),
    [
        ((), True, "empty"),
        ((1,), False, "one"),
        ((2,), False, "numbers"),
        ((126,), True, "greys"),
        (tuple(range(1, 13)), True, "numbers"),
        (tuple(range(1, 64)), True, "strange"),  # a blurred 63
        (tuple(range(1, 118)), False, "numbers"),
        (tuple(range(1, 130)), False, "strange"),
        ((1, 2, 255), False, "strange"),
        ((60, 63, 126), True, "strange"),
        ((1001, 2035), False, "numbers"),
    ],
)
def test_numbers_look_like_something(levels, sliced, kind):
    assert seen(*levels, sliced=sliced).kind == kind


def test_a_label_beyond_those_that_were_seen_is_refused():
    labels = settle_labels([seen(1, 2)], [seen(1, 2)])
    with pytest.raises(LabelError, match=r"holds 9 \(1 voxel\); wanted are label numbers.* 1, 2"):
        labels.apply(grey(1, 9), PATH)


def test_a_named_table_rules():
    labels = settle_labels([seen(1)], [seen(1)], CHAOS_MR)
    assert labels_of(labels, 60, 252, 115) == [1, 4, 2]
    assert labels_of(labels, 2, 4) == [2, 4]  # a program's own numbers, in the table's order
    _, notes = labels.apply(grey(2, 4), PATH)
    assert notes == ("its numbers are taken for 1 liver, 2 right_kidney, 3 left_kidney, 4 spleen",)
    with pytest.raises(
        LabelError, match=r"holds 100 \(1 voxel\); wanted is liver 55-70; .*blurred"
    ):
        labels.apply(grey(60, 100), PATH)


def test_a_table_of_one_organ_takes_any_mark():
    labels = settle_labels([], [], CHAOS_CT)
    assert labels_of(labels, 1) == labels_of(labels, 255) == labels_of(labels, 63) == [1]
    assert labels.apply(grey(63), PATH)[1] == ("63 is taken for liver",)
    with pytest.raises(LabelError):
        labels.apply(grey(63, 70), PATH)


def test_numbers_of_a_table_of_numbers_are_its_own():
    table: OrganTable = read_table("[organs]\nspleen = 2\nliver = 1\n", "t")
    labels = settle_labels([], [], table)
    assert labels.names == {1: "spleen", 2: "liver"}
    assert labels_of(labels, 1, 2) == [2, 1]
    with pytest.raises(LabelError):
        labels.apply(grey(3), PATH)


def test_only_grey_levels_give_way_to_numbers_in_order():
    labels = settle_labels([], [], read_table("[organs]\nspleen = 2\nliver = 3\n", "t"))
    with pytest.raises(LabelError, match=r"holds 1 \(1 voxel\)"):
        labels.apply(grey(1), PATH)


def test_numbers_have_no_order_where_nobody_named_the_table():
    labels = settle_labels([seen(63, 252)], [seen(63, 252)])
    with pytest.raises(LabelError, match=r"1 \(1 voxel\), 4 \(1 voxel\); wanted is liver 63"):
        labels.apply(grey(1, 4), PATH)


def test_regions_come_from_the_table():
    content = "[organs]\nliver = 1\ntumour = 2\n[regions]\nwhole = ['liver', 'tumour']\n"
    assert settle_labels([], [], read_table(content, "t")).regions == {"whole": ("liver", "tumour")}
    assert settle_labels([seen(1)], [seen(1)]).regions == {}


def test_labels_go_to_another_process():
    labels = settle_labels([seen(63, 126)], [seen(63)])
    assert pickle.loads(pickle.dumps(labels)) == labels
