"""Stand-ins for the CFG-denoisers of AUTOMATIC1111 and Forge, which predict the sum of what a row reads, and guide it."""

import math
from types import SimpleNamespace

import torch

OWN, PROMPT, SECOND = 5.0, 2.0, 3.0  # what the negative prompt, the prompt, and a second one behind AND read as
READS = {"": 4.0, "bad": OWN, "dog": 7.0, "bad, dog": 11.0, "bad, cat": 13.0, "cat": 17.0}


def texts(*values):
    """Texts of two tokens, a row for each value [B, 2, 1]."""
    return torch.tensor(values).reshape(-1, 1, 1).expand(-1, 2, 1) / 2


def latents(count):
    return torch.zeros(count, 1, 2, 2)


class Broken(Exception):
    """The model breaks down."""


class Model:
    """Predicts [R, 1, 2, 2], what each row's text says."""

    breaks, refused = False, None

    def __call__(self, context):
        if self.breaks:
            raise Broken
        if self.refused and len(context) == 1 and context.sum() == self.refused:
            raise RuntimeError("no room")
        return context.sum((1, 2)).reshape(-1, 1, 1, 1).expand(-1, 1, 2, 2).clone()


class Denoiser:
    """What both have; `parts` is how many prompts each image has."""

    def __init__(self, p, parts=(1,), weights=None):
        self.p, self.model, self.step, self.total_steps, self.steps = p, Model(), 0, 4, 4
        self.weights = weights or [[1.0] * count for count in parts]
        cond = SimpleNamespace(batch=[[None] * count for count in parts])
        p.sampler = SimpleNamespace(sampler_extra_args={"cond": cond})
        self.mask = self.nmask = None
        self.sigma = 10.0

    def params(self, x):
        values = [value for each in self.weights for value, _ in zip((PROMPT, SECOND), each)]
        uncond = texts(*[OWN] * len(self.weights))
        sigma = torch.full((len(x),), self.sigma)
        return SimpleNamespace(
            denoiser=self, x=x, sigma=sigma, image_cond=x, text_cond=texts(*values), text_uncond=uncond, total_sampling_steps=4
        )

    def indexed(self):
        """The host's conds_list: which row, and its weight."""
        numbers = iter(range(99))
        return [[(next(numbers), weight) for weight in each] for each in self.weights]


class Automatic(Denoiser):
    """sd_samplers_cfg_denoiser.py of AUTOMATIC1111."""

    skip, cond_scale_miltiplier = False, 1.0

    def combine_denoised(self, x_out, conds_list, uncond, cond_scale):
        nulls = x_out[-len(uncond) :]
        denoised = nulls.clone()
        for image, conds in enumerate(conds_list):
            for row, weight in conds:
                denoised[image] += (x_out[row] - nulls[image]) * (weight * cond_scale)
        return denoised

    def inner_model(self, x, sigma, cond):
        return self.model(cond["c_crossattn"][0])

    def __call__(self, before, after):
        conds = self.indexed()
        params = self.params(latents(sum(map(len, conds)) + len(conds)))
        before(params)
        if self.skip:
            x_out = self.model(params.text_cond)
            x_out = torch.cat([x_out, x_out[[rows[0][0] for rows in conds]]])
        else:
            x_out = self.model(torch.cat([params.text_cond, params.text_uncond]))
        scale = 1.0 if self.skip else self.p.cfg_scale * self.cond_scale_miltiplier
        denoised = self.combine_denoised(x_out, conds, params.text_uncond, scale)
        if self.mask is not None:
            denoised = denoised * self.nmask
        after(denoised)
        self.step += 1
        return denoised


class Patcher:
    """A U-Net's patcher of Forge."""

    def __init__(self, model):
        self.model, self.model_options = model, {"transformer_options": {"patches": {}, "patches_replace": {}}}


class Forge(Denoiser):
    """Forge's cfg_denoiser and sampling_function; `scale` is what another makes of the CFG scale in a modifier."""

    scale = None

    def __init__(self, *given, **named):
        super().__init__(*given, **named)
        self.objects = SimpleNamespace(unet=Patcher(self.model))
        self.inner_model = SimpleNamespace(inner_model=SimpleNamespace(forge_objects=self.objects))

    def __call__(self, before, after):
        weights = self.weights
        params = self.params(latents(len(weights)))
        if self.p.cfg_scale == 1:
            params.text_uncond = None
        before(params)
        unet, scale = self.objects.unet, self.p.cfg_scale if self.scale is None else self.scale
        uncond = None if params.text_uncond is None else [params.text_uncond]
        given = (unet.model, params.x, None, uncond, [params.text_cond], scale, unet.model_options, 0)
        for modifier in unet.model_options.get("conditioning_modifiers", []):
            given = modifier(*given)
        conds = unet.model(params.text_cond)
        strength = sum(weights[0])
        cond = torch.stack(
            [sum(conds[row] * weight for row, weight in rows) / sum(w for _, w in rows) for rows in self.indexed()]
        )
        left_out = uncond is None or math.isclose(scale, 1.0)
        null = torch.zeros_like(cond) if left_out else unet.model(params.text_uncond)
        denoised = null + (cond - null) * scale * strength
        args = {"denoised": denoised, "cond_denoised": cond, "uncond_denoised": null, "model": unet.model}
        for function in unet.model_options.get("sampler_post_cfg_function", []):
            args["denoised"] = denoised = function(args)
        after(denoised)
        self.step += 1
        return denoised
