"""What is written in a picture is that picture's own, whichever script had it drawn."""

import random
import re

import pytest

from .server import Refused
from .test_many import ours, request

ASKED = {"enabled": True, "oracle": "miniature", "questions": ["auto"], "steps": []}
SEED, CFG = 1, 6  # the places of these axes in the hosts' X/Y/Z plot (scripts/xyz_grid.py:239)


def field(infotext, name):
    """One of our fields in a picture's parameters; None where it is not there."""
    found = re.search(rf'VLM Negative {name}: ("[^"]*"|[^,]*)', infotext)
    return found and found[1].strip('"')


def plotted(server, axis, values):
    """The parameters of each picture of an X/Y/Z plot along one axis."""
    axes, others = [axis, values, [], 0, "", [], 0, "", []], [True, True, False, True, False, False, False, 0, False]
    drawn = server.guided(changes={"script_name": "X/Y/Z plot", "script_args": axes + others})
    return drawn.info["infotexts"][-len(values.split(",")) :]


def test_each_picture_of_a_plot_has_its_own_timeline(server):
    texts = plotted(server, SEED, "11, 12, 13")
    alone = [server.guided(changes={"seed": seed}) for seed in (11, 12, 13)]
    assert [field(text, "timeline") for text in texts] == [drawn.timelines[0] for drawn in alone]
    assert len({field(text, "timeline") for text in texts}) > 1


def test_a_note_of_one_picture_of_a_plot_is_not_the_next_one_s(server):
    first, second = plotted(server, CFG, "1, 4.5")
    assert "the CFG scale is 1" in field(first, "note") and field(first, "timeline") is None
    assert field(second, "note") is None and field(second, "timeline") == server.guided().timelines[0]


def test_each_prompt_of_a_file_has_its_own_note_and_timeline(server):
    lines = ['"a photo of a pet" --cfg_scale 1', '"a photo of a pet" --seed 12', '"a photo of a fruit" --seed 12']
    asked = "\n".join(f"--prompt {line}" for line in lines)
    extra = [False] if server.forge else []
    change = {
        "prompt": "",
        "script_name": "Prompts from file or textbox",
        "script_args": [False, False, "start", asked, *extra],
    }
    texts = server.guided(changes=change).info["infotexts"][-3:]
    assert ["the CFG scale is 1" in (field(text, "note") or "") for text in texts] == [True, False, False]
    alone = [server.guided(changes={"seed": 12, "prompt": f"a photo of a {kind}"}).timelines[0] for kind in ("pet", "fruit")]
    assert [field(text, "timeline") for text in texts] == [None, *alone]


@pytest.mark.parametrize("change", [{"n_iter": 2}, {"batch_size": 2, "n_iter": 2, "enable_hr": True, "hr_scale": 1.5,
                                    "hr_upscaler": "Latent", "denoising_strength": 0.6}])  # fmt: skip
def test_a_grid_has_its_first_picture_s_timeline(server, change):
    drawn = server.guided(changes=change | {"save_images": True, "override_settings": {"return_grid": True}})
    grid, *texts = drawn.info["infotexts"]
    assert drawn.info["index_of_first_image"] == 1
    assert field(grid, "timeline") == field(texts[0], "timeline") == drawn.timelines[0]


def test_a_negative_that_fills_its_chunk_leaves_room_for_the_terms_in_one_more(server):
    full = {"negative_prompt": "the " * 75}
    plain, guided, kept = server.draw(**full), server.guided(changes=full), server.guided(changes=full, grow=False)
    assert guided.note is None and guided.pixels != plain.pixels and guided.timelines != ["none"]
    assert server.guided(changes=full, replay=guided.timelines).pixels == guided.pixels
    assert kept.pixels == plain.pixels and kept.timelines == ["none"]
    assert kept.note.startswith("the negative prompt leaves no room for")


@pytest.mark.slow
def test_sixty_random_requests_replay_exactly(server):
    rng, replayed = random.Random(3), 0
    while replayed < 60:
        body, settings = request(rng), {**ours(rng), "replay": []}
        try:
            guided = server.draw(ours=settings, **body)
        except Refused:
            continue  # the host does not draw it
        if guided.timelines is None:
            assert guided.note, (body, settings)  # nothing could act, which is said
            continue
        again = server.draw(ours=settings | {"oracle": "nowhere", "replay": guided.timelines}, **body)
        assert again.pixels == guided.pixels, (body, settings, guided.timelines, guided.note)
        assert again.timelines == guided.timelines, (body, settings, guided.note)
        replayed += 1
