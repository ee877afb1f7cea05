"""The attachments of the WebUIs, on models of the shapes that the hosts have; the hosts themselves run in tests/webui."""

import sys
from types import ModuleType, SimpleNamespace

import pytest
import torch
from fakes import within_a_host
from torch import nn
from torch.nn.functional import scaled_dot_product_attention

from lib_vlmneg.attention.cross import cross_attention
from lib_vlmneg.attention.joint import Layout, joint_attention
from lib_vlmneg.attention.ldm import heads, merged, places
from lib_vlmneg.attention.methods import NegativeAway, NormalizedAttention, ValueSignFlip
from lib_vlmneg.attention.negative import Negative
from lib_vlmneg.attention.patches import images_of
from lib_vlmneg.attention.push import AttentionPush, Pushing
from lib_vlmneg.errors import InputError
from lib_vlmneg.push.call import ModelCall, Row, Side

with within_a_host():
    from lib_vlmneg.hosts.webui import attention, attention_forge
    from lib_vlmneg.hosts.webui.attention_text import bare

WIDTH, TEXT, HEADS = 8, 6, 2
METHODS = [ValueSignFlip(2.0, 0.2), NormalizedAttention(), NegativeAway()]
IDS = [method.name for method in METHODS]


class Cross(nn.Module):
    """LDM's CrossAttention."""

    def __init__(self):
        super().__init__()
        self.heads = HEADS
        self.to_q, self.to_k, self.to_v = nn.Linear(WIDTH, WIDTH), nn.Linear(TEXT, WIDTH), nn.Linear(TEXT, WIDTH)
        self.to_out = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Dropout(0.0))

    def forward(self, x, context=None, mask=None):
        q, k, v = (heads(z, HEADS) for z in (self.to_q(x), self.to_k(context), self.to_v(context)))
        return self.to_out(merged(scaled_dot_product_attention(q, k, v)))


class Spatial(nn.Module):
    def __init__(self):
        super().__init__()
        block = nn.Module()
        block.attn2 = Cross()
        self.transformer_blocks = nn.ModuleList([block])


class UNet(nn.Module):
    """LDM's U-Net, of attention alone; `patched` runs a block as Forge does, with its patches."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Identity()]), nn.ModuleList([nn.Identity(), Spatial()])])
        self.middle_block = nn.ModuleList([Spatial()])
        self.output_blocks = nn.ModuleList([nn.ModuleList([Spatial()])])

    def forward(self, x, timesteps=None, context=None, transformer_options=None):
        for (part, number), (attn,) in places(self).values():
            x = x + self.read(attn, x, context, transformer_options, (part, number))
        return x

    def read(self, attn, n, context, options, block):
        if options is None:
            return attn(n, context=context)
        options = {**options, "block": block, "n_heads": HEADS}
        value = context
        for change in options["patches"].get("attn2_patch", ()):
            n, context, value = change(n, context, value, options)
        if block not in options["patches_replace"].get("attn2", {}):
            return attn(n, context=context)
        out = options["patches_replace"]["attn2"][block](attn.to_q(n), attn.to_k(context), attn.to_v(value), options)
        return attn.to_out(out)


@pytest.fixture
def a1111(monkeypatch):
    """The two modules that A1111's pushed attention asks."""
    hypernetwork = SimpleNamespace(apply_hypernetworks=lambda loaded, context: (context, context))
    shared = SimpleNamespace(loaded_hypernetworks=[], opts=SimpleNamespace(upcast_attn=False))
    for name, given in {"modules": {"shared": shared}, "modules.hypernetworks": {"hypernetwork": hypernetwork}}.items():
        module = ModuleType(name)
        vars(module).update(given)
        monkeypatch.setitem(sys.modules, name, module)


def negative():
    torch.manual_seed(1)
    return Negative.of([torch.randn(3, TEXT), None])


def inputs(rows):
    torch.manual_seed(2)
    return torch.randn(rows, 4, WIDTH), torch.randn(rows, 5, TEXT)


def by_hand(unet, method, x, context, images):
    """Row by row: the text with the negative behind it where there is one."""
    out = []
    for row, image in enumerate(images):
        one, found = x[row : row + 1], negative()
        for _, (attn,) in places(unet).values():
            text = context[row : row + 1]
            if image != 0:
                one = one + attn(one, context=text)
                continue
            both = torch.cat([text, found.embeds[:1]], 1)
            q, k, v = (heads(z, HEADS) for z in (attn.to_q(one), attn.to_k(both), attn.to_v(both)))
            read = cross_attention(method, q, k, v, 3, None, scaled_dot_product_attention)
            one = one + attn.to_out(merged(read))
        out.append(one)
    return torch.cat(out)


def pushing(method=METHODS[0], found=None, **given):
    return Pushing(AttentionPush(method, **given), found or negative())


def call_of(*rows):
    """A call in which these are the rows' images, None for an uncond's."""
    return ModelCall(0, tuple(Row(image or 0, Side.UNCOND if image is None else Side.COND) for image in rows))


def params_of(unet):
    inner = SimpleNamespace(model=SimpleNamespace(diffusion_model=unet))
    return SimpleNamespace(denoiser=SimpleNamespace(inner_model=SimpleNamespace(inner_model=inner)))


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_a1111s_conditional_rows_are_pushed(a1111, method):
    """Two images, the first with a prompt of two parts; only it has a negative."""
    unet, (x, context) = UNet(), inputs(5)
    rows = [0, 0, 1, None, None]
    with attention.hung(params_of(unet), call_of(*rows), pushing(method)):
        found = unet(x, None, context=context)
        after = unet(x, None, context=context)
    with attention.hung(params_of(unet), call_of(*rows), pushing(method)):
        apart = torch.cat([unet(x[:2], None, context=context[:2]), unet(x[2:], None, context=context[2:])])
    torch.testing.assert_close(found, by_hand(unet, method, x, context, rows))
    torch.testing.assert_close(apart, found)
    assert torch.equal(after, unet(x, None, context=context))
    assert (found[0] - after[0]).abs().max() > 1e-3


def test_a1111s_u_net_is_left_as_it_was(a1111):
    unet, (x, context) = UNet(), inputs(1)
    before = {name: sorted(vars(module)) for name, module in unet.named_modules()}
    with pytest.raises(ZeroDivisionError), attention.hung(params_of(unet), call_of(0, None), pushing()):
        unet(x, None, context=context)
        raise ZeroDivisionError
    assert {name: sorted(vars(module)) for name, module in unet.named_modules()} == before
    assert not unet._forward_hooks
    assert not unet._forward_pre_hooks


@pytest.mark.parametrize(
    ("count", "kinds", "images", "found"),
    [
        (4, [1, 0], 2, [None, None, 0, 1]),
        (6, [1, 0, 0], 2, [None, None, 0, 1, 0, 1]),  # AND
        (2, [0], 2, [0, 1]),
        (8, [1, 0], 2, [None, None, 0, 1] * 2),  # two tiles
        (3, [0], 1, [0, 0, 0]),  # three tiles
        (2, [1, 0], 5, [None, 0]),  # the frames of one video
    ],
)
def test_the_image_of_each_of_forges_rows(count, kinds, images, found):
    assert images_of(count, kinds, images) == found


class Patcher:
    """What attention_forge asks of Forge's patcher."""

    def __init__(self, model):
        self.model = SimpleNamespace(diffusion_model=model)
        self.model_options = {"transformer_options": {"patches": {}, "patches_replace": {}}}

    def set_model_attn2_patch(self, patch):
        self.model_options["transformer_options"]["patches"].setdefault("attn2_patch", []).append(patch)

    def set_model_attn2_replace(self, patch, block, number):
        self.model_options["transformer_options"]["patches_replace"].setdefault("attn2", {})[block, number] = patch

    def set_model_unet_function_wrapper(self, function):
        self.model_options["model_function_wrapper"] = function


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_forges_conditional_rows_are_pushed(method):
    unet, (x, context) = UNet(), inputs(4)
    patcher = Patcher(unet)
    pushed = pushing(method)
    attention_forge.attach(patcher, pushed, 2)
    options = {**patcher.model_options["transformer_options"], "cond_or_uncond": [1, 0]}
    found = unet(x, None, context=context, transformer_options=options)
    torch.testing.assert_close(found, by_hand(unet, method, x, context, [None, None, 0, 1]))
    assert pushed.acted
    pushed.failed()
    torch.testing.assert_close(unet(x, None, context=context, transformer_options=options), unet(x, None, context=context))


def test_tiles_that_a_host_batches_are_pushed_each_by_its_image():
    unet, (x, context) = UNet(), inputs(8)
    patcher = Patcher(unet)
    attention_forge.attach(patcher, pushing(), 2)
    options = {**patcher.model_options["transformer_options"], "cond_or_uncond": [1, 0]}
    found = unet(x, None, context=context, transformer_options=options)
    torch.testing.assert_close(found, by_hand(unet, METHODS[0], x, context, [None, None, 0, 1] * 2))


def test_a_block_that_another_has_replaced_stays_its():
    """It is handed the prompt without a negative."""
    unet, (x, context), lengths = UNet(), inputs(2), []
    patcher = Patcher(unet)
    patcher.set_model_attn2_replace(lambda q, k, v, options: lengths.append(k.shape[1]) or q, "middle", 0)
    attention_forge.attach(patcher, pushing(), 2)
    unet(x, None, context=context, transformer_options={**patcher.model_options["transformer_options"], "cond_or_uncond": [0]})
    assert lengths == [context.shape[1]]


def test_forges_other_models_are_refused():
    with pytest.raises(InputError, match=r"^model: Linear cannot be pushed inside its attention; use SD1.5"):
        attention_forge.attach(Patcher(nn.Linear(1, 1)), pushing(), 1)


def turned(q, k, pe):
    """Stands for RoPE: each token's keys and queries by its position."""
    return q * pe, k * pe


def flux_attention(q, k, v, pe):
    """backend.nn.flux's, which turns first."""
    return merged(scaled_dot_product_attention(*turned(q, k, pe), v))


def sd3_attention(q, k, v, count, mask=None):
    """backend.nn.mmditx's."""
    return merged(scaled_dot_product_attention(*(heads(z.flatten(2), count) for z in (q, k, v))))


def joint_model(name, monkeypatch):
    """A model, and the module of its blocks with the attention that they look up there.

    Flux's attention is defined elsewhere, beside its RoPE, as Chroma and reForge have it.
    """
    module, beside = ModuleType("backend_blocks"), ModuleType("backend_math")
    found = "optimized_attention" if name == "reforge's sd3" else "attention"
    setattr(module, found, flux_attention if name == "flux" else sd3_attention)
    beside.apply_rope = turned
    monkeypatch.setattr(flux_attention, "__module__", beside.__name__)
    for each in (module, beside):
        monkeypatch.setitem(sys.modules, each.__name__, each)

    def forward(self, x, context):
        for _ in range(2):
            both, attend = torch.cat([context, x], 1), getattr(module, found)
            if name == "flux":
                pe = torch.linspace(0.5, 1.5, both.shape[1])[:, None]
                out = attend(*[heads(both, HEADS)] * 3, pe)
            else:
                out = attend(both, both, both.unflatten(-1, (HEADS, -1)), HEADS)
                out[:, context.shape[1] :] += attend(x, x, x.unflatten(-1, (HEADS, -1)), HEADS)
            both = both + out
            context, x = both[:, : context.shape[1]], both[:, context.shape[1] :]
        return x

    model = type("Model", (nn.Module,), {"forward": forward})()
    block = type("Block", (), {"__module__": module.__name__})()
    model.joint_blocks = [block] * 2
    if name == "flux":
        del model.joint_blocks
        model.double_blocks = model.single_blocks = [block]
    return model, module


def joint_by_hand(name, method, x, context, found):
    """The same blocks on a text with the negative behind it; SD3's have another attention, of the image alone."""
    start = context.shape[1]
    both = torch.cat([context, found.embeds[:1], x], 1)
    layout = Layout(start, found.embeds.shape[1], text_first=True)
    text = start + found.embeds.shape[1]
    for _ in range(2):
        split = heads(both, HEADS)
        q, k = turned(split, split, torch.linspace(0.5, 1.5, both.shape[1])[:, None]) if name == "flux" else (split, split)
        out = merged(joint_attention(method, q, k, split, layout, None, scaled_dot_product_attention))
        if name != "flux":
            image = heads(both[:, text:], HEADS)
            out[:, text:] += merged(scaled_dot_product_attention(image, image, image))
        both = both + out
    return both[:, text:]


@pytest.mark.parametrize("method", METHODS, ids=IDS)
@pytest.mark.parametrize("name", ["sd3", "flux", "reforge's sd3"])
def test_forges_joint_models_are_pushed(name, method, monkeypatch):
    """By what goes around the model's call, within another's that was there before: it draws each row as a tile of its own."""
    model, module = joint_model(name, monkeypatch)
    before, calls = dict(vars(module)), []
    torch.manual_seed(3)
    found = Negative.of([torch.randn(3, WIDTH)])
    x, context = torch.randn(2, 4, WIDTH), torch.randn(2, 5, WIDTH)
    patcher = Patcher(model)
    patcher.set_model_unet_function_wrapper(
        lambda apply, call: calls.append(call["c"]["c_crossattn"]) or apply(call["input"], call["timestep"], **call["c"])
    )
    pushed = pushing(method, found)
    attention_forge.attach(patcher, pushed, 1)
    around = patcher.model_options["model_function_wrapper"]

    def call(kinds):
        given = {"input": x, "timestep": None, "c": {"c_crossattn": context}, "cond_or_uncond": kinds}
        return around(lambda x, t, c_crossattn: model(x, c_crossattn), given)

    out = call([1, 0])
    expected = joint_by_hand(name, method, x[1:], context[1:], found)
    torch.testing.assert_close(out[1:], expected)
    assert vars(module) == before and pushed.acted
    assert calls[0] is context
    if name != "flux":  # whose tokens have no positions in their text, so that the other row is as it was
        torch.testing.assert_close(out[:1], model(x[:1], context[:1]))
    pushed.failed()
    assert torch.equal(call([1, 0]), model(x, context))


@pytest.mark.parametrize("at_once", [1, 2])
def test_forges_joint_models_are_pushed_in_batches_of_tiles(at_once, monkeypatch):
    """As MultiDiffusion: what is around the call makes several of it, of a few tiles each."""
    model, _ = joint_model("sd3", monkeypatch)
    found = Negative.of([torch.randn(3, WIDTH)])
    tiles, context = torch.randn(2, 2, 4, WIDTH), torch.randn(2, 5, WIDTH)  # [tile, row, L, D]
    patcher = Patcher(model)

    def tiled(apply, call):
        text = call["c"]["c_crossattn"].repeat(at_once, 1, 1)
        parts = [apply(tiles[start : start + at_once].flatten(0, 1), None, c_crossattn=text) for start in range(0, 2, at_once)]
        return torch.cat(parts)

    patcher.set_model_unet_function_wrapper(tiled)
    attention_forge.attach(patcher, pushing(METHODS[0], found), 1)
    call = {"input": None, "timestep": None, "c": {"c_crossattn": context}, "cond_or_uncond": [1, 0]}
    out = patcher.model_options["model_function_wrapper"](lambda x, t, c_crossattn: model(x, c_crossattn), call)
    for tile in range(2):
        expected = joint_by_hand("sd3", METHODS[0], tiles[tile, 1:], context[1:], found)
        torch.testing.assert_close(out.unflatten(0, (2, 2))[tile, 1:], expected)


def test_after_an_exception_the_hosts_attention_is_back(monkeypatch):
    model, module = joint_model("sd3", monkeypatch)
    plain, patcher = module.attention, Patcher(model)
    attention_forge.attach(patcher, pushing(found=Negative.of([torch.randn(3, WIDTH)])), 1)
    call = {"input": None, "timestep": None, "c": {"c_crossattn": torch.randn(1, 5, WIDTH)}, "cond_or_uncond": [0]}
    with pytest.raises(ZeroDivisionError):
        patcher.model_options["model_function_wrapper"](lambda *_, **__: 1 / 0, call)
    assert module.attention is plain


def test_a_text_that_the_host_masks_is_not_pushed(monkeypatch):
    """Its mask fits the prompt alone."""
    model, _ = joint_model("sd3", monkeypatch)
    patcher, context = Patcher(model), torch.randn(1, 5, WIDTH)
    attention_forge.attach(patcher, pushing(found=Negative.of([torch.randn(3, WIDTH)])), 1)

    def masked(x, t, c_crossattn):
        both = c_crossattn
        return sys.modules["backend_blocks"].attention(both, both, both, HEADS, mask=torch.ones(5, 5))

    call = {"input": None, "timestep": None, "c": {"c_crossattn": context}, "cond_or_uncond": [0]}
    with pytest.raises(RuntimeError, match="the host masks the text of this model"):
        patcher.model_options["model_function_wrapper"](masked, call)


class Reader:
    """A host's reader of a CLIP: words by their length, chunks of 77 filled up with ends."""

    id_end = 99

    def tokenize_line(self, text):
        tokens = [len(word) for word in text.split()]
        chunks = [tokens[start : start + 75] for start in range(0, len(tokens), 75)]
        filled = [[98, *chunk, *[self.id_end] * (76 - len(chunk))] for chunk in chunks]
        return [SimpleNamespace(tokens=chunk) for chunk in filled], len(tokens)


def test_a_negative_loses_the_padding_of_each_chunk():
    """80 words: a full chunk, and one of five."""
    text, rows = " ".join(["dog"] * 80), torch.arange(154.0)[:, None]
    embeds, pooled = bare(text, SimpleNamespace(cond_stage_model=Reader()), {"crossattn": rows[None]})
    assert embeds[:, 0].tolist() == [*range(77), *range(77, 84)] and pooled is None


def test_fluxs_text_is_its_t5s():
    model = SimpleNamespace(text_processing_engine_l=Reader(), text_processing_engine_t5=Reader())
    embeds, pooled = bare("red dog", model, {"crossattn": torch.ones(1, 256, 4), "vector": torch.ones(1, 3)})
    assert embeds.shape == (4, 4) and pooled.shape == (3,)


def test_sd3s_text_is_both_unless_its_t5_is_off():
    model = SimpleNamespace(is_sd3=True, text_processing_engine_l=Reader(), text_processing_engine_t5=Reader())
    rows = torch.ones(1, 77 + 256, 4)
    assert len(bare("dog", model, {"crossattn": rows})[0]) == 6
    rows[:, 77:] = 0
    assert len(bare("dog", model, {"crossattn": rows})[0]) == 3


def test_a_text_that_another_kind_of_model_reads_is_refused():
    class Flux2:
        cond_stage_model = None  # as Forge's engines have it

    with pytest.raises(InputError, match=r"^model: the tokens of Flux2's text cannot be told from their padding; push cfg or"):
        bare("dog", Flux2(), {"crossattn": torch.ones(1, 256, 4)})
