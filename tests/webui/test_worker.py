"""A model that the host's transformers does not know, asked in a worker; WEBUI_PACKAGES is what install.py --vlm made."""

import json
import os
from pathlib import Path

import pytest
import tiny_vlms

from .server import Server

PACKAGES = os.environ.get("WEBUI_PACKAGES")


@pytest.mark.skipif(not PACKAGES, reason="no newer packages: set WEBUI_PACKAGES to what install.py --vlm has made")
def test_a_chat_model_answers_from_a_process_of_its_own(checkpoint, tmp_path):
    data = tmp_path / "data"
    tiny_vlms.llava(data / "models" / "VLM" / "llava")
    ours = {"oracle": "llava", "questions": ["What is it?"], "every": 2}
    with Server(data, checkpoint, options={"vlm_negative_folder": str(tmp_path / "records")}) as server:
        told = server.guided(**ours)
        if not told.note:
            pytest.skip("this host's own transformers knows llava")
        assert "is a llava model; it needs transformers 4.46" in told.note and "install.py --vlm" in told.note
        (data / "models" / "VLM" / "packages").symlink_to(Path(PACKAGES))
        plain = server.draw()
        guided = server.guided(**ours)
        assert guided.note is None
        (record,) = (json.loads(path.read_text()) for path in (tmp_path / "records").glob("*.json"))
        assert [event["step"] for event in record["events"]] == [0, 2, 4]
        assert all(event["answers"][0][0][0] for event in record["events"])  # words, if without a meaning
        assert server.draw().pixels == plain.pixels
        pid = server.process.pid
        assert children(pid)
    assert not Path(f"/proc/{pid}").exists() or not children(pid)


def children(pid):
    """The workers that a process has started."""
    found = [path.read_text().split() for path in Path("/proc").glob("[0-9]*/stat")]
    return [fields[0] for fields in found if fields[3] == str(pid) and "python" in fields[1]]
