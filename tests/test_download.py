"""A model from a hub, over a real (local) HTTP server: whole, stopped, continued, and what is said when it cannot come."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles.download import PIECE, fetch, is_complete

NAME, CHAT_NAME = "someone/an-eye", "someone/who-talks"
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"[1]",
    "model.safetensors": bytes(range(256)) * (PIECE * 3 // 256),
    "pytorch_model.bin": b"not wanted",
    "README.md": b"not wanted either",
}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
CHAT = {  # of a model in two shards, with a processor
    "config.json": b"{}",
    "processor_config.json": b"{}",
    "chat_template.jinja": b"{{ messages }}",
    "model.safetensors.index.json": json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1]}}).encode(),
    SHARDS[0]: b"1" * PIECE,
    SHARDS[1]: b"2" * PIECE,
    "pytorch_model.bin.index.json": b"not wanted",
    "onnx/model.onnx": b"not wanted",
    "../../evil.json": b"not wanted",
    "consolidated.safetensors": b"not wanted",
}


class Hub(BaseHTTPRequestHandler):
    """Enough of the hub: a listing with sizes, and files by range."""

    def __init__(self, asked, *args):
        self.asked = asked
        super().__init__(*args)

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range")))
        for name, files in ((NAME, FILES), (CHAT_NAME, CHAT)):
            if self.path.startswith(f"/api/models/{name}?"):
                siblings = [{"rfilename": file, "size": len(body)} for file, body in files.items()]
                return self.reply(200, json.dumps({"siblings": siblings}).encode())
        body = (CHAT if CHAT_NAME in self.path else FILES).get(self.path.split("/resolve/main/")[-1])
        if body is None:
            return self.reply(404, b"")
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        return self.reply(206 if start else 200, body[start:])

    def reply(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, asked))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()


def test_it_gets_what_a_model_needs_and_says_how_far_it_is(hub, tmp_path):
    shown = []
    fetch(NAME, tmp_path, shown.append, lambda: False, hub[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors", "tokenizer.json"]
    assert (tmp_path / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert is_complete(tmp_path)
    assert shown[-1] == f"downloading {NAME}, 3 of 3 MB (Interrupt stops it)"


def test_a_large_model_comes_in_shards_with_its_processor(hub, tmp_path):
    folder = tmp_path / "eye"
    looks = iter([False] * 5 + [True])
    with pytest.raises(InputError, match="was stopped"):  # in the second shard
        fetch(CHAT_NAME, folder, str, lambda: next(looks), hub[0])
    assert (folder / SHARDS[0]).is_file() and not is_complete(folder)
    fetch(CHAT_NAME, folder, str, lambda: False, hub[0])
    wanted = {"config.json", "processor_config.json", "chat_template.jinja", "model.safetensors.index.json", *SHARDS}
    assert {path.name for path in folder.iterdir()} == wanted and is_complete(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["eye"]  # a name that leads out of the folder is left alone


def test_stopped_it_keeps_what_has_come_and_goes_on_from_there(hub, tmp_path):
    looks = iter([False, False, False, True])
    with pytest.raises(InputError, match=r"oracle: the download of 'someone/an-eye' was stopped; generate again to continue"):
        fetch(NAME, tmp_path, str, lambda: next(looks), hub[0])
    assert not is_complete(tmp_path)
    hub[1].clear()
    fetch(NAME, tmp_path, str, lambda: False, hub[0])
    assert (f"/{NAME}/resolve/main/model.safetensors", f"bytes={2 * PIECE}-") in hub[1]
    assert (tmp_path / "model.safetensors").read_bytes() == FILES["model.safetensors"]


@pytest.mark.parametrize("name", ["someone/else", NAME])
def test_what_cannot_come_names_the_folder_to_fill(hub, tmp_path, name, monkeypatch):
    if name == NAME:
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(InputError) as caught:
        fetch(name, tmp_path / "eye", str, lambda: False, hub[0])
    assert str(tmp_path / "eye") in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value)


def test_nobody_answers(tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with pytest.raises(InputError, match="refused"):
        fetch(NAME, tmp_path, str, lambda: False, "http://127.0.0.1:9")
