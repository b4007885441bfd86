"""The way out of this machine: proxies."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest

import wan_notebook as wan
from wan_notebook.client import WanClient
from wan_notebook.config import Secret, Settings
from wan_notebook.connections import open_http
from wan_notebook.switchboard import Switchboard

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
