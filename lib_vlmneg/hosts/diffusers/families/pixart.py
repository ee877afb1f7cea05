"""PixArt-Alpha and -Sigma, PRX: a text of one length, with a mask; Hunyuan-DiT: two of them, encoded by a call each."""

from __future__ import annotations

from .family import N_P, Family, Part, Reader
from .padded import MASKED, TEXT

MASK = Part("encoder_attention_mask", "prompt_attention_mask")

PIXART_SIGMA = Family(pipelines=("PixArtSigmaPipeline",), order=N_P, parts=(TEXT, MASK), outputs=MASKED)
PIXART_ALPHA = Family(pipelines=("PixArtAlphaPipeline",), order=N_P, parts=(TEXT, MASK), outputs=MASKED)
PRX = Family(
    pipelines=("PRXPipeline",),
    order=N_P,
    parts=(TEXT, Part("attention_mask", "prompt_attention_mask")),
    outputs=MASKED,
    reader=Reader(length=lambda pipe, prompt: pipe.tokenizer.model_max_length),
    together=True,
    single=True,
)
HUNYUAN_DIT = Family(
    pipelines=("HunyuanDiTPipeline",),
    order=N_P,
    parts=(
        TEXT,
        Part("text_embedding_mask", "prompt_attention_mask"),
        Part("encoder_hidden_states_t5", "prompt_embeds_2"),
        Part("text_embedding_mask_t5", "prompt_attention_mask_2"),
    ),
    outputs=("prompt_embeds", "negative_prompt_embeds", "prompt_attention_mask", "negative_prompt_attention_mask"),
    reader=Reader("tokenizer_2", length=256),
    encoder="text_encoder_index",
    shared=("image_rotary_emb",),
)
