"""Somebody who calls the simulator as the service's documents say, and a small web server to fetch pictures from."""

from __future__ import annotations

import base64
import io
import math
import struct
import threading
import time
import wave
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import httpx
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60  # seconds for an answer from this machine, which may be busy
SUBMIT = "/services/aigc/video-generation/video-synthesis"
OVER = ("SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN")


def picture(size: tuple[int, int] = (480, 320), form: str = "JPEG", mode: str = "RGB") -> bytes:
    """A picture with some structure in it."""
    image = Image.radial_gradient("L").resize(size).convert(mode)
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


def data_uri(data: bytes, mime: str = "image/jpeg") -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def tone(seconds: float, rate: int = 8000) -> bytes:
    """A WAV file."""
    samples = (int(12000 * math.sin(2 * math.pi * 440 * index / rate)) for index in range(int(seconds * rate)))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()


class Caller:
    """One account of a simulator."""

    def __init__(self, sim: Any, key: str = "sk-test") -> None:
        self.sim = sim
        self.http = httpx.Client(
            base_url=sim.base_url, headers={"Authorization": f"Bearer {key}"}, trust_env=False, timeout=PATIENCE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, body: Any, **headers: str) -> httpx.Response:
        return self.http.post(SUBMIT, json=body, headers={"X-DashScope-Async": "enable", **headers})

    def submit(
        self,
        prompt: str | None = "A cat.",
        model: str = "wan2.6-i2v-flash",
        image: str | None = None,
        headers: dict[str, str] | None = None,
        audio_url: str | None = None,
        **parameters: Any,
    ) -> httpx.Response:
        given = {"prompt": prompt, "img_url": image or data_uri(picture())}
        if audio_url:
            given["audio_url"] = audio_url
        return self.post({"model": model, "input": given, "parameters": parameters}, **(headers or {}))

    def accepted(self, *args: Any, **kwargs: Any) -> str:
        answer = self.submit(*args, **kwargs)
        if answer.status_code == 429:  # so many a second are let through: the next second begins
            self.sim.clock.advance(1)
            answer = self.submit(*args, **kwargs)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["output"]["task_id"])

    def query(self, task_id: str) -> dict[str, Any]:
        answer = self.http.get(f"/tasks/{task_id}")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def state(self, task_id: str) -> str:
        return str(self.query(task_id)["output"]["task_status"])

    def finish(self, task_id: str) -> dict[str, Any]:
        """Let an hour pass, and wait until the clip is rendered."""
        self.sim.clock.advance(3600)
        deadline = time.monotonic() + 120
        while True:
            answer = self.query(task_id)
            if answer["output"]["task_status"] in OVER:
                return answer
            assert time.monotonic() < deadline, answer
            time.sleep(0.05)
            self.sim.clock.advance(0.1)  # so many looks a second are let through, also by a clock that stands still

    def made(self, *args: Any, **kwargs: Any) -> bytes:
        """Submit, wait, download."""
        answer = self.finish(self.accepted(*args, **kwargs))
        assert answer["output"]["task_status"] == "SUCCEEDED", answer
        clip = httpx.get(answer["output"]["video_url"], trust_env=False, timeout=PATIENCE)
        assert clip.status_code == 200, clip.text
        return clip.content


@contextmanager
def files(**answers: tuple[int, dict[str, str], bytes]) -> Iterator[str]:
    """A web server on loopback; ``files(cat=(200, {...}, b"..."))`` answers at ``<address>/cat``."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = answers[self.path.split("?")[0].strip("/").split(".")[0]]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def served(data: bytes, mime: str) -> tuple[int, dict[str, str], bytes]:
    """An ordinary answer for :func:`files`."""
    return 200, {"Content-Type": mime, "Content-Length": str(len(data))}, data
