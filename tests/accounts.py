"""An account of the service with many tasks and keys, whose list a test scripts: order, delay, times, keys."""

from __future__ import annotations

import http.server
import json
import threading
import time
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

DAY = 24 * 3600


@dataclass
class Made:
    """One task; the list shows it only after so many looks."""

    task_id: str
    key: str
    at: float
    prompt: str
    model: str = "wan2.6-i2v-flash"
    shown_after: int = 0

    def row(self) -> dict[str, Any]:
        """As the list shows it."""
        return {"task_id": self.task_id, "api_key_id": self.key, "model_name": self.model, "status": "RUNNING",
                "gmt_create": int(self.at * 1000), "request_id": "request"}  # fmt: skip


class Account:
    """``with Account() as account: account.lose = True``: the next submits make a task and are not answered.

    Tasks end FAILED and show their prompt, so that whoever follows one ends at once. A key's id is what stands behind
    ``sk-`` in it.
    """

    def __init__(self, *, newest_first: bool = True, speed: float | None = None) -> None:
        self.newest_first, self.speed = newest_first, speed
        self.tasks: list[Made] = []
        self.prompts: list[str] = []  # of every POST
        self.asked: list[str] = []  # tasks that were looked at
        self.lose, self.accept = False, True
        self.hold, self.late, self.shown_after, self.looks = 0.0, 0.0, 0, 0
        self.arrive: int | None = None  # so many of those that are lost make a task
        self.quiet = False  # tasks run on, and do not show their prompts yet
        self.refuse = 0  # so many of the next looks at the list are told to come later
        self.arrived, self.let = threading.Event(), threading.Event()
        self.let.set()

    def crowd(self, count: int, at: float) -> None:
        """Tasks that colleagues made, with a key of their own."""
        self.tasks += [Made(f"colleague-{n}", "theirs", at + n / 1000, "Theirs.") for n in range(count)]

    def __enter__(self) -> Self:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/api/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self.let.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def submitted(self, key: str, body: Any) -> dict[str, Any] | None:
        """The answer to a POST; None for none."""
        self.prompts.append(body["input"]["prompt"])
        lost, task_id = self.lose, f"task-{len(self.prompts)}"
        accepted = self.accept and self.arrive != 0
        if lost and self.arrive:
            self.arrive -= 1
        if accepted or not lost:
            at = time.time() + self.late
            self.tasks.append(Made(task_id, key, at, body["input"]["prompt"], body["model"], self.shown_after))
        self.arrived.set()
        self.let.wait(30)
        if lost:
            time.sleep(self.hold)
            return None
        return {"output": {"task_id": task_id, "task_status": "PENDING"}, "request_id": "request"}

    def listed(self, query: dict[str, list[str]]) -> dict[str, Any]:
        """One page of the list."""
        self.looks += "model_name" in query
        shown = [one for one in self.tasks if one.at > time.time() - DAY and self.looks > one.shown_after]
        shown.sort(key=lambda one: one.at, reverse=self.newest_first)
        page, size = int(query.get("page_no", ["1"])[0]), int(query.get("page_size", ["10"])[0])
        data = [one.row() for one in shown[(page - 1) * size : page * size]]
        return {
            "total": len(shown),
            "total_page": -(-len(shown) // size),
            "page_no": page,
            "page_size": size,
            "data": data,
        }

    def told(self, task_id: str) -> dict[str, Any]:
        """One task."""
        self.asked.append(task_id)
        one = next(one for one in self.tasks if one.task_id == task_id)
        said = {"task_id": task_id, "task_status": "RUNNING"}
        if not self.quiet:
            said |= {"task_status": "FAILED", "orig_prompt": one.prompt, "code": "InternalError"}
        return {"output": said, "request_id": "query"}

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        account = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_: object) -> None:
                pass

            def _say(self, body: dict[str, Any] | None, status: int = 200) -> None:
                if body is None:
                    self.close_connection = True
                    return
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if account.speed:
                    self.send_header("X-Wan-Simulator", f"speed={account.speed}")
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._say(account.submitted(self.headers["Authorization"].split("-")[1], body))

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                if parts.path.rstrip("/").endswith("/tasks"):
                    if account.refuse:
                        account.refuse -= 1
                        self._say({"code": "Throttling.RateQuota", "message": "slow down"}, 429)
                        return
                    self._say(account.listed(parse_qs(parts.query)))
                else:
                    self._say(account.told(parts.path.rsplit("/", 1)[-1]))

        return Handler
