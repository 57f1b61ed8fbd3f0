from __future__ import annotations

import pytest

from medprep.evaluations.words import chaos_id, cleaned, numbers, telling, without_channel


@pytest.mark.parametrize(
    ("parts", "left"),
    [
        (("labelsTr", "case_07"), ("case_07",)),
        (("case_07_gt",), ("case_07",)),
        (("case-07.seg",), ("case_07",)),
        (("Case_07_Pred",), ("case_07",)),
        (("results", "ground_truth", "liver 3"), ("liver_3",)),
        (("label_3",), ("3",)),
        (("img0003",), ("0003",)),
        (("predicted_case_3",), ("case_3",)),
        (("segmented_3",), ("segmented_3",)),
        (("imager", "goldfish"), ("imager", "goldfish")),
        (("label",), ()),
        ((), ()),
    ],
)
def test_only_words_that_say_what_a_file_is_go(parts, left):
    assert cleaned(parts) == left


@pytest.mark.parametrize(
    ("parts", "kind"),
    [
        (("imagesTr", "a_0000"), "picture"),
        (("labelsTr", "a"), "mask"),
        (("label", "img0001"), "mask"),
        (("image_3",), "picture"),
        (("results", "a"), "mask"),
        (("labels", "images", "a"), "picture"),
        (("a",), ""),
        ((), ""),
    ],
)
def test_the_name_and_the_nearest_folder_tell_a_mask(parts, kind):
    assert telling(parts) == kind


def test_only_the_first_channel_is_no_part_of_a_name():
    assert without_channel(("x", "case_0000")) == ("x", "case")
    assert without_channel(("case_0001",)) == ("case_0001",)
    assert without_channel(("case_10000",)) == ("case_10000",)
    assert without_channel(()) == ()


def test_numbers_are_those_of_the_last_part():
    assert numbers(("p9", "a_003_12")) == (3, 12)
    assert numbers(("p9", "a")) == ()
    assert numbers(()) == ()


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("x/CHAOS/Train_Sets/MR/1/T2SPIR/Ground", ("mr01", "mr01-t2")),
        ("x/MR/12/T1DUAL/DICOM_anon/InPhase", ("mr12", "mr12-t1")),
        ("Task2/CT/3/Results", ("ct03", "ct03-ct")),
        ("CT_Sets/3", ("ct03", "ct03-ct")),
        ("act/3/Results", None),
        ("MR/3/Results", None),
        ("T2SPIR/Ground", None),
        ("Ground", None),
        ("", None),
    ],
)
def test_places_of_the_chaos_layout_have_a_case(path, own):
    assert chaos_id(path.split("/")) == own


def test_a_name_that_medprep_gave_says_its_case():
    assert chaos_id((), "mr01-t1in") == chaos_id((), "MR01-t1out") == ("mr01", "mr01-t1")
    assert chaos_id((), "ct3-ct") == ("ct03", "ct03-ct")
    assert chaos_id((), "mr01-t2-x") is None
