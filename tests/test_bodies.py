"""A file on its way to the service's store: it may take any time, but it has to move."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest
from hostile import Answer, Hostile

from wan_notebook.errors import TransportError
from wan_notebook.media.medium import SentMedia
from wan_notebook.service.client import WanClient
from wan_notebook.service.connections import open_http

STALL = 0.8
SIZE = 32_000_000  # many times what the system's buffers take


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time passes only where the store lets it: a machine that stands still changes nothing."""

    seconds = 0.0

    def time(self) -> float:
        return self.seconds


def store(listener: socket.socket, clock: Clock, *, drips: bool) -> None:
    """Takes a file in pieces, longer than one of them may take, and answers; or its answer comes drop by drop."""
    connection, _ = listener.accept()
    taken = 0
    with contextlib.suppress(OSError), connection:
        connection.settimeout(60)
        while taken < SIZE and (piece := len(connection.recv(65536))):
            taken += piece
            clock.seconds += 0 if drips else 2.5 * STALL * piece / SIZE
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100_000 if drips else 0))
        while drips:
            connection.sendall(b" ")
            clock.seconds += STALL / 20
        while connection.recv(65536):
            pass
    clock.seconds += 3600  # whatever is still waited for


@pytest.mark.parametrize("drips", [False, True])
def test_a_file_may_take_its_time_and_a_store_that_only_drips_its_answer_is_left(drips: bool) -> None:
    item = SentMedia("image", "oss", "a.png", "image/png", "5" * 64, SIZE, 1, 1, data=bytes(SIZE))

    async def upload(base_url: str) -> str:
        async with open_http("test") as http:
            client = WanClient(http, base_url, lambda: "sk-bodies-0123456789", loopback=True)
            return await client.upload(item, "wan2.6-i2v-flash", stall_seconds=STALL)

    clock = Clock()
    with (
        Hostile() as server,
        socket.create_server(("127.0.0.1", 0)) as listener,
        asyncio.Runner(loop_factory=lambda: clock) as runner,
    ):
        host = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        policy = {"policy": "p", "signature": "s", "upload_dir": "d", "upload_host": host, "oss_access_key_id": "k"}
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        server.on("GET", "/uploads", Answer(body={"data": policy}))
        thread = threading.Thread(target=store, args=(listener, clock), kwargs={"drips": drips})
        thread.start()
        if not drips:
            assert runner.run(upload(server.base_url)).startswith("oss://d/")
            assert clock.seconds > 2 * STALL
        else:
            with pytest.raises(TransportError, match="the upload broke off") as caught:
                runner.run(upload(server.base_url))
            assert "nothing is billed" in str(caught.value).lower()
            assert clock.seconds > 2 * STALL
        thread.join()
