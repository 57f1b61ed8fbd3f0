"""Clicks and masks become what the decoder asks for; what cannot work is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import Tensor

from medprep.errors import OptionError
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig

AT = torch.tensor([[[1.0, 2.0, 3.0], [40.0, 50.0, 60.0]]])
LABELS = torch.tensor([[1, 0]])


def _decode(net: SamMed3d, embedding: Tensor, points: tuple[Tensor, Tensor]) -> Tensor:
    sparse, dense = net.prompt_encoder(points=points)
    masks, _ = net.mask_decoder(
        image_embeddings=embedding,
        image_pe=net.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    assert isinstance(masks, Tensor)
    return masks


def test_a_point_that_is_none_ends_the_points(net: SamMed3d) -> None:
    with torch.inference_mode():
        sparse, _ = net.prompt_encoder(points=(AT, LABELS))
        named, _ = net.prompt_encoder(points=(AT, torch.tensor([[1, -1]])))
    assert sparse.shape == (1, 3, 48)
    nothing = net.prompt_encoder.not_a_point_embed.weight[0]
    assert torch.equal(sparse[0, -1], nothing)
    assert torch.equal(named[0, 1], nothing)
    assert torch.equal(named[0, 0], sparse[0, 0])


def test_no_points_give_no_sparse_embedding(net: SamMed3d) -> None:
    sparse, dense = net.prompt_encoder(masks=torch.zeros(2, 1, 16, 16, 16))
    assert sparse.shape == (2, 0, 48)
    assert dense.shape == (2, 48, 4, 4, 4)


def test_whole_numbers_serve_as_places(net: SamMed3d) -> None:
    whole, _ = net.prompt_encoder(points=(AT.long(), LABELS))
    broken, _ = net.prompt_encoder(points=(AT, LABELS))
    assert torch.equal(whole, broken)


def test_a_mask_of_zeros_is_not_no_mask(net: SamMed3d) -> None:
    _, zeros = net.prompt_encoder(points=(AT, LABELS), masks=torch.zeros(1, 1, 16, 16, 16))
    _, nothing = net.prompt_encoder(points=(AT, LABELS))
    assert zeros.shape == nothing.shape
    assert (zeros - nothing).abs().max() > 0.1


def test_places_of_tokens_swap_two_axes_and_places_of_points_do_not(net: SamMed3d) -> None:
    places = net.prompt_encoder.get_dense_pe()
    # The middle of the token at (0, 1, 3), each 16 voxels wide.
    middle = torch.tensor([8.0, 24.0, 56.0]) / 64
    assert torch.allclose(places[0, :, 0, 1, 3], net.prompt_encoder.pe_layer(middle[[1, 0, 2]]))
    point = torch.tensor([[[7.5, 23.5, 55.5]]])
    sparse, _ = net.prompt_encoder(points=(point, torch.tensor([[1]])))
    kind = net.prompt_encoder.point_embeddings[1].weight[0]
    assert torch.allclose(sparse[0, 0] - kind, net.prompt_encoder.pe_layer(middle), atol=1e-6)


def test_one_volume_serves_several_prompts(net: SamMed3d) -> None:
    embedding = torch.randn(1, 48, 4, 4, 4)
    with torch.inference_mode():
        both = _decode(net, embedding, (AT.transpose(0, 1), LABELS.transpose(0, 1)))
        apart = [_decode(net, embedding, (AT[:, [n]], LABELS[:, [n]])) for n in (0, 1)]
    assert both.shape == (2, 1, 16, 16, 16)
    assert torch.allclose(both, torch.cat(apart), atol=1e-5)


def test_places_are_kept_with_the_weights_and_never_trained(net: SamMed3d) -> None:
    name = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
    assert name in net.state_dict()
    assert name not in dict(net.named_parameters())


def test_boxes_are_refused_with_the_reason(net: SamMed3d) -> None:
    with pytest.raises(OptionError, match="no boxes: the original"):
        net.prompt_encoder(boxes=torch.zeros(1, 1, 6))


@pytest.mark.parametrize(
    ("places", "labels", "masks"),
    [
        (torch.zeros(1, 2, 2), LABELS, None),
        (torch.zeros(2, 3), LABELS, None),
        (AT, LABELS[:, :1], None),
        (AT, torch.tensor([[1, 2]]), None),
        (AT, LABELS, torch.zeros(1, 1, 64, 64, 64)),
        (AT, LABELS, torch.zeros(2, 1, 16, 16, 16)),
    ],
)
def test_wrong_prompts_are_refused(
    net: SamMed3d, places: Tensor, labels: Tensor, masks: Tensor | None
) -> None:
    with pytest.raises(OptionError):
        net.prompt_encoder(points=(places, labels), masks=masks)


@pytest.mark.parametrize(
    "sizes",
    [
        {"image_size": 100},
        {"embed_dim": 50},
        {"heads": 0},
        {"window": 0},
        {"mlp_ratio": 0.0},
        {"mlp_ratio": float("nan")},
        {"global_blocks": (2, 12)},
        {"global_blocks": (-1,)},
        {"prompt_dim": 64},
        {"prompt_dim": 36},
        {"prompt_dim": 48, "decoder_heads": 5},
        {"mask_in_channels": 6},
        {"mask_tokens": 1},
    ],
)
def test_impossible_sizes_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match=next(iter(sizes))):
        SamMed3dConfig(**sizes)


def test_sizes_come_back_from_json(small: SamMed3dConfig) -> None:
    assert SamMed3dConfig(**json.loads(json.dumps(asdict(small)))) == small


def test_other_sizes_work() -> None:
    config = SamMed3dConfig(
        image_size=32,
        patch_size=8,
        embed_dim=12,
        depth=1,
        heads=2,
        mlp_ratio=2.5,
        window=3,
        global_blocks=(),
        prompt_dim=24,
        mask_in_channels=4,
        mask_tokens=3,
        iou_depth=1,
        iou_hidden=5,
        decoder_depth=1,
        decoder_heads=2,
        decoder_mlp=7,
    )
    net = SamMed3d(config)
    masks = _decode(net, net.image_encoder(torch.zeros(1, 1, 32, 32, 32)), (AT, LABELS))
    assert masks.shape == (1, 1, 16, 16, 16)
    assert net.enlarge(masks).shape == (1, 1, 32, 32, 32)
