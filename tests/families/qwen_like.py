"""Tiny pipelines whose text a Qwen-VL reads, in forms of their own: Qwen-Image 2.1, HunyuanImage, HunyuanVideo 1.5."""

from __future__ import annotations

import copy

import torch
from pipelines import louder, t5_model, t5_tokenizer

from . import texts
from .made import amplify, flow, quiet


def qwenimage21():
    """Qwen-Image 2.1: keys and values of the text are kept from the first step on; pictures with an alpha."""
    from diffusers import AutoencoderKLQwenImage21, QwenImage21Pipeline, QwenImage21Transformer2DModel

    torch.manual_seed(80)
    transformer = QwenImage21Transformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        context_in_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    amplify(transformer, 4, "txt_in", "to_v", "to_out")
    small = AutoencoderKLQwenImage21(
        base_dim=4,
        decoder_base_dim=4,
        z_dim=4,
        dim_mult=[1, 1],
        num_res_blocks=1,
        temperal_downsample=[False],
        latents_mean=[0.1, -0.1, 0.2, 0.0],
        latents_std=[0.8, 0.9, 1.1, 1.2],
        scale_factor_temporal=1,
        scale_factor_spatial=2,
    )
    for half in (small.encoder, small.decoder):
        half.mid_block.attentions = torch.nn.ModuleList([None])  # over large latents it is most of a run
    tokenizer = copy.deepcopy(texts.words())
    tokenizer.add_tokens(["<|image_pad|>"], special_tokens=True)
    pipe = QwenImage21Pipeline(
        scheduler=flow(),
        vae=small.eval(),
        text_encoder=texts.qwen3_vl(written=True),
        processor=texts.Processor(tokenizer),
        transformer=transformer.eval(),
    )
    pipe.vae_scale_factor = 2
    return quiet(pipe)


def hunyuanimage():
    """HunyuanImage 2.1: a Qwen2.5-VL of up to 1000 tokens, here 64, and a byT5 for text in quotes; guided by a guider."""
    from diffusers import AutoencoderKLHunyuanImage, HunyuanImagePipeline, HunyuanImageTransformer2DModel
    from diffusers.guiders import AdaptiveProjectedMixGuidance

    torch.manual_seed(81)
    transformer = HunyuanImageTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=1,
        num_single_layers=1,
        num_refiner_layers=1,
        text_embed_dim=32,
        text_embed_2_dim=32,
        rope_axes_dim=(8, 8),
    )
    louder(transformer)
    amplify(transformer, 4, "norm1.linear", "norm1_context.linear", "norm.linear")
    small = AutoencoderKLHunyuanImage(
        in_channels=3,
        out_channels=3,
        latent_channels=4,
        block_out_channels=(32,) * 4,
        layers_per_block=1,
        spatial_compression_ratio=8,
        sample_size=32,
        scaling_factor=0.75,
    )
    pipe = HunyuanImagePipeline(
        scheduler=flow(),
        vae=small.eval(),
        text_encoder=texts.qwen_vl(layers=4),
        tokenizer=texts.words(),
        text_encoder_2=t5_model(),
        tokenizer_2=t5_tokenizer(),
        transformer=transformer.eval(),
        guider=AdaptiveProjectedMixGuidance(adaptive_projected_guidance_start_step=1),
    )
    pipe.tokenizer_max_length = 64
    return quiet(pipe)


def hunyuanvideo15():
    """HunyuanVideo 1.5: HunyuanImage's texts, and no picture to begin with."""
    from diffusers import AutoencoderKLHunyuanVideo15, HunyuanVideo15Pipeline, HunyuanVideo15Transformer3DModel
    from diffusers.guiders import ClassifierFreeGuidance

    torch.manual_seed(82)
    transformer = HunyuanVideo15Transformer3DModel(
        in_channels=9,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        num_refiner_layers=1,
        text_embed_dim=32,
        text_embed_2_dim=32,
        image_embed_dim=8,
        rope_axes_dim=(4, 4, 8),
        task_type="t2v",
    )
    louder(transformer)
    amplify(transformer, 4, "norm1.linear", "norm1_context.linear")
    small = AutoencoderKLHunyuanVideo15(
        latent_channels=4, block_out_channels=(32,) * 5, layers_per_block=1, spatial_compression_ratio=16
    )
    tokenizer = texts.words()
    pipe = HunyuanVideo15Pipeline(
        text_encoder=texts.qwen_vl(layers=4).model.language_model,
        tokenizer=tokenizer,
        transformer=transformer.eval(),
        vae=small.eval(),
        scheduler=flow(),
        text_encoder_2=t5_model(),
        tokenizer_2=t5_tokenizer(),
        guider=ClassifierFreeGuidance(),
    )
    instruction = tokenizer.apply_chat_template([{"role": "system", "content": pipe.system_message}], tokenize=False)
    pipe.prompt_template_encode_start_idx = len(tokenizer(instruction).input_ids)
    pipe.tokenizer_max_length, pipe.tokenizer_2_max_length, pipe.vision_num_semantic_tokens = 64, 16, 4
    return quiet(pipe)
