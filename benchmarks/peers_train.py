"""Time training steps: ``python peers_train.py NET JOB LAYOUT``.

One JSON line tells CPU and wall of a step, the mean of several after the first two; by how much
training raised the process's largest resident size; and what the net is. medprep trains by
`medprep.training.loop.train`, from files, its batches included. The others make the same step in a
plain loop on one batch made ready: medprep's loss, optimiser and bound on the gradient, so that the
nets are compared. A peer's environment needs numpy, torch and the peer. Linux only.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parent.parent))  # medprep, where it is not installed

THREADS, CLASSES, WARM = 2, 5, 2
KINDS = ("_BatchNorm", "_InstanceNorm")


@dataclass(frozen=True)
class Job:
    """What is trained.

    Parameters
    ----------
    width, peer_width
        Channels of the first level, for FLOPs as equal as they can be.
    batch, patch
        What a step is shown.
    steps
        So many are timed.
    """

    width: int
    peer_width: int
    batch: int
    patch: tuple[int, ...]
    steps: int

    @property
    def dimensions(self) -> int:
        """2 or 3."""
        return len(self.patch)


JOBS = {
    "2d-16": Job(16, 16, 4, (256, 256), 5),
    "2d-32": Job(32, 32, 4, (256, 256), 3),
    "3d": Job(8, 16, 2, (64, 64, 64), 2),
}
LAYOUTS = ("contiguous", "channels-last")


@dataclass
class Clock:
    """A `Progress` that times the steps of a training after the first ones."""

    steps: int
    seen: int = 0
    at: list[tuple[float, float]] = field(default_factory=list)

    def start(self, what: str, total: int) -> None:
        """Tell nothing."""

    def finish(self) -> None:
        """Tell nothing."""

    def say(self, message: str) -> None:
        """Tell nothing."""

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Look at the clocks when a first and a last step has ended."""
        self.seen += steps
        if self.seen in (WARM, WARM + self.steps):
            self.at.append((time.perf_counter(), cpu_s()))

    def costs(self) -> dict[str, float]:
        """Give the cost of a step."""
        (wall, cpu), (wall_end, cpu_end) = self.at
        return {"wall_s": (wall_end - wall) / self.steps, "cpu_s": (cpu_end - cpu) / self.steps}


def cpu_s() -> float:
    """Give user and system of all threads, and of children that ended."""
    found = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in found)


def medprep(
    precision: Literal["float32", "bf16"], compiled: bool = False
) -> Callable[[Job, str], Any]:
    """Train by medprep in a precision, in the layout that it takes; give the clock."""

    def of(job: Job, _: str) -> tuple[Callable[[], Clock], nn.Module]:
        from medprep.models import build
        from medprep.training.dataset import TrainingCase
        from medprep.training.loop import train
        from medprep.training.options import TrainingOptions

        name = f"unet{job.dimensions}d"
        options = TrainingOptions(
            model=name,
            width=job.width,
            steps=WARM + job.steps + 1,  # the last one, which writes files, is not timed
            batch_size=job.batch,
            patch=job.patch,
            device="cpu",
            precision=precision,
            compile=compiled,
        )
        organs = {label: f"organ {label}" for label in range(1, CLASSES)}

        def run() -> Clock:
            clock = Clock(job.steps)
            with tempfile.TemporaryDirectory() as folder:
                image, labels = write_case(job, Path(folder))
                case = TrainingCase("one", image, labels, (0, 2000), "MR")
                train([case], [], [], organs, options, Path(folder), "benchmark", clock)
            return clock

        return run, build(name, in_channels=1, out_channels=CLASSES, width=job.width)

    return of


def write_case(job: Job, folder: Path) -> tuple[Path, Path]:
    """Write a picture of noise, and labels of noise."""
    from medprep.formats import nifti
    from medprep.geometry import Geometry
    from medprep.volume import LabelMap, Volume

    chance = np.random.default_rng(0)
    shape = (job.batch, *job.patch)[-3:]
    grid = Geometry.from_parts(shape, (1.0, 1.0, 1.0))
    image, labels = folder / "image.nii", folder / "labels.nii"
    nifti.write(image, Volume(chance.integers(0, 2000, shape).astype(np.uint16), grid))
    nifti.write(labels, LabelMap(chance.integers(0, CLASSES, shape).astype(np.uint8), grid))
    return image, labels


def basic_unet(job: Job) -> nn.Module:
    """Give MONAI's BasicUNet with its own defaults."""
    from monai.networks.nets import BasicUNet

    width = job.peer_width
    return BasicUNet(job.dimensions, 1, CLASSES, (*(width * 2**n for n in range(5)), width))


def monai_unet(job: Job, classes: int = CLASSES) -> nn.Module:
    """Give MONAI's UNet as its tutorials have it: strided, with residual units."""
    from monai.networks.nets import UNet

    levels = 5 if job.dimensions == 2 else 4
    widths = [job.peer_width * 2**n for n in range(levels)]
    return UNet(job.dimensions, 1, classes, widths, [2] * (levels - 1), num_res_units=2)


def plain_conv_unet(job: Job, classes: int = CLASSES) -> nn.Module:
    """Give nnU-Net's PlainConvUNet as its plans have it, without deep supervision."""
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    levels = 5 if job.dimensions == 2 else 4
    conv, norm = {2: (nn.Conv2d, nn.InstanceNorm2d), 3: (nn.Conv3d, nn.InstanceNorm3d)}[
        job.dimensions
    ]
    net: nn.Module = PlainConvUNet(
        1,
        levels,
        [job.peer_width * 2**n for n in range(levels)],
        conv,
        3,
        [1, *[2] * (levels - 1)],
        2,
        classes,
        2,
        conv_bias=True,
        norm_op=norm,
        norm_op_kwargs={"eps": 1e-5, "affine": True},
        nonlin=nn.LeakyReLU,
        nonlin_kwargs={"inplace": True},
    )
    return net


def plainly(make: Callable[[Job], nn.Module]) -> Callable[[Job, str], Any]:
    """Train a net by a plain loop."""

    def of(job: Job, layout: str) -> tuple[Callable[[], Clock], nn.Module]:
        from medprep.training.losses import dice_cross_entropy
        from medprep.training.recipes import named_recipe

        last = {2: torch.channels_last, 3: torch.channels_last_3d}[job.dimensions]
        memory = last if layout == "channels-last" else torch.contiguous_format

        def run() -> Clock:
            torch.manual_seed(0)
            net = make(job).train().to(memory_format=memory)  # type: ignore[call-overload]
            recipe, clock = named_recipe("default"), Clock(job.steps)
            longest = recipe.largest_gradient or float("inf")
            optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=recipe.weight_decay)
            pictures = torch.randn(job.batch, 1, *job.patch).contiguous(memory_format=memory)
            labels = torch.randint(0, CLASSES, (job.batch, *job.patch))
            for _ in range(WARM + job.steps):
                optimiser.zero_grad()
                loss = dice_cross_entropy(net(pictures), labels)
                float(loss.detach())
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(net.parameters(), longest)
                optimiser.step()
                clock.advance()
            return clock

        return run, make(job)

    return of


NETS: dict[str, Callable[[Job, str], Any]] = {
    "medprep": medprep("float32"),
    "medprep-bf16": medprep("bf16"),
    "medprep-compile": medprep("float32", compiled=True),
    "basic-unet": plainly(basic_unet),
    "monai-unet": plainly(monai_unet),
    "plain-conv-unet": plainly(plain_conv_unet),
}


def described(net: nn.Module, patch: tuple[int, ...]) -> dict[str, Any]:
    """Tell what a net is: FLOPs are those of a forward pass, for each picture, a MAC being two."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        net.eval()(torch.zeros(1, 1, *patch))
    bases = {base.__name__ for one in net.modules() for base in type(one).__mro__}
    drops = [float(getattr(one, "p", 0)) for one in net.modules() if "Drop" in type(one).__name__]
    return {
        "parameters": sum(one.numel() for one in net.parameters()),
        "gflop": counter.get_total_flops() / 1e9,
        "norm": " ".join(kind[1:-4].lower() for kind in KINDS if kind in bases),
        "dropout": max(drops, default=0),
    }


def resident_mib(which: str) -> float:
    """Give the process's resident size, now (VmRSS) or at its largest (VmHWM)."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition(f"{which}:")[2].split()[0]) / 1024


def main() -> None:
    """Measure a net."""
    name, job, layout = sys.argv[1], JOBS[sys.argv[2]], sys.argv[3]
    torch.set_num_threads(THREADS)
    run, net = NETS[name](job, layout)
    facts = described(net, job.patch)  # besides, it starts the threads
    torch.optim.AdamW(net.parameters()).step()  # and loads what an optimiser does
    del net
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib("VmRSS")
    costs = run().costs()
    print(json.dumps(costs | facts | {"growth_mib": resident_mib("VmHWM") - before}))


if __name__ == "__main__":
    main()
