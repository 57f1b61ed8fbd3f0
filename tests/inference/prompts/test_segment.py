"""Clicks into one cube."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from medprep.errors import LabelError, OptionError
from medprep.inference.prompts.segment import Segmenter, Spot, simulate
from medprep.models.prompts.clicks import Click, next_click
from medprep.models.sam_med3d import SamMed3d

SIDE = 32


@pytest.fixture
def picture() -> np.ndarray:
    return np.random.default_rng(1).normal(0, 1, (SIDE,) * 3).astype(np.float32)


@pytest.fixture
def reference() -> np.ndarray:
    mask = np.zeros((SIDE,) * 3, bool)
    mask[10:20, 8:22, 12:18] = True
    return mask


def plain(net: SamMed3d, picture: np.ndarray, places: list, labels: list) -> list[torch.Tensor]:
    """Click with the net's parts alone: zeros at first, then the mask before."""
    with torch.inference_mode():
        embedding = net.image_encoder(torch.from_numpy(picture)[None, None])
        low_res, found = torch.zeros(1, 1, 16, 16, 16), []
        for count in range(1, len(places) + 1):
            points = torch.tensor([places[:count]]).float(), torch.tensor([labels[:count]])
            sparse, dense = net.prompt_encoder(points=points, masks=low_res)
            low_res, _ = net.mask_decoder(
                embedding, net.prompt_encoder.get_dense_pe(), sparse, dense, False
            )
            found.append(net.enlarge(low_res)[0, 0])
    return found


def test_clicks_are_the_nets_own_with_the_mask_fed_back(net: SamMed3d, picture: np.ndarray) -> None:
    segmenter = Segmenter(net)
    places = [(3, 4, 5), (20, 21.5, 6), (9, 30, 31)]
    wanted = plain(net, picture, places, [1, 0, 1])[-1]
    spots = [Spot(place, kind) for place, kind in zip(places, (True, False, True), strict=True)]
    found = segmenter.after(segmenter.embed(picture), spots)
    np.testing.assert_array_equal(found, wanted.numpy())
    assert found.shape == (SIDE,) * 3


def test_simulated_clicks_step_by_step(
    net: SamMed3d, picture: np.ndarray, reference: np.ndarray
) -> None:
    segmenter = Segmenter(net)
    rng = np.random.default_rng(5)
    rounds = list(
        simulate(
            segmenter, segmenter.embed(picture), reference, 5, "random",
            lambda n: int(rng.integers(n)),
        )
    )  # fmt: skip
    again = np.random.default_rng(5)
    clicks: list[Click] = []
    predicted = np.zeros_like(reference)
    for one in rounds:
        clicks.append(next_click(predicted, reference, "random", lambda n: int(again.integers(n))))
        assert one.click == clicks[-1]
        logits = plain(net, picture, [c.place for c in clicks], [int(c[1]) for c in clicks])[-1]
        np.testing.assert_array_equal(one.logits, logits.numpy())
        predicted = (logits.sigmoid() > 0.5).numpy()
        np.testing.assert_array_equal(one.mask, predicted)
    assert clicks[0].positive
    assert len(clicks) == 5


def test_a_first_click_may_be_given(
    net: SamMed3d, picture: np.ndarray, reference: np.ndarray
) -> None:
    segmenter = Segmenter(net)
    first = Click((16, 16, 16), True)
    rounds = simulate(
        segmenter, segmenter.embed(picture), reference, 2, "ritm", lambda n: 0, first=first
    )
    assert next(rounds).click == first


def test_refused(net: SamMed3d, picture: np.ndarray) -> None:
    segmenter = Segmenter(net)
    embedding = segmenter.embed(picture)
    with pytest.raises(OptionError, match="no point"):
        segmenter.after(embedding, [])
    nothing = np.zeros((SIDE,) * 3, bool)
    with pytest.raises(LabelError, match="empty"):
        next(simulate(segmenter, embedding, nothing, 1, "random", lambda n: 0))
