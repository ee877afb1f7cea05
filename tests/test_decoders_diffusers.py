"""What a pipeline's VAE is really given: how large, in which precision, and in which state it is left."""

import pytest
import torch
from pipelines import Eye, flux, sd, vae

from lib_vlmneg import devices
from lib_vlmneg.decode import LEAST
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.hosts.diffusers.decoders import decoder, decoders
from lib_vlmneg.miniature import models
from lib_vlmneg.settings import Settings

SIDE = 64  # pixels; 32 latent pixels in these pipelines


@pytest.fixture
def painter():
    return sd()


@pytest.fixture
def quick_bfloat16(monkeypatch):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: True)


class Watched:
    """Notes what the VAE's decoder gets: shape, dtype, and the weights' dtype meanwhile. Used as a context."""

    def __init__(self, vae, fails=False):
        self.decoder, self.fails, self.shapes, self.dtypes, self.computed = vae.decoder, fails, [], [], []

    def __enter__(self):
        self.hooks = [self.decoder.register_forward_pre_hook(self._before)]
        self.hooks.append(self.decoder.mid_block.register_forward_hook(lambda *given: self.computed.append(given[-1].dtype)))
        return self

    def _before(self, module, given):
        self.shapes.append(tuple(given[0].shape))
        self.dtypes.append(next(module.parameters()).dtype)
        if self.fails:
            raise RuntimeError("out of memory")

    def __exit__(self, *_):
        for hook in self.hooks:
            hook.remove()


def eye(side):
    found = Eye()
    found.input_side = side
    return found


def latents(rows=1, channels=4, side=SIDE // 2):
    return torch.randn(rows, channels, side, side, generator=torch.Generator().manual_seed(0))


def asked(**given):
    return Request("a photo of a pet", steps=3, height=SIDE, width=SIDE, **given)


def of(pipe, wanted, side=SIDE, tiny=None):
    return decoder(pipe, tiny, wanted, SIDE, SIDE, side)


def test_auto_never_decodes_in_full_size_without_a_tiny_decoder(pipe):
    for side in (8, 48, 64, 384):
        with Watched(pipe.vae) as watched:
            _, record = draw(pipe, asked(batch=2), Settings(enabled=True, steps=()), eye(side))
        assert record.failure is None
        *seen, finished = watched.shapes
        assert finished[-2:] == (SIDE // 2, SIDE // 2)
        assert [shape[-1] < SIDE // 2 for shape in seen] == [True] * len(seen)
        asks = len({event.step for event in record.events})
        assert len(seen) == (0 if side <= SIDE // 2 else asks) and asks  # the colours alone are large enough for the smallest


def test_full_by_name_decodes_in_full_size(pipe):
    with Watched(pipe.vae) as watched:
        draw(pipe, asked(), Settings(enabled=True, steps=(), decode="full"), eye(48))
    assert [shape[-1] for shape in watched.shapes] == [SIDE // 2] * 3


def test_small_by_name_is_what_auto_takes(painter):
    with Watched(painter.vae) as watched:
        by_name, by_itself = (of(painter, wanted).run(latents()) for wanted in ("small", "auto"))
    assert torch.equal(by_name, by_itself)
    assert watched.shapes[0] == watched.shapes[1] and LEAST <= watched.shapes[0][-1] < SIDE // 2


def test_packed_latents_are_unpacked_before_they_are_shrunk():
    pipe = flux()
    packed = pipe._pack_latents(latents(2), 2, 4, SIDE // 2, SIDE // 2)
    with Watched(pipe.vae) as watched:
        of(pipe, "small").run(packed)
    ((rows, channels, height, width),) = watched.shapes
    assert (rows, channels) == (2, 4) and height == width < SIDE // 2


def test_with_a_tiny_decoder_auto_leaves_the_vae_alone(painter):
    tiny = models.tiny_autoencoder()
    with Watched(painter.vae) as watched:
        chosen = of(painter, "auto", tiny=tiny)
        chosen.run(latents())
    assert chosen.name == "tiny" and watched.shapes == []


def test_a_pipeline_whose_vae_is_tiny_looks_through_it(painter):
    painter.vae = models.tiny_autoencoder()
    chosen = decoders(painter, None)
    seen = chosen["tiny"].run(latents())
    assert torch.equal(seen, painter.vae.decode(latents()).sample)
    assert torch.allclose(chosen["full"].run(latents()), seen, atol=1e-6)
    assert chosen["linear"].run(latents()).shape == (1, 3, SIDE // 2, SIDE // 2)
    for wanted in ("auto", "linear", "small"):
        _, record = draw(painter, asked(), Settings(enabled=True, steps=(), decode=wanted), eye(8))
        assert record.failure is None and record.events


def test_a_mean_and_a_deviation_of_each_channel_count_beside_the_scaling_factor(painter):
    mean, deviation = [0.5, -1.0, 2.0, 0.0], [2.0, 0.5, 1.0, 3.0]
    painter.vae.register_to_config(latents_mean=mean, latents_std=deviation)
    own = latents() * torch.tensor(deviation)[:, None, None] / painter.vae.config.scaling_factor
    own = own + torch.tensor(mean)[:, None, None]
    expected = painter.vae.decode(own).sample
    assert torch.allclose(decoders(painter, None)["full"].run(latents()), expected, atol=1e-5)


def test_one_shift_of_all_channels(painter):
    config = painter.vae.config
    expected = painter.vae.decode(latents() / config.scaling_factor + config.shift_factor).sample
    assert torch.allclose(decoders(painter, None)["full"].run(latents()), expected, atol=1e-5)


def test_the_fitted_colours_are_those_of_the_vaes_own_latents_whatever_the_scheduler_has(painter):
    scaling, seen = painter.vae.config.scaling_factor, []
    for mean, deviation in (([0.0] * 4, [1.0] * 4), ([0.5, -1.0, 2.0, 0.0], [2.0, 0.5, 1.0, 3.0])):
        painter.vae.register_to_config(latents_mean=mean, latents_std=deviation)
        offset, factor = (torch.tensor(each)[:, None, None] for each in (mean, deviation))
        seen.append(decoders(painter, None)["linear"].run((latents() - offset) * scaling / factor))
    assert torch.allclose(*seen, atol=1e-3)


@pytest.mark.usefixtures("quick_bfloat16")
def test_small_computes_in_bfloat16_where_the_device_is_quick_with_it_and_full_does_not(painter):
    with Watched(painter.vae) as watched:
        small, _ = of(painter, "small").run(latents()), of(painter, "full").run(latents())
    assert watched.computed == [torch.bfloat16, torch.float32] and watched.dtypes == [torch.float32] * 2
    assert torch.isfinite(small).all()


def test_without_quick_bfloat16_the_weights_own_precision_is_taken(painter, monkeypatch):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: False)
    with Watched(painter.vae) as watched:
        of(painter, "small").run(latents())
    assert watched.computed == [torch.float32]


@pytest.mark.parametrize("wanted", ["small", "full"])
@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_float16_is_never_used_with_force_upcast_and_the_weights_are_left_as_they_were(monkeypatch, wanted, quick, fails):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: quick)
    pipe = sd()
    pipe.vae = vae(4).half()
    assert pipe.vae.config.force_upcast
    before = {name: value.clone() for name, value in pipe.vae.state_dict().items()}
    with Watched(pipe.vae, fails) as watched:
        if fails:
            with pytest.raises(RuntimeError, match="out of memory"):
                of(pipe, wanted).run(latents())
        else:
            of(pipe, wanted).run(latents())
            assert watched.computed == [torch.bfloat16 if quick and wanted == "small" else torch.float32]
    assert watched.dtypes == [torch.float32]
    after = pipe.vae.state_dict()
    assert all(after[name].dtype == torch.float16 and torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("quick", [False, True])
def test_the_pictures_of_a_batch_are_those_that_each_is_alone(painter, monkeypatch, quick):
    monkeypatch.setattr(devices, "_cpu_has_bfloat16", lambda: quick)
    small = of(painter, "small")
    together = small.run(latents(3))
    alone = torch.cat([small.run(row[None]) for row in latents(3)])
    assert torch.allclose(together.float(), alone.float(), atol=0.02 if quick else 1e-5)
