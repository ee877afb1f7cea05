"""A server that answers, chosen by its name; where it is, is said on the settings page alone."""

import json

import pytest
from chat_server import says, serving, tells

from .server import Server


@pytest.fixture
def eye():
    """Says dog, then cat; and to the picture that is asked about for the fifth time, nothing but an error."""
    with serving(always=tells(400, b""), script=[says("A dog."), says("cat")] * 2) as found:
        yield found


def test_a_server_is_asked_by_name_and_only_the_settings_page_says_where_it_is(eye, checkpoint, tmp_path):
    remotes = json.dumps([{"name": "eye", "url": eye.url, "model": "m", "retries": 0}])
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
