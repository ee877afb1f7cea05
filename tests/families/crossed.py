"""Tiny pipelines whose image looks at its text by cross-attention: Stable Diffusion 2, Kolors, Sana."""

from __future__ import annotations

import torch
from pipelines import clip_model, clip_tokenizer, unet, vae

from lib_vlmneg.miniature import models

from . import texts
from .made import amplify, quiet


def sd2():
    """Stable Diffusion 2: the first one's classes, told to predict v."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    torch.manual_seed(30)
    return quiet(
        StableDiffusionPipeline(
            vae=vae(4),
            text_encoder=clip_model(projected=False),
            tokenizer=clip_tokenizer(),
            unet=unet(cross_attention_dim=16, use_linear_projection=True),
            scheduler=EulerDiscreteScheduler(**models.SCHEDULE, steps_offset=1, prediction_type="v_prediction"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def kolors():
    """Kolors: SDXL's U-Net behind a ChatGLM, which is padded on its left; its last token is the pooled text."""
    from diffusers import EulerDiscreteScheduler
    from diffusers.pipelines.kolors.pipeline_kolors import KolorsPipeline  # diffusers itself hides it without sentencepiece

    torch.manual_seed(31)
    denoiser = unet(
        cross_attention_dim=16,
        encoder_hid_dim=32,
        encoder_hid_dim_type="text_proj",
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
    )
    amplify(denoiser, 4, "attn2.to_q", "attn2.to_k")  # of 256 tokens most are padding
    return quiet(
        KolorsPipeline(
            vae=vae(4),
            text_encoder=texts.chat_glm(),
            tokenizer=texts.words(texts.PREFIX, "left", texts.GlmTokenizer),
            unet=denoiser,
            scheduler=EulerDiscreteScheduler(**models.SCHEDULE, steps_offset=1),
        )
    )


def sana():
    """Sana: a Gemma 2 that is told how to read the prompt, linear attention, a deep-compression autoencoder.

    Its pipeline draws the nearest of its trained sizes; here every size is one of them.
    """
    from diffusers import DPMSolverMultistepScheduler, SanaPipeline, SanaTransformer2DModel

    torch.manual_seed(32)
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_attention_heads=2,
        attention_head_dim=16,
        num_layers=2,
        num_cross_attention_heads=2,
        cross_attention_head_dim=16,
        cross_attention_dim=32,
        caption_channels=32,
        sample_size=16,
    )
    pipe = SanaPipeline(
        transformer=transformer.eval(),
        scheduler=DPMSolverMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0),
        vae=_deep_vae(),
        text_encoder=texts.gemma2(),
        tokenizer=texts.words(("<bos>",)),
    )
    pipe.image_processor.classify_height_width_bin = lambda height, width, ratios: (height, width)
    return quiet(pipe)


def _deep_vae():
    from diffusers import AutoencoderDC

    names = ("ResBlock", "ResBlock", "EfficientViTBlock")
    halves = {
        f"{half}_{name}": value
        for half in ("encoder", "decoder")
        for name, value in {
            "block_types": names,
            "block_out_channels": (8, 8, 8),
            "layers_per_block": (1, 1, 1),
            "qkv_multiscales": ((), (), (5,)),
        }.items()
    }
    return AutoencoderDC(latent_channels=4, attention_head_dim=4, scaling_factor=0.41407, **halves).eval()
