"""Tiny pipelines of the kin of Flux, whose text stands before the image in joint attention."""

from __future__ import annotations

import torch
from pipelines import louder, t5_model, t5_tokenizer, vae

from . import texts
from .made import amplify, flow, quiet

TINY = {
    "patch_size": 1,
    "in_channels": 16,
    "num_layers": 1,
    "num_single_layers": 1,
    "attention_head_dim": 16,
    "num_attention_heads": 2,
    "joint_attention_dim": 32,
    "axes_dims_rope": (4, 4, 8),
}
MODULATION = ("norm1.linear", "norm1_context.linear", "norm.linear")


def chroma():
    """Chroma: a T5 with its mask, which also goes to the denoiser."""
    from diffusers import ChromaPipeline, ChromaTransformer2DModel

    torch.manual_seed(10)
    transformer = ChromaTransformer2DModel(
        **TINY, approximator_num_channels=16, approximator_hidden_dim=16, approximator_layers=1
    )
    louder(transformer)
    return quiet(
        ChromaPipeline(
            transformer=transformer.eval(),
            scheduler=flow(),
            vae=vae(4),
            text_encoder=t5_model(),
            tokenizer=t5_tokenizer(),
        )
    )


def bria():
    """Bria 3.2: a T5 without its padding, zeros in place of it."""
    from diffusers import BriaPipeline, BriaTransformer2DModel

    torch.manual_seed(11)
    transformer = BriaTransformer2DModel(**TINY)
    louder(transformer)
    amplify(transformer, 4, *MODULATION)
    return quiet(
        BriaPipeline(
            transformer=transformer.eval(),
            scheduler=flow(),
            vae=vae(4),
            text_encoder=t5_model(),
            tokenizer=t5_tokenizer(),
        )
    )


def ovis():
    """Ovis-Image: a Qwen3 that is told to describe, and whose instruction is cut off."""
    from diffusers import OvisImagePipeline, OvisImageTransformer2DModel

    torch.manual_seed(12)
    transformer = OvisImageTransformer2DModel(**TINY, out_channels=16)
    louder(transformer)
    amplify(transformer, 4, *MODULATION)
    amplify(transformer, 3, "proj_out")
    return quiet(
        OvisImagePipeline(
            transformer=transformer.eval(),
            scheduler=flow(),
            vae=vae(4),
            text_encoder=texts.qwen3(),
            tokenizer=texts.words(),
        )
    )


def qwenimage():
    """Qwen-Image: a Qwen2.5-VL that is told to describe, the text as long as its words, a VAE for frames."""
    from diffusers import QwenImagePipeline, QwenImageTransformer2DModel

    torch.manual_seed(13)
    transformer = QwenImageTransformer2DModel(
        patch_size=2,
        in_channels=64,
        out_channels=16,
        num_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        axes_dims_rope=(4, 4, 8),
    )
    louder(transformer)
    amplify(transformer, 4, "attn.to_out.0")
    return quiet(
        QwenImagePipeline(
            transformer=transformer.eval(),
            scheduler=flow(
                shift=1.0, use_dynamic_shifting=True, base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, shift_terminal=0.02
            ),
            vae=frames_vae(),
            text_encoder=texts.qwen_vl(),
            tokenizer=texts.words(),
        )
    )


def frames_vae():
    from diffusers import AutoencoderKLQwenImage

    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=16, dim_mult=[1, 1], num_res_blocks=1, temperal_downsample=[False])
    for half in (vae.encoder, vae.decoder):
        half.mid_block.attentions = torch.nn.ModuleList([None])  # over large latents it is most of a run
    return vae.eval()


def klein():
    """FLUX.2 Klein, not distilled: a Qwen3 of which three layers are read. It takes no negative prompt: its own is empty."""
    from diffusers import Flux2KleinPipeline, Flux2Transformer2DModel

    torch.manual_seed(72)
    transformer = Flux2Transformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=96,
        timestep_guidance_channels=16,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )
    louder(transformer)
    pipe = Flux2KleinPipeline(
        scheduler=flow(),
        vae=_normalised_vae(),
        text_encoder=texts.qwen3(layers=27),
        tokenizer=texts.words(),
        transformer=transformer.eval(),
        is_distilled=False,
    )
    return quiet(pipe)


def ernie():
    """ERNIE-Image: a list of texts without padding, latents in patches."""
    from diffusers import ErnieImagePipeline, ErnieImageTransformer2DModel

    torch.manual_seed(73)
    transformer = ErnieImageTransformer2DModel(
        hidden_size=32,
        num_attention_heads=2,
        num_layers=2,
        ffn_hidden_size=32,
        in_channels=16,
        out_channels=16,
        text_in_dim=32,
        rope_axes_dim=(4, 4, 8),
    )
    amplify(transformer, 6, "text_proj")
    for name, parameter in transformer.named_parameters():
        if "adaLN_modulation" in name or "final_linear" in name:
            torch.nn.init.normal_(parameter, std=0.3)  # zeros, until they are trained
    return quiet(
        ErnieImagePipeline(
            transformer=transformer.eval(),
            vae=_normalised_vae(),
            text_encoder=texts.qwen3(),
            tokenizer=texts.words(),
            scheduler=flow(),
        )
    )


def _normalised_vae():
    """FLUX.2's, which has means and deviations for each channel of a 2x2 patch."""
    from diffusers import AutoencoderKLFlux2

    small = AutoencoderKLFlux2(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        mid_block_add_attention=False,
    )
    small.bn.running_mean.copy_(torch.linspace(-0.1, 0.1, 16))
    small.bn.running_var.copy_(torch.linspace(0.8, 1.2, 16))
    return small.eval()
