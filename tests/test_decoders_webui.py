"""The WebUIs' decoders on models of the shapes that the hosts have; the hosts themselves run in tests/webui."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from fakes import within_a_host
from torch import nn

from lib_vlmneg import devices as ours

with within_a_host():
    from lib_vlmneg.hosts.webui import decoders

SIDE = 64  # latent pixels
HOSTS = ["a1111", "forge"]


class VAE(nn.Module):
    """Eight pixels a latent pixel, and a note of what came."""

    def __init__(self):
        super().__init__()
        self.conv, self.seen, self.fails = nn.Conv2d(4, 3, 1), [], False

    def decode(self, z):
        if self.fails:
            raise RuntimeError("out of memory")
        picture = self.conv(z)
        self.seen.append((tuple(z.shape), self.conv.weight.dtype, picture.dtype))
        return picture.repeat_interleave(8, -1).repeat_interleave(8, -2)


class Model:
    """As A1111 has it: `first_stage_model`; or Forge: a VAE beside it, which casts latents (backend/patcher/vae.py:172)."""

    def __init__(self, vae, forge, is_sdxl):
        self.vae, self.is_sdxl, self.forge = vae, is_sdxl, forge
        self.first_stage_model = None if forge else vae
        if forge:
            dtype = vae.conv.weight.dtype
            self.forge_objects = SimpleNamespace(vae=SimpleNamespace(first_stage_model=vae, vae_dtype=dtype))

    def decode_first_stage(self, x):
        holder = self.forge_objects.vae if self.forge else None
        return self.vae.decode(x.to(holder.vae_dtype if holder else self.vae.conv.weight.dtype)).float()


@pytest.fixture(params=HOSTS)
def host(request, monkeypatch):
    """Gives a `p` whose model is as that host has it."""

    def build(dtype=torch.float32, is_sdxl=False):
        forge, vae = request.param == "forge", VAE().to(dtype)
        if forge:
            vae.config = SimpleNamespace(force_upcast=is_sdxl)
        model = Model(vae, forge, is_sdxl)
        monkeypatch.setattr(decoders.host, "is_forge", lambda: forge)
        monkeypatch.setattr(decoders, "shared", SimpleNamespace(sd_model=model))
        return SimpleNamespace(sd_model=model)

    def convert(x0, number):
        assert number == decoders.FULL
        return decoders.shared.sd_model.decode_first_stage(x0)

    monkeypatch.setattr(decoders, "devices", SimpleNamespace(without_autocast=nullcontext))
    monkeypatch.setattr(decoders, "sd_samplers_common", SimpleNamespace(samples_to_images_tensor=convert))
    monkeypatch.setattr(decoders, "_file", lambda folder, name: False)
    monkeypatch.setattr(decoders.memory, "is_scarce", lambda: False)
    monkeypatch.setattr(ours, "_cpu_has_bfloat16", lambda: False)
    return build


def latents(rows=1):
    return torch.randn(rows, 4, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("input_side", [128, 384, 512, 1000])
def test_auto_never_decodes_in_full_size_without_a_tiny_decoder(host, input_side):
    p = host()
    chosen = decoders.decoder(p, "auto", SIDE, input_side)
    chosen.run(latents())
    ((shape, _, _),) = p.sd_model.vae.seen
    assert chosen.name == "small" and shape[-1] < SIDE


def test_auto_takes_the_colours_alone_where_they_are_large_enough_and_a_tiny_decoder_where_there_is_one(host, monkeypatch):
    p = host()
    assert decoders.decoder(p, "auto", SIDE, SIDE).name == "linear"
    monkeypatch.setattr(decoders, "_file", lambda folder, name: folder == "VAE-taesd")
    assert decoders.decoder(p, "auto", SIDE, 384).name == "tiny"


def test_full_by_name_decodes_in_full_size(host):
    p = host()
    decoders.decoder(p, "full", SIDE, 384).run(latents())
    assert [shape for shape, _, _ in p.sd_model.vae.seen] == [(1, 4, SIDE, SIDE)]


@pytest.mark.parametrize("input_side", [64, 384])
def test_auto_takes_no_vae_where_memory_is_scarce_and_a_name_still_does(host, monkeypatch, input_side):
    p = host()
    monkeypatch.setattr(decoders.memory, "is_scarce", lambda: True)
    assert decoders.decoder(p, "auto", SIDE, input_side).name == "linear"
    assert decoders.decoder(p, "small", SIDE, input_side).name == "small"


def test_a_refiner_that_has_come_is_the_one_that_decodes(host):
    p = host()
    later = host().sd_model
    decoders.decoder(p, "small", SIDE, 384).run(latents())
    assert len(later.vae.seen) == 1 and p.sd_model.vae.seen == []


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("fails", [False, True])
def test_sdxl_is_never_in_float16_and_its_weights_are_left_as_they_were(host, monkeypatch, quick, dtype, fails):
    monkeypatch.setattr(ours, "_cpu_has_bfloat16", lambda: quick)
    p = host(dtype, is_sdxl=True)
    vae = p.sd_model.vae
    before, vae.fails = vae.conv.weight.clone(), fails
    small = decoders.decoder(p, "small", SIDE, 384)
    if fails:
        with pytest.raises(RuntimeError, match="out of memory"):
            small.run(latents())
    else:
        small.run(latents())
        assert [seen[1:] for seen in vae.seen] == [(torch.float32, torch.bfloat16 if quick else torch.float32)]
    assert vae.conv.weight.dtype == dtype and torch.equal(vae.conv.weight, before)
    assert "decode" not in vars(vae)
    if p.sd_model.forge:
        assert p.sd_model.forge_objects.vae.vae_dtype == dtype


def test_a_vae_that_does_not_overflow_stays_in_float16_where_bfloat16_is_not_quicker(host):
    p = host(torch.float16)
    decoders.decoder(p, "small", SIDE, 384).run(latents())
    assert [seen[1:] for seen in p.sd_model.vae.seen] == [(torch.float16, torch.float16)]


@pytest.mark.parametrize("fails", [False, True])
def test_what_lowvram_has_put_on_the_vae_is_called_and_put_back(host, fails):
    p = host()
    vae, calls = p.sd_model.vae, []

    def wrapped(z):
        calls.append(z.shape)
        return VAE.decode(vae, z)

    vae.decode, vae.fails = wrapped, fails
    with pytest.raises(RuntimeError) if fails else nullcontext():
        decoders.decoder(p, "small", SIDE, 384).run(latents())
    assert len(calls) == 1 and vars(vae)["decode"] is wrapped


@pytest.mark.parametrize("quick", [False, True])
def test_the_pictures_of_a_batch_are_those_that_each_is_alone(host, monkeypatch, quick):
    monkeypatch.setattr(ours, "_cpu_has_bfloat16", lambda: quick)
    small = decoders.decoder(host(), "small", SIDE, 384)
    together = small.run(latents(3))
    assert torch.allclose(together, torch.cat([small.run(row[None]) for row in latents(3)]), atol=1e-6)
