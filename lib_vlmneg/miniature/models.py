"""The miniature's models, in the classes that the field uses, so that what runs them runs the real ones."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from .questions import ANSWERS
from .scenes import SIZE
from .world import ACCESSORIES, KINDS, NOVEL

CONTEXT = 192  # width of the text, and so of the U-Net's cross-attention
SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000}


def autoencoder():
    """Stable Diffusion 1's autoencoder, narrow: 3x128x128 in -1..1 to 4x16x16 and back.

    Not under 64 channels: its norms have 32 groups, and a group of one channel wipes out every flat colour.
    """
    from diffusers import AutoencoderKL

    model = AutoencoderKL(
        block_out_channels=(64, 64, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=0,
        latent_channels=4,
        sample_size=SIZE,
    )
    model.quant_conv.bias.data[4:] = -6.0  # begin with sharp latents
    return model


def tiny_autoencoder():
    """TAESD's architecture, narrow: latents to pictures in a tenth of the time."""
    from diffusers import AutoencoderTiny

    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        num_encoder_blocks=(1, 1, 1, 1),
        num_decoder_blocks=(2, 1, 1, 1),
        latent_channels=4,
    )


def unet():
    """Stable Diffusion 1's U-Net, narrow: cross-attention at 8x8 and 4x4, none at 16x16, where it would cost most."""
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=SIZE // 8,
        block_out_channels=(128, 128, 128),
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        layers_per_block=1,
        cross_attention_dim=CONTEXT,
        attention_head_dim=4,
    )


def text_encoder(tokenizer):
    """CLIP's text model with 77 positions. Its last bias starts away from zero, since A1111 divides by its output's mean."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=CONTEXT,
        intermediate_size=4 * CONTEXT,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        projection_dim=CONTEXT,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        hidden_act="quick_gelu",
    )
    model = CLIPTextModel(config)
    nn.init.constant_(final_layer_norm(model).bias, 0.25)
    return model


def final_layer_norm(model) -> nn.LayerNorm:
    """The last layer of a CLIP text model; transformers 5 has taken away one level of nesting."""
    return getattr(model, "text_model", model).final_layer_norm


def oracle(tokenizer):
    """ViLT for question answering: one transformer over the question's words and the picture's 16x16 patches."""
    from transformers import ViltConfig, ViltForQuestionAnswering

    config = ViltConfig(
        vocab_size=len(tokenizer),
        hidden_size=160,
        num_hidden_layers=6,
        num_attention_heads=5,
        intermediate_size=640,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        max_position_embeddings=40,
        image_size=SIZE,
        patch_size=16,
        num_labels=len(ANSWERS),
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: index for index, answer in enumerate(ANSWERS)},
    )
    return ViltForQuestionAnswering(config)


class Judge(nn.Module):
    """A small convolutional classifier that only measures: which kind (or novel, or none), and which accessories."""

    labels = (*KINDS, NOVEL, "none")  # novel: a hybrid or a shape without a name; none: spoiled

    def __init__(self, width: int = 32):
        super().__init__()
        widths = (3, width, width * 2, width * 3, width * 4, width * 4)
        blocks = [_block(before, after) for before, after in pairwise(widths)]
        self.features = nn.Sequential(*blocks)
        self.kind = nn.Linear(widths[-1] * 16, len(self.labels))
        self.accessories = nn.Linear(widths[-1] * 16, len(ACCESSORIES))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [B, 34] of the labels and [B, 11] of the accessories, for pictures [B, 3, 128, 128] in -1..1."""
        features = self.features(images).flatten(1)
        return self.kind(features), self.accessories(features)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(8, after), nn.SiLU())
