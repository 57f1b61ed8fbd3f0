"""Files that others wrote: read without running anything, rebuilt from the tensors alone."""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from medprep.errors import CheckpointError, OptionError, WriteError
from medprep.models import build, config_of
from medprep.models.checkpoint import load_model, read_tensors
from medprep.models.foreign import import_weights, read_foreign, rebuild
from medprep.models.originals import original_names

UNETR = {"shape": (16, 32, 16), "embed_dim": 12, "heads": 2}
OFFICIAL = {
    "shape": (32, 32, 32), "feature_size": 2, "hidden_size": 12, "mlp_dim": 8, "heads": 3,
}  # fmt: skip
NETS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("unet2d", {"in_channels": 2, "out_channels": 3, "width": 4}, {}),
    ("unet3d", {"in_channels": 2, "out_channels": 3, "width": 2, "activation": "prelu"}, {}),
    ("unet3d", {"in_channels": 1, "out_channels": 5, "width": 4, "activation": "elu"}, {}),
    ("unetr", {"out_channels": 3, **UNETR}, {"shape": (16, 32, 16), "heads": 2}),
    ("unetr-official", {"in_channels": 2, "out_channels": 3, **OFFICIAL}, {"heads": 3}),
    ("densenet-unet", {"in_channels": 3, "out_channels": 2, "width": 4}, {}),
]


def _original(net: nn.Module) -> dict[str, Tensor]:
    """A net's tensors under the names of its original."""
    found: dict[str, Tensor] = {}
    for ours, parts in original_names(net).items():
        tensor = net.state_dict()[ours]
        pieces = tensor.chunk(len(parts)) if len(parts) > 1 else [tensor]
        found.update(zip(parts, pieces, strict=True))
    return found


def _equal(net: nn.Module, other: nn.Module) -> bool:
    theirs = other.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in net.state_dict().items())


@pytest.mark.parametrize(
    ("name", "config", "given", "names"),
    [(*net, names) for net in NETS for names in ("original", "own")][:-2]
    + [(*NETS[-1], "own")],  # the last has no original
)
def test_the_net_is_read_off_its_tensors(
    name: str, config: dict[str, Any], given: dict[str, Any], names: str
) -> None:
    net = build(name, **config)
    tensors = net.state_dict() if names == "own" else _original(net)
    again = rebuild(name, tensors, **given)
    assert config_of(again) == config_of(net)
    assert _equal(again, net)


def test_a_shape_that_is_no_cube_must_be_given() -> None:
    net = build("unetr", **UNETR)
    with pytest.raises(OptionError, match=r"2 tokens .* say the shape"):
        rebuild("unetr", _original(net), heads=2)
    with pytest.raises(OptionError, match="heads"):
        rebuild("unetr", _original(net), shape=(16, 32, 16), heads=5)


@pytest.mark.parametrize("name", ["unet2d", "densenet-unet"])
def test_tensors_of_another_net_are_refused(name: str) -> None:
    with pytest.raises(CheckpointError, match="missing"):
        rebuild(name, _original(build("unet3d", width=2)))


def test_heads_are_only_guessed_at_the_published_size() -> None:
    tensors = _original(build("unetr", **UNETR))
    with pytest.raises(OptionError, match="no tensor tells heads, and with embed_dim 12"):
        rebuild("unetr", tensors, shape=(16, 32, 16))


Wrap = Callable[[dict[str, Tensor]], Any]
WRAPS: dict[str, Wrap] = {
    "bare": lambda tensors: tensors,
    "state_dict": lambda tensors: {"state_dict": tensors, "epoch": 3},
    "sam_med3d": lambda tensors: {
        "model_state_dict": tensors, "epoch": 3, "losses": [0.5, 0.25], "best_loss": 0.25,
        "args": argparse.Namespace(lr=8e-4, work_dir=["a", 1]),
    },
    "parallel": lambda tensors: {f"module.{name}": one for name, one in tensors.items()},
}  # fmt: skip


@pytest.mark.parametrize("wrap", WRAPS)
def test_pickled_forms(tmp_path: Path, wrap: str) -> None:
    tensors = build("unet2d", width=2).state_dict()
    torch.save(WRAPS[wrap](tensors), tmp_path / "net.pth")
    found = read_foreign(tmp_path / "net.pth")
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_the_old_form_of_torch_files(tmp_path: Path) -> None:
    tensors = build("unet2d", width=2).state_dict()
    torch.save(tensors, tmp_path / "net.pt", _use_new_zipfile_serialization=False)
    assert read_foreign(tmp_path / "net.pt").keys() == tensors.keys()


class Bomb:
    """Would make a file if it were unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("form", ["zip", "old", "bare pickle", "in a namespace"])
def test_a_planted_pickle_is_refused_and_not_run(tmp_path: Path, form: str) -> None:
    path, burst = tmp_path / "net.pth", tmp_path / "burst"
    tensors: dict[str, Any] = {"w": torch.zeros(2), "bomb": Bomb(burst)}
    if form == "bare pickle":
        path.write_bytes(pickle.dumps(tensors))
    elif form == "in a namespace":
        whole = {"state_dict": {"w": torch.zeros(2)}, "args": argparse.Namespace(b=Bomb(burst))}
        torch.save(whole, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match="nothing in it was run"):
        read_foreign(path)
    assert not burst.exists()


def test_a_whole_pickled_net_is_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match=r"torch\.save\(net\.state_dict\(\), FILE\).*Linear"):
        read_foreign(tmp_path / "net.pth")


@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04" + b"\0" * 40, b"\x80\x02."])
def test_rubbish_is_refused(tmp_path: Path, ending: str, content: bytes) -> None:
    path = tmp_path / f"net{ending}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="net"):
        read_foreign(path)


def test_cut_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(build("unet2d", width=2).state_dict(), path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CheckpointError):
        read_foreign(path)


@pytest.mark.parametrize("content", [{}, [1, 2], {"state_dict": {"epoch": 3}}, {"epoch": 3}])
def test_files_without_tensors_are_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="tensors"):
        read_foreign(tmp_path / "net.pth")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no such file"):
        read_foreign(tmp_path / "none.pth")


def test_import_and_load(tmp_path: Path) -> None:
    net = build("unet2d", out_channels=2, width=4)
    torch.save({"state_dict": _original(net)}, tmp_path / "net.pth")
    config = import_weights(tmp_path / "net.pth", "unet2d", tmp_path / "net.safetensors")
    assert config == config_of(net)
    again, record = load_model(tmp_path / "net.safetensors", torch.device("cpu"))
    assert record["imported"] == "net.pth"
    assert _equal(again, net)
    # What we wrote is a foreign file like any other, with our own names.
    assert _equal(rebuild("unet2d", read_foreign(tmp_path / "net.safetensors")), net)


def test_a_volume_net_is_kept_whole(tmp_path: Path) -> None:
    net = build("unetr", **UNETR)
    torch.save(_original(net), tmp_path / "net.pth")
    out = tmp_path / "net.safetensors"
    import_weights(tmp_path / "net.pth", "unetr", out, shape=(16, 32, 16), heads=2)
    tensors, record = read_tensors(out)
    again = build(record["model"], **record["config"])
    again.load_state_dict(tensors)
    assert _equal(again, net)


def test_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    torch.save(build("unet2d", width=2).state_dict(), tmp_path / "net.pth")
    out = tmp_path / "out.safetensors"
    out.write_bytes(b"mine")
    with pytest.raises(WriteError, match="--overwrite"):
        import_weights(tmp_path / "net.pth", "unet2d", out)
    assert out.read_bytes() == b"mine"
    import_weights(tmp_path / "net.pth", "unet2d", out, overwrite=True)
    assert len(out.read_bytes()) > 1000


def test_a_refused_file_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "net.pth").write_bytes(b"rubbish")
    with pytest.raises(CheckpointError):
        import_weights(tmp_path / "net.pth", "unet2d", tmp_path / "out.safetensors")
    assert [one.name for one in tmp_path.iterdir()] == ["net.pth"]
