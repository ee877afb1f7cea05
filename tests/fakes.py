"""Stand-ins for a model, a decoder and an oracle. A latent carries its image's number and its step, and so does its picture."""

import sys
from contextlib import contextmanager
from unittest.mock import MagicMock

import torch

from lib_vlmneg.decode import to_images
from lib_vlmneg.guide import Guide
from lib_vlmneg.oracles.base import Answer, Oracle
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings


def latents(images, step):
    """x0 for these image numbers."""
    x0 = torch.zeros(len(images), 3, 4, 4)
    x0[:, 0] = torch.tensor(images, dtype=torch.float32)[:, None, None]
    x0[:, 1] = step
    return x0


class CountingDecoder:
    """Gives each picture the colour (image, step, 0); `decoded` lists the number of rows of each call."""

    def __init__(self):
        self.decoded = []

    def __call__(self, x0):
        self.decoded.append(len(x0))
        return to_images(x0 / 127.5 - 1)


class Scripted(Oracle):
    """Answers every question about a picture with what `script` has for (image, step): texts or Answers."""

    name, input_side = "scripted", 4

    def __init__(self, script):
        self.script = script
        self.asked = []  # (image, step), in order
        self.calls = []  # (number of images, questions, topk) of each call

    def ask(self, images, questions, topk):
        keys = [image.getpixel((0, 0))[:2] for image in images]
        self.asked += keys
        self.calls.append((len(images), tuple(questions), topk))
        return [[self._answers(key)[:topk] for _ in questions] for key in keys]

    def _answers(self, key):
        return [said if isinstance(said, Answer) else Answer(said) for said in self.script.get(key, ())]


class Failing(Oracle):
    """Raises at every question."""

    name, input_side = "failing", 4

    def __init__(self):
        self.calls = 0

    def ask(self, images, questions, topk):
        self.calls += 1
        raise RuntimeError("the model\nis gone")


def make_guide(oracle, total=6, images=1, calls=None, prompts=None, negatives=None, decoder=None, **options):
    """A guide over a fake run of `total` steps, which asks at each; what is not a parameter here is a setting."""
    extra = {
        name: options.pop(name) for name in ("room", "timelines", "watch", "stopped", "vocabulary", "begun") if name in options
    }
    negatives = negatives or ["ugly"] * (len(prompts) if prompts else images)
    return Guide(
        Settings(enabled=True, **{"steps": (), **options}),
        Clock(total, calls or total),
        prompts or ["a photo of a pet"] * len(negatives),
        negatives,
        oracle,
        decoder or CountingDecoder(),
        **extra,
    )


def sample(guide, images=None):
    """Runs all calls, as a sampler would; gives the negatives of each call."""
    images = images or list(range(len(guide.record.prompts)))
    used = []
    for call in range(guide.clock.calls):
        used.append(guide.negatives(call))
        guide.observe(call, None, latents(images, guide.clock.step(call)))
    return used


@contextmanager
def within_a_host():
    """Only while the hosts' package is imported is there something for it to find, and afterwards it is forgotten."""
    fakes = {name: MagicMock() for name in ("modules", "modules.hypernetworks", "modules.processing")}
    sys.modules.update(fakes)
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name in fakes or name.startswith("lib_vlmneg.hosts.webui")]:
            del sys.modules[name]
