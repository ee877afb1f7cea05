"""A server that answers, chosen by its name; where it is, is said on the settings page alone."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from .server import Server


class Eye(BaseHTTPRequestHandler):
    """Says dog, then cat; and to the picture that is asked about for the fifth time, nothing but an error."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        text = ["A dog.", "cat"][self.server.asked % 2 == 0]
        body = json.dumps({"choices": [{"message": {"content": text}}]}).encode()
        self.send_response(200 if self.server.asked < 5 else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def eye():
    with ThreadingHTTPServer(("127.0.0.1", 0), Eye) as found:
        found.asked = 0
        threading.Thread(target=found.serve_forever, daemon=True).start()
        yield found
        found.shutdown()


def test_a_server_is_asked_by_name_and_only_the_settings_page_says_where_it_is(eye, checkpoint, tmp_path):
    url = f"http://127.0.0.1:{eye.server_port}/v1"
    remotes = json.dumps([{"name": "eye", "url": url, "model": "m", "retries": 0}])
    with Server(tmp_path, checkpoint, options={"vlm_negative_remotes": remotes}) as server:
        ours = {"oracle": "remote:eye", "questions": ["What is it?"], "every": 2}
        guided = server.guided(**ours)
        assert guided.timelines == ["1:+dog|3:+cat"] and guided.note is None
        assert server.guided(replay=guided.timelines).pixels == guided.pixels
        failed = server.guided(**ours, steps=[0, 1, 2, 3])  # the fifth answer of all is an error
        assert failed.timelines == ["1:+cat"] and "remote eye" in failed.note
        unknown = server.guided(**ours | {"oracle": "remote:elsewhere"})
        assert "not among the remotes in the settings, which are: remote:eye" in unknown.note
        elsewhere = json.dumps([{"name": "elsewhere", "url": "http://127.0.0.1:9/v1", "model": "m"}])
        server.call("/sdapi/v1/options", {"vlm_negative_remotes": elsewhere})
        forced = {"override_settings": {"vlm_negative_remotes": elsewhere}}
        tried = server.guided(changes=forced, **ours | {"oracle": "remote:elsewhere"})
        assert "not among the remotes in the settings, which are: remote:eye" in tried.note
