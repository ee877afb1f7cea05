"""Tiny pipelines in which text and image are one stream: Lumina 2, PRX, Krea 2, LongCat-Image, Nucleus-Image."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from pipelines import louder, vae

from . import texts
from .cross_text import of_2
from .flux_like import MODULATION, frames_vae
from .made import amplify, flow, quiet


def lumina2():
    """Lumina 2: a Gemma 2 that is told what to draw well, but not what to draw away from."""
    from diffusers import Lumina2Pipeline, Lumina2Transformer2DModel

    torch.manual_seed(50)
    transformer = Lumina2Transformer2DModel(
        sample_size=8,
        in_channels=4,
        hidden_size=32,
        num_layers=2,
        num_refiner_layers=1,
        num_attention_heads=2,
        num_kv_heads=1,
        multiple_of=16,
        axes_dim_rope=(4, 4, 8),
        axes_lens=(300, 64, 64),
        cap_feat_dim=32,
    )
    amplify(transformer, 4, "caption_embedder", "to_v")
    return quiet(
        of_2(
            Lumina2Pipeline(
                transformer=transformer.eval(),
                scheduler=flow(),
                vae=vae(4),
                text_encoder=texts.gemma2(),
                tokenizer=texts.words(("<bos>",)),
            )
        )
    )


def prx():
    """PRX: a T5Gemma, which diffusers cleans the text for with ftfy; every size is one of the trained ones."""
    from diffusers import PRXPipeline, PRXTransformer2DModel
    from diffusers.pipelines.prx import pipeline_prx

    if not hasattr(pipeline_prx, "ftfy"):
        pipeline_prx.ftfy = SimpleNamespace(fix_text=lambda text: text)
    torch.manual_seed(51)
    transformer = PRXTransformer2DModel(
        in_channels=4, context_in_dim=32, hidden_size=32, mlp_ratio=2.0, num_heads=2, depth=2, axes_dim=[8, 8]
    )
    amplify(transformer, 4, "txt_in", "txt_kv", "to_out")
    for block in transformer.blocks:
        torch.nn.init.normal_(block.modulation.lin.bias)  # zeros, until it is trained
    tokenizer = texts.words(("<bos>",))
    tokenizer.model_max_length = 64
    pipe = PRXPipeline(
        transformer=transformer.eval(),
        scheduler=flow(),
        text_encoder=texts.t5_gemma(),
        tokenizer=tokenizer,
        vae=vae(4),
        default_sample_size=256,
    )
    pipe.image_processor.classify_height_width_bin = lambda height, width, ratios: (height, width)
    return quiet(pipe)


def krea2():
    return _krea2(distilled=False)


def krea2_turbo():
    return _krea2(distilled=True)


def _krea2(distilled: bool):
    """Krea 2: a Qwen3 of which several layers are read; P + g (P - N)."""
    from diffusers import Krea2Pipeline, Krea2Transformer2DModel

    torch.manual_seed(52)
    transformer = Krea2Transformer2DModel(
        in_channels=64,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        num_key_value_heads=1,
        intermediate_size=32,
        timestep_embed_dim=16,
        text_hidden_dim=32,
        num_text_layers=2,
        text_num_attention_heads=2,
        text_num_key_value_heads=1,
        text_intermediate_size=32,
        num_layerwise_text_blocks=1,
        num_refiner_text_blocks=1,
        axes_dims_rope=(4, 4, 8),
    )
    amplify(transformer, 6, "txt_in", "to_v", "to_out")
    pipe = Krea2Pipeline(
        scheduler=flow(shift=1.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=1.15),
        vae=frames_vae(),
        text_encoder=texts.qwen3_vl(),
        tokenizer=texts.words(),
        transformer=transformer.eval(),
        text_encoder_select_layers=(1, 2),
        is_distilled=distilled,
    )
    return quiet(pipe)


def longcat():
    """LongCat-Image: a Qwen2.5-VL without a mask, which first writes the prompt anew: here it leaves it as it is."""
    from diffusers import LongCatImagePipeline, LongCatImageTransformer2DModel

    torch.manual_seed(53)
    transformer = LongCatImageTransformer2DModel(
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        axes_dims_rope=[4, 4, 8],
    )
    louder(transformer)
    amplify(transformer, 4, *MODULATION)
    pipe = LongCatImagePipeline(
        scheduler=flow(),
        vae=vae(16),
        text_encoder=texts.qwen_vl(),
        tokenizer=texts.words(),
        text_processor=None,
        transformer=transformer.eval(),
    )
    pipe.rewire_prompt = lambda prompt, device: prompt
    return quiet(pipe)


def nucleus():
    """Nucleus-Image: a Qwen3-VL padded to a multiple of 8, experts that choose among the tokens."""
    from diffusers import NucleusMoEImagePipeline, NucleusMoEImageTransformer2DModel

    torch.manual_seed(54)
    transformer = NucleusMoEImageTransformer2DModel(
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
        num_experts=2,
        moe_intermediate_dim=32,
        capacity_factors=2.0,
        dense_moe_strategy="leave_first_block_dense",
    )
    louder(transformer)
    amplify(transformer, 3, "proj_out")
    for name, parameter in transformer.named_parameters():
        if "experts" in name and "shared" not in name:
            torch.nn.init.normal_(parameter, std=0.2)  # whatever was in memory, until they are loaded
    pipe = NucleusMoEImagePipeline(
        transformer=transformer.eval(),
        scheduler=flow(),
        vae=frames_vae(),
        text_encoder=texts.qwen3(),
        processor=texts.Processor(texts.words()),
    )
    pipe.default_return_index = -1
    return quiet(pipe)
