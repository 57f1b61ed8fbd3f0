"""Weights: ours are read, others refused, nothing is run."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medprep.errors import CheckpointError
from medprep.models.checkpoint import read_tensors, save_model, write_tensors
from medprep.models.registry import build
from medprep.prompting import Prompting, prompt
from medprep.prompting.weights import load_net

CPU = torch.device("cpu")


def test_a_net_comes_back(weights: Path) -> None:
    net, record = load_net(weights, CPU)
    tensors, _ = read_tensors(weights)
    assert record["model"] == "sam-med3d"
    assert all(torch.equal(value, tensors[name]) for name, value in net.state_dict().items())


def test_without_weights_it_says_where_they_are(scan: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        prompt(Prompting(str(scan), points=((28.0, 35.0, -40.0),), output="none.nii"))
    for said in (
        "blueyo0/SAM-Med3D",
        "import-weights",
        "CHAOS",
        "Apache-2.0",
    ):
        assert said in str(caught.value)


def test_imported_weights_warn_of_what_they_have_seen(scan: Path, weights: Path) -> None:
    tensors, record = read_tensors(weights)
    asked = Prompting(
        str(scan), points=((28.0, 35.0, -40.0),), checkpoint=str(weights),
        output=str(scan.with_name("out.nii")),
    )  # fmt: skip
    assert prompt(asked).notes == ()
    imported = weights.with_name("imported.safetensors")
    write_tensors(imported, tensors, {**record, "imported": "sam_med3d_turbo.pth"})
    asked = replace(asked, checkpoint=str(imported))
    assert "CHAOS_Task_4" in prompt(asked, overwrite=True).notes[-1]
    assert "CHAOS_Task_4" in scan.with_name("out.json").read_text()


def changed(path: Path, **changes: Any) -> Path:
    """Write the weights anew with tensors added, replaced or, where None, taken out."""
    tensors, record = read_tensors(path)
    kept = {name: value for name, value in {**tensors, **changes}.items() if value is not None}
    # Elsewhere: what was read is mapped from the file, which must not change below it.
    other = path.with_name("changed.safetensors")
    write_tensors(other, kept, record)
    return other


def test_tensors_that_do_not_fit_are_listed(weights: Path) -> None:
    names = {
        "mask_decoder.iou_token.weight": None,
        "more.weight": torch.zeros(2),
        "mask_decoder.mask_tokens.weight": torch.zeros(3, 48),
    }
    with pytest.raises(CheckpointError) as caught:
        load_net(changed(weights, **names), CPU)
    for said in (
        'Missing key(s) in state_dict: "mask_decoder.iou_token.weight"',
        'Unexpected key(s) in state_dict: "more.weight"',
        "size mismatch for mask_decoder.mask_tokens.weight",
    ):
        assert said in str(caught.value)


def test_other_nets_and_sizes_are_refused(weights: Path) -> None:
    tensors, record = read_tensors(weights)
    net = build("unet2d", width=2)
    save_model(weights.with_name("unet.safetensors"), "unet2d", net, {})
    with pytest.raises(CheckpointError, match="holds a unet2d"):
        load_net(weights.with_name("unet.safetensors"), CPU)
    other = weights.with_name("other.safetensors")
    write_tensors(other, tensors, {**record, "config": {"image_size": 31}})
    with pytest.raises(CheckpointError, match="multiple of 16"):
        load_net(other, CPU)
    with pytest.raises(CheckpointError, match="no such file"):
        load_net(weights.with_name("none.safetensors"), CPU)


class Malicious:
    """Makes a file where it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("name", ["sam.pth", "sam2.safetensors"])
def test_code_in_a_file_of_weights_is_not_run(tmp_path: Path, name: str) -> None:
    planted = tmp_path / "planted"
    torch.save({"model_state_dict": Malicious(planted)}, tmp_path / name)
    with pytest.raises(CheckpointError, match="import-weights" if "pth" in name else "no weights"):
        load_net(tmp_path / name, CPU)
    assert not planted.exists()
    pickle.loads(pickle.dumps(Malicious(planted)))
    assert planted.exists()  # it would have been
