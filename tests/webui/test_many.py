"""Many generations in a genuine host: random requests, steering, memory. Slow, and only run where a host is."""

import os
import random
from collections import Counter
from dataclasses import fields

import pytest

from lib_vlmneg.miniature import JUDGE
from lib_vlmneg.presets import from_request
from lib_vlmneg.settings import Settings

from .server import Refused

pytestmark = pytest.mark.slow
REQUESTS = int(os.environ.get("WEBUI_REQUESTS", "500"))
SAMPLERS = ["Euler a", "Euler", "DPM++ 2M", "Heun", "DPM2", "DPM++ SDE", "Restart", "LCM", "DDIM", "PLMS", "UniPC", "DPM fast"]
PROMPTS = [
    "a photo of a pet",
    "a pet AND a blue background",
    "a [dog:cat:0.5] in the sun",
    "a (red:1.3) car BREAK on a hill",
    "",
]
NEGATIVES = ["", "blurry", "(dull:1.2), [red:blue:3]", "bad, " * 40, "ugly [a|b] thing"]


def request(rng):
    """A request that a host takes, with or without us."""
    found = {
        "prompt": rng.choice(PROMPTS), "negative_prompt": rng.choice(NEGATIVES), "sampler_name": rng.choice(SAMPLERS),
        "steps": rng.randint(1, 8), "cfg_scale": rng.choice([0, 1, 1.5, 4.5, 12]), "seed": rng.randrange(10**6),
        "width": rng.choice([64, 128, 192]), "height": rng.choice([64, 128]), "batch_size": rng.choice([1, 1, 1, 2, 3]),
        "n_iter": rng.choice([1, 1, 1, 2]), "tiling": rng.random() < 0.1, "s_min_uncond": rng.choice([0, 0, 0, 3.0]),
    }  # fmt: skip
    if rng.random() < 0.15:
        found |= {"enable_hr": True, "hr_scale": 1.5, "hr_upscaler": "Latent", "denoising_strength": rng.choice([0.3, 0.7])}
    return found


def ours(rng):
    """Settings of ours that are allowed, most of them left out."""
    choices = {
        "questions": [["auto"], ["creative"], ["safety", "What is this?"], ["creative:pet"]],
        "topk": [1, 3, 20], "min_score": [0.0, 0.5], "start": [0, 1, 0.2], "stop": [1.0, 0.6, 50], "every": [1, 2, 5],
        "steps": [[], [0, 2], [7, 90], [0, "1/3", 0.5]], "steps_of": [0, 100], "settle": [0, 1], "lag": [0, 2],
        "mode": ["accumulate", "replace", "window"], "window": [1, 3],
        "suffix": ["", "thing"], "weight": [1.0, 1.3, 0.0], "max_terms": [0, 1], "max_tokens": [0, 20], "grow": [False, True],
        "negate_prompt": [False, True], "clear_at_stop": [False, True], "passes": ["both", "first", "hires"],
        "carry": [True, False],
        "push": ["cfg", "separate"], "push_scale": [0, 7.5, 20],
        "decode": ["auto", "full", "linear"], "replay": [[], ["1:+dog|3:+cat,-dog / 2:+hat"]],
    }  # fmt: skip
    chosen = rng.sample(sorted(choices), rng.randint(0, 6))
    return {"enabled": True, "oracle": "miniature"} | {name: rng.choice(choices[name]) for name in chosen}


def test_the_random_settings_cover_all_of_ours():
    rng = random.Random(0)
    used = {name for _ in range(200) for name in ours(rng)}
    assert used == {item.name for item in fields(Settings)} - {"previews"}


def test_no_request_that_succeeds_without_us_fails_with_us(server):
    rng, failed, drawn = random.Random(1), [], 0
    for _ in range(REQUESTS):
        body, settings = request(rng), ours(rng)
        try:
            plain = server.draw(**body)
        except Refused:
            continue
        try:
            guided = server.draw(ours=settings, **body)
            drawn += 1
            assert [image.size for image in guided.images] == [image.size for image in plain.images]
        except (Refused, AssertionError) as error:
            failed.append((body, settings, str(error)[:300]))
    print(f"{drawn} of {REQUESTS} requests drawn with and without us")
    assert not failed and drawn > 0.9 * REQUESTS
    assert "lib_vlmneg" not in server.log  # as a traceback of ours would say; the host has some of its own


def test_every_invalid_setting_gets_a_message_and_the_picture(server):
    rng, plain = random.Random(2), server.draw().pixels
    wrong = [None, -1, 1e9, "nonsense", [], [""], {}, True, "\x00", float(10**20)]
    names = [item.name for item in fields(Settings) if item.name not in ("enabled", "oracle", "suffix", "replay")] + ["unknown"]
    told = 0
    for _ in range(200):
        name, value = rng.choice(names), rng.choice(wrong)
        try:
            from_request({"enabled": True, name: value})
            continue  # allowed after all
        except ValueError as error:
            said = str(error)
        drawn = server.draw(ours={"enabled": True, "oracle": "miniature", name: value})
        assert drawn.pixels == plain and said in drawn.note and "\n" not in drawn.note
        told += 1
    assert told > 100


def test_two_hundred_guided_generations_hold_no_more_memory_than_plain_ones(server):
    def grown(ours):
        for seed in range(20):
            server.draw(ours=ours, seed=seed, steps=4)
        before = held()
        for seed in range(200):
            server.draw(ours=ours, seed=seed, steps=4)
        print(f"{server.resident - before:.2f} MB, of which held:")
        return held() - before

    def held():
        server.call("/probe/settle", {})
        return server.resident

    plain = grown(None)
    guided = grown({"enabled": True, "oracle": "miniature", "questions": ["auto"]})
    print(f"grown by {plain:.2f} MB plain, {guided:.2f} MB guided, to {server.resident:.0f} MB")
    assert guided - plain < 20


def test_ticked_and_nothing_else_the_favourite_is_drawn_at_most_a_quarter_as_often(server):
    if server.forge:
        pytest.skip("Forge does not load the miniature's widths")
    from lib_vlmneg.miniature.judging import verdicts
    from lib_vlmneg.miniature.pictures import to_tensor
    from lib_vlmneg.miniature.publish import load_judge
    from lib_vlmneg.miniature.world import CATEGORIES, NOVEL

    kinds = {}
    for name, settings in (("plain", None), ("guided", TICKED)):
        images = [image.convert("RGB") for seed in range(0, 40, 4)
                  for image in server.draw(ours=settings, seed=seed, batch_size=4, steps=28).images]  # fmt: skip
        kinds[name] = Counter(verdicts(load_judge(JUDGE), to_tensor(images))[0])
    favourite = kinds["plain"].most_common(1)[0][0]
    print(kinds)
    assert kinds["guided"][favourite] <= kinds["plain"][favourite] / 4
    assert sum(kinds["guided"][kind] for kind in (*CATEGORIES["pet"], NOVEL)) >= 0.9 * 40


TICKED = {"enabled": True, "oracle": "miniature"}  # and nothing else
