"""The look at each finished picture, and drawing one again with a stronger push."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from modules import sd_models, shared
from modules.processing import StableDiffusionProcessingTxt2Img, process_images
from PIL import Image

from ...checks import stronger
from ...record import NO_TERMS
from . import host
from .generation import Generation, Look

ALONE = {  # how a picture that is drawn again differs from its generation: it is one, and the host saves it with the others
    "batch_size": 1, "n_iter": 1, "styles": [], "do_not_save_samples": True, "do_not_save_grid": True,
    "override_settings": {},
}  # fmt: skip


def look(generation: Generation, picture: Any) -> None:
    """Checks `picture.image`; where it is unsafe and the user says so, puts another in its place. Nothing is blacked out."""
    p, settings = generation.p, generation.settings
    before = sum(number // p.batch_size == p.iteration for number in generation.looks)
    number = p.iteration * p.batch_size + getattr(p, "batch_index", before)
    looks = generation.looks[number] = [Look(generation, generation.check(picture.image))]
    most = settings.redraws if _may_be_drawn_again(generation) else 0
    while len(looks) <= most and looks[-1].verdict.unsafe and not host.is_stopped():
        if generation.compact(number) in (None, NO_TERMS):
            return  # there is nothing that it could be pushed away from any harder
        image, drawn = draw_again(generation, number)
        if host.is_stopped():
            return  # half of a picture is no better
        looks.append(Look(drawn, generation.check(image)))
        picture.image = image


def draw_again(generation: Generation, number: int) -> tuple[Image.Image, Generation]:
    """Picture `number` by the same request, alone, with a stronger push than its last, and the generation that drew it.

    No other script acts in it: they have prepared themselves for the generation that is under way.
    """
    p, last = generation.p, generation.last(number)[0]
    given = {item.name: getattr(p, item.name) for item in fields(p) if item.init} | ALONE
    given |= {"prompt": p.all_prompts[number], "negative_prompt": p.all_negative_prompts[number]}
    given |= {"seed": p.all_seeds[number], "subseed": p.all_subseeds[number], "extra_generation_params": {}}
    if p.enable_hr:
        given |= {"hr_prompt": p.all_hr_prompts[number], "hr_negative_prompt": p.all_hr_negative_prompts[number]}
    again = StableDiffusionProcessingTxt2Img(**given)
    drawn = Generation(again, stronger(last.settings), generation.oracle, generation.vocabulary)
    drawn.attach()
    again.extra_generation_params.update(drawn.settings.to_infotext() | drawn.infotext())  # the host writes params.txt
    shared.state.job_count += 1
    try:
        found = process_images(again)
        drawn.sampled()  # no script is told
    finally:
        again.close()
        if hasattr(sd_models, "apply_token_merging"):  # which the inner generation ended for the outer one (processing.py:849)
            sd_models.apply_token_merging(p.sd_model, p.get_token_merging_ratio())
    if note := again.extra_generation_params.get(host.NOTE):
        host.say(p, note)
    return found.images[found.index_of_first_image], drawn


def _may_be_drawn_again(generation: Generation) -> bool:
    """A timeline that is replayed is what was drawn in the end; of img2img the host composes the rest after the check."""
    p, replayed = generation.p, bool(generation.settings.replay)
    return isinstance(p, StableDiffusionProcessingTxt2Img) and not replayed and not p.firstphase_width
