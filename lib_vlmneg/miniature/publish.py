"""Writing the finished weights: the folders of a diffusers pipeline, beside them the fast decoder, the oracle, the judge."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from . import models, tokenizers
from .captions import vocabulary

SHARD = "14MB"  # no file of the repository is over 15 MB


def write(out: Path, *, paint, taesd: nn.Module, vilt: nn.Module, judge: nn.Module) -> None:
    """Everything in half precision under `out`, which is replaced whole."""
    from diffusers import EulerAncestralDiscreteScheduler, StableDiffusionPipeline

    partial = out.with_name(out.name + ".part")
    shutil.rmtree(partial, ignore_errors=True)
    pipeline = StableDiffusionPipeline(
        vae=paint.vae,
        text_encoder=paint.text_encoder,
        tokenizer=paint.tokenizer,
        unet=paint.unet,
        scheduler=EulerAncestralDiscreteScheduler(**models.SCHEDULE, timestep_spacing="trailing"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(partial, max_shard_size=SHARD)
    taesd.to(torch.float16).save_pretrained(partial / "taesd")
    _without(partial / "taesd" / "config.json", "block_out_channels")  # diffusers writes it, and warns of it when it reads
    tokenizers.clip(vocabulary(), partial / "tokenizer")  # in the files that every transformers reads, 5's are its own
    vilt.to(torch.float16).save_pretrained(partial / "vilt")
    tokenizers.bert(vocabulary(), partial / "vilt")
    _write_image_processor(partial / "vilt")
    (partial / "judge").mkdir()
    save_file(
        {name: value.half().contiguous() for name, value in judge.state_dict().items()}, partial / "judge" / "judge.safetensors"
    )
    shutil.rmtree(out, ignore_errors=True)
    partial.rename(out)


def _write_image_processor(folder: Path) -> None:
    """ViLT's image processor for pictures of the miniature's size; the middle of the range is zero, as for the real one."""
    config = {
        "image_processor_type": "ViltImageProcessor",
        "do_resize": True,
        "size": {"shortest_edge": models.SIZE},
        "size_divisor": 16,
        "resample": 3,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "do_pad": True,
        "processor_class": "ViltProcessor",
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(config, indent=2) + "\n")


def _without(path: Path, key: str) -> None:
    config = json.loads(path.read_text())
    config.pop(key, None)
    path.write_text(json.dumps(config, indent=2) + "\n")


def load_judge(folder: Path) -> models.Judge:
    """The judge of a weights folder, in float32, ready to judge."""
    judge = models.Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(folder / "judge.safetensors").items()})
    return judge.eval()
