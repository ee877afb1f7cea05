"""What programs send: the samples, and the PyPI client webuiapi."""

import json
import os
from pathlib import Path

import pytest

SAMPLES = Path(__file__).parents[2] / "samples"
REQUEST, RESPONSE = SAMPLES / "txt2img-request.json", SAMPLES / "txt2img-response.json"


def test_the_sample_is_what_the_host_answers(server):
    if server.forge:
        pytest.skip("the sample is AUTOMATIC1111's, with the miniature")
    answer = server.call("/sdapi/v1/txt2img", json.loads(REQUEST.read_text()))
    if os.environ.get("WEBUI_SAMPLES"):
        RESPONSE.write_text(json.dumps(answer, indent=2) + "\n")
    kept = json.loads(RESPONSE.read_text())
    said, told = json.loads(answer["info"]), json.loads(kept["info"])
    assert said["extra_generation_params"] == told["extra_generation_params"]
    assert said["infotexts"] == told["infotexts"] and len(answer["images"]) == len(kept["images"])
    assert all("+" in timeline for timeline in told["extra_generation_params"]["VLM Negative timeline"])


def test_webuiapi_drives_the_extension(server):
    webuiapi = pytest.importorskip("webuiapi")
    client = webuiapi.WebUIApi(host="127.0.0.1", port=server.port, sampler="Euler a", steps=6)
    ours = {"enabled": True, "oracle": "miniature", "questions": ["auto"], "every": 2}
    asked = {"prompt": "a photo of a pet", "seed": 3, "width": 128, "height": 128, "cfg_scale": 4.5}
    drawn = client.txt2img(**asked, alwayson_scripts={"VLM Negative": {"args": [ours]}})
    (timeline,) = drawn.info["extra_generation_params"]["VLM Negative timeline"]
    assert "+" in timeline and drawn.image.size == (128, 128)
    again = client.txt2img(**asked, alwayson_scripts={"VLM Negative": {"args": [{"enabled": True, "replay": [timeline]}]}})
    assert again.image.tobytes() == drawn.image.tobytes()
