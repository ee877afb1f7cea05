"""Starts a WebUI on a free port with a data folder of its own, talks to its API, and stops it by its process id."""

import base64
import io
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parents[2]
FLAGS = "--api --skip-torch-cuda-test --skip-install --no-download-sd-model --no-hashing"
A1111 = "--use-cpu all --no-half --precision full"
FORGE = "--always-cpu --attention-pytorch --skip-python-version-check"
OPTIONS = {
    "randn_source": "CPU", "show_progress_type": "Approx cheap", "live_previews_enable": False, "CLIP_stop_at_last_layers": 1,
    "skip_early_cond": 0.0, "s_min_uncond": 0.0, "s_min_uncond_all": False, "pad_cond_uncond": False,
    "pad_cond_uncond_v0": False, "batch_cond_uncond": True, "samples_save": False, "grid_save": False, "return_grid": False,
    "vlm_negative_device": "auto", "vlm_negative_keep": True, "vlm_negative_folder": "", "vlm_negative_dtype": "auto",
}  # fmt: skip
STARTING = 600  # seconds, on a machine that has much else to do
SIZE = int(os.environ.get("WEBUI_SIZE", "128"))  # 64 where a host is slow
REQUEST = {
    "prompt": "a photo of a pet", "negative_prompt": "", "width": SIZE, "height": SIZE, "steps": 6, "cfg_scale": 4.5, "seed": 1,
    "sampler_name": "Euler a", "scheduler": os.environ.get("WEBUI_SCHEDULER", "Automatic"),
}  # fmt: skip


@dataclass(frozen=True)
class Drawn:
    """An answer of the API."""

    images: list
    info: dict

    @property
    def pixels(self):
        return [image.convert("RGB").tobytes() for image in self.images]

    @property
    def parameters(self):
        return self.info["extra_generation_params"]

    @property
    def timelines(self):
        return self.parameters.get("VLM Negative timeline")

    @property
    def note(self):
        return self.parameters.get("VLM Negative note")


def as_text(image):
    """A picture as the API takes it, with its parameters."""
    written = PngInfo()
    for name in {"parameters"} & image.info.keys():
        written.add_text(name, image.info[name])
    image.save(buffer := io.BytesIO(), "PNG", pnginfo=written)
    return base64.b64encode(buffer.getvalue()).decode()


class Refused(Exception):
    """The host answered with an error."""


class Server:
    """A context: inside it, the host answers."""

    def __init__(self, folder, checkpoint, extension=True, options=(), beside=()):
        self.folder, self.checkpoint = Path(folder), checkpoint
        self.host = Path(os.environ["WEBUI_DIR"])
        self.forge = (self.host / "modules_forge").is_dir()
        self._options = dict(OPTIONS) | dict(options)
        always = [Path(path) for path in os.environ.get("WEBUI_LINK", "").split(os.pathsep) if path]
        self._extensions = {Path(path).name: path for path in [*always, *beside]}
        if extension:
            self._extensions["vlm-negative"] = ROOT

    def __enter__(self):
        (self.folder / "extensions").mkdir(parents=True, exist_ok=True)
        (self.folder / "config.json").write_text(json.dumps(self._options))
        for name, path in self._extensions.items():
            (self.folder / "extensions" / name).symlink_to(path)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [os.environ["WEBUI_PYTHON"], "launch.py", *FLAGS.split(), *(FORGE if self.forge else A1111).split()]
        command += os.environ.get("WEBUI_FLAGS", "").split()
        command += ["--port", str(self.port), "--data-dir", str(self.folder), "--ckpt", str(self.checkpoint)]
        if self.forge:  # with a data folder elsewhere its page is refused the host's own scripts
            command += ["--gradio-allowed-path", str(self.host)]
        quiet = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False",
                 "OMP_WAIT_POLICY": "PASSIVE", "PYTHONUNBUFFERED": "1", "COMMANDLINE_ARGS": ""}  # fmt: skip
        path = f"{Path(os.environ['WEBUI_PYTHON']).parent}:{os.environ['PATH']}"
        self._log = (self.folder / "host.log").open("w")
        self.process = subprocess.Popen(
            command, cwd=self.host, env=os.environ | quiet | {"PATH": path}, stdout=self._log, stderr=subprocess.STDOUT
        )
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._log.close()

    @property
    def log(self):
        """Everything that the host has printed."""
        return (self.folder / "host.log").read_text(errors="replace")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    @property
    def resident(self):
        """Megabytes of memory that the host holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def call(self, path, body=None, timeout=240):
        """One request; Refused with the host's own words where it fails."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        try:
            return json.load(urllib.request.urlopen(request, timeout=timeout))
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode(errors="replace")) from None

    def draw(self, to="txt2img", ours=None, **changes):
        """One generation; `ours` are the extension's settings, None leaves it out of the request."""
        body = REQUEST | changes
        if self.forge and body.get("enable_hr"):
            body = {"hr_additional_modules": ["Use same choices"], "hr_cfg": body["cfg_scale"]} | body
        if ours is not None:
            body["alwayson_scripts"] = {"VLM Negative": {"args": [ours]}} | body.get("alwayson_scripts", {})
        reply = self.call(f"/sdapi/v1/{to}", body)
        images = [Image.open(io.BytesIO(base64.b64decode(image))) for image in reply["images"]]
        return Drawn(images, json.loads(reply["info"]))

    def guided(self, to="txt2img", changes=None, **ours):
        """One guided generation by the miniature's oracle, asking at every step unless said otherwise."""
        asked = {"enabled": True, "oracle": "miniature", "questions": ["auto"], "steps": []}
        return self.draw(to, asked | ours, **(changes or {}))

    def _wait(self):
        began = time.monotonic()
        while "Startup time" not in self.log:
            if self.process.poll() is not None or time.monotonic() - began > STARTING:
                raise RuntimeError(self.log[-3000:])
            time.sleep(0.3)
