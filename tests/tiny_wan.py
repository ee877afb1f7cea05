"""A tiny Wan 2.1 with random weights, built offline."""

from __future__ import annotations

import torch
from pipelines import t5_tokenizer


def wan():
    """Wan 2.1 text-to-video: a UMT5, cross-attention to its text, one call a prompt."""
    from diffusers import AutoencoderKLWan, FlowMatchEulerDiscreteScheduler, WanPipeline, WanTransformer3DModel
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(5)
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2),
        num_attention_heads=2,
        attention_head_dim=12,
        in_channels=16,
        out_channels=16,
        text_dim=32,
        freq_dim=16,
        ffn_dim=32,
        num_layers=2,
        rope_max_seq_len=32,
    )
    for name, parameter in transformer.named_parameters():
        if "attn2.to_out" in name or "attn2.to_v" in name or "text_embedder" in name:
            parameter.data *= 8
    config = UMT5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    pipe = WanPipeline(
        vae=AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval(),
        text_encoder=UMT5EncoderModel(config).eval(),
        tokenizer=t5_tokenizer(),
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe
