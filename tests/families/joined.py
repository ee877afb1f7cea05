"""Tiny pipelines of other transformers that read text and image in one attention."""

from __future__ import annotations

import torch
from pipelines import t5_tokenizer, vae

from . import texts
from .made import amplify, flow, quiet


def auraflow():
    """AuraFlow: a UMT5, its padding zeroed, learned registers before it."""
    from diffusers import AuraFlowPipeline, AuraFlowTransformer2DModel
    from diffusers.models.normalization import AdaLayerNormZero

    torch.manual_seed(20)
    transformer = AuraFlowTransformer2DModel(
        sample_size=8,
        num_mmdit_layers=1,
        num_single_dit_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        caption_projection_dim=32,
        pos_embed_max_size=64,
    )
    amplify(transformer, 8, "add_v_proj")
    amplify(transformer, 4, "to_out.0")
    amplify(transformer, 3, "proj_out")
    for module in transformer.modules():
        if isinstance(module, AdaLayerNormZero):  # of its six parts the two gates, which have no bias here
            module.linear.weight.data.unflatten(0, (6, -1))[[2, 5]] *= 25
    return quiet(
        AuraFlowPipeline(
            transformer=transformer.eval(),
            scheduler=flow(shift=1.73),
            vae=vae(4),
            text_encoder=texts.umt5(),
            tokenizer=t5_tokenizer(),
        )
    )


def cogview4():
    """CogView4: a GLM-4 padded on its left to 16 tokens, without a mask."""
    from diffusers import CogView4Pipeline, CogView4Transformer2DModel

    torch.manual_seed(21)
    transformer = CogView4Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        text_embed_dim=32,
        time_embed_dim=16,
        condition_dim=8,
        sample_size=8,
        pos_embed_max_size=16,
    )
    amplify(transformer, 5, "attn1.to_v", "attn1.to_out")
    return quiet(
        CogView4Pipeline(
            transformer=transformer.eval(),
            scheduler=flow(shift=1.0, use_dynamic_shifting=True, base_shift=0.25, max_shift=0.75, time_shift_type="linear"),
            vae=vae(4),
            text_encoder=texts.glm4(),
            tokenizer=texts.words(texts.PREFIX, "left"),
        )
    )


def zimage():
    """Z-Image: a Qwen3 whose chat is read whole, a list of texts without padding."""
    from diffusers import ZImagePipeline, ZImageTransformer2DModel

    torch.manual_seed(22)
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=32,
        axes_dims=[4, 4, 8],
        axes_lens=[256, 64, 64],
    )
    return quiet(
        ZImagePipeline(
            transformer=transformer.eval(),
            scheduler=flow(),
            vae=vae(4),
            text_encoder=texts.qwen3(),
            tokenizer=texts.words(),
        )
    )
