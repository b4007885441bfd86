"""The way out of this machine: proxies, and none to itself; no cookies, no key in the log."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
from typing import TYPE_CHECKING

import httpx
import pytest
from hostile import Answer, Hostile

import wan_notebook as wan
from wan_notebook.config import Secret, Settings
from wan_notebook.hall.switchboard import Switchboard
from wan_notebook.service.client import WanClient
from wan_notebook.service.connections import open_http

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = {"model": "wan2.6-i2v-flash", "input": {"img_url": "https://example.com/a.png"}, "parameters": {}}


@contextlib.contextmanager
def a_proxy(answer: bytes):
    """A proxy that says ``answer`` to every CONNECT and closes; yields its address and what was asked of it."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as door:

        def serve() -> None:
            while True:
                try:
                    guest, _ = door.accept()
                except OSError:
                    return
                with guest:
                    asked.append(guest.recv(65536))
                    guest.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://me:secret@127.0.0.1:{door.getsockname()[1]}", asked
        door.shutdown(socket.SHUT_RDWR)
    thread.join()


def behind(monkeypatch, address):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, address)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "closed the connection"),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "a user name and a password"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "does not let you through"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "never left"),  # the tunnel is there, and then ends
        (b"garbage\r\n\r\n", "never left"),
    ],
)
def test_a_submit_that_no_proxy_let_through_was_never_sent(monkeypatch, answer, words):
    async def ask():
        async with open_http("test") as http:
            client = WanClient(http, "https://wan.invalid/api/v1", lambda: "sk-proxy", loopback=False)
            await client.submit(BODY)

    with a_proxy(answer) as (address, asked):
        behind(monkeypatch, address)
        with pytest.raises(wan.TransportError) as caught:
            asyncio.run(ask())
    assert asked[0].startswith(b"CONNECT wan.invalid:443")
    assert not isinstance(caught.value, wan.AmbiguousSubmitError)
    assert caught.value.may_pass
    assert f"through the proxy http://127.0.0.1:{address.rpartition(':')[2]}" in caught.value.message
    assert words in caught.value.message
    assert "secret" not in str(caught.value)


def test_a_proxy_that_is_mended_in_the_running_kernel_is_used_from_then_on(monkeypatch):
    settings = Settings("singapore", None, Secret("sk-proxy"), "given in the call", None)

    async def ask(address):
        ways = Switchboard("test")
        for proxy in ("http://127.0.0.1:9", address):
            behind(monkeypatch, proxy)
            client = await ways.connect(settings)
            with pytest.raises(wan.TransportError):
                await client.knock()
        assert await ways.connect(settings) is client
        await ways.close()

    with a_proxy(b"") as (address, asked):
        asyncio.run(ask(address))
    assert len(asked) == 1


KEY = "sk-connections-0123456789abcdef"


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as hostile:
        yield hostile


async def asked(*urls: str) -> list[str]:
    """How each GET ended: the body, or why there is none."""
    ends = []
    async with open_http("test") as http:
        for url in urls:
            try:
                async with http.stream("GET", url, headers={"Authorization": f"Bearer {KEY}"}) as answer:
                    ends.append((await answer.aread()).decode())
            except httpx.ConnectError:
                ends.append("refused")
    return ends


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.0.1", "localhost", "[::1]", "[0:0:0:0:0:0:0:1]"])
def test_the_key_goes_to_this_machine_directly_whatever_proxy_is_set(
    host: str, server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, server.root)
    monkeypatch.delenv("NO_PROXY")
    server.on("GET", "", Answer(body=b"by proxy"))
    assert asyncio.run(asked(f"http://{host}:9/api/v1/tasks", "http://example.com/")) == ["refused", "by proxy"]
    assert [one.path for one in server.asked] == ["http://example.com/"]


def test_no_cookie_of_one_answer_goes_out_with_the_next_request(server: Hostile) -> None:
    server.on("GET", "", Answer(headers={"Set-Cookie": "sid=abc; Path=/"}))
    asyncio.run(asked(f"{server.root}/one", f"{server.root}/two"))
    assert [one.headers.get("Cookie") for one in server.asked] == [None, None]


def test_a_key_that_a_service_repeats_in_its_headers_is_in_no_log_and_no_answer(
    server: Hostile, caplog: pytest.LogCaptureFixture
) -> None:
    echo = {"X-Echo": f"Bearer {KEY}", "Retry-After": KEY, "Set-Cookie": f"key={KEY}"}
    server.on("GET", "/tasks", Answer(429, {"code": "Throttling", "message": KEY}, echo))

    async def knock() -> object:
        async with open_http("test") as http:
            return await WanClient(http=http, base_url=server.base_url, key=lambda: KEY, loopback=True).knock()

    with caplog.at_level(logging.DEBUG):
        answer = asyncio.run(knock())
    assert server.asked[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "X-Echo" in caplog.text
    assert KEY not in caplog.text
    assert KEY not in repr(answer)
