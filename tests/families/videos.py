"""Tiny pipelines that draw videos, of one frame, or with a video's autoencoder: Wan 2.2, Cosmos 2, LTX, HunyuanVideo."""

from __future__ import annotations

import tiny_wan
import torch
from pipelines import clip_model, clip_tokenizer, louder, t5_model, t5_tokenizer

from . import texts
from .made import amplify, flow, quiet


def wan22():
    """Wan 2.2: Wan 2.1's classes, with a second denoiser for less noise."""
    from diffusers import WanPipeline

    first, second = tiny_wan.wan(), tiny_wan.wan()
    torch.manual_seed(60)
    for parameter in second.transformer.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter) * parameter.std() if parameter.numel() > 1 else 0
    return quiet(WanPipeline(**first.components | {"transformer_2": second.transformer, "boundary_ratio": 0.95}))


class Guardrail:
    """In the place of Cosmos', which are another package."""

    def to(self, device: str) -> None:
        pass

    def check_text_safety(self, text: str) -> bool:
        return True

    def check_video_safety(self, frames):
        return frames


def cosmos2():
    """Cosmos 2: a T5 without its padding, a noise level of up to 80, P + g (P - N)."""
    from diffusers import AutoencoderKLWan, Cosmos2TextToImagePipeline, CosmosTransformer3DModel

    torch.manual_seed(61)
    transformer = CosmosTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        mlp_ratio=2.0,
        text_embed_dim=32,
        adaln_lora_dim=4,
        max_size=(4, 32, 32),
        in_channels=16,
        out_channels=16,
        concat_padding_mask=False,  # it is scaled by torchvision
        extra_pos_embed_type=None,
    )
    louder(transformer, 10)
    scheduler = flow(shift=1.0, use_karras_sigmas=True)
    return quiet(
        Cosmos2TextToImagePipeline(
            text_encoder=t5_model(),
            tokenizer=t5_tokenizer(),
            transformer=transformer.eval(),
            vae=AutoencoderKLWan(base_dim=3, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1).eval(),
            scheduler=scheduler,
            safety_checker=Guardrail(),
        )
    )


def ltx():
    """LTX: a T5 with its mask, latents of 32 pixels a side."""
    from diffusers import AutoencoderKLLTXVideo, LTXPipeline, LTXVideoTransformer3DModel

    torch.manual_seed(62)
    transformer = LTXVideoTransformer3DModel(
        in_channels=8,
        out_channels=8,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        num_layers=2,
        caption_channels=32,
    )
    louder(transformer, 4)
    small = AutoencoderKLLTXVideo(
        latent_channels=8,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        scaling_factor=1.3,
    )
    small.latents_mean, small.latents_std = torch.linspace(-0.1, 0.1, 8), torch.linspace(0.8, 1.2, 8)
    return quiet(
        LTXPipeline(
            scheduler=flow(),
            vae=small.eval(),
            text_encoder=t5_model(),
            tokenizer=t5_tokenizer(),
            transformer=transformer.eval(),
        )
    )


def hunyuanvideo():
    """HunyuanVideo: a Llama that is told to describe a video, and whose instruction is cut off, and CLIP's pooled text."""
    from diffusers import HunyuanVideoPipeline, HunyuanVideoTransformer3DModel
    from diffusers.pipelines.hunyuan_video import pipeline_hunyuan_video

    torch.manual_seed(63)
    template = pipeline_hunyuan_video.DEFAULT_PROMPT_TEMPLATE
    template["crop_start"] = len(texts.words()(template["template"].partition("{}")[0]).input_ids)
    transformer = HunyuanVideoTransformer3DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=32,
        pooled_projection_dim=16,
        rope_axes_dim=(4, 4, 8),
    )
    louder(transformer)
    amplify(transformer, 4, "norm1.linear", "norm1_context.linear", "norm.linear")
    return quiet(
        HunyuanVideoPipeline(
            text_encoder=texts.llama(),
            tokenizer=texts.words(),
            transformer=transformer.eval(),
            vae=hunyuan_vae(),
            scheduler=flow(),
            text_encoder_2=clip_model(projected=False),
            tokenizer_2=clip_tokenizer(),
        )
    )


def hunyuan_vae():
    from diffusers import AutoencoderKLHunyuanVideo

    return AutoencoderKLHunyuanVideo(
        latent_channels=4,
        block_out_channels=(8, 8, 8, 8),
        layers_per_block=1,
        norm_num_groups=4,
        mid_block_add_attention=False,
    ).eval()
