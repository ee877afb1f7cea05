"""A push works on a trained model at CFG 1: the miniature, asked for a pet and pushed away from dogs."""

import pytest
import torch
from attending import attending

from lib_vlmneg.attention.push import AttentionPush
from lib_vlmneg.attention.strengths import suited
from lib_vlmneg.bench import creativity
from lib_vlmneg.hosts.diffusers import load_pipeline
from lib_vlmneg.miniature import WEIGHTS
from lib_vlmneg.miniature.world import CATEGORIES

COUNT = 12

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (WEIGHTS / "model_index.json").exists(), reason="the weights are not trained yet"),
]


@pytest.fixture(scope="module")
def pipe():
    pipe, _ = load_pipeline("miniature")
    pipe.set_progress_bar_config(disable=True)
    return pipe


def kinds(pipe):
    generators = [torch.Generator().manual_seed(seed) for seed in range(COUNT)]
    found = pipe(["a photo of a pet"] * COUNT, num_inference_steps=20, guidance_scale=1.0, generator=generators)
    return creativity.name(found.images)


@pytest.fixture(scope="module")
def plain(pipe):
    return kinds(pipe)


@pytest.mark.parametrize("method", ["vsf", "nag"])
def test_a_negative_works_in_one_pass(pipe, plain, method):
    """Of the dogs that a pet is at CFG 1 at most a third is left, and most of the pictures still show a pet."""
    with attending(pipe, AttentionPush(suited(method, "sd15")), ["dog"] * COUNT, steps=20):
        pushed = kinds(pipe)
    assert plain.count("dog") >= COUNT / 3
    assert pushed.count("dog") <= plain.count("dog") / 3
    assert sum(kind in CATEGORIES["pet"] for kind in pushed) >= COUNT / 2
