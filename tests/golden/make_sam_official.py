"""Make ``sam_official.npz`` with TorchIO 1.2.1 alone; medprep is not asked.

    pip install torchio==1.2.1 && PYTHONPATH=../helpers python make_sam_official.py

The clicks are made as the authors' code makes them, from NumPy's old generator seeded with 233.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import official_case as case
import torch
import torchio as tio
from scipy.ndimage import distance_transform_edt


def affine_ras(name):
    _, spacing, direction, _ = case.CASES[name]
    affine = np.eye(4)
    affine[:3, :3] = np.array(direction, float) * spacing
    affine[:3, 3] = case.ORIGIN_MM
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine[:, [2, 1, 0, 3]]


def click(predicted, reference, strategy, state):
    missing, extra = reference & ~predicted, predicted & ~reference
    if not (missing | extra).any():
        voxels = np.argwhere(reference)
        return (*voxels[state.randint(len(voxels))], 1)
    if strategy == "random":
        voxels = np.argwhere(missing | extra)
    else:
        depths = [
            distance_transform_edt(np.pad(one, 1))[1:-1, 1:-1, 1:-1].astype(np.float32)
            for one in (missing, extra)
        ]
        depth = depths[0] if depths[0].max() > depths[1].max() else depths[1]
        voxels = np.argwhere(depth > depth.max() / 2)
    at = voxels[state.randint(len(voxels))]
    return (*at, int(missing[tuple(at)]))


found = {}
for name in case.CASES:
    tensors = [
        one[None].copy()
        for one in (case.picture(name).transpose(2, 1, 0), case.mask(name).transpose(2, 1, 0))
    ]
    affine = affine_ras(name)
    subject = tio.Subject(
        image=tio.ScalarImage(tensor=tensors[0], affine=affine),
        label=tio.LabelMap(tensor=tensors[1], affine=affine),
    )
    seen = tio.Compose(
        [
            tio.Resample(1.5),
            tio.ToCanonical(),
            tio.CropOrPad((case.SIDE,) * 3, mask_name="label"),
            tio.ZNormalization(masking_method=lambda x: x > 0),
        ]
    )(subject)
    mask = seen.label.data[0].numpy().astype(bool)
    shifted = np.roll(mask, 3, 0)
    roi = tio.LabelMap(
        tensor=torch.from_numpy(shifted.astype(np.uint8))[None], affine=seen.label.affine
    )
    back = tio.Resample((subject.image.spatial_shape, affine))(roi).data[0].numpy()
    state = np.random.RandomState(233)
    found[f"{name}_clicks"] = np.array(
        [
            click(predicted, mask, strategy, state)
            for strategy in ("random", "ritm")
            for predicted in case.predictions(mask)
        ],
        np.int16,
    )
    found[f"{name}_picture"] = seen.image.data[0].numpy()[::3, ::3, ::3]
    found[f"{name}_mask"] = np.packbits(mask)
    found[f"{name}_back"] = np.packbits(back.transpose(2, 1, 0).astype(bool))
    print(name, mask.sum(), back.sum(), found[f"{name}_clicks"].tolist())
np.savez_compressed(Path(__file__).with_name("sam_official.npz"), **found)
