"""VLM Negative for AUTOMATIC1111's WebUI and its family: the script, and where it is hooked in."""

import gradio as gr
from modules import script_callbacks, scripts
from modules.ui_components import InputAccordion

from lib_vlmneg.hosts.webui import Administration, Extension
from lib_vlmneg.settings import Settings
from lib_vlmneg.webui.accordion import controls
from lib_vlmneg.webui.infotext import paste_fields, paste_names

TITLE = "VLM Negative"  # also its name in the API: it never changes
extension = Extension()  # one for each time that this file is loaded, as the callbacks below
administration = Administration(extension)


class Script(scripts.Script):
    """Made twice, for txt2img and img2img; keeps nothing but its controls."""

    def title(self):
        return TITLE

    def show(self, is_img2img):
        return scripts.AlwaysVisible

    def ui(self, is_img2img):
        tab = "img2img" if is_img2img else "txt2img"

        def elem_id(name):
            return f"script_{tab}_vlm_negative_{name}"

        with InputAccordion(False, label=TITLE, elem_id=elem_id("enable")) as enabled:
            made = controls(gr, enabled, Settings(), elem_id)
            release = gr.Button("Free the oracle's memory", size="sm", elem_id=elem_id("release"))
            release.click(lambda: extension.release() and None, inputs=[], outputs=[])
        self.infotext_fields = paste_fields(made, is_img2img)
        self.paste_field_names = paste_names(made)
        return list(made.values())

    def process(self, p, *values):
        extension.begin(p, values)

    def process_before_every_sampling(self, p, *values, **kwargs):
        extension.before_sampling(p)

    def post_sample(self, p, samples, *values):
        extension.sampled(p)

    def postprocess_image(self, p, picture, *values):
        extension.finished(p, picture)

    def postprocess(self, p, processed, *values):
        extension.end(p, processed)


script_callbacks.on_cfg_denoiser(extension.on_cfg_denoiser)
script_callbacks.on_cfg_after_cfg(extension.on_cfg_after_cfg)
script_callbacks.on_ui_settings(lambda: administration.add_options(gr))
script_callbacks.on_app_started(lambda _, app: administration.add_routes(app))
script_callbacks.on_script_unloaded(administration.close)
