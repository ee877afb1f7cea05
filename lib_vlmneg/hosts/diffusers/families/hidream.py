"""HiDream: pooled text of two CLIPs, a T5's, and all layers of a Llama's, whose rows are in the second dimension."""

from __future__ import annotations

from .family import N_P, Family, Part, Reader

HIDREAM = Family(
    pipelines=("HiDreamImagePipeline",),
    order=N_P,
    parts=(
        Part("encoder_hidden_states_t5", "prompt_embeds_t5"),
        Part("encoder_hidden_states_llama3", "prompt_embeds_llama3", rows=1),
        Part("pooled_embeds", "pooled_prompt_embeds"),
    ),
    outputs=(
        *("prompt_embeds_t5", "negative_prompt_embeds_t5", "prompt_embeds_llama3", "negative_prompt_embeds_llama3"),
        *("pooled_prompt_embeds", "negative_pooled_prompt_embeds"),
    ),
    reader=Reader("tokenizer_3"),
    sign=-1.0,
)
