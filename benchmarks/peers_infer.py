"""Time predictions: ``python peers_infer.py PEER JOB LAYOUT FOLDER``.

One JSON line tells CPU and wall of a prediction, the mean of several after a first one; by how much
that first one raised the process's largest resident size; and what the net is. Labels go to the
folder as ``PEER.npy``. Nets have weights of chance, and batch norms that have seen some pictures.
Linux only.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers_train import CLASSES, JOBS, THREADS, basic_unet, cpu_s, described, resident_mib
from torch import Tensor, nn

SLICES, SIDE = 16, 256
VOLUME, WINDOW, OVERLAP = (64, 192, 192), (64, 96, 96), 0.5
WIDTH_3D = 8
ROUNDS = {"2d": 5, "3d": 1}

Array = np.ndarray[Any, Any]
Once = Callable[[], Array]


def our_net(job: str) -> nn.Module:
    """Give medprep's net as training leaves it."""
    from medprep.models import build

    torch.manual_seed(0)
    width, name = (JOBS["2d-16"].width, "unet2d") if job == "2d" else (WIDTH_3D, "unet3d")
    net = build(name, in_channels=1, out_channels=CLASSES, width=width).train()
    with torch.no_grad():
        for _ in range(3):
            net(torch.randn(2, 1, *(32,) * (2 if job == "2d" else 3)))
    return net.eval()


def picture(job: str) -> Tensor:
    """Give what is predicted: (1, slices, rows, columns)."""
    chance = torch.Generator().manual_seed(1)
    return torch.randn(1, *((SLICES, SIDE, SIDE) if job == "2d" else VOLUME), generator=chance)


def folded(net: nn.Module) -> tuple[nn.Module, torch.memory_format]:
    """Give a net as medprep predicts with it, and how its input lies in memory."""
    from medprep.models.folding import fold
    from medprep.models.layout import quickest

    layout = quickest(net)
    return fold(net).to(memory_format=layout), layout  # type: ignore[call-overload]


def medprep(job: str, _: str) -> tuple[Once, nn.Module]:
    """Predict as `medprep.inference` does with a volume that lies ready."""
    from medprep.models.preparation import Preparation
    from medprep.models.scaling import Scaling
    from medprep.models.targets import Targets
    from medprep.models.windows import predict_volume

    plain = our_net(job)
    net, _ = folded(plain)
    targets = Targets({label: f"organ {label}" for label in range(1, CLASSES)})
    patch = (SIDE, SIDE) if job == "2d" else WINDOW
    preparation = Preparation(len(patch), (Scaling("z-score"),), None, patch, targets)  # type: ignore[arg-type]
    seen, device = picture(job).numpy(), torch.device("cpu")
    return lambda: predict_volume(net, seen, preparation, device, overlap=OVERLAP), plain


def basic(job: str, layout: str) -> tuple[Once, nn.Module]:
    """Label slices by MONAI's BasicUNet, four at a time."""
    torch.manual_seed(0)
    memory = torch.channels_last if layout == "channels-last" else torch.contiguous_format
    net = basic_unet(JOBS["2d-16"]).eval().to(memory_format=memory)  # type: ignore[call-overload]
    slices = picture(job).transpose(0, 1).contiguous(memory_format=memory)

    @torch.inference_mode()
    def once() -> Array:
        found = [net(some).argmax(1).to(torch.uint8) for some in slices.split(4)]
        return torch.cat(found).numpy()

    return once, net


def inferer(ready: bool) -> Callable[[str, str], tuple[Once, nn.Module]]:
    """Label a volume by MONAI's inferer and medprep's net, plain or as medprep predicts with it."""

    def of(job: str, layout: str) -> tuple[Once, nn.Module]:
        from monai.inferers import SlidingWindowInferer

        plain, last = our_net(job), layout == "channels-last"
        memory = torch.channels_last_3d if last else torch.contiguous_format
        net = plain.to(memory_format=memory)  # type: ignore[call-overload]
        if ready:
            net, memory = folded(plain)
        slide = SlidingWindowInferer(WINDOW, 1, OVERLAP, mode="gaussian")
        seen = picture(job)[None]

        def asked(windows: Tensor) -> Tensor:
            answer: Tensor = net(windows.contiguous(memory_format=memory))
            return answer

        @torch.inference_mode()
        def once() -> Array:
            return slide(seen, asked)[0].argmax(0).to(torch.uint8).numpy()

        return once, plain

    return of


PEERS: dict[str, Callable[[str, str], tuple[Once, nn.Module]]] = {
    "medprep": medprep,
    "basic-unet": basic,
    "inferer": inferer(False),
    "inferer-folded": inferer(True),
}


def differences() -> dict[str, float]:
    """Give how far the logits of the folded nets are from those of the plain ones at most."""
    found = {}
    for job in ROUNDS:
        plain = our_net(job)
        net, layout = folded(plain)
        seen = picture(job).transpose(0, 1)[:4] if job == "2d" else picture(job)[None, ..., :64]
        with torch.inference_mode():
            wanted = plain(seen)
            got = net(seen.contiguous(memory_format=layout))
        found[job] = float((got - wanted).abs().max())
        found[f"{job} largest"] = float(wanted.abs().max())
    return found


def main() -> None:
    """Measure a peer, or tell how far folding changes logits."""
    torch.set_num_threads(THREADS)
    if sys.argv[1] == "differences":
        print(json.dumps(differences()))
        return
    name, job, layout, folder = sys.argv[1:]
    once, net = PEERS[name](job, layout)
    with torch.inference_mode():
        net(torch.zeros(1, 1, *(32,) * (2 if job == "2d" else 3)))  # it starts the threads
    Path("/proc/self/clear_refs").write_text("5")
    before = resident_mib("VmRSS")
    labels = once()
    growth = resident_mib("VmHWM") - before
    wall, cpu, rounds = time.perf_counter(), cpu_s(), ROUNDS[job]
    for _ in range(rounds):
        once()
    wall, cpu = (time.perf_counter() - wall) / rounds, (cpu_s() - cpu) / rounds
    np.save(Path(folder, f"{name}.npy"), labels)
    costs = {"wall_s": wall, "cpu_s": cpu, "growth_mib": growth}
    patch = (SIDE, SIDE) if job == "2d" else WINDOW
    print(json.dumps(costs | described(net, patch)))


if __name__ == "__main__":
    main()
