"""What the denoiser really receives, in each family of pipelines."""

import pytest
import torch
from pipelines import OWN, Denoised, Eye, flux, sd, sd3, sdxl

from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.settings import Settings

PROMPT = "a photo of a pet"
STEPS = 4
FAMILIES = {  # for each text input of the denoiser, which of encode_prompt's results it is
    "sd": (sd, {"encoder_hidden_states": 0}),
    "sdxl": (sdxl, {"encoder_hidden_states": 0, "text_embeds": 2}),
    "sd3": (sd3, {"encoder_hidden_states": 0, "pooled_projections": 2}),
    "flux": (flux, {"encoder_hidden_states": 0, "pooled_projections": 1}),
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    build, inputs = FAMILIES[request.param]
    return build(), inputs


def asked(**given):
    return Request(**{"prompt": PROMPT, "negative_prompt": OWN, "steps": STEPS, "height": 16, "width": 16, **given})


@torch.no_grad()
def encoded(pipe, which, texts):
    """What the pipeline itself makes of these texts."""
    others = {"do_classifier_free_guidance": False} if "flux" not in type(pipe).__name__.lower() else {}
    more = {} if type(pipe).__name__ == "StableDiffusionPipeline" else {"prompt_2": None}
    more |= {"prompt_3": None} if "3" in type(pipe).__name__ else {}
    found = pipe.encode_prompt(texts, device="cpu", num_images_per_prompt=1, **others, **more)[which]
    zeros = texts == [""] and getattr(pipe.config, "force_zeros_for_empty_prompt", False)  # SDXL's null
    return found * 0 if zeros else found


def received(pipe, eye, name, images=1, negative=OWN, **options):
    """For each step (negative, positive) of this text input."""
    with Denoised(pipe) as denoised:
        settings = Settings(enabled=True, steps=(), **options)
        _, record = draw(pipe, asked(batch=images, negative_prompt=negative), settings, eye)
    assert record.failure is None
    steps = denoised.texts(name, images)
    assert len(steps) == STEPS
    return steps


def test_what_is_seen_is_in_the_negative_from_the_next_step_on(family):
    pipe, inputs = family
    for name, which in inputs.items():
        before, *after = received(pipe, Eye(), name)
        assert torch.equal(before[0], encoded(pipe, which, [OWN]))
        for negative, _ in after:
            assert torch.equal(negative, encoded(pipe, which, [f"{OWN}, dog"]))
        assert not torch.equal(before[0], after[0][0])


def test_the_prompt_is_untouched(family):
    pipe, inputs = family
    for name, which in inputs.items():
        for _, positive in received(pipe, Eye(), name):
            assert torch.equal(positive, encoded(pipe, which, [PROMPT]))


def test_each_image_of_a_batch_has_its_own_negative(family):
    pipe, inputs = family
    eye = lambda: Eye(lambda picture, ask, row: ("dog", "cat")[row] if ask == 0 else "")  # noqa: E731
    for name, which in inputs.items():
        before, *after = received(pipe, eye(), name, images=2)
        torch.testing.assert_close(before[0], encoded(pipe, which, [OWN, OWN]))
        for negative, positive in after:
            torch.testing.assert_close(negative, encoded(pipe, which, [f"{OWN}, dog", f"{OWN}, cat"]))
            torch.testing.assert_close(positive, encoded(pipe, which, [PROMPT, PROMPT]))


def test_an_image_without_a_term_keeps_its_own_negative_beside_one_with(family):
    pipe, inputs = family
    eye = lambda: Eye(lambda picture, ask, row: "dog" if row == 1 else "")  # noqa: E731
    for name, which in inputs.items():
        _, *after = received(pipe, eye(), name, images=2)
        for negative, _ in after:
            torch.testing.assert_close(negative, encoded(pipe, which, [OWN, f"{OWN}, dog"]))


def test_terms_accumulate(family):
    pipe, inputs = family
    eye = lambda: Eye(lambda picture, ask, row: ("dog", "cat", "apple")[ask])  # noqa: E731
    texts = [OWN, f"{OWN}, dog", f"{OWN}, dog, cat", f"{OWN}, dog, cat, apple"]
    for name, which in inputs.items():
        for (negative, _), text in zip(received(pipe, eye(), name), texts, strict=True):
            assert torch.equal(negative, encoded(pipe, which, [text]))


def test_at_stop_the_own_negative_comes_back_exactly(family):
    pipe, inputs = family
    for name, which in inputs.items():
        steps = [negative for negative, _ in received(pipe, Eye(), name, clear_at_stop=True, stop=2)]
        assert torch.equal(steps[1], encoded(pipe, which, [f"{OWN}, dog"]))
        assert not torch.equal(steps[1], steps[0])
        assert torch.equal(steps[2], steps[0])
        assert torch.equal(steps[3], steps[0])


def test_without_an_own_negative_the_term_stands_alone(family):
    pipe, inputs = family
    for name, which in inputs.items():
        before, *after = received(pipe, Eye(), name, negative="")
        assert torch.equal(before[0], encoded(pipe, which, [""]))
        assert all(torch.equal(negative, encoded(pipe, which, ["dog"])) for negative, _ in after)


def test_nothing_seen_leaves_the_own_tensors(family):
    pipe, inputs = family
    for name in inputs:
        first, *later = received(pipe, Eye(lambda picture, ask, row: ""), name)
        assert all(torch.equal(negative, first[0]) for negative, _ in later)


def test_the_oracle_sees_the_decoded_x0_in_full_size(family):
    pipe, _ = family
    eye = Eye()
    received(pipe, eye, "encoder_hidden_states", images=2, decode="full")
    assert [len(pictures) for pictures in eye.shown] == [2] * (STEPS - 1)
    assert {picture.size for pictures in eye.shown for picture in pictures} == {(16, 16)}
