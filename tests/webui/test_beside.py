"""Beside other extensions: WEBUI_BESIDE names their folders, parted by the path separator."""

import os
from pathlib import Path

import pytest

from .server import Server
from .test_api import apart

FOLDERS = [Path(path) for path in os.environ.get("WEBUI_BESIDE", "").split(os.pathsep) if path]
LONG = "many words and more, " * 10
USED = {  # requests in which the other extension has something to do
    "stable-diffusion-NPW": [
        {"alwayson_scripts": {"Negative Prompt Weight Extention": {"args": [0.5]}}},
        {"alwayson_scripts": {"Negative Prompt Weight Extention": {"args": [1.5]}}, "negative_prompt": LONG, "batch_size": 2},
    ],
    "sd-webui-neutral-prompt": [
        {"prompt": "a photo of a pet AND_PERP a red hat :0.8"},
        {"prompt": "a photo of a pet AND_SALT a red hat", "batch_size": 2},
        {"prompt": "a photo of a pet AND_TOPK a red hat", "sampler_name": "DDIM"},
    ],
    "sd-webui-negpip": [
        {"prompt": "a photo of a pet, (hat:-1)", "alwayson_scripts": {"NegPiP": {"args": [True]}}},
        {"negative_prompt": "(red:-1.2) blurry", "alwayson_scripts": {"NegPiP": {"args": [True]}}},
        {"prompt": "a photo of a pet, (hat:-1)", "batch_size": 2, "alwayson_scripts": {"NegPiP": {"args": [True]}}},
    ],
}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_beside(folder, checkpoint, tmp_path):
    requests = [{}, *USED.get(folder.name, [])]
    for data in ("without", "with"):
        (tmp_path / data).mkdir(exist_ok=True)
        (tmp_path / data / "ui-config.json").write_text("{}")  # negpip reads it at its start
    with Server(tmp_path / "without", checkpoint, extension=False, beside=[folder]) as server:
        drawn = [server.draw(**request).pixels for request in requests]
    with Server(tmp_path / "with", checkpoint, beside=[folder]) as server:
        for request, pixels in zip(requests, drawn):
            assert server.draw(**request).pixels == pixels
            guided = server.guided(changes=request)
            assert guided.note is None and guided.timelines != ["none"] and guided.pixels != pixels
            assert server.guided(changes=request, replay=guided.timelines).pixels == guided.pixels
            own = request.get("negative_prompt", "")
            static = server.draw(**request | {"negative_prompt": f"{own.strip().rstrip(',')}, big dog".removeprefix(", ")})
            assert (
                server.draw(ours={"enabled": True, "grow": True, "replay": ["0:+big dog"]}, **request).pixels == static.pixels
            )
            separate = {"enabled": True, "push": "separate", "replay": ["0:+big dog"]}
            pushed = server.draw(ours=separate, **request)
            assert pushed.note is None and pushed.pixels != pixels
            plain, barely = server.draw(**request), server.draw(ours=separate | {"push_scale": 1e-6}, **request)
            assert apart(plain, barely) <= 1  # what the other does is still done
            assert server.draw(**request).pixels == pixels
