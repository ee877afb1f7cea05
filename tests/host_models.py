"""A host's own model classes, narrow and of random weights, without the host: HOST_SOURCE is its folder."""

import importlib
import importlib.util
import inspect
import os
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

SOURCE = Path(os.environ.get("HOST_SOURCE", ""))
TEXT, PROMPT = 32, 5
ON_A_CPU = ("always_cpu", "cpu", "attention_pytorch")

FLUX = {
    "in_channels": 16, "out_channels": 16, "vec_in_dim": 8, "context_in_dim": TEXT, "hidden_size": 64, "mlp_ratio": 2.0,
    "num_heads": 2, "depth": 2, "depth_single_blocks": 2, "axes_dim": [8, 12, 12], "theta": 10000, "patch_size": 2,
    "qkv_bias": True, "guidance_embed": True, "txt_ids_dims": [],
}  # fmt: skip
CHROMA = FLUX | {
    "in_dim": 64, "out_dim": 64, "hidden_dim": 32, "n_layers": 1,
    "guidance_out_dim": 64, "guidance_hidden_dim": 32, "guidance_n_layers": 1,
}  # fmt: skip
SD3 = {
    "input_size": None, "patch_size": 2, "in_channels": 16, "depth": 2, "num_blocks": 2, "pos_embed_max_size": 8,
    "num_patches": 64, "adm_in_channels": 8, "qk_norm": "rms", "x_block_self_attn_layers": [0],
    "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 128}},
}  # fmt: skip
UNET = {
    "image_size": 8, "in_channels": 4, "model_channels": 32, "out_channels": 4, "num_res_blocks": 1, "channel_mult": (1, 2),
    "num_heads": 2, "use_spatial_transformer": True, "transformer_depth": [1, 1], "transformer_depth_output": [1, 1, 1, 1],
    "transformer_depth_middle": 1, "context_dim": TEXT,
}  # fmt: skip
FAMILIES = {
    "unet": (UNET, "backend.nn.unet:IntegratedUNet2DConditionModel",
             "ldm_patched.ldm.modules.diffusionmodules.openaimodel:UNetModel"),
    "sd3": (SD3, "backend.nn.mmditx:MMDiTX", "ldm_patched.ldm.modules.diffusionmodules.mmdit:OpenAISignatureMMDITWrapper"),
    "flux": (FLUX, "backend.nn.flux:IntegratedFluxTransformer2DModel", "ldm_patched.ldm.flux.model:Flux"),
    "chroma": (CHROMA, "backend.nn.chroma:IntegratedChromaTransformer2DModel", "ldm_patched.ldm.chroma.model:Chroma"),
}  # fmt: skip
ONE = {  # a single block of each kind
    "unet": [{}],
    "sd3": [{
        "depth": 1, "num_blocks": 1,
        "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": TEXT, "out_features": 64}},
    }],
    "flux": [{"depth": 1, "depth_single_blocks": 0}, {"depth": 0, "depth_single_blocks": 1}],
    "chroma": [{"depth": 1, "depth_single_blocks": 0}, {"depth": 0, "depth_single_blocks": 1}],
}  # fmt: skip


def importable(patch):
    """The host's folder is on the path, and the host knows that it has no GPU."""
    patch.setattr(sys, "argv", sys.argv[:1])
    for beside in ("packages_3rdparty", "modules_forge/packages", ""):
        patch.syspath_prepend(str(SOURCE / beside))
    for name in ("backend.args", "ldm_patched.modules.args_parser"):
        if importlib.util.find_spec(name.split(".")[0]):
            vars(importlib.import_module(name).args).update(dict.fromkeys(ON_A_CPU, True))


def built(family, **changes):
    """The host's model of this family; a test of what it has not is skipped."""
    given, *places = FAMILIES[family]
    for module, name in (place.split(":") for place in places):
        if (SOURCE / module.replace(".", "/")).with_suffix(".py").is_file():
            return _built(getattr(importlib.import_module(module), name), given | changes)
    pytest.skip(f"this host has no {family}")


def _built(found, given):
    accepted = set(inspect.signature(found).parameters)
    if "operations" in accepted:
        given = given | {"operations": importlib.import_module("ldm_patched.modules.ops").disable_weight_init}
        given |= {"dtype": torch.float32}
    if "kwargs" in accepted:  # reForge's, which go into a record of parameters that minds an unknown one
        record = next(each for name, each in vars(sys.modules[found.__module__]).items() if name.endswith("Params"))
        accepted |= set(record.__annotations__)
    torch.manual_seed(0)
    model = found(**{key: value for key, value in given.items() if key in accepted}).eval().requires_grad_(False)
    for weight in model.state_dict().values():
        if weight.is_floating_point():
            nn.init.normal_(weight, std=0.2)
    return model


def inputs(model, rows=2):
    """Latents of as many channels as the model has, texts, pooled texts."""
    channels = model.img_in.in_features // 4 if hasattr(model, "img_in") else model.in_channels
    torch.manual_seed(1)
    return torch.randn(rows, channels, 8, 8), torch.randn(rows, PROMPT, TEXT), torch.rand(rows, 8)


def called(unet, x, context, y, kinds):
    """As a host's sampler calls what a patcher has: by the wrapper that hangs on it, with its patches."""
    options, model = unet.model_options, unet.model.diffusion_model
    c = {"c_crossattn": context, "transformer_options": {**options["transformer_options"], "cond_or_uncond": kinds}}
    if hasattr(model, "vector_in") or hasattr(model, "y_embedder"):
        c["y"] = y
    wanted = inspect.signature(model.forward).parameters.get("guidance")
    if hasattr(model, "guidance_in") or (wanted and wanted.default is wanted.empty):  # the second: reForge's Chroma
        c["guidance"] = torch.full((len(x),), 3.5)

    def apply_model(x, t, c_crossattn, **given):
        return model(x, t, context=c_crossattn, **given)

    around = options.get("model_function_wrapper", lambda apply, call: apply(call["input"], call["timestep"], **call["c"]))
    return around(apply_model, {"input": x, "timestep": torch.full((len(x),), 0.5), "c": c, "cond_or_uncond": kinds})
