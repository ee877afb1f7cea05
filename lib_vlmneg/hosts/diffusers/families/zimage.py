"""Z-Image: lists, a tensor a row, unpadded; P + g (P - N), at any g above 0; the pipeline turns the sign."""

from __future__ import annotations

from .family import P_N, Family, Part, Reader

Z_IMAGE = Family(
    pipelines=("ZImagePipeline",),
    order=P_N,
    parts=(Part("cap_feats", "prompt_embeds"),),
    outputs=("prompt_embeds", "negative_prompt_embeds"),
    reader=Reader(template=16),
    beyond=True,
    above=0.0,
    sign=-1.0,
    lists=("x", "cap_feats"),
)
