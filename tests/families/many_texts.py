"""Tiny pipelines that are handed their text in a form of their own: HiDream, Kandinsky 5, Bria Fibo."""

from __future__ import annotations

from collections.abc import Callable

import torch
from pipelines import clip_model, clip_tokenizer, louder, t5_model, t5_tokenizer, vae

from . import texts
from .made import amplify, flow, quiet
from .videos import hunyuan_vae


def hidream():
    """HiDream: two CLIPs' pooled texts, a T5, and a Llama of which each block reads another layer. 16 pixels are its size."""
    from diffusers import HiDreamImagePipeline, HiDreamImageTransformer2DModel

    torch.manual_seed(70)
    transformer = HiDreamImageTransformer2DModel(
        patch_size=2,
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        caption_channels=[32, 32],
        text_emb_dim=32,
        num_routed_experts=2,
        num_activated_experts=1,
        axes_dims_rope=(8, 4, 4),
        max_resolution=(8, 8),
        llama_layers=[0, 1],
        force_inference_output=True,
    )
    amplify(transformer, 6, "caption_projection")
    for name, parameter in transformer.named_parameters():
        if "adaLN_modulation" in name and name.endswith("bias"):
            torch.nn.init.normal_(parameter)  # zeros, until it is trained
        if "final_layer.linear" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = texts.words()
    tokenizer.eos_token = texts.END
    pipe = HiDreamImagePipeline(
        scheduler=flow(),
        vae=vae(4),
        text_encoder=clip_model(projected=True, longest=248),
        tokenizer=clip_tokenizer(),
        text_encoder_2=clip_model(projected=True, longest=248),
        tokenizer_2=clip_tokenizer(),
        text_encoder_3=t5_model(),
        tokenizer_3=t5_tokenizer(),
        text_encoder_4=texts.llama(2, causal=True),
        tokenizer_4=tokenizer,
        transformer=transformer.eval(),
    )
    pipe.default_sample_size = 8
    return quiet(pipe)


def kandinsky5_image():
    from diffusers import Kandinsky5T2IPipeline

    pipe = _kandinsky5(Kandinsky5T2IPipeline, lambda: vae(4))
    pipe.resolutions, pipe.vae_scale_factor_spatial = [(16, 16)], 2
    return pipe


def kandinsky5_video():
    from diffusers import Kandinsky5T2VPipeline

    return _kandinsky5(Kandinsky5T2VPipeline, hunyuan_vae)


def _kandinsky5(kind: type, autoencoder: Callable[[], torch.nn.Module]):
    """A Qwen2.5-VL without padding, whose instruction is cut off, and CLIP's pooled text; channels last."""
    from diffusers import Kandinsky5Transformer3DModel

    torch.manual_seed(71)
    transformer = Kandinsky5Transformer3DModel(
        in_visual_dim=4,
        in_text_dim=32,
        in_text_dim2=16,
        time_dim=16,
        out_visual_dim=4,
        model_dim=32,
        ff_dim=32,
        num_text_blocks=1,
        num_visual_blocks=2,
        axes_dims=(4, 4, 8),
    )
    amplify(transformer, 4, "text_embeddings", "cross_attention.to_value", "cross_attention.out_layer")
    for name, parameter in transformer.named_parameters():
        if "modulation" in name and name.endswith("bias"):
            torch.nn.init.normal_(parameter)  # zeros, until it is trained
    pipe = kind(
        transformer=transformer.eval(),
        vae=autoencoder(),
        text_encoder=texts.qwen_vl(),
        tokenizer=texts.Processor(texts.words()),
        text_encoder_2=clip_model(projected=False),
        tokenizer_2=clip_tokenizer(),
        scheduler=flow(),
    )
    instruction, _, _ = pipe.prompt_template.partition("{}")
    pipe.prompt_template_encode_start_idx = len(texts.words()(instruction).input_ids)
    return quiet(pipe)


def bria_fibo():
    """Bria Fibo: a text of which each block reads another layer, padded to the longer of prompt and negative prompt."""
    from diffusers import AutoencoderKLWan, BriaFiboPipeline, BriaFiboTransformer2DModel

    torch.manual_seed(74)
    transformer = BriaFiboTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=64,
        axes_dims_rope=[4, 4, 8],
        text_encoder_dim=32,
    )
    louder(transformer)
    amplify(transformer, 4, "norm1.linear", "norm1_context.linear", "norm.linear")
    pipe = BriaFiboPipeline(
        transformer=transformer.eval(),
        scheduler=flow(shift=1.0, use_dynamic_shifting=True),
        vae=AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval(),
        text_encoder=texts.llama(2, vocabulary=128_001),  # the last one is an empty text
        tokenizer=texts.words(),
    )
    pipe.vae_scale_factor = 8
    return quiet(pipe)
