"""ControlNet and IP-Adapter on diffusers: terms act as the same text typed, in the second network too."""

import numpy as np
import pytest
import torch
from PIL import Image
from pipelines import OWN, sd, sdxl

from lib_vlmneg.errors import InputError
from lib_vlmneg.hosts.diffusers import Request, draw
from lib_vlmneg.record import Timeline
from lib_vlmneg.settings import Settings

STEPS, G = 3, 4.0
DOG, CAT = Timeline({0: ("dog",)}), Timeline({0: ("cat",)})
LONG = ", ".join(["red background, lowres, house, tree, flat picture"] * 8)


@pytest.fixture(scope="module", params=[sd, sdxl])
def controlled(request):
    from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, StableDiffusionXLControlNetPipeline

    pipe = request.param()
    torch.manual_seed(9)
    net = ControlNetModel.from_unet(pipe.unet, conditioning_embedding_out_channels=(8, 16)).eval()
    for name, parameter in net.named_parameters():
        if "controlnet_down" in name or "controlnet_mid" in name or "conv_out" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    parts = {name: part for name, part in pipe.components.items() if name != "image_encoder"}
    if request.param is sdxl:
        made = StableDiffusionXLControlNetPipeline(**parts, controlnet=net, add_watermarker=False)
    else:
        made = StableDiffusionControlNetPipeline(**parts, controlnet=net, requires_safety_checker=False)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def adapted():
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0
    from diffusers.models.embeddings import ImageProjection, MultiIPAdapterImageProjection

    pipe = sd()
    torch.manual_seed(10)
    layers = [ImageProjection(image_embed_dim=8, cross_attention_dim=16, num_image_text_embeds=2)]
    processors = {}
    for name, processor in pipe.unet.attn_processors.items():
        if "attn2" in name:
            width = pipe.unet.get_submodule(name.removesuffix(".processor")).to_q.in_features
            processor = IPAdapterAttnProcessor2_0(width, 16, num_tokens=(2,), scale=1.0)
        processors[name] = processor
    pipe.unet.set_attn_processor(processors)
    pipe.unet.encoder_hid_proj = MultiIPAdapterImageProjection(layers)
    pipe.unet.config.encoder_hid_dim_type = "ip_image_proj"
    pipe.unet.register_to_config(encoder_hid_dim_type="ip_image_proj")
    return pipe


def control(batch, **given):
    picture = Image.fromarray((np.arange(16 * 16 * 3).reshape(16, 16, 3) % 255).astype(np.uint8))
    return {"image": [picture] * batch, **given}


def adapter(batch):
    embeds = torch.linspace(-1, 1, 8).expand(2 * batch, 1, 8)
    return {"ip_adapter_image_embeds": [embeds]}


def drawn(pipe, more, push="cfg", timelines=(), negative=OWN, batch=1, **given):
    request = Request("a photo of a pet", negative, steps=STEPS, guidance_scale=G, height=16, width=16, batch=batch)
    settings = Settings(enabled=True, steps=(), push=push, **given) if timelines else Settings()
    images, record = draw(pipe, request, settings, timelines=timelines, more=more)
    assert record.failure is None and all(count == STEPS for count in record.reached if timelines)
    return [np.asarray(image, int) for image in images]


def apart(one, other):
    return max(np.abs(a - b).max() for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("more", [{}, {"guess_mode": True}])
def test_with_a_controlnet_terms_are_the_text_typed(controlled, more):
    given = control(1, **more)
    assert apart(drawn(controlled, given, timelines=[DOG]), drawn(controlled, given, negative=f"{OWN}, dog")) == 0
    assert apart(drawn(controlled, given, timelines=[DOG]), drawn(controlled, given, timelines=[CAT])) > 0


def test_separate_evaluates_the_controlnet_for_its_terms_too(controlled):
    """At w = g - 1 it is CFG with the terms as the negative prompt."""
    given = control(1)
    pushed = drawn(controlled, given, "separate", [DOG], push_scale=G - 1)
    assert apart(pushed, drawn(controlled, given, negative="dog")) <= 1


def test_a_long_negative_acts_in_both(controlled):
    given = control(1)
    assert apart(*(drawn(controlled, given, timelines=[each], negative=LONG) for each in (DOG, CAT))) > 0


def test_vsf_acts_beside_a_controlnet(controlled):
    given = control(1)
    assert apart(*(drawn(controlled, given, "vsf", [each]) for each in (DOG, CAT))) > 0


def test_in_a_batch_each_has_its_own(controlled):
    both = drawn(controlled, control(2), timelines=[DOG, CAT], batch=2)
    assert apart(both[:1], drawn(controlled, control(1), timelines=[DOG])) <= 1


def test_nothing_stays_on_a_controlnet(controlled):
    drawn(controlled, control(1), timelines=[DOG])
    assert "forward" not in vars(controlled.controlnet)


def test_without_a_picture_to_go_by_that_is_said(controlled):
    with pytest.raises(
        InputError, match=r"^model: \w+ wants a picture to go by, as `more` of draw; give it, or another model$"
    ):
        drawn(controlled, {})


def test_what_the_pipeline_does_not_take_is_said(adapted):
    with pytest.raises(InputError, match=r"^control_image: StableDiffusionPipeline has none; leave it out$"):
        drawn(adapted, {**adapter(1), "control_image": None})


@pytest.mark.parametrize("push", ["cfg", "separate", "vsf", "nag"])
def test_with_an_ip_adapter_every_push_acts(adapted, push):
    given = adapter(1)
    assert apart(*(drawn(adapted, given, push, [each]) for each in (DOG, CAT))) > 0
    if push == "cfg":
        assert apart(drawn(adapted, given, push, [DOG]), drawn(adapted, given, negative=f"{OWN}, dog")) == 0
