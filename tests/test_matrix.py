"""Each family of diffusers under each push, on tiny pipelines of the real classes. Run as a script it prints the table."""

from contextlib import nullcontext
from functools import cache
from pathlib import Path

import families
import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import OWN, Eye

from lib_vlmneg.errors import InputError
from lib_vlmneg.hosts.diffusers import Request, draw, pushed
from lib_vlmneg.hosts.diffusers.denoiser import denoiser
from lib_vlmneg.hosts.diffusers.families import FAMILIES, family_of
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import PUSHES, Settings

STEPS, G = 3, 4.0
BEYOND = ("zimage", "krea2", "krea2_turbo", "cosmos2")  # guided by P + g (P - N)
DOG, TWO = Timeline({0: ("dog",)}), Timeline({0: ("castle", "house")})
NAMES = [*families.FAMILIES]
CELLS = [(name, push) for name in NAMES for push in PUSHES]
DOCUMENT = Path(__file__).parents[1] / "docs" / "families.md"


@cache
def pipeline(name):
    return families.FAMILIES[name]()


def pushed_inside(name):
    return family_of(pipeline(name)).attention is not None


def above(name):
    return family_of(pipeline(name)).above


def drawn(name, push="cfg", timelines=(), negative=OWN, batch=1, g=G, eye=None, **given):
    height, width = families.SIZES[name]
    request = Request("a photo of a pet", negative, steps=STEPS, guidance_scale=g, height=height, width=width, batch=batch)
    on = Settings(enabled=True, steps=(), push=push, **given) if timelines or eye else Settings()
    images, record = draw(pipeline(name), request, on, eye, timelines=timelines)
    assert record.failure is None
    return [np.asarray(image, int) for image in images], record


def apart(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))


@cache
def plain(name, **given):
    return drawn(name, **given)[0]


def pixels(name, push="cfg", timelines=(), **given):
    return drawn(name, push, timelines, **given)[0] if timelines else plain(name, **given)


@pytest.mark.parametrize(("name", "push"), CELLS)
def test_two_terms_give_two_pictures_and_the_record_counts_them_or_it_is_refused(name, push):
    if push in PUSHES[2:] and not pushed_inside(name):
        with pytest.raises(InputError, match=r"^push: \w+ cannot be pushed inside its attention; choose cfg or separate$"):
            drawn(name, push, [DOG])
        return
    strong = {} if push == "cfg" else {"push_scale": 20.0}
    (dog, record), (two, _) = drawn(name, push, [DOG], **strong), drawn(name, push, [TWO], **strong)
    assert apart(dog, two) > 0 and apart(dog, plain(name)) > 0 and apart(two, plain(name)) > 0
    assert record.reached == [STEPS] and record.timelines[0].compact() == "0:+dog"


@pytest.mark.parametrize("name", NAMES)
def test_terms_from_step_0_are_the_text_typed(name):
    assert apart(pixels(name, timelines=[TWO]), pixels(name, negative=f"{OWN}, castle, house")) == 0


@pytest.mark.parametrize("name", NAMES)
def test_separate_at_the_pull_of_guidance_is_the_terms_typed(name):
    """Whatever way the pipeline guides: g - 1, or g where it guides beyond the prompt."""
    w = G if name in BEYOND else G - 1
    assert apart(pixels(name, "separate", [DOG], push_scale=w), pixels(name, negative="dog")) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_under_separate_an_oracle_sees_what_plain_guidance_predicts(name):
    """In the first step, in which both have the same latents; but for those whose guidance rescales."""
    height, width = families.SIZES[name]
    request = Request("a photo of a pet", OWN, steps=STEPS, guidance_scale=G, height=height, width=width)
    seen = {"plain": [], "pushed": []}
    for how, timelines in (("plain", []), ("pushed", [DOG])):
        on = Settings(enabled=True, steps=(), push="separate", push_scale=20.0)
        look = lambda call, t, pictures, to=seen[how]: to.append(np.asarray(pictures[0], int))  # noqa: E731
        draw(pipeline(name), request, on, timelines=timelines or [Timeline()], save_x0=look)
    first, second = (apart(seen["plain"][step : step + 1], seen["pushed"][step : step + 1]) for step in (0, 1))
    assert second > 0
    assert first <= 1 if family_of(pipeline(name)).linear else first > 0


@pytest.mark.parametrize("name", NAMES)
def test_separate_acts_where_nothing_guides(name):
    if not above(name):
        return
    found, record = drawn(name, "separate", [DOG], g=1.0)
    assert apart(found, plain(name, g=1.0)) > 0 and record.reached == [STEPS] and record.extra_calls == 2 * STEPS


@pytest.mark.parametrize("name", ["zimage", "krea2"])
def test_some_guide_at_every_scale_above_0(name):
    assert apart(pixels(name, timelines=[DOG], g=0.5), pixels(name, negative=f"{OWN}, dog", g=0.5)) == 0


@pytest.mark.parametrize(
    ("name", "g", "does"),
    [
        ("sd", 1.0, "does nothing"),
        ("sd", 0.0, "is what the picture is drawn towards"),
        ("zimage", 0.0, "is what the picture is drawn towards"),
    ],
)
def test_a_scale_at_which_no_term_can_act_is_refused(name, g, does):
    with pytest.raises(
        InputError, match=rf"^guidance_scale: at {g:g} a negative prompt {does}; give more than 1, or another push$"
    ):
        drawn(name, timelines=[DOG], g=g)


@pytest.mark.parametrize(("name", "push"), CELLS)
def test_a_picture_of_a_batch_is_what_it_is_alone(name, push):
    """Its neighbour has other terms, of another length."""
    if push in PUSHES[2:] and not pushed_inside(name):
        return
    if name in families.SINGLE:
        with pytest.raises(InputError, match=r"^batch: \w+ is steered for one picture at a time; give 1$"):
            drawn(name, push, [DOG, TWO], batch=2)
        return
    alone, both = pixels(name, push, [DOG]), pixels(name, push, [DOG, TWO], batch=2)
    assert apart(alone, both[:1]) <= 1


@pytest.mark.parametrize("name", NAMES)
def test_what_is_looked_at_is_the_picture_that_comes_of_it(name):
    """The last x0 is the picture: so is what the oracle is shown, at full size."""
    seen = []
    height, width = families.SIZES[name]
    request = Request("a photo of a pet", OWN, steps=STEPS, guidance_scale=G, height=height, width=width)
    images, _ = draw(pipeline(name), request, Settings(), save_x0=lambda call, t, pictures: seen.append(pictures[0]))
    picture = images[0].convert("RGBA")
    on_white = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
    assert len(seen) == STEPS and apart([np.asarray(seen[-1], int)], [np.asarray(on_white, int)]) <= 2


@pytest.mark.parametrize("name", NAMES)
def test_an_oracle_is_shown_a_picture_by_every_decoder(name):
    for decode in ("auto", "linear", "small"):
        _, record = drawn(name, eye=Eye(), decode=decode)
        assert record.timelines[0].compact() == "1:+dog" and record.reached == [STEPS - 1]


@pytest.mark.parametrize(("push", "g"), [("cfg", 4.0), ("separate", 1.0), ("vsf", 1.0), ("nag", 4.0)])
def test_a_video_that_the_pipeline_draws_itself_is_pushed(push, g):
    pipe = pipeline("wan")

    def frames(*negatives):
        size = {"height": 16, "width": 16, "num_frames": 5, "num_inference_steps": STEPS, "guidance_scale": g}
        chosen = Settings(push=push, **({} if push == "cfg" else {"push_scale": 20.0}))
        with pushed(pipe, chosen, negatives, STEPS, g) if negatives else nullcontext() as record:
            drawn = pipe("a photo of a pet", OWN, generator=torch.Generator().manual_seed(0), **size).frames[0]
        assert record is None or (record.failure is None and record.reached == [STEPS])
        return np.asarray(drawn)

    without, dog, two = frames(), frames("dog"), frames("castle, house")
    assert len(without) == 5 and not np.array_equal(without, dog) and not np.array_equal(dog, two)
    assert np.array_equal(without, frames())


def traces(pipe):
    """What a run could leave behind."""
    parts = [(name, part) for name, part in denoiser(pipe).named_modules()]
    held = {name: (sorted(vars(part)), len(part._forward_hooks), len(part._forward_pre_hooks)) for name, part in parts}
    return held, sorted(vars(pipe.scheduler)), sorted(set(vars(pipe)) & {"encode_prompt", "step"})


@pytest.mark.parametrize(("name", "push"), CELLS)
def test_nothing_stays_also_after_an_exception(name, push):
    if push in PUSHES[2:] and not pushed_inside(name):
        return
    pipe = pipeline(name)
    plain(name)
    before = traces(pipe)
    assert "step" not in before[1] and before[2] == [] and not any("forward" in held[0] for held in before[0].values())
    drawn(name, push, [DOG])
    assert traces(pipe) == before
    last = [part for part in denoiser(pipe).modules() if isinstance(part, torch.nn.Linear)][-1]
    hook = last.register_forward_hook(lambda *_: 1 / 0)
    try:
        with pytest.raises(ZeroDivisionError):
            drawn(name, push, [DOG])
    finally:
        hook.remove()
    assert traces(pipe)[0] == before[0] and traces(pipe)[2] == before[2] and "step" not in vars(pipe.scheduler)


def table():
    """The families' table of the documents."""
    told = {"N P": "one call, uncond first", "P N": "one call, cond first", "P, N": "two calls"}
    lines = ["| family | pipelines | guidance | cfg, separate | vsf, nag, nasa |", "|---|---|---|---|---|"]
    covered = {family_of(pipeline(name)).pipelines: name for name in NAMES}
    for name, family in FAMILIES.items():
        guides = told[family.order] + ("" if family.linear else ", rescaled") + (", P + g (P - N)" if family.beyond else "")
        tested = family.pipelines in covered
        inside = "yes" if family.attention else "refused"
        pipelines = ", ".join(f"`{each}`" for each in family.pipelines)
        lines.append(f"| {name} | {pipelines} | {guides} | {'yes' if tested else 'untested'} | {inside} |")
    return "\n".join(lines)


def test_the_documents_table_is_this_one():
    assert table() in DOCUMENT.read_text()
    assert "untested" not in table()


if __name__ == "__main__":
    print(table())
