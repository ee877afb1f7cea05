"""The tiny pipelines themselves: each draws, and hears a word of its prompt and of its negative prompt."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import torch
from families import FAMILIES, SINGLE, SIZES
from torch import Tensor

PROMPT, NEGATIVE = "a photo of a dog on a red background", "blue hat"


def drawn(pipe: Any, name: str, prompts: list[str], negatives: list[str], output_type: str = "latent") -> Tensor:
    height, width = SIZES[name]
    given = {
        "prompt": list(prompts),  # Z-Image writes into the list
        "negative_prompt": list(negatives),
        "height": height,
        "width": width,
        "num_inference_steps": 4,
        "generator": [torch.Generator().manual_seed(seed) for seed in range(len(prompts))],
        "output_type": output_type,
    }
    accepted = inspect.signature(pipe.__call__).parameters
    if "num_frames" in accepted:
        given["num_frames"] = 1
    given["true_cfg_scale" if "true_cfg_scale" in accepted else "guidance_scale"] = 4.0
    pictures = pipe(**{argument: value for argument, value in given.items() if argument in accepted})
    return next(getattr(pictures, name) for name in ("images", "image", "frames") if hasattr(pictures, name))


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_draws_and_hears_its_words(name):
    pipe = FAMILIES[name]()
    picture = drawn(pipe, name, [PROMPT], [NEGATIVE], "pt")
    assert picture.isfinite().all() and picture.shape[-2:] == SIZES[name]
    latents = drawn(pipe, name, [PROMPT], [NEGATIVE])
    others = [(PROMPT.replace("dog", "cat"), NEGATIVE), *([(PROMPT, "blue dog")] if name != "klein" else [])]
    for prompt, negative in others:
        changed = drawn(pipe, name, [prompt], [negative])
        assert (changed - latents).std() > 0.01 * latents.std()
    if name in SINGLE:
        return
    both = drawn(pipe, name, [PROMPT, "a castle with a hat"], [NEGATIVE, "red"])  # a long one moves CogView4's neighbour
    assert (both[:1] - latents).abs().max() < 1e-4 * latents.std()
