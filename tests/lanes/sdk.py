"""AUTOMATIC1111's own modules (about 1.7) as the package auto1111sdk carries them, made to run a script.

It is trimmed, so some things are put in for what it lacks: the names that only its API, its page and its reader of
infotexts use, and `params.denoiser`, which came with 1.8.
"""

import contextlib
import importlib
import importlib.util
import os
import sys
import types
from pathlib import Path

FLAGS = "--skip-torch-cuda-test --no-half-vae --no-half --use-cpu all"


class Host:
    """A host that has loaded `checkpoint` and has `script` in its txt2img tab."""

    def __init__(self, checkpoint, script):
        self._keep = prepare()
        from modules import sd_samplers, shared_init  # in this order: its modules import each other

        sd_samplers.set_samplers()
        shared_init.initialize()
        from modules import sd_models

        sd_models.setup_model()
        from modules import script_callbacks, script_loading, scripts, sd_hijack, sd_hijack_optimizations, shared

        script_callbacks.on_list_optimizers(sd_hijack_optimizations.list_optimizers)
        sd_hijack.list_optimizers()
        self._aliases = sd_models.list_models(checkpoint)
        self._file = Path(checkpoint).name
        shared.opts.data["randn_source"] = "CPU"
        self._data = sd_models.SdModelData(self._aliases)
        self.model = sd_models.load_model(aliases=self._aliases, model_data=self._data, weights_file=self._file)
        shared.sd_model = self.model
        script_callbacks.on_cfg_denoiser(self._name_the_denoiser)
        self.module = script_loading.load_module(str(script))
        self._runner = scripts.ScriptRunner()
        scripts.scripts_data[:] = [scripts.ScriptClassData(self.module.Script, str(script), str(script.parent), self.module)]
        self._p = None
        self._build()

    def _build(self):
        import gradio as gr

        with gr.Blocks():
            self._runner.initialize_scripts(False)
            self._runner.setup_ui()

    def _name_the_denoiser(self, params):
        params.denoiser = self._p.sampler.model_wrap_cfg

    def draw(self, ours=None, **changes):
        """Pictures as bytes, and the `p` that drew them."""
        from modules import processing

        asked = {"prompt": "a photo of a pet", "width": 128, "height": 128, "steps": 6, "cfg_scale": 4.5, "seed": 1}
        asked |= {"sampler_name": "Euler a", "do_not_save_samples": True, "do_not_save_grid": True} | changes
        p = self._p = processing.StableDiffusionProcessingTxt2Img(sd_model=self.model, **asked)
        script = self._runner.alwayson_scripts[0]
        values = [control.value for control in self._runner.inputs[1:]]
        p.scripts, p.script_args = self._runner, [0, *values]
        if ours is not None:
            p.script_args[script.args_from] = ours
        done = processing.process_images(p, self._aliases, self._data, self.model, self._file)
        return [image.convert("RGB").tobytes() for image in done.images], p


def prepare():
    """Before the first import of `modules`; what is returned must be kept."""
    os.environ |= {"COMMANDLINE_ARGS": FLAGS, "HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}
    import gradio as gr

    sys.argv = sys.argv[:1]
    sys.path.insert(0, str(Path(importlib.util.find_spec("auto1111sdk").origin).parent))

    class Anything:
        def __init__(self, **members):
            vars(self).update(members)

    class InputAccordion(gr.Checkbox):
        def __init__(self, value, label="", elem_id=None):
            super().__init__(value, label=label, elem_id=elem_id)
            self._inside = contextlib.ExitStack()

        def __enter__(self):
            self._inside.enter_context(gr.Accordion(self.label))
            return self

        def __exit__(self, *error):
            self._inside.close()

    fill_in("modules.infotext_utils")
    fill_in("modules.api")
    fill_in("modules.api.models", ScriptArg=Anything, ScriptInfo=Anything, ScriptsList=Anything)
    fill_in("modules.ui_components", InputAccordion=InputAccordion)
    return declare_torchvision()


def fill_in(name, **members):
    """A module that the package does not have."""
    module = types.ModuleType(name)
    vars(module).update(members)
    sys.modules[name] = module
    package, _, short = name.rpartition(".")
    setattr(importlib.import_module(package), short, module)


def declare_torchvision():
    """The wheel is made for CUDA: beside a torch for the CPU it imports only where these two are declared."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
