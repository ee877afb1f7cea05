"""Tiny pipelines with random weights, built offline, and the eyes to test them with."""

from __future__ import annotations

import os

os.environ["HF_HUB_OFFLINE"] = "1"

import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from lib_vlmneg.miniature import captions, diffusion, models, publish, tokenizers
from lib_vlmneg.oracles.base import Answer, Oracle

OWN = "red background"  # the user's own negative prompt, in words that the tokenizers know
FOLDER = tempfile.TemporaryDirectory()
KINDS = ("dog", "cat", "castle", "apple", "house", "banana")


class Eye(Oracle):
    """An oracle that answers with what `say(picture, number of the ask, number of the picture)` gives, a text or several."""

    name, input_side = "scripted", 8

    def __init__(
        self, say: Callable[[Image.Image, int, int], str | list[str]] = lambda picture, ask, row: "dog" if ask == 0 else ""
    ):
        self.say, self.asks, self.shown, self.questions = say, 0, [], []

    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        ask, self.asks = self.asks, self.asks + 1
        self.shown.append(list(images))
        self.questions.append(list(questions))
        said = [self.say(image, ask, row) for row, image in enumerate(images)]
        texts = [[text] if isinstance(text, str) else text for text in said]
        return [[[Answer(text, 0.9) for text in answers[:topk]] for _ in questions] for answers in texts]


class Blind(Eye):
    """An oracle that always fails."""

    def ask(self, images: Sequence[Image.Image], questions: Sequence[str], topk: int) -> list[list[list[Answer]]]:
        raise RuntimeError("no eyes")


class Denoised:
    """What the denoiser really receives: its forward's tensors by name, call by call. Used as a context."""

    def __init__(self, pipe: Any):
        self.module = getattr(pipe, "unet", None) or pipe.transformer
        self.calls: list[dict[str, Tensor]] = []

    def __enter__(self) -> Denoised:
        forward = self.module.forward
        self.before = vars(self.module).get("forward")

        def spy(*args: Any, **kwargs: Any) -> Any:
            given = {**kwargs, **(kwargs.get("added_cond_kwargs") or {})}
            self.calls.append({name: value.clone() for name, value in given.items() if isinstance(value, Tensor)})
            return forward(*args, **kwargs)

        self.module.forward = spy
        return self

    def __exit__(self, *_: Any) -> None:
        del self.module.forward
        if self.before is not None:
            self.module.forward = self.before

    def texts(self, name: str, images: int) -> list[tuple[Tensor, Tensor]]:
        """For each step this text input as (negative, positive): rows of one call, or of two calls, positive first."""
        given = [call[name] for call in self.calls]
        if len(given[0]) == 2 * images:
            return [(rows[:images], rows[images:]) for rows in given]
        return [(negative, positive) for positive, negative in zip(given[::2], given[1::2])]


@cache
def weights() -> Path:
    """A folder as the miniature's weights, never trained; it goes when the tests end."""
    folder = Path(FOLDER.name)
    torch.manual_seed(0)
    words = tokenizers.bert(captions.vocabulary(), folder / "words")
    vae = models.autoencoder()
    painter = diffusion.painter(clip_tokenizer(), vae)
    louder(painter.unet, 30)
    publish.write(
        folder / "weights",
        paint=painter,
        taesd=models.tiny_autoencoder(),
        vilt=models.oracle(words),
        judge=models.Judge(),
    )
    return folder / "weights"


@cache
def clip_tokenizer():
    with tempfile.TemporaryDirectory() as folder:
        return tokenizers.clip(captions.vocabulary(), Path(folder))


@cache
def t5_tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    words = ["<pad>", "</s>", "<unk>", *captions.vocabulary(), *KINDS, ","]
    vocabulary = {word: index for index, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def louder(denoiser: torch.nn.Module, gain: float = 8.0) -> None:
    """Random weights hardly listen to the text; now a pixel changes with a word."""
    for name, parameter in denoiser.named_parameters():
        if any(
            part in name
            for part in ("attn2.to_out", "attn2.to_v", "add_k_proj", "add_v_proj", "text_embedder", "context_embedder")
        ):
            parameter.data *= gain


def clip_model(projected: bool, longest: int = 77):
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=16,
        max_position_embeddings=longest,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def t5_model():
    from transformers import T5Config, T5EncoderModel

    config = T5Config(vocab_size=len(t5_tokenizer()), d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2)
    return T5EncoderModel(config).eval()


def vae(channels: int):
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=16,
        shift_factor=0.06,
        mid_block_add_attention=False,  # over the 128 x 128 latents of the linear fit it was most of a run
    ).eval()


def unet(**config: Any):
    from diffusers import UNet2DConditionModel

    model = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=2,
        **config,
    )
    louder(model, 30)
    return model.eval()


def sd():
    """Stable Diffusion 1: one CLIP, a U-Net."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline

    torch.manual_seed(1)
    return _quiet(
        StableDiffusionPipeline(
            vae=vae(4),
            text_encoder=clip_model(projected=False),
            tokenizer=clip_tokenizer(),
            unet=unet(cross_attention_dim=16),
            scheduler=EulerDiscreteScheduler(**models.SCHEDULE, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    )


def sdxl():
    """SDXL: two CLIPs side by side, the second one's pooled text beside the time."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    torch.manual_seed(2)
    return _quiet(
        StableDiffusionXLPipeline(
            vae=vae(4),
            text_encoder=clip_model(projected=False),
            text_encoder_2=clip_model(projected=True),
            tokenizer=clip_tokenizer(),
            tokenizer_2=clip_tokenizer(),
            unet=unet(
                cross_attention_dim=32,
                addition_embed_type="text_time",
                addition_time_embed_dim=8,
                projection_class_embeddings_input_dim=6 * 8 + 16,
            ),
            scheduler=EulerDiscreteScheduler(**models.SCHEDULE, steps_offset=1),
            add_watermarker=False,
        )
    )


def sd3():
    """SD3: two CLIPs and a T5, a transformer over all of it, flow matching."""
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline

    torch.manual_seed(3)
    transformer = SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=32,
        pooled_projection_dim=32,
        pos_embed_max_size=16,
    )
    louder(transformer, 5.0)  # at 8 attention is so sharp that rounding is seen
    return _quiet(
        StableDiffusion3Pipeline(
            transformer=transformer.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=vae(16),
            text_encoder=clip_model(projected=True),
            text_encoder_2=clip_model(projected=True),
            text_encoder_3=t5_model(),
            tokenizer=clip_tokenizer(),
            tokenizer_2=clip_tokenizer(),
            tokenizer_3=t5_tokenizer(),
        )
    )


def flux():
    """Flux: CLIP's pooled text, a T5, two calls a step when true CFG is on."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    torch.manual_seed(4)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=32,
        pooled_projection_dim=16,
        guidance_embeds=True,
        axes_dims_rope=(4, 4, 8),
    )
    louder(transformer)
    return _quiet(
        FluxPipeline(
            transformer=transformer.eval(),
            scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
            vae=vae(4),
            text_encoder=clip_model(projected=False),
            text_encoder_2=t5_model(),
            tokenizer=clip_tokenizer(),
            tokenizer_2=t5_tokenizer(),
        )
    )


def _quiet(pipe: Any) -> Any:
    pipe.set_progress_bar_config(disable=True)
    return pipe
