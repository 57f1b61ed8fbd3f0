"""SAM-Med3D is the original one, to the last digits and by the names of its weights."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig
from medprep.models.sam_med3d.layers import LayerNorm3d

GOLDEN = Path(__file__).parents[2] / "golden"
POINTS = torch.tensor([[[32.0, 16.0, 48.0], [3.0, 63.0, 7.0]]])
LABELS = torch.tensor([[1, 0]])
OUTPUTS = ("sparse", "dense", "lowres", "iou", "lowres_multi", "iou_multi", "up")


@pytest.fixture
def outputs(net: SamMed3d, fill: ModuleType) -> dict[str, Tensor]:
    """All outputs under the golden names."""
    zeros = torch.zeros(1, 1, 16, 16, 16)
    first = (POINTS[:, :1], LABELS[:, :1])
    with torch.inference_mode():
        volume = torch.from_numpy(fill.fill_input("sam3d_small", (1, 1, 64, 64, 64)))
        found = {
            "image_embedding": net.image_encoder(volume),
            "dense_pe": net.prompt_encoder.get_dense_pe(),
        }
        _click(net, found, "p1_nomask", first, None)
        _click(net, found, "p1_zeromask", first, zeros)
        _click(net, found, "p2_prevmask", (POINTS, LABELS), found["p1_zeromask_lowres"])
        _click(net, found, "nopoints_prevmask", None, found["p2_prevmask_lowres"])
    return found


def _click(
    net: SamMed3d,
    found: dict[str, Tensor],
    case: str,
    points: tuple[Tensor, Tensor] | None,
    masks: Tensor | None,
) -> None:
    sparse, dense = net.prompt_encoder(points=points, boxes=None, masks=masks)
    given = {
        "image_embeddings": found["image_embedding"],
        "image_pe": found["dense_pe"],
        "sparse_prompt_embeddings": sparse,
        "dense_prompt_embeddings": dense,
    }
    one, several = (net.mask_decoder(**given, multimask_output=many) for many in (False, True))
    values = (sparse, dense, *one, *several, net.enlarge(one[0]))
    found.update({f"{case}_{name}": x for name, x in zip(OUTPUTS, values, strict=True)})


def test_every_golden_output(outputs: dict[str, Tensor]) -> None:
    wanted = np.load(GOLDEN / "sam3d_small.npz")
    index = json.loads((GOLDEN / "sam3d_small.index.json").read_text())
    assert {name.removesuffix("__strided") for name in wanted} == set(outputs) == set(index)
    for name, output in outputs.items():
        facts = index[name]
        assert list(output.shape) == facts["shape"], name
        steps = tuple(slice(None, None, step) for step in facts.get("stride", [1]))
        reference = wanted[name + "__strided" * ("stride" in facts)]
        unlike = np.abs(output.detach().numpy()[steps] - reference).max(initial=0)
        assert unlike <= 2e-5 * max(1.0, facts["absmax"]), name


@pytest.mark.parametrize("name", ["sam3d_small", "sam3d_vit_b_ori"])
def test_tensors_bear_the_released_names(name: str, small: SamMed3dConfig) -> None:
    facts = json.loads((GOLDEN / f"{name}.keys.json").read_text())
    with torch.device("meta"):
        net = SamMed3d(small if name == "sam3d_small" else SamMed3dConfig())
    learned = dict(net.named_parameters())
    ours = [(key, list(x.shape), key in learned) for key, x in net.state_dict().items()]
    assert ours == [(one["key"], one["shape"], one["param"]) for one in facts["tensors"]]
    assert sum(x.numel() for x in learned.values()) == facts["n_parameters"]


def test_the_released_size() -> None:
    with torch.device("meta"):
        net = SamMed3d(SamMed3dConfig())
    parts = (net.image_encoder, net.prompt_encoder, net.mask_decoder)
    counts = [sum(x.numel() for x in part.parameters()) for part in parts]
    assert counts == [92_924_928, 8_668, 7_575_636]
    assert len(net.state_dict()) == 324


def test_what_goldens_do_not_see(net: SamMed3d) -> None:
    """Eps is too small to move them, and dropout is off."""
    for name, module in net.named_modules():
        assert not isinstance(module, nn.Dropout)
        if isinstance(module, nn.LayerNorm):
            decoding = name.startswith("mask_decoder.transformer")
            assert module.eps == (1e-5 if decoding else 1e-6), name
    assert sum(isinstance(module, LayerNorm3d) for module in net.modules()) == 5


def test_training_mode_gives_the_same_numbers(net: SamMed3d) -> None:
    volume = torch.randn(1, 1, 64, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        quiet, training = net.image_encoder(volume), net.train().image_encoder(volume)
    assert torch.allclose(quiet, training, atol=1e-5)
