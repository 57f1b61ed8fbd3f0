"""Small nets and simple bodies to mark."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from medprep.geometry import Geometry
from medprep.models.prompts.framing import normalised
from medprep.models.prompts.grids import lattice
from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig

TINY: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 8,
    "embed_dim": 24,
    "depth": 2,
    "heads": 3,
    "window": 3,
    "global_blocks": (1,),
    "prompt_dim": 48,
    "iou_hidden": 16,
    "decoder_mlp": 64,
}
SHARP = {**TINY, "embed_dim": 48, "depth": 2}
BALL_MM = (-30.25, -24.5, -30.0)


def places_mm(geometry: Geometry) -> NDArray[np.float64]:
    """Give the LPS place of each voxel, (*shape, 3)."""
    index = np.stack(np.indices(geometry.shape), -1)
    return np.asarray(index @ geometry.affine[:3, :3].T + geometry.affine[:3, 3])


def ellipsoid(geometry: Geometry, middle_mm: Any, radii_mm: Any) -> NDArray[np.bool_]:
    """Draw an ellipsoid along the patient's axes on any grid."""
    apart = (places_mm(geometry) - middle_mm) / np.asarray(radii_mm)
    return np.asarray((apart**2).sum(-1) < 1)


def centroid_mm(mask: NDArray[Any], geometry: Geometry) -> NDArray[np.float64]:
    """Give the LPS place of a mask's centroid."""
    return places_mm(geometry)[mask.astype(bool)].mean(0)


def train_on_ellipsoids(steps: int, batch: int = 6) -> SamMed3d:
    """Teach a net to mark the bright body that is clicked."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = SamMed3d(SamMed3dConfig(**SHARP)).train()
    rate = torch.optim.AdamW(net.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(rate, steps)
    for _ in range(steps):
        pictures, masks, clicks = zip(*(_example(rng) for _ in range(batch)), strict=True)
        wanted = torch.from_numpy(np.stack(masks)[:, None]).float()
        embedding = net.image_encoder(torch.from_numpy(np.stack(pictures)[:, None]))
        low_res = torch.zeros(batch, 1, *[net.config.low_res] * 3)
        points = (torch.from_numpy(np.stack(clicks)[:, None]).float(), torch.ones(batch, 1))
        loss = torch.zeros(())
        for _ in range(2):
            sparse, dense = net.prompt_encoder(points=points, masks=low_res)
            low_res, _ = net.mask_decoder(
                embedding, net.prompt_encoder.get_dense_pe(), sparse, dense
            )
            logits = net.enlarge(low_res)
            share = logits.sigmoid()
            both = (share * wanted).sum((1, 2, 3, 4))
            dice = 1 - (2 * both + 1) / (share.sum((1, 2, 3, 4)) + wanted.sum((1, 2, 3, 4)) + 1)
            loss = loss + functional.binary_cross_entropy_with_logits(logits, wanted) + dice.mean()
        rate.zero_grad()
        loss.backward()
        rate.step()
        schedule.step()
    return net.eval()


def _example(rng: np.random.Generator) -> tuple[Any, Any, Any]:
    side = SHARP["image_size"]
    grid = lattice((0.0, 0.0, 0.0), (side,) * 3)
    place = grid.affine[:3] @ [*rng.uniform(12, 20, 3), 1]
    organ = ellipsoid(grid, place, rng.uniform(6, 11, 3))
    grey = 100 + 100 * organ + rng.normal(0, rng.uniform(5, 25), organ.shape)
    corner = rng.integers(0, 6, (2, 3))  # nothing is beyond a volume's end
    grey[: corner[0, 0], : corner[0, 1]] = 0
    grey[:, :, side - corner[1, 2] :] = 0
    voxels = np.argwhere(organ)
    return normalised(grey.astype(np.float32)), organ, voxels[rng.integers(len(voxels))]
