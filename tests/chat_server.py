"""A server of OpenAI's chat completions on this machine, that behaves or does not; every test that needs one uses this."""

import base64
import contextlib
import io
import json
import re
import socket
import struct
import threading
from functools import partial
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image


class Chat(BaseHTTPRequestHandler):
    """Answers with the red of the picture and the question, or does what is next in the script: a function of the handler."""

    protocol_version = "HTTP/1.1"

    def __init__(self, server, *args):
        self.fake = server
        super().__init__(*args)

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.asked = json.loads(body) if body else None
        self.close_connection = True
        with self.fake.lock:
            self.fake.now += 1
            self.fake.most = max(self.fake.most, self.fake.now)
            self.fake.seen.append(self)
            step = self.fake.script.pop(0) if self.fake.script else self.fake.always
        with contextlib.suppress(OSError):
            step(self)

    def content(self):
        """The red of the picture, the question with the instruction, and the picture."""
        picture, text = self.asked["messages"][0]["content"]
        image = Image.open(io.BytesIO(base64.b64decode(picture["image_url"]["url"].partition(",")[2])))
        return image.getpixel((0, 0))[0], text["text"], image

    def reply(self, status, body, *headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.fake.lock:
            self.fake.now -= 1  # before it is sent: the next may come at once
        self.send_response(status)
        for name, value in (("Content-Length", str(len(body))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def completion(content, **more):
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop", **more}]}


def says(content, **more):
    return lambda chat: chat.reply(200, completion(content, **more))


def tells(status, body, *headers):
    return lambda chat: chat.reply(status, body, *headers)


def repeats(chat):
    red, text, _ = chat.content()
    chat.reply(200, completion(f"{red} {text}"))


def sees(chat):
    """Answers from the picture and the question, as many words as are asked for."""
    _, text, image = chat.content()
    seen = sha256(image.tobytes() + text.encode()).hexdigest()
    wanted = re.search(r"up to (\d+) different", text)
    words = [f"word {seen[index : index + 6]}" for index in range(int(wanted[1]) if wanted else 1)]
    chat.reply(200, completion(", ".join(words)))


def silent(chat):
    chat.fake.over.wait(20)


def late(chat):
    chat.fake.over.wait(2)
    repeats(chat)


def drip(chat, start=b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", piece=b" "):
    chat.wfile.write(start)
    for _ in range(2000):
        chat.wfile.write(piece)
        if chat.fake.over.wait(0.01):
            return


def reset(chat):
    chat.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    chat.rfile.close()
    chat.wfile.close()
    chat.connection.close()


def killed(chat):
    """It and its port are gone."""
    chat.fake.gone()
    reset(chat)


def half(chat):
    body = json.dumps(completion("a whole answer")).encode()
    chat.send_response(200)
    chat.send_header("Content-Length", str(len(body)))
    chat.end_headers()
    chat.wfile.write(body[: len(body) // 2])


def huge(chat):
    chat.reply(200, completion("x" * 10_000_000))


def endless(chat, sent):
    chat.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while len(sent) < 1000:
        chat.wfile.write(bytes(1 << 16))
        sent.append(1)


class Fake:
    """What the server is to do: `script` step by step, then `always`; and what it has seen."""

    def __init__(self, always, script):
        self.always, self.script = always, list(script)
        self.seen, self.now, self.most = [], 0, 0
        self.lock, self.over = threading.Lock(), threading.Event()


class Quiet(ThreadingHTTPServer):
    """Says nothing of connections that break: that is what they are here for."""

    def handle_error(self, request, client_address):
        pass


@contextlib.contextmanager
def serving(tls=None, always=repeats, script=()):
    """A server that runs during the context; gives what it is to do and has seen, and its `url`."""
    fake = Fake(always, script)
    server = Quiet(("127.0.0.1", 0), partial(Chat, fake))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    fake.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/v1"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def gone():
        server.shutdown()
        server.server_close()

    fake.gone = gone
    try:
        yield fake
    finally:
        fake.over.set()
        gone()
