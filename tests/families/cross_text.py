"""Tiny pipelines of transformers that look at their text by cross-attention: PixArt, Hunyuan-DiT, Lumina-Next."""

from __future__ import annotations

from typing import Any

import torch
from pipelines import louder, t5_model, t5_tokenizer, vae

from lib_vlmneg.miniature import models

from . import texts
from .made import amplify, flow, quiet, vae_of_8


def pixart_sigma():
    from diffusers import PixArtSigmaPipeline

    return _pixart(PixArtSigmaPipeline, 40)


def pixart_alpha():
    from diffusers import PixArtAlphaPipeline

    return _pixart(PixArtAlphaPipeline, 41)


def _pixart(kind: type, seed: int):
    """A T5 with its mask, a learned variance behind the prediction. Here every size is one of the trained ones."""
    from diffusers import DDIMScheduler, PixArtTransformer2DModel

    torch.manual_seed(seed)
    transformer = PixArtTransformer2DModel(
        sample_size=32,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=16,
        cross_attention_dim=32,
        caption_channels=32,
        use_additional_conditions=False,
    )
    louder(transformer, 4)
    pipe = kind(
        tokenizer=t5_tokenizer(),
        text_encoder=t5_model(),
        vae=vae(4),
        transformer=transformer.eval(),
        scheduler=DDIMScheduler(**models.SCHEDULE, steps_offset=1, clip_sample=False, set_alpha_to_one=False),
    )
    pipe.image_processor.classify_height_width_bin = lambda height, width, ratios: (height, width)
    return quiet(pipe)


def hunyuandit():
    """Hunyuan-DiT: a BERT and a T5, each encoded by a call of its own; a learned variance. 64 pixels are a trained size."""
    from diffusers import DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
    from diffusers.pipelines.hunyuandit import pipeline_hunyuandit

    if (64, 64) not in pipeline_hunyuandit.SUPPORTED_SHAPE:
        pipeline_hunyuandit.SUPPORTED_SHAPE.append((64, 64))
    torch.manual_seed(42)
    transformer = HunyuanDiT2DModel(
        num_attention_heads=2,
        attention_head_dim=16,
        in_channels=4,
        patch_size=2,
        sample_size=8,
        hidden_size=32,
        num_layers=2,
        cross_attention_dim=32,
        cross_attention_dim_t5=32,
        pooled_projection_dim=32,
    )
    louder(transformer, 4)
    return quiet(
        HunyuanDiTPipeline(
            vae=vae_of_8(4),
            text_encoder=texts.bert(),
            tokenizer=texts.words(),
            text_encoder_2=t5_model(),
            tokenizer_2=t5_tokenizer(),
            transformer=transformer.eval(),
            scheduler=DDPMScheduler(**models.SCHEDULE, prediction_type="v_prediction", clip_sample=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def lumina_next():
    """Lumina-Next: a Gemma whose negative is as long as the prompt; three of the four channels are guided."""
    from diffusers import LuminaNextDiT2DModel, LuminaPipeline

    torch.manual_seed(43)
    transformer = LuminaNextDiT2DModel(
        sample_size=8,
        hidden_size=32,
        num_layers=2,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        cross_attention_dim=32,
    )
    amplify(transformer, 4, "attn2.to_v", "gate")
    pipe = LuminaPipeline(
        transformer=transformer.eval(),
        scheduler=flow(),
        vae=vae(4),
        text_encoder=texts.gemma2(),
        tokenizer=texts.words(("<bos>",)),
    )
    return quiet(of_2(pipe))


def of_2(pipe: Any) -> Any:
    """Of a pipeline that says that a latent is 8 pixels: here it is 2."""
    pipe.vae_scale_factor = 2
    return pipe
