"""Cases in shards: the same numbers as from NIfTI, and no more of them read than is shown."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from training_sets import ORGANS, in_shards, make_ball, weights_of

from medprep.errors import FormatError
from medprep.formats import nifti
from medprep.formats.bricks import Bricks
from medprep.models.scaling import Scaling
from medprep.progress import Silent
from medprep.training import shards
from medprep.training.cache import Store
from medprep.training.dataset import TrainingCase, decode
from medprep.training.fingerprint import Fingerprint
from medprep.training.loop import train
from medprep.training.options import TrainingOptions
from medprep.training.samples import Samples
from medprep.volume import LabelMap

Pairs = list[tuple[TrainingCase, TrainingCase]]


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Pairs:
    """Cases as NIfTI and in shards, of two sizes."""
    folder = tmp_path_factory.mktemp("cases")
    made = [
        make_ball(folder, name, size=size) for name, size in zip("abc", (20, 24, 20), strict=True)
    ]
    return [(case, in_shards(case, folder / "shards")) for case in made]


def test_they_are_decoded_alike(pairs: Pairs) -> None:
    with Store(1 << 30) as store:
        for plain, packed in zip(
            *(decode([pair[n] for pair in pairs], (), store) for n in (0, 1)), strict=True
        ):
            assert packed.shape == plain.shape and packed.geometry == plain.geometry
            assert (packed.grid, packed.windows) == (plain.grid, plain.windows)
            for one, other in zip(
                (*packed.pictures, packed.labels), (*plain.pictures, plain.labels), strict=True
            ):
                assert one.array.dtype == other.array.dtype
                assert np.array_equal(one.array, other.array)


def test_the_training_fold_says_the_same(pairs: Pairs) -> None:
    with Store(1 << 30) as store:
        plain, packed = (
            Fingerprint.of(decode([pair[n] for pair in pairs], (), store)) for n in (0, 1)
        )
    assert packed == plain


@pytest.mark.parametrize(
    "options",
    [
        {"width": 2, "batch_size": 3},
        {"width": 2, "batch_size": 3, "workers": 2},
        {"width": 2, "batch_size": 2, "normalise": "mr"},
        {"model": "unet3d", "width": 2, "batch_size": 2, "patch": (16, 16, 16)},
        {"model": "unet3d", "width": 2, "batch_size": 2, "patch": (16, 16, 16),
         "normalise": "ct"},
        {"model": "unet3d", "width": 2, "batch_size": 2, "patch": (16, 16, 16),
         "spacing": (1.5, 1.0, 1.0)},
    ],
    ids=lambda options: " ".join(map(str, options)),
)  # fmt: skip
def test_a_training_gives_the_same_bytes(
    pairs: Pairs, tmp_path: Path, options: dict[str, Any]
) -> None:
    for kind, folder in enumerate(("plain", "packed")):
        cases = [pair[kind] for pair in pairs]
        given = TrainingOptions(**options, steps=12, device="cpu")
        train(cases[:-1], [], cases[-1:], ORGANS, given, tmp_path / folder, "key", Silent())
    assert weights_of(tmp_path / "packed" / "model.safetensors") == weights_of(
        tmp_path / "plain" / "model.safetensors"
    )
    for name in ("log.csv", "model.json"):
        same = [(tmp_path / folder / name).read_bytes() for folder in ("plain", "packed")]
        assert same[0] == same[1], name


def test_nothing_is_unpacked_before_it_is_shown(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole of a case least of all."""
    monkeypatch.setattr(Bricks, "whole", None)
    preparation = _preparation(pairs)
    with monkeypatch.context() as patched, Store(0) as store:
        patched.setattr(Bricks, "part", None)
        patched.setattr(shards, "_places", None)
        samples = Samples.prepared(
            decode([packed for _, packed in pairs], (), store), preparation, store
        )
        assert len(samples.everywhere) == 3 and store.mapped_bytes == 0
    shown, labels = samples.of[0].box((2, 2, 2), (8, 8, 8), (1, 1, 1))
    assert shown[0].shape == labels.shape == (8, 8, 8)
    assert [len(places) for places in samples.of[0].places]


def test_the_same_of_a_case_without_organs(pairs: Pairs, tmp_path: Path) -> None:
    empty = make_ball(tmp_path, "e")
    labels = nifti.read_label_map(empty.labels)
    none = LabelMap(np.zeros_like(labels.array), labels.geometry, ORGANS)
    nifti.write(empty.labels, none)
    plain, packed = pairs[0]
    with Store(1 << 30) as store:
        one, other, alone = (
            Fingerprint.of(decode(cases, (), store))
            for cases in ([empty, plain], [in_shards(empty, tmp_path / "s"), packed], [plain])
        )
    assert one == other
    assert one.greys == alone.greys


def test_no_more_files_stay_open_than_are_wanted(
    pairs: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "OPEN", 2)
    with Store(0) as store:
        found = list(decode([packed for _, packed in pairs], (), store))
        for one in found * 2:
            one.labels.part((slice(0, 1),) * 3)
            one.pictures[0].part((slice(0, 1),) * 3)
        assert len(store.recent._held) == 2
        assert len(pickle.loads(pickle.dumps(store.recent))._held) == 0


def test_a_shard_of_another_case_is_refused(pairs: Pairs) -> None:
    (_, one), (_, other) = pairs[:2]
    assert one.shard is not None and other.shard is not None
    mixed = replace(one, shard=replace(one.shard, labels=other.shard.labels))
    with Store(0) as store:
        (found,) = decode([mixed], (), store)
        with pytest.raises(FormatError, match=r"convert --shards --overwrite"):
            _ = found.labels.array


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04."])
def test_damaged_marks_are_told(pairs: Pairs, tmp_path: Path, content: bytes) -> None:
    shard = pairs[0][1].shard
    assert shard is not None
    broken = replace(shard, marks=tmp_path / "m.npz")
    broken.marks.write_bytes(content)
    with pytest.raises(FormatError, match="marks cannot be read"):
        broken.greys()


def _preparation(pairs: Pairs) -> Any:
    from medprep.models.preparation import Preparation
    from medprep.models.targets import Targets

    return Preparation(3, (Scaling("z-score"),), None, (8, 8, 8), Targets(ORGANS))
