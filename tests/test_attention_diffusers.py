"""Pushing inside the attention of diffusers' pipelines, against masks and formulas written out."""

import math
from functools import cache
from types import SimpleNamespace

import pipelines
import pytest
import tiny_wan
import torch
from attending import Given, attending
from torch.nn import functional

from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.attention.push import AttentionPush
from lib_vlmneg.attention.strengths import clean_scale, suited
from lib_vlmneg.errors import InputError
from lib_vlmneg.guidance.nag import nag
from lib_vlmneg.hosts.diffusers.attention_places import places
from lib_vlmneg.hosts.diffusers.attention_text import BareEncoder
from lib_vlmneg.hosts.diffusers.denoiser import denoiser
from lib_vlmneg.hosts.diffusers.encode import Encoder
from lib_vlmneg.hosts.diffusers.families import family_of, sd3, steered

METHODS = [ValueSignFlip(2.0, 0.3), NormalizedAttention(4.0, 1.5, 0.5), NegativeAway(0.3)]
IDS = [method.name for method in METHODS]
PIPELINES = {name: getattr(pipelines, name) for name in ("sd", "sdxl", "sd3", "flux")} | {"wan": tiny_wan.wan}
STEPS = 2


@cache
def pipeline(name):
    return PIPELINES[name]()


def latents(pipe, images=1, cfg=1.0, first=0):
    """The finished latents [images, ...]."""
    size = {"num_frames": 5, "max_sequence_length": 32} if "Wan" in type(pipe).__name__ else {}
    scale = "true_cfg_scale" if "Flux" in type(pipe).__name__ else "guidance_scale"
    found = pipe(
        prompt=["a photo of a pet"] * images,
        negative_prompt=["red background"] * images,
        num_inference_steps=STEPS,
        height=16,
        width=16,
        generator=[torch.Generator().manual_seed(first + index) for index in range(images)],
        output_type="latent",
        **{scale: cfg},
        **size,
    )
    return found.frames if size else found.images


def pushed(pipe, push, texts, **how):
    with attending(pipe, push, texts, cfg=how.get("cfg", 1.0)):
        return latents(pipe, len(texts), **how)


def bare(pipe, text):
    """What the pipeline makes of a text, without its padding: embeds [n, D] and the pooled text."""
    encoder = Encoder(pipe, family_of(pipe), [])
    with encoder.recorded():
        latents(pipe)
        return BareEncoder(pipe, family_of(pipe), encoder).texts([text], 0)[0]


def read(q, k, v, weights, signs=None):
    """softmax(Q K^T / sqrt(d)) V, each key's exponential times its weight and each value times its sign [keys]."""
    scores = q.double() @ k.double().transpose(-1, -2) / math.sqrt(q.shape[-1])
    shares = torch.softmax(scores + weights.double().log(), -1)  # exp(score) * weight over their sum, without overflow
    return shares.to(q.dtype) @ (v if signs is None else v * signs[:, None])


def image_reads(method, q, k, v, shared, positive, negative):
    """What the image takes from keys that are marked by 1 in these three vectors, from the formulas."""
    plus = shared + positive
    if method.name == "vsf":
        return read(q, k, v, plus + negative * math.exp(-method.offset), plus - method.scale * negative)
    z, away = read(q, k, v, plus), read(q, k, v, shared + negative)
    if method.name == "nasa":
        return z - method.scale * away
    merged = [each.transpose(1, 2).flatten(2) for each in (z, away)]
    return nag(*merged, method.scale, method.tau, method.alpha).unflatten(-1, (q.shape[1], -1)).transpose(1, 2)


def marks(length, where):
    found = torch.zeros(length)
    found[where] = 1.0
    return found


def kernel_by_hand(pipe, method, positive, negative):
    """A slow kernel for sequences with a text of so many positive and negative tokens, the plain one for the others."""
    found = steered(pipe).attention

    def cross(q, k, v):
        length = positive + negative
        text, push = marks(length, slice(0, positive)), marks(length, slice(positive, length))
        return image_reads(method, q, k, v, 0 * text, text, push)

    def joint(q, k, v):
        length, tokens = q.shape[2], positive + negative
        start = 0 if found.text_first else length - tokens
        text, push = slice(start, start + positive), slice(start + positive, start + tokens)
        text, push = marks(length, text), marks(length, push)
        image = 1 - text - push
        reads = [image_reads(method, q, k, v, image, text, push), read(q, k, v, image + text), read(q, k, v, image + push)]
        return sum(each * mark[:, None] for each, mark in zip(reads, (image, text, push)))

    def kernel(query, key, value, attn_mask=None, **_):
        q, k, v = query, key, value
        with_text = k.shape[2] == positive + negative if not found.joint else k.shape[2] > positive + negative
        if not with_text:
            return read(q, k, v, torch.ones(k.shape[2]))
        return (joint if found.joint else cross)(q, k, v)

    return kernel


def latents_by_hand(pipe, method, text, monkeypatch, twice=False):
    """As `pushed` for one image, by a hook that adds the text and a kernel of its own."""
    embeds = bare(pipe, text)[0][None]

    def add(_, args, kwargs):
        prompt = kwargs["encoder_hidden_states"]
        added = [embeds, embeds] if twice else [embeds]
        changed = {"encoder_hidden_states": torch.cat([prompt, *added], 1)}
        length = changed["encoder_hidden_states"].shape[1]
        if "txt_ids" in kwargs:
            changed["txt_ids"] = torch.zeros(length, 3)
        kernel = kernel_by_hand(pipe, method, length - embeds.shape[1], embeds.shape[1])
        monkeypatch.setattr(functional, "scaled_dot_product_attention", kernel)
        return args, kwargs | changed

    hook = denoiser(pipe).register_forward_pre_hook(add, with_kwargs=True)
    stop = denoiser(pipe).register_forward_hook(lambda *_: monkeypatch.undo())
    try:
        return latents(pipe)
    finally:
        hook.remove()
        stop.remove()


@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize("name", PIPELINES)
def test_every_architecture_pushes_by_the_formula(name, method, monkeypatch):
    pipe = pipeline(name)
    found, expected = pushed(pipe, AttentionPush(method), ["dog"]), latents_by_hand(pipe, method, "dog", monkeypatch)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    assert (found - latents(pipe)).abs().max() > 0.01


def test_compat_is_the_public_codes_mask(monkeypatch):
    """The negative twice in the text: the first counts as positive, the second collects, the copy of the second is flipped."""
    pipe, method = pipeline("sd3"), ValueSignFlip(3.0, 0.08)
    found = pushed(pipe, AttentionPush(method, compat=True), ["dog"])
    torch.testing.assert_close(found, latents_by_hand(pipe, method, "dog", monkeypatch, twice=True), rtol=1e-3, atol=1e-3)
    assert (found - pushed(pipe, AttentionPush(method), ["dog"])).abs().max() > 0.01


def test_the_clean_scale_comes_nearest_to_compats():
    """On a block as it is drawn at random, where the two copies of the negative are alike."""
    from diffusers import SD3Transformer2DModel

    torch.manual_seed(0)
    shape = {"num_attention_heads": 4, "attention_head_dim": 16, "caption_projection_dim": 64, "pos_embed_max_size": 16}
    shape |= {"sample_size": 16, "num_layers": 2, "joint_attention_dim": 32, "pooled_projection_dim": 32}
    pipe = SimpleNamespace(transformer=SD3Transformer2DModel(**shape).eval())
    inputs = {"hidden_states": torch.randn(1, 16, 16, 16), "timestep": torch.tensor([500.0])}
    inputs |= {"encoder_hidden_states": torch.randn(1, 20, 32), "pooled_projections": torch.randn(1, 32)}

    @torch.no_grad()
    def out(scale, compat):
        push = AttentionPush(ValueSignFlip(scale, 0.1), compat=compat)
        with attending(pipe, push, ["dog"], family=sd3.SD3, encoded=Given((negative, None))):
            return pipe.transformer(**inputs, return_dict=False)[0]

    negative = torch.randn(6, 32)
    for scale in (2.0, 3.5):
        target = out(scale, True)
        distance = {tenth / 10: (out(tenth / 10, False) - target).norm() for tenth in range(45)}
        assert abs(min(distance, key=distance.get) - clean_scale(scale, 0.1)) <= 0.3


def test_every_method_has_a_strength_for_every_family():
    assert [steered(pipeline(name)).strengths(pipeline(name)) for name in PIPELINES] == ["sd15", "sdxl", "sd3", "flux", "wan"]
    assert suited("nag", "sd3") == NormalizedAttention(4.0, 2.5, 0.125)
    assert suited("nasa", "wan") == NegativeAway(0.25)
    with pytest.raises(InputError, match=r"^method: 'vfs' is none; choose one of vsf, nag, nasa$"):
        suited("vfs", "sd15")


@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize("name", PIPELINES)
def test_each_image_of_a_batch_has_its_own_negative(name, method):
    pipe = pipeline(name)
    both = pushed(pipe, AttentionPush(method), ["red background cat", ""])
    torch.testing.assert_close(both[:1], pushed(pipe, AttentionPush(method), ["red background cat"]), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(both[1:], latents(pipe, first=1), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        pushed(pipe, AttentionPush(method), ["dog", "red background cat"], first=3)[:1],
        pushed(pipe, AttentionPush(method), ["dog"], first=3),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("name", PIPELINES)
def test_one_model_pass_a_step(name):
    with pipelines.Denoised(pipeline(name)) as denoised:
        pushed(pipeline(name), AttentionPush(), ["dog"])
    assert len(denoised.calls) == STEPS


def traces(pipe):
    """What an attachment could leave behind: attributes of modules and hooks."""
    modules = denoiser(pipe).named_modules()
    return {
        name: (sorted(vars(module)), len(module._forward_hooks), len(module._forward_pre_hooks)) for name, module in modules
    }


@pytest.mark.parametrize("name", PIPELINES)
def test_taken_off_it_leaves_no_trace(name):
    pipe = pipeline(name)
    plain, before = latents(pipe), traces(pipe)
    pushed(pipe, AttentionPush(), ["dog"])
    assert traces(pipe) == before
    assert torch.equal(latents(pipe), plain)


@pytest.mark.parametrize("name", PIPELINES)
def test_nor_after_an_exception(name):
    pipe = pipeline(name)
    plain, before = latents(pipe), traces(pipe)
    (last,) = places(denoiser(pipe)).popitem()[1][:1]
    hook = last.to_q.register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            pushed(pipe, AttentionPush(), ["dog"])
    finally:
        hook.remove()
    assert traces(pipe) == before
    assert torch.equal(latents(pipe), plain)


def test_another_wrapper_put_on_before_is_back_afterwards():
    pipe = pipeline("sd")
    attn = places(pipe.unet)["mid.0"][0]
    forward = attn.forward
    attn.forward = wrapper = lambda *args, **kwargs: forward(*args, **kwargs)
    try:
        pushed(pipe, AttentionPush(), ["dog"])
        assert attn.forward is wrapper
    finally:
        del attn.forward


class Adapted(torch.nn.Module):
    """A linear layer with a low-rank addition, as LoRA puts one in its place."""

    def __init__(self, base):
        super().__init__()
        self.base, self.down = base, torch.nn.Linear(base.in_features, 2, bias=False)
        self.up = torch.nn.Linear(2, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


@pytest.mark.parametrize(("name", "projection"), [("sd", "to_v"), ("sd3", "add_v_proj"), ("flux", "to_k"), ("wan", "to_v")])
def test_lora_lives_on(name, projection):
    """The same as with its weights merged."""
    pipe = PIPELINES[name]()
    attn = next(iter(places(denoiser(pipe)).values()))[0]
    base = getattr(attn, projection)
    setattr(attn, projection, adapted := Adapted(base))
    adapted.up.weight.data *= 5
    found = pushed(pipe, AttentionPush(), ["dog"])
    setattr(attn, projection, base)
    without = pushed(pipe, AttentionPush(), ["dog"])
    base.weight.data += adapted.up.weight.data @ adapted.down.weight.data
    torch.testing.assert_close(found, pushed(pipe, AttentionPush(), ["dog"]), rtol=1e-3, atol=1e-3)
    assert (found - without).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["sd", "sd3", "flux", "wan"])
def test_above_cfg_1_the_conditional_rows_are_pushed(name):
    """Every step's prediction is the unconditional's and the pushed conditional's."""
    pipe, seen = pipeline(name), []
    hook = denoiser(pipe).register_forward_hook(lambda *found: seen.append(found[-1][0]))
    try:
        plain, with_push = latents(pipe, cfg=4.0), pushed(pipe, AttentionPush(), ["dog"], cfg=4.0)
    finally:
        hook.remove()
    calls = len(seen) // 2
    stacked = len(seen[0]) == 2
    uncond, cond = (0, 1) if stacked else (1, 0)
    first, pushed_first = (torch.cat(seen[at : at + (1 if stacked else 2)]) for at in (0, calls))
    torch.testing.assert_close(pushed_first[uncond], first[uncond])
    assert (pushed_first[cond] - first[cond]).abs().max() > 1e-3
    assert (with_push - plain).abs().max() > 1e-3


def test_start_end_and_blocks():
    pipe = pipeline("sd")
    plain, whole = latents(pipe), pushed(pipe, AttentionPush(), ["dog"])

    late, early = (pushed(pipe, AttentionPush(**part), ["dog"]) for part in ({"start": 0.5}, {"end": 0.5}))  # a step each
    assert not torch.equal(late, early) and not any(
        torch.equal(each, other) for each in (late, early) for other in (plain, whole)
    )
    assert torch.equal(pushed(pipe, AttentionPush(start=0.6), ["dog"]), plain)
    assert torch.equal(pushed(pipe, AttentionPush(end=0.6), ["dog"]), whole)
    some = pushed(pipe, AttentionPush(blocks="mid.0, up"), ["dog"])
    assert (some - plain).abs().max() > 1e-4
    assert (some - whole).abs().max() > 1e-4


def test_blocks_that_are_not_chosen_read_the_positive_alone(monkeypatch):
    """All of Flux's double blocks but none of its single ones, and the other way round, are two different things."""
    pipe = pipeline("flux")
    double, single = (pushed(pipe, AttentionPush(blocks=blocks), ["dog"]) for blocks in ("double", "single.0"))
    assert (double - single).abs().max() > 1e-4
    assert torch.equal(pushed(pipe, AttentionPush(blocks="double, single"), ["dog"]), pushed(pipe, AttentionPush(), ["dog"]))


@pytest.mark.parametrize("name", PIPELINES)
def test_a_negative_is_encoded_without_its_padding(name):
    """CLIP's words as the pipeline encodes them, up to the end token; T5's as T5 reads them alone."""
    pipe = pipeline(name)
    text = "dog cat"
    found = bare(pipe, text)[0]
    clip = len(pipe.tokenizer(text).input_ids) if name in ("sd", "sdxl", "sd3") else 0
    encoders = {
        "sd3": ("tokenizer_3", "text_encoder_3"),
        "flux": ("tokenizer_2", "text_encoder_2"),
        "wan": ("tokenizer", "text_encoder"),
    }
    if name in encoders:
        tokenizer, encoder = (getattr(pipe, part) for part in encoders[name])
        words = encoder(tokenizer([text], return_tensors="pt").input_ids)[0][0]
        torch.testing.assert_close(found[clip:], words)
    if clip:
        own = (
            pipe.encode_prompt(text, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)[0]
            if name != "sd3"
            else pipe.encode_prompt(text, text, text)[0]
        )
        torch.testing.assert_close(found[:clip], own[0, :clip])
    assert len(found) == clip + (len(words) if name in encoders else 0)


def test_fluxs_pooled_text_may_be_mixed():
    pipe = pipeline("flux")
    pooled = bare(pipe, "dog")[1][None]
    with pipelines.Denoised(pipe) as denoised:
        pushed(pipe, AttentionPush(pooled=1.5), ["dog", ""])
    plain = pipe.encode_prompt("a photo of a pet", None)[1]
    given = denoised.calls[0]["pooled_projections"]
    torch.testing.assert_close(given[:1], pooled[:1] + 1.5 * (plain - pooled[:1]))
    torch.testing.assert_close(given[1:], plain)


def test_what_cannot_be_is_said():
    with pytest.raises(InputError, match=r"^push_blocks: 'up.9' does not exist; there are down.0, mid.0, up.0-1, or say all$"):
        pushed(pipeline("sd"), AttentionPush(blocks="up.9"), ["dog"])
    with pytest.raises(InputError, match=r"^push_start: 0.6 is not before push_end 0.5; move one"):
        AttentionPush(start=0.6, end=0.5)


def test_an_attention_of_its_own_is_said():
    from diffusers.models.attention_processor import AttnProcessor

    pipe = PIPELINES["sd"]()
    pipe.unet.set_attn_processor(AttnProcessor())
    with pytest.raises(InputError, match=r"^attention: down.0 does not use torch's scaled_dot_product_attention; switch"):
        pushed(pipe, AttentionPush(), ["dog"])
