"""Stable Diffusion 3 and 3.5: two CLIPs and a T5, joint attention with the text behind the image."""

from __future__ import annotations

from .family import N_P, Attention, Family, Part, Reader

SD3 = Family(
    pipelines=("StableDiffusion3Pipeline",),
    order=N_P,
    parts=(Part("encoder_hidden_states", "prompt_embeds"), Part("pooled_projections", "pooled_prompt_embeds")),
    outputs=("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
    reader=Reader("tokenizer_3"),
    attention=Attention(joint=True, clip=True, t5=True),
    strengths=lambda pipe: "sd3",
)
