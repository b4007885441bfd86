"""A local HTTP server that answers what a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import http.server
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self

if TYPE_CHECKING:
    from collections.abc import Callable

PENDING = {"output": {"task_id": "task-1", "task_status": "PENDING"}, "request_id": "request-1"}


@dataclass
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What to say: a dict becomes JSON; ``drop`` closes the connection without a word after reading the request."""

    status: int = 200
    body: Any = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


class Gate(Answer):
    """An answer that is given only once it is let through: a request has arrived, and its sender can be killed."""

    def __init__(self, **answer: Any) -> None:
        super().__init__(**answer)
        self.arrived, self.let = threading.Event(), threading.Event()

    def pass_through(self) -> None:
        """Called by the server before it answers."""
        self.arrived.set()
        self.let.wait(120)


class HalfWay(Gate):
    """A gate behind the first half of the answer."""


class Hostile:
    """``with Hostile() as server: server.on("POST", "/services", Answer(500))``; the last answer of a list repeats."""

    _ports: ClassVar[set[int]] = set()

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._rules: list[tuple[str, str, list[Answer]]] = []

    def on(self, method: str, beginning: str, *answers: Answer) -> None:
        """Answer requests whose path begins so, in this order."""
        self._rules.insert(0, (method, beginning, list(answers)))

    def count(self, method: str, beginning: str = "") -> int:
        """How many such requests came."""
        return sum(a.method == method and a.path.startswith(beginning) for a in self.asked)

    def __enter__(self) -> Self:
        self._server = self._on_a_port_of_its_own()
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.root = f"http://127.0.0.1:{self._server.server_port}"
        self.base_url = f"{self.root}/api/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _on_a_port_of_its_own(self) -> http.server.ThreadingHTTPServer:
        """A port that no earlier test of this process had: the ledger takes the same request to one for the same."""
        taken = []
        while (server := http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())).server_port in self._ports:
            taken.append(server)  # held meanwhile, so that it is not had again
        self._ports.add(server.server_port)
        for one in taken:
            one.server_close()
        return server

    def _find(self, method: str, path: str) -> Answer:
        for known, beginning, answers in self._rules:
            if known == method and path.startswith(beginning):
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return Answer(404, {"code": "NotFound", "message": "no such rule in this test"})

    def _handler(self) -> Callable[..., http.server.BaseHTTPRequestHandler]:
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path = self.path.removeprefix("/api/v1")
                hostile.asked.append(Asked(self.command, path, dict(self.headers), body))
                answer = hostile._find(self.command, path)
                half_way = isinstance(answer, HalfWay)
                if isinstance(answer, Gate) and not half_way:
                    answer.pass_through()
                if answer.drop:
                    self.close_connection = True
                    return
                data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
                self.send_response_only(answer.status)
                usual = {"Content-Length": str(len(data)), "Date": self.date_time_string()}
                for name, value in {**usual, **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                half = len(data) // 2 if half_way else 0
                self.wfile.write(data[:half])
                if isinstance(answer, HalfWay):
                    answer.pass_through()
                self.wfile.write(data[half:])

            do_GET = do_POST = _serve  # noqa: N815  the names http.server looks for

        return Handler
