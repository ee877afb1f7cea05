"""SAFREE: its formulas against slow forms of themselves, and whole runs with diffusers."""

import math

import pytest
import torch
from pipelines import Denoised, sd, sdxl

from lib_vlmneg.errors import InputError
from lib_vlmneg.guidance.safree import Filter, moved, projected, projector, steps_filtered, triggers
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.hosts.diffusers.safree import filtered
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

PROMPT, STEPS = "a photo of a pirate dog", 10


@pytest.fixture(scope="module")
def pipe():
    return sd()


def vectors(count, width=12, seed=0):
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def request_with(chosen, **given):
    return Request(PROMPT, **{"negative_prompt": "red", "steps": STEPS, "height": 16, "width": 16, "safree": chosen, **given})


def test_the_projector_is_the_formula_of_the_paper():
    columns = vectors(4).T
    slow = columns @ torch.linalg.pinv(columns.T @ columns) @ columns.T
    torch.testing.assert_close(projector(vectors(4)), slow)


def test_phrases_that_say_the_same_twice_change_nothing():
    rows = vectors(3)
    torch.testing.assert_close(projector(torch.cat([rows, 2 * rows[:2], rows[:1] - rows[1:2]])), projector(rows))


def test_projected_tokens_are_those_of_two_projections_one_by_one():
    tokens, inside, concept = vectors(5), projector(vectors(6, seed=1)), projector(vectors(2, seed=2))
    slow = [(torch.eye(12, dtype=torch.float64) - concept) @ inside @ token for token in tokens]
    torch.testing.assert_close(projected(tokens, inside, concept), torch.stack(slow))


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.3])
def test_triggers_are_found_token_by_token(alpha):
    masked, concept = vectors(7), projector(vectors(2, seed=3))
    distances = [float((row - concept @ row).norm()) for row in masked]
    slow = []
    for index, distance in enumerate(distances):
        others = distances[:index] + distances[index + 1 :]
        slow.append(not distance < (1 + alpha) * sum(others) / len(others))
    assert triggers(masked, concept, alpha).tolist() == slow
    assert 0 < sum(slow) < len(slow)


def test_the_token_that_brings_the_concept_is_the_trigger():
    concept = projector(torch.eye(12)[:1])
    masked = torch.eye(12)[1].repeat(4, 1) + 5 * torch.eye(12)[0]
    masked[2] = 2 * torch.eye(12)[1]  # without token 2 the prompt has nothing of the concept, and lies further from it
    assert triggers(masked, concept).tolist() == [False, False, True, False]
    assert triggers(masked[:1], concept).tolist() == [False]


def test_the_further_it_moves_the_longer_it_is_filtered():
    lengths = [steps_filtered(beta, 10) for beta in (0.0, 0.4, 0.5333, 0.7, 1.0)]
    assert lengths == [0, 0, 5, 10, 10]
    assert steps_filtered(0.55, 10) == round(10 / (1 + math.exp(-5 * (5.5 - 5.333))))
    assert moved(vectors(3), 2 * vectors(3)) == pytest.approx(0, abs=1e-6)
    assert moved(vectors(3), -vectors(3)) == pytest.approx(2)


@pytest.mark.parametrize("given", [{"phrases": ()}, {"phrases": (" ",)}, {"alpha": -1.0}, {"alpha": math.nan}, {"most": 2.0}])
def test_bad_filters_are_refused(given):
    with pytest.raises(InputError, match=r"^safree"):
        Filter(**{"phrases": ("dagger",), **given})


def encoded(pipe, prompt):
    return pipe.encode_prompt([prompt], "cpu", 1, False)[0]


def test_the_denoiser_hears_the_filtered_prompt_until_the_last_step_and_the_negative_as_ever(pipe):
    chosen = Filter(("dagger", "warrior"), most=0.4, t_0=0.0)
    own, (changed, beta) = encoded(pipe, PROMPT), filtered(pipe, PROMPT, chosen)
    last = steps_filtered(beta, 0.4 * STEPS, t_0=0.0)
    assert 0 < last < STEPS - 1 and not torch.equal(own, changed)
    with Denoised(pipe) as plain:
        draw(pipe, request_with(None, batch=2), Settings())
    with Denoised(pipe) as heard:
        draw(pipe, request_with(chosen, batch=2), Settings())
    pairs = zip(plain.texts("encoder_hidden_states", 2), heard.texts("encoder_hidden_states", 2), strict=True)
    for step, ((negative, positive), (same, other)) in enumerate(pairs):
        assert torch.equal(negative, same)
        torch.testing.assert_close(other, changed.expand_as(other) if step <= last else positive)


def test_a_separate_push_beside_it_hears_its_own_terms(pipe):
    chosen = Filter(("dagger",), validated=False)
    with Denoised(pipe) as heard:
        pushed = Settings(enabled=True, steps=(), push="separate")
        _, record = draw(pipe, request_with(chosen), pushed, timelines=[Timeline({0: ("dog",)})])
    assert record.failure is None
    with Denoised(pipe) as dog:
        draw(pipe, request_with(None, negative_prompt="dog"), Settings())
    torch.testing.assert_close(heard.calls[1]["encoder_hidden_states"], dog.calls[0]["encoder_hidden_states"][:1])


def test_start_end_and_padding_are_left_alone(pipe):
    own, changed = encoded(pipe, PROMPT), filtered(pipe, PROMPT, Filter(("dagger",)))[0]
    same = (own == changed).all(-1)[0]
    assert same[0] and same[7:].all() and not same.all()
    empty, (unchanged, beta) = encoded(pipe, ""), filtered(pipe, "", Filter(("dagger",)))
    assert torch.equal(empty, unchanged) and beta == 0


def test_nothing_stays_on_the_pipeline(pipe):
    draw(pipe, request_with(Filter(("dagger",))), Settings())
    assert not pipe.unet._forward_pre_hooks


def test_two_text_encoders_are_refused():
    with pytest.raises(InputError, match=r"^safree: StableDiffusionXLPipeline reads its prompt"):
        draw(sdxl(), Request(PROMPT, height=16, width=16, safree=Filter(("dagger",))), Settings())
