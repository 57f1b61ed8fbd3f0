"""Targets: what is encoded decodes to the same labels, with regions and without."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from medprep.errors import CheckpointError, LabelError, OptionError
from medprep.models.targets import Targets

LIVER = Targets({1: "liver", 2: "tumour"}, {"whole_liver": ("liver", "tumour")})
BRAIN = Targets(
    {1: "oedema", 2: "necrosis", 3: "enhancing", 4: "stem"},
    {"core": ("necrosis", "enhancing"), "whole": ("oedema", "necrosis", "enhancing")},
)


@st.composite
def any_targets(draw: st.DrawFn) -> Targets:
    count = draw(st.integers(1, 5))
    names = {label: f"o{label}" for label in range(1, count + 1)}
    members = st.lists(st.sampled_from(sorted(names.values())), min_size=1, unique=True)
    found = draw(st.lists(members, max_size=4))
    called = draw(st.permutations([f"r{n}" for n in range(len(found))]))
    return Targets(names, {name: tuple(one) for name, one in zip(called, found, strict=True)})


def sure(targets: Targets, labels: np.ndarray) -> np.ndarray:
    """Logits of a net that knows."""
    answer = targets.encode(labels)
    if targets.exclusive:
        answer = np.moveaxis(np.eye(targets.channels)[answer], -1, 0)
    return (20 * answer - 10).astype(np.float32)


@given(any_targets(), st.data())
def test_what_is_encoded_decodes_to_the_same(targets: Targets, data: st.DataObject) -> None:
    labels = data.draw(arrays(np.uint8, (2, 3, 4), elements=st.integers(0, len(targets.names))))
    logits = sure(targets, labels)
    assert logits.shape == (targets.channels, *labels.shape)
    assert np.array_equal(targets.decode(logits), labels)
    assert targets.decode(logits).dtype == np.uint8


@given(any_targets())
def test_a_record_gives_the_same_targets(targets: Targets) -> None:
    again = Targets.from_dict(json.loads(json.dumps(targets.to_dict(), sort_keys=True)))
    assert again == targets
    assert again.overlapping == targets.overlapping


def test_channels_in_another_order_are_other_targets() -> None:
    names = {1: "a", 2: "b"}
    one, other = ({first: (first[0],) for first in pair} for pair in (("a1", "b1"), ("b1", "a1")))
    assert Targets(names, one) != Targets(names, other)
    whole = {"all": ("a", "b")}
    assert Targets(names, one | whole) == Targets(names, whole | one)


def test_older_records_have_the_channels_of_their_training() -> None:
    """They hold regions by name, sorted; each organ by itself was trained in label order."""
    chaos = {1: "liver", 2: "right_kidney", 3: "left_kidney", 4: "spleen"}
    alone = {f"{name} alone": [name] for name in sorted(chaos.values())}
    again = Targets.from_dict({"names": chaos, "regions": alone})
    assert [channel.paint for channel in again.overlapping] == [1, 2, 3, 4]
    named = {"kidneys": ["left_kidney", "right_kidney"], "soft": ["spleen", "liver"]}
    given = Targets.from_dict({"names": chaos, "regions": named})
    assert given.channel_names[:2] == ("kidneys", "soft")


def test_classes_have_a_background_first() -> None:
    targets = Targets({1: "liver", 2: "spleen"})
    assert (targets.channels, targets.exclusive) == (3, True)
    assert targets.channel_names == ("background", "liver", "spleen")
    encoded = targets.encode(np.array([[0, 1], [2, 0]], np.uint8))
    assert encoded.dtype == np.int64
    assert encoded.tolist() == [[0, 1], [2, 0]]


def test_regions_come_before_what_lies_over_them() -> None:
    assert LIVER.channel_names == ("whole_liver", "tumour")
    assert BRAIN.channel_names == ("whole", "core", "enhancing", "stem")
    assert [channel.paint for channel in BRAIN.overlapping] == [1, 2, 3, 4]
    encoded = LIVER.encode(np.array([0, 1, 2], np.uint8))
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[0, 1, 1], [0, 0, 1]]


def test_a_region_of_all_that_is_told_apart_anyway_paints_nothing() -> None:
    twice = Targets({1: "a", 2: "b"}, {"one": ("a",), "two": ("b",), "both": ("a", "b")})
    assert [channel.paint for channel in twice.overlapping] == [None, 1, 2]
    answer = np.array([[5.0], [-5.0], [-5.0]], np.float32)
    assert twice.decode(answer).tolist() == [0]


def test_the_largest_counts_and_of_equal_ones_the_first() -> None:
    targets = Targets({1: "a", 2: "b"})
    logits = np.random.default_rng(0).integers(-3, 3, (3, 50)).astype(np.float32)
    assert np.array_equal(targets.decode(logits), logits.argmax(0))


def test_what_is_no_target_is_refused() -> None:
    with pytest.raises(OptionError, match="without gaps"):
        Targets({1: "a", 3: "b"})
    with pytest.raises(OptionError, match="named twice"):
        Targets({1: "a", 2: "a"})
    with pytest.raises(OptionError, match="region r holds c"):
        Targets({1: "a", 2: "b"}, {"r": ("a", "c")})
    with pytest.raises(LabelError, match="a label of 3"):
        LIVER.encode(np.array([3], np.uint8))
    with pytest.raises(LabelError, match="5 channels"):
        LIVER.decode(np.zeros((5, 2), np.float32))
    with pytest.raises(CheckpointError):
        Targets.from_dict({"names": ["a"]})
