"""A model from a hub, over a real (local) HTTP server: whole, stopped, continued, and what is said when it cannot come."""

import json
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lib_vlmneg.errors import InputError
from lib_vlmneg.oracles.download import PIECE, fetch, is_complete

NAME = "someone/an-eye"
FILES = {
    "config.json": b"{}",
    "tokenizer.json": b"[1]",
    "model.safetensors": bytes(range(256)) * (PIECE * 3 // 256),
    "pytorch_model.bin": b"not wanted",
    "README.md": b"not wanted either",
}


class Hub(BaseHTTPRequestHandler):
    """Enough of the hub: a listing with sizes, and files by range."""

    def __init__(self, asked, *args):
        self.asked = asked
        super().__init__(*args)

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range")))
        if self.path.startswith(f"/api/models/{NAME}"):
            siblings = [{"rfilename": name, "size": len(body)} for name, body in FILES.items()]
            return self.reply(200, json.dumps({"siblings": siblings}).encode())
        body = FILES.get(self.path.removeprefix(f"/{NAME}/resolve/main/"))
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
