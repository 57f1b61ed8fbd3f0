"""SAM-Med3D: a promptable net for volumes, told by clicks what to mark.

Wang et al.: SAM-Med3D: Towards General-purpose Segmentation Models for Volumetric Medical Images
(arXiv:2310.15161), after Kirillov et al.: Segment Anything (arXiv:2304.02643). Tensors bear the
names of the released weights, so those load with ``load_state_dict`` as they are.

::

    from medprep.models.sam_med3d import SamMed3d, SamMed3dConfig

    net = SamMed3d(SamMed3dConfig()).eval()
    embedding = net.image_encoder(volume)                      # once a volume
    sparse, dense = net.prompt_encoder(points=(at, labels), masks=low_res)
    low_res, quality = net.mask_decoder(
        image_embeddings=embedding,
        image_pe=net.prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
    )
    logits = net.enlarge(low_res)
"""

from medprep.models.sam_med3d.config import SamMed3dConfig
from medprep.models.sam_med3d.model import SamMed3d

__all__ = ["SamMed3d", "SamMed3dConfig"]
