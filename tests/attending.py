"""A push inside attention on a pipeline, of texts that do not change; what goes wrong in it is raised."""

from contextlib import contextmanager

from lib_vlmneg.guide import Guide
from lib_vlmneg.hosts.diffusers.adapter import hung
from lib_vlmneg.hosts.diffusers.attention_text import BareEncoder
from lib_vlmneg.hosts.diffusers.denoiser import between_steps
from lib_vlmneg.hosts.diffusers.encode import Encoder
from lib_vlmneg.hosts.diffusers.families import steered
from lib_vlmneg.push.inside import Inside
from lib_vlmneg.schedule import Clock
from lib_vlmneg.settings import Settings


class Loud(Guide):
    @contextmanager
    def guarded(self, call):
        yield


class Given:
    """Texts that are encoded already, one a row."""

    def __init__(self, *bare):
        self.bare = bare

    def has(self, prompts, number):
        return True

    def texts(self, prompts, number):
        return self.bare


@contextmanager
def attending(pipe, method, texts, cfg=1.0, steps=2, family=None, encoded=None):
    """While entered, the pipeline's pictures are pushed away from these texts, one an image."""
    family = family or steered(pipe)
    settings = Settings(enabled=True, push=method.method.name)
    guide = Loud(settings, Clock(steps, steps), ["a photo of a pet"] * len(texts), texts)
    if encoded:
        with hung(pipe, family, Inside(guide, encoded, method), cfg):
            yield guide
        return
    encoder = Encoder(pipe, family, texts)
    push = Inside(guide, BareEncoder(pipe, family, encoder), method)
    with (
        encoder.recorded(),
        hung(pipe, family, push, cfg) as adapter,
        between_steps(pipe.scheduler, lambda *_: adapter.step_ended()),
    ):
        yield guide
