"""The front door: every request is logged, every answer carries the simulator's header, and faults can be ordered."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, deque
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Literal

from .refusals import json_refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .clock import Clock

__all__ = ["Fault", "Front", "Held", "Request"]

Call = Literal["submit", "query", "list", "cancel", "policy", "upload", "result", "other"]
BODY_MB = 64
"""A 20 MB picture is 27 MB of base64."""


@dataclass(frozen=True)
class Request:
    """One request as it was received.

    Attributes
    ----------
    call : which of the service's calls it is
    headers : names in lower case; of ``authorization`` only the scheme and the key's first three characters
    json : the JSON body, None where there was none
    at : simulated seconds since 1970
    """

    call: Call
    method: str
    path: str
    query: str
    headers: dict[str, str]
    json: Any
    at: float


@dataclass
class Fault:
    """What the front door does instead of answering."""

    call: Call
    status: int | None
    code: str
    message: str
    body: bytes | None
    headers: dict[str, str] = field(default_factory=dict)
    handled: bool = False


class Held:
    """Submits that were read and carried out, and whose answers are withheld."""

    def __init__(self) -> None:
        self._gate: Future[None] = Future()
        self._arrived = threading.Semaphore(0)

    def wait(self, timeout: float = 60) -> None:
        """Return once one more submit is being held.

        Raises
        ------
        TimeoutError
        """
        if not self._arrived.acquire(timeout=timeout):
            raise TimeoutError(f"no submit arrived within {timeout:g} s")

    def release(self) -> None:
        """Let the withheld answers go, and those to come."""
        if not self._gate.done():
            self._gate.set_result(None)

    async def pass_gate(self) -> None:
        """Wait here until released."""
        self._arrived.release()
        await asyncio.shield(asyncio.wrap_future(self._gate))


class Front:
    """The ASGI application around the routes."""

    def __init__(self, app: ASGIApp, clock: Clock, connections: dict[Any, Any], *, remember: int) -> None:
        self._app = app
        self._clock = clock
        self._connections = connections
        self.held: Held | None = None
        self.faults: list[Fault] = []
        self.requests: deque[Request] = deque(maxlen=remember)
        self.answers: Counter[tuple[Call, int]] = Counter()
        self.last_seen = time.monotonic()

    @contextmanager
    def hold(self) -> Iterator[Held]:
        """Withhold the answers to all submits until the block ends."""
        held = self.held = Held()
        try:
            yield held
        finally:
            self.held = None
            held.release()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self.last_seen = time.monotonic()
        if len(scope["path"]) > 1:
            # The vendor's SDK adds a slash to some of its addresses; the service does not mind.
            scope = {**scope, "path": scope["path"].rstrip("/") or "/"}
        call = _call(scope["method"], scope["path"])
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        send = self._signing(send, call)
        value = None
        if not headers.get("content-type", "").startswith("multipart/"):
            body = await _body(receive)
            if body is None:
                await json_refusal(400, "BadRequest.TooLarge", "Payload Too Large")(scope, receive, send)
                return
            receive = _replay(body, receive)
            value = _json(body)
        scope.setdefault("state", {})["json"] = value
        self._log(call, scope, headers, value)
        fault = next((fault for fault in self.faults if fault.call == call), None)
        if fault:
            self.faults.remove(fault)
            await self._fail(fault, scope, receive, send)
            return
        held = self.held
        if call == "submit" and held is not None:
            send = _behind(held, send)
        await self._app(scope, receive, send)

    def _log(self, call: Call, scope: Scope, headers: dict[str, str], value: Any) -> None:
        if "authorization" in headers:
            scheme, _, key = headers["authorization"].partition(" ")
            headers["authorization"] = f"{scheme} {key[:3]}..."
        query = scope["query_string"].decode("latin-1")
        self.requests.append(Request(call, scope["method"], scope["path"], query, headers, value, self._clock.now()))

    def _signing(self, send: Send, call: Call) -> Send:
        async def signed(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.answers[call, message["status"]] += 1
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-wan-simulator", f"speed={self._clock.speed:.10g}".encode()),
                    (b"date", formatdate(self._clock.now(), usegmt=True).encode()),
                ]
            await send(message)

        return signed

    async def _fail(self, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.handled:

            async def unheard(_: Message) -> None:
                """The answer nobody gets."""

            await self._app(scope, receive, unheard)
        if fault.status is None:
            self._connections[tuple(scope["client"])].abort()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        if fault.body is None:
            answer = json_refusal(fault.status, fault.code, fault.message)
            answer.headers.update(fault.headers)
            await answer(scope, receive, send)
            return
        start = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fault.headers.items()]
        await send({"type": "http.response.start", "status": fault.status, "headers": start})
        await send({"type": "http.response.body", "body": fault.body})


def _call(method: str, path: str) -> Call:
    if method == "POST" and path == "/":
        return "upload"
    if path.startswith("/results/"):
        return "result"
    parts = path.removeprefix("/api/v1/").split("/")
    if parts[0] == "services" and method == "POST":
        return "submit"
    if parts[0] == "uploads":
        return "policy"
    if parts[0] == "tasks":
        named: dict[int, Call] = {1: "list", 2: "query", 3: "cancel"}
        return named.get(len(parts), "other")
    return "other"


async def _body(receive: Receive) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > BODY_MB * 1024 * 1024:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    return again


def _json(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _behind(held: Held, send: Send) -> Send:
    first = [True]

    async def late(message: Message) -> None:
        if first:
            first.clear()
            await held.pass_gate()
        await send(message)

    return late
