"""Forge's own ControlNet, with random weights of the checkpoint's widths, together with each push."""

import os
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import load_file, save_file

from lib_vlmneg.settings import INSIDE

from .server import Server, as_text
from .test_api import apart

UNET, CFG = "model.diffusion_model.", 4.5
HINTS = ((3, 16), (16, 16), (16, 32), (32, 32), (32, 96), (96, 96), (96, 256))


def random_control(checkpoint):
    """The encoder of the checkpoint's U-Net, with convolutions to the hint and to the skips that are not zero."""
    weights = {name.removeprefix(UNET): tensor for name, tensor in load_file(checkpoint).items() if name.startswith(UNET)}
    control = {name: each for name, each in weights.items() if name.startswith(("time_embed", "input_blocks", "middle_block"))}
    first = weights["input_blocks.0.0.weight"]
    blocks = 1 + max(int(name.split(".")[1]) for name in control if name.startswith("input_blocks"))
    width = len(first)
    torch.manual_seed(0)

    def convolution(name, inputs, outputs, size):
        control[f"{name}.weight"] = (torch.randn(outputs, inputs, size, size) * (inputs * size * size) ** -0.5).to(first.dtype)
        control[f"{name}.bias"] = torch.zeros(outputs, dtype=first.dtype)

    for number, (inputs, outputs) in enumerate([*HINTS, (HINTS[-1][1], width)]):
        convolution(f"input_hint_block.{2 * number}", inputs, outputs, 3)
    for name in [*(f"zero_convs.{number}.0" for number in range(blocks)), "middle_block_out.0"]:
        convolution(name, width, width, 1)
    return control


@pytest.fixture(scope="module")
def controlled(checkpoint, tmp_path_factory):
    """A host with a ControlNet in its folder of models; draws by it, from a picture of a circle or of another shape."""
    if not (Path(os.environ["WEBUI_DIR"]) / "modules_forge").is_dir():
        pytest.skip("AUTOMATIC1111 has no ControlNet of its own")
    folder = tmp_path_factory.mktemp("controlnet")
    (folder / "models" / "ControlNet").mkdir(parents=True)
    save_file(random_control(checkpoint), folder / "models" / "ControlNet" / "random.safetensors")
    with Server(folder, checkpoint) as server:
        (name,) = [name for name in server.call("/controlnet/model_list")["model_list"] if name.startswith("random")]

        def draw(shape, ours=None, **change):
            picture = Image.new("RGB", (128, 128))
            getattr(ImageDraw.Draw(picture), shape)((32, 32, 96, 96), fill="white")
            unit = {"enabled": True, "module": "None", "model": name, "image": as_text(picture), "weight": 1.0}
            return server.draw(ours=ours, alwayson_scripts={"ControlNet": {"args": [unit]}}, **change)

        draw.server = server
        yield draw


def pushing(push, **given):
    return {"enabled": True, "push": push, "replay": ["0:+big dog"], **given}


def test_the_control_acts(controlled):
    plain = controlled.server.draw()
    assert min(apart(controlled("ellipse"), other) for other in (plain, controlled("rectangle"))) > 10
    assert controlled.server.draw().pixels == plain.pixels


def test_a_separate_push_is_controlled_in_each_branch(controlled):
    """At one less than the scale it is CFG with the terms, whose branches the host controls itself."""
    drawn = controlled("ellipse", pushing("separate", push_scale=CFG - 1), cfg_scale=CFG)
    assert drawn.note is None
    assert apart(drawn, controlled("ellipse", cfg_scale=CFG, negative_prompt="big dog")) <= 2
    assert apart(drawn, controlled("ellipse", cfg_scale=CFG)) > 10
    assert apart(drawn, controlled("rectangle", pushing("separate", push_scale=CFG - 1), cfg_scale=CFG)) > 10


@pytest.mark.parametrize("push", INSIDE)
@pytest.mark.parametrize("change", [{"cfg_scale": 1}, {"cfg_scale": CFG}, {"cfg_scale": 1, "batch_size": 2}])
def test_a_push_inside_attention_is_controlled(controlled, push, change):
    ours = pushing(push)
    drawn, plain = controlled("ellipse", ours, **change), controlled("ellipse", **change)
    assert drawn.note is None and apart(drawn, plain) > 2
    assert apart(drawn, controlled("rectangle", ours, **change)) > 10
    assert apart(drawn, controlled.server.draw(ours=ours, **change)) > 10


def test_nothing_is_left_behind(controlled):
    assert controlled("ellipse").pixels == controlled("ellipse", {"enabled": False}).pixels
    assert controlled.server.draw().pixels == controlled.server.draw(ours={"enabled": False}).pixels
