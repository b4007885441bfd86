"""One run of the server: its socket, its thread, its folder."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from .app import Service
from .front import Front

if TYPE_CHECKING:
    from .clock import Clock

__all__ = ["Running"]

HOST = "127.0.0.1"
START_SECONDS = 60
KEEP_ALIVE_SECONDS = 75
STOP_SECONDS = 2


class Running:
    """A server that answers from the end of ``__init__`` to :meth:`close`.

    Parameters
    ----------
    clock : Clock
    port : int
        0 takes a free one.
    folder : path, optional
        A temporary one unless given.
    shape_only : bool
        See :class:`Kitchen`.
    remember : int
        Requests kept to be looked at.
    region : str, optional
        Where it stands.

    Raises
    ------
    OSError
        The port is taken.
    """

    def __init__(
        self,
        clock: Clock,
        port: int,
        folder: str | Path | None,
        *,
        shape_only: bool,
        remember: int,
        region: str | None = None,
    ) -> None:
        # The protocol is named because asyncio turns Nagle's delay (40 ms an answer) off only where it is.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, port))
        except OSError:
            listener.close()
            raise
        self._listener = listener
        self._temporary = tempfile.TemporaryDirectory(prefix="wan-simulator-") if folder is None else None
        where = Path(self._temporary.name if self._temporary else str(folder))
        self.origin = f"http://{HOST}:{listener.getsockname()[1]}"
        self.service = Service(where, clock, self.origin, shape_only=shape_only, region=region)
        connections: dict[Any, Any] = {}
        self.front = Front(self.service.app, clock, connections, remember=remember)
        self._server = _Server(
            uvicorn.Config(
                self.front,
                http=_protocol(connections),
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                log_level="error",
                access_log=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=STOP_SECONDS,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="wan-simulator", daemon=True)
        self._thread.start()
        if not self._server.answering.wait(START_SECONDS) or self._server.should_exit:
            self.close()
            raise RuntimeError("the simulator did not start")

    def _serve(self) -> None:
        # A loop of its own, whatever else in this process may have been done to asyncio.run().
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(self._server.serve(sockets=[self._listener]))

    def close(self) -> None:
        """Stop answering, and leave nothing behind."""
        held = self.front.held
        if held is not None:
            held.release()
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
        if self._temporary is not None:
            self._temporary.cleanup()


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answering = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.answering.set()


def _protocol(connections: dict[Any, Any]) -> type[asyncio.Protocol]:
    """uvicorn's own, which also keeps the transports by the client's address, so that one can be cut."""

    class Protocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
            super().connection_made(transport)
            connections[transport.get_extra_info("peername")] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self.transport.get_extra_info("peername"), None)
            super().connection_lost(exc)

    return Protocol
