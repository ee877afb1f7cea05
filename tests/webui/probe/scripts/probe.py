"""What the tests do from inside a WebUI: fail in mid-sampling, draw within a drawing, mark the conds, time the callbacks."""

import ctypes
import gc
import sys
import time
from copy import copy
from types import SimpleNamespace

import gradio as gr
import torch
from modules import processing, script_callbacks, scripts

MARKED = 1024.0


class Script(scripts.Script):
    def title(self):
        return "Probe"

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        return [gr.Textbox(visible=False)]  # a script without a control gets no arguments

    def process(self, p, wanted=None, *_):
        p._probe = wanted if isinstance(wanted, dict) else {}

    def postprocess(self, p, processed, *_):
        if counted := getattr(p, "_probe", {}).get("counted"):
            p.extra_generation_params["Probe rows"] = counted
        for hook in getattr(p, "_probe", {}).pop("hooks", []):
            hook.remove()

    def postprocess_image(self, p, shown, wanted=None, *_):
        """As ADetailer: another generation of the same process, with this one's script runner and a copy of its attributes."""
        if isinstance(wanted, dict) and wanted.get("inner") and not isinstance(p, processing.StableDiffusionProcessingImg2Img):
            inner = processing.StableDiffusionProcessingImg2Img(
                init_images=[shown.image], denoising_strength=0.5, sd_model=p.sd_model, prompt="a cat", steps=4, seed=1,
                width=p.width, height=p.height, cfg_scale=p.cfg_scale, sampler_name=p.sampler_name, do_not_save_samples=True,
            )  # fmt: skip
            if wanted["inner"] == "with our attributes":
                inner._vlm_negative = p._vlm_negative
            inner.scripts, inner.script_args = (copy(p.scripts), p.script_args) if wanted["inner"] == "guided" else (None, ())
            shown.image = processing.process_images(inner).images[0]
            if p.scripts and wanted["inner"] == "guided":
                p.scripts.postprocess(copy(p), SimpleNamespace(images=[]))


def before(params):
    wanted = getattr(params.denoiser.p, "_probe", None) or {}
    if params.denoiser.step == wanted.get("fail_at"):
        params.x = params.text_cond = None  # the host swallows what a callback raises
    if wanted.get("alone") == "fails":
        fail_alone(params)
    if wanted.get("count") and "counted" not in wanted:
        wanted["counted"] = rows = []
        wanted["hooks"] = [unet_of(params).register_forward_pre_hook(lambda _, given: rows.append(len(given[0])))]
    if params.denoiser.step == wanted.get("breaks_at"):
        break_once(params)
    if wanted.get("marked"):
        params.text_cond = marked(params.text_cond, MARKED)
        params.text_uncond = marked(params.text_uncond, -MARKED)
        unet = params.denoiser.p.sd_model.model.diffusion_model
        if not hasattr(unet, "_probe_forward"):
            unet._probe_forward = unet.forward
            unet.forward = lambda x, timesteps=None, context=None, **more: unet._probe_forward(
                x, timesteps, bare(context), **more
            )


def fail_alone(params):
    """Until the picture is drawn the model refuses a single image, as if it had no room for one more branch."""

    def refuse(_, given):
        if len(given[0]) == 1:
            raise RuntimeError("no room")

    params.denoiser.p._probe.setdefault("hooks", []).append(unet_of(params).register_forward_pre_hook(refuse))


def break_once(params):
    """The model breaks down in this call, as if it had run out of memory."""

    def refuse(*_):
        hook.remove()
        raise RuntimeError("no room")

    hook = unet_of(params).register_forward_hook(refuse)


def unet_of(params):
    model = params.denoiser.p.sd_model
    return (model.forge_objects.unet.model if hasattr(model, "forge_objects") else model.model).diffusion_model


def marked(cond, value):
    """As sd-webui-controlnet marks what is a cond and what an uncond (scripts/hook.py:48)."""
    return torch.cat([torch.full_like(cond[:, :1], value), cond], dim=1)


def bare(context):
    """Without the marks, as its own forward takes them off (scripts/hook.py:81); half of them must say uncond."""
    marks = context[:, 0].mean(-1)
    if not torch.all(marks.abs() == MARKED):
        return context
    assert marks.sum() == 0 or marks.unique().numel() == 1, (
        marks
    )  # the third branch, and where cond and uncond are not alike long
    return context[:, 1:]


def seconds_a_step(count=10_000):
    """What one extension's two callbacks take where it is off."""
    params = SimpleNamespace(denoiser=SimpleNamespace(p=SimpleNamespace()))
    kinds = ("callbacks_cfg_denoiser", "callbacks_cfg_after_cfg")
    ours = [item.callback for kind in kinds for item in script_callbacks.callback_map[kind] if "vlm_negative" in item.script]
    assert len(ours) == 2, ours
    began = time.perf_counter()
    for _ in range(count):
        for callback in ours:
            callback(params)
    return (time.perf_counter() - began) / count


script_callbacks.on_cfg_denoiser(before)
script_callbacks.on_app_started(lambda _, app: app.add_api_route("/probe/seconds", seconds_a_step, methods=["GET"]))


def settle():
    """Has Python collect what is unreachable, and the allocator give back what is free: what is held then is in use."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)


script_callbacks.on_app_started(lambda _, app: app.add_api_route("/probe/settle", settle, methods=["POST"]))
