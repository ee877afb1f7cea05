"""Krea 2 and Krea 2 Turbo: several layers of a text of one length, with a mask; P + g (P - N), at any g above 0."""

from __future__ import annotations

from .family import P_THEN_N, Family, Part, Reader

KREA2 = Family(
    pipelines=("Krea2Pipeline",),
    order=P_THEN_N,
    parts=(Part("encoder_hidden_states", "prompt_embeds"), Part("encoder_attention_mask", "prompt_embeds_mask")),
    outputs=("prompt_embeds", "prompt_embeds_mask"),
    reader=Reader(template=5),
    beyond=True,
    above=0.0,
    shared=("position_ids",),
)
