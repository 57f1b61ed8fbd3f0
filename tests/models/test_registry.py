"""What the list of nets says is true, and listing them loads no torch."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from medprep.errors import OptionError
from medprep.models import ModelInfo, build, describe
from medprep.models.registry import training_bytes
from medprep_cli.main import cli

INFOS = pytest.mark.parametrize("info", describe(), ids=lambda info: info.name)

MEASURED = {
    "unet2d": ((128, 128), 4),
    "unet3d": ((48, 48, 48), 2),
    "unetr": ((32, 32, 32), 2),
    "unetr-official": ((64, 64, 64), 1),
    "densenet-unet": ((128, 128), 4),
    "sam-med3d": ((128, 128, 128), 1),
}

STEP = """
import sys, json, torch
from pathlib import Path
from medprep.models import build
name, config, patch, batch = json.loads(sys.argv[1])
def kib(entry):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(entry))
torch.set_num_threads(1)
before = kib("VmRSS")
net = build(name, **config).train()
net = getattr(net, "image_encoder", net)
adam = torch.optim.Adam(net.parameters())
for _ in range(2):
    adam.zero_grad()
    net(torch.rand(batch, config.get("in_channels", 1), *patch)).square().mean().backward()
    adam.step()
print((kib("VmHWM") - before) * 1024)
"""


def _kept_for_backward(net: nn.Module, image: Tensor) -> int:
    """Bytes of all that autograd holds after a forward pass, but the parameters."""
    own = {tensor.untyped_storage()._cdata for tensor in net.parameters()}
    kept: dict[int, Any] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no number is given twice
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(image)
    return sum(storage.nbytes() for storage in kept.values())


@INFOS
def test_recorded_numbers(info: ModelInfo) -> None:
    sides = {"any": 96, "up to": 96, "exactly": info.multiple}
    patch = (256, 256) if info.dimensions == 2 else (sides[info.takes],) * 3
    patch = info.published.get("shape", patch)
    with torch.device("meta"):
        net = build(info.name, **info.published).train()
        image = torch.empty(2, info.published.get("in_channels", 1), *patch)
        # The encoder is what counts of a net that is told by clicks.
        kept = _kept_for_backward(getattr(net, "image_encoder", net), image)
    assert sum(tensor.numel() for tensor in net.parameters()) == info.parameters
    assert kept / image[:, 0].numel() == pytest.approx(info.bytes_per_voxel, rel=0.02)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's own count")
@INFOS
def test_memory_rule_is_within_a_factor_of_two(info: ModelInfo) -> None:
    patch, batch = MEASURED[info.name]
    config = {**info.published, **({"shape": patch} if info.takes == "up to" else {})}
    done = subprocess.run(
        [sys.executable, "-c", STEP, json.dumps([info.name, config, patch, batch])],
        capture_output=True,
        text=True,
        check=True,
    )
    estimated = training_bytes(info, patch, batch)
    assert estimated is not None
    assert estimated / 2 <= int(done.stdout) <= estimated * 2


def test_memory_rule() -> None:
    info = next(one for one in describe() if one.name == "unet3d")
    fixed = 16 * info.parameters
    assert training_bytes(info, (8, 16, 24), 2) == fixed + 2 * 8 * 16 * 24 * info.bytes_per_voxel
    assert training_bytes(info, (7, 15, 17), 2) == training_bytes(info, (8, 16, 24), 2)
    assert training_bytes(info, (16, 16), 2) is None
    with pytest.raises(OptionError):
        training_bytes(info, (16, 0, 16), 2)


def test_a_net_of_one_shape_takes_no_larger_patch() -> None:
    info = next(one for one in describe() if one.name == "sam-med3d")
    assert training_bytes(info, (96, 96, 96), 1) == training_bytes(info, (128, 128, 128), 1)
    assert training_bytes(info, (96, 129, 96), 1) is None
    assert info.demands == "exactly 128 x 128 x 128, and clicks"


@pytest.mark.parametrize("words", [["--help"], ["models"], ["models", "--patch", "96,96,96"],
                                   ["import-weights", "--help"]])  # fmt: skip
def test_listing_loads_no_torch(words: list[str]) -> None:
    code = (
        "import sys\n"
        "from medprep_cli.main import main\n"
        "try:\n"
        f"    main({words})\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "loaded = {'torch', 'scipy', 'cv2'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_models_table_and_json() -> None:
    plain = CliRunner().invoke(cli, ["models", "--patch", "96,96,96", "--batch", "2"])
    assert plain.exit_code == 0
    lines = {line.split()[0]: line for line in plain.stdout.splitlines()}
    assert "19,077,859" in lines["unet3d"]
    assert "8.0" in lines["unet3d"]
    assert "any size, padded to multiples of 8" in lines["unet3d"]
    assert " - " in lines["unet2d"]
    listed = json.loads(CliRunner().invoke(cli, ["models", "--json"]).stdout)
    assert [one["name"] for one in listed] == [one.name for one in describe()]
    assert listed[0]["training_bytes"] is None


@pytest.mark.parametrize("patch", ["96,0,96", "96;96", "", "96,,96"])
def test_a_patch_that_is_none_is_refused(patch: str) -> None:
    assert CliRunner().invoke(cli, ["models", "--patch", patch]).exit_code == 2


def test_import_weights_command(tmp_path: Path) -> None:
    net = build("unet3d", out_channels=3, width=2)
    torch.save(net.state_dict(), tmp_path / "net.pth")
    words = ["import-weights", str(tmp_path / "net.pth"), "--model", "unet3d", "--json"]
    tried = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert tried.exit_code == 0
    assert not (tmp_path / "net.safetensors").exists()
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    assert said == json.loads(tried.stdout)
    assert said["config"] == {
        "in_channels": 1, "out_channels": 3, "width": 2, "activation": "prelu",
    }  # fmt: skip
    assert (tmp_path / "net.safetensors").exists()


def test_import_weights_takes_what_no_tensor_tells(tmp_path: Path) -> None:
    sizes = {"shape": (16, 32, 16), "embed_dim": 12, "heads": 2, "dropout": 0.25}
    torch.save(build("unetr", **sizes).state_dict(), tmp_path / "net.pth")
    words = ["import-weights", str(tmp_path / "net.pth"), "--model", "unetr", "--json"]
    said = ["--set", "shape=16,32,16", "--set", "heads=2", "--set", "dropout=0.25"]
    done = CliRunner().invoke(cli, [*words, *said])
    assert done.exit_code == 0
    config = json.loads(done.stdout)["config"]
    assert {**config, "shape": tuple(config["shape"])} == {
        "in_channels": 1,
        "out_channels": 1,
        **sizes,
    }


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("heads=2.5", "heads of model 'unetr' is a whole number, not 2.5"),
        ("heads=true", "a whole number, not True"),
        ("shape=16,x,16", "shape of model 'unetr' is whole numbers"),
        ("dropout=much", "dropout of model 'unetr' is a number, not 'much'"),
        ("hats=2", "has no 'hats' .has in_channels"),
    ],
)
def test_impossible_settings_are_refused(tmp_path: Path, setting: str, message: str) -> None:
    torch.save({"positions": torch.zeros(1, 8, 768)}, tmp_path / "net.pth")
    words = ["import-weights", str(tmp_path / "net.pth"), "--model", "unetr", "--set", setting]
    with pytest.raises(OptionError, match=message):
        CliRunner().invoke(cli, words, catch_exceptions=False)


def test_a_setting_without_a_value_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "net.pth").touch()
    words = ["import-weights", str(tmp_path / "net.pth"), "--model", "unetr", "--set", "heads"]
    assert CliRunner().invoke(cli, words).exit_code == 2


def test_without_a_file_it_says_where_weights_are() -> None:
    with pytest.raises(
        OptionError, match=r"sam_med3d_turbo\.pth .* licence .* 44 public data sets"
    ):
        CliRunner().invoke(cli, ["import-weights", "--model", "sam-med3d"], catch_exceptions=False)
    with pytest.raises(OptionError, match="original code"):
        CliRunner().invoke(cli, ["import-weights", "--model", "unet2d"], catch_exceptions=False)
