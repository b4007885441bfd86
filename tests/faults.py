"""A service of our own that misbehaves on order: tasks are created, run, and their clips are served, with faults.

It shares no code with the simulator or the client, and counts what a bill would count. Three addresses, as in reality:
the API, the store uploads go to, and the host of the clips. Faults are scripted per phase: ``policy``, ``form``,
``submit``, ``poll``, ``download``; each request of a phase takes the next one of its list, then all goes well.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import random
import re
import socket
import struct
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

PHASES = ("policy", "form", "submit", "list", "poll", "download")
SPEED = 1000  # of the clock the client is told of: 24 h are 86 s, no wait is shorter than 0.1 s
NO_LINGER = struct.pack("ii", 1, 0)  # closing then resets the connection

# What a body may be instead of what the documents say, all with HTTP 200.
WRONG_TYPES: tuple[Any, ...] = (
    [],
    "OK",
    None,
    {},
    {"output": []},
    {"output": "RUNNING"},
    {"output": {"task_id": 7, "task_status": 7}},
    {"output": {"task_id": {"a": "b"}, "task_status": None, "video_url": 3}},
    {"output": {"task_id": "../../v1/other?x=", "task_status": "SUCCEEDED"}},
    {"data": {"policy": 1, "signature": [], "upload_host": None}},
)
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"

# name: (status, headers, body). The submit of a 429 or of a coded 503 was refused; of the others nobody can know.
ANSWERS: dict[str, tuple[int, dict[str, str], Any]] = {
    "429": (429, {}, {"code": "Throttling.RateQuota", "message": "Requests rate limit exceeded."}),
    "429 later": (429, {"Retry-After": "40"}, {"code": "Throttling", "message": "Requests throttling triggered."}),
    "429 bare": (429, {}, b""),
    "500": (500, {}, {"code": "InternalError", "message": "An internal error has occured."}),
    "502 page": (502, {"Content-Type": "text/html"}, HTML),
    "503": (503, {}, {"code": "ModelUnavailable", "message": "Model is unavailable."}),
    "503 page": (503, {"Content-Type": "text/html"}, HTML),
    "504": (504, {}, b""),
    "200 page": (200, {"Content-Type": "text/html"}, HTML),
    "cut JSON": (200, {}, b'{"output": {"task_id": "tas'),
}
AWAY = "429, then outage"  # nothing can be asked between the two
TOLD_TO_WAIT = (429, {"Retry-After": "400"}, ANSWERS["429"][2])
ANSWERS_TO_ALL = {**ANSWERS, AWAY: TOLD_TO_WAIT}
REFUSING = (AWAY, "429", "429 later", "429 bare", "503", "reset unread")  # a submit that meets these makes no task


@dataclass
class Made:
    """One task, as the bill knows it."""

    task_id: str
    prompt: str
    model: str
    at: float
    polls: int = 0


@dataclass
class Asked:
    """One request that was read."""

    phase: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Faulty:
    """``with Faulty(clip, submit=["429", "504"]) as service: ...``

    Parameters
    ----------
    clip : bytes
        What every finished task made.
    speed : float
        Of its clock.
    ends : str
        The word tasks end with; ``FAILED`` comes without code and message.
    rates : dict of phase to float
        Share of its requests that meet a fault drawn from all.
    **scripts : list of str
        Faults of a phase, in order; None for none. ``status`` is an unknown word, ``types`` and ``types 3`` are wrong
        types, ``no address`` a SUCCEEDED without its URL, ``outage`` closes everything for ``away``.
    away : float
        Seconds of the clock that an outage lasts.
    watched : bool
        After a fault, nothing more is answered until somebody has looked (see :meth:`look`).
    """

    def __init__(
        self,
        clip: bytes,
        *,
        ends: str = "SUCCEEDED",
        rates: dict[str, float] | None = None,
        seed: int = 1,
        speed: float = SPEED,
        away: float = 600.0,
        watched: bool = False,
        **scripts: Any,
    ) -> None:
        assert set(scripts) <= set(PHASES)
        self.clip, self.ends, self.speed = clip, ends, speed
        self.tasks: dict[str, Made] = {}
        self.asked: list[Asked] = []
        self.met: Counter[tuple[str, str]] = Counter()
        self.served: Counter[str] = Counter()  # task id -> whole clips that went out
        self.stored: set[str] = set()
        self._scripts = {phase: list(faults) for phase, faults in scripts.items()}
        self._rates, self._random = rates or {}, random.Random(seed)  # noqa: S311  repeatable faults, no secret
        self._lock = threading.RLock()
        self._begun = time.time()
        self._open = False
        self._down_until = 0.0
        self._away, self._watched = away, watched
        self._looks, self._unseen = 0, False
        self._connections: set[socket.socket] = set()
        self._listening: set[int] = set()
        self._threads: list[threading.Thread] = []
        self._hung = threading.Event()

    def __enter__(self) -> Self:
        self._open = True
        self._ports = [self._listen(0) for _ in range(3)]
        api, store, clips = (f"http://127.0.0.1:{port}" for port in self._ports)
        self.base_url, self.store, self.clips = f"{api}/api/v1", f"{store}/store", f"{clips}/result"
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._hung.set()
        self._close_all()
        for thread in self._threads:
            thread.join()

    def now(self) -> float:
        """Seconds since the epoch, on its clock."""
        return self._begun + (time.time() - self._begun) * self.speed

    def created(self, prompt: str = "") -> int:
        """How many tasks were made (of one prompt): what a bill would count."""
        return sum(prompt in ("", made.prompt) for made in self.tasks.values())

    def submits(self) -> int:
        """How many submits were read."""
        return sum(asked.phase == "submit" for asked in self.asked)

    def look(self) -> None:
        """Say that a look at the job has begun."""
        self._looks += 1

    def _await_look(self) -> None:
        before, self._unseen = self._looks, False
        while self._open and self._looks < before + 2:  # one began after this moment, and is over
            time.sleep(0.001)

    def _outage(self) -> None:
        """Close everything, connections too; returns when it is closed."""
        with self._lock:
            self._down_until = time.monotonic() + self._away / self.speed
        self._close_all()
        while self._listening and time.monotonic() < self._down_until:
            time.sleep(0.001)

    # connections

    def _listen(self, port: int) -> int:
        listener = socket.create_server(("127.0.0.1", port), backlog=512)
        listener.settimeout(0.02)
        port = int(listener.getsockname()[1])
        self._listening.add(port)
        thread = threading.Thread(target=self._accept, args=(listener, port), daemon=True)
        self._threads.append(thread)
        thread.start()
        return port

    def _accept(self, listener: socket.socket, port: int) -> None:
        while self._open:
            if time.monotonic() < self._down_until:
                listener.close()  # refused from now on
                self._listening.discard(port)
                while self._open and time.monotonic() < self._down_until:
                    time.sleep(0.01)
                listener = socket.create_server(("127.0.0.1", port), backlog=512)
                self._listening.add(port)
                listener.settimeout(0.02)
                continue
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            with self._lock:
                self._connections.add(connection)
            threading.Thread(target=self._converse, args=(connection,), daemon=True).start()
        listener.close()

    def _close_all(self) -> None:
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _converse(self, connection: socket.socket) -> None:
        connection.settimeout(60)
        try:
            while self._open and self._answer(connection):
                pass
        except OSError:
            pass
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket) -> bool:
        """One request; False when the connection is over."""
        line = self._first_line(connection)
        if not line:
            return False
        method, path, _ = line.split(" ", 2)
        path = path.removeprefix("/api/v1")
        phase = self._phase(method, path)
        if self._watched and self._unseen:
            self._await_look()
        fault = self._fault(phase)
        self._unseen = fault is not None
        if fault == "reset unread":
            return self._reset(connection)
        headers, body = self._read(connection)
        with self._lock:
            self.asked.append(Asked(phase, method, path, headers, body))
            status, more, data = self._happens(phase, fault, path, body)
        if fault == "outage":
            self._outage()
        if fault == "hang":
            self._hung.wait(300)
        if fault in ("outage", "hang", "drop"):
            return False
        if fault == "reset":
            return self._reset(connection)
        on = self._say(connection, fault, path, (status, more, data))
        if fault == AWAY:
            self._outage()
        return on and fault != AWAY

    def _say(self, connection: socket.socket, fault: str | None, path: str, answer: tuple[int, Any, Any]) -> bool:
        status, more, data = answer
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        sent = {"Content-Length": str(len(data)), "X-Wan-Simulator": f"speed={self.speed:g}", **more}
        sent["Date"] = email.utils.formatdate(self.now(), usegmt=True)
        head = f"HTTP/1.1 {status} Said\r\n" + "".join(f"{name}: {value}\r\n" for name, value in sent.items()) + "\r\n"
        if fault == "cut short":
            connection.sendall(head.encode() + data[: len(data) // 2])
            return False
        whole = Counter([path.rpartition("/")[2].partition(".")[0]] if (status, data) == (200, self.clip) else [])
        with self._lock:
            self.served += whole  # before whoever gets it can look
        try:
            connection.sendall(head.encode() + data)
        except OSError:
            with self._lock:
                self.served -= whole
            raise
        return True

    def _first_line(self, connection: socket.socket) -> str:
        """The request's first line, left unread."""
        while True:
            seen = connection.recv(4096, socket.MSG_PEEK)
            if not seen or b"\r\n" in seen:
                return seen.partition(b"\r\n")[0].decode()
            time.sleep(0.001)

    def _read(self, connection: socket.socket) -> tuple[dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                raise ConnectionResetError
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        headers = dict(re.findall(r"\r\n([^:\r\n]+): ?([^\r\n]*)", head.decode("latin-1")))
        headers = {name.lower(): value for name, value in headers.items()}
        pieces, left = [body], int(headers.get("content-length", 0)) - len(body)
        while left > 0:
            pieces.append(connection.recv(min(left, 1 << 20)))
            if not pieces[-1]:
                raise ConnectionResetError
            left -= len(pieces[-1])
        return headers, b"".join(pieces)

    @staticmethod
    def _reset(connection: socket.socket) -> bool:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        return False

    # what happens

    @staticmethod
    def _phase(method: str, path: str) -> str:
        if path.startswith("/uploads"):
            return "policy"
        if path.startswith("/store"):
            return "form"
        if path.startswith("/result"):
            return "download"
        if path.startswith("/services"):
            return "submit"
        if method == "GET" and path.startswith("/tasks"):
            return "list" if re.fullmatch(r"/tasks/?(\?.*)?", path) else "poll"
        return "other"

    def _fault(self, phase: str) -> str | None:
        with self._lock:
            script = self._scripts.get(phase)
            fault = script.pop(0) if script else None
            # Only these phases draw: how often others are asked depends on the machine, and would decide who is hit.
            if fault is None and phase in self._rates and self._random.random() < self._rates[phase]:
                kinds = [*ANSWERS, "reset unread", "reset", "drop", "cut short", "types"]
                kinds += {"poll": ["status", "no address"], "submit": []}.get(phase, [])
                fault = self._random.choice(kinds)
            if fault:
                self.met[phase, fault] += 1
            return fault

    def _happens(self, phase: str, fault: str | None, path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        """The answer; and, unless the fault keeps it from happening, what was asked for."""
        happens: Callable[[str, bytes], Any] = getattr(self, f"_{phase}")
        kind, _, number = (fault or "").partition(" ")
        answer: tuple[int, dict[str, str], Any] | None = ANSWERS_TO_ALL.get(fault or "")
        if kind == "types":
            answer = (200, {}, WRONG_TYPES[int(number) if number else self._random.randrange(len(WRONG_TYPES))])
        if phase == "submit" and fault in REFUSING:
            assert answer is not None
            return answer
        meant = happens(path, body)
        if kind == "status":
            meant[2]["output"].update(task_status="MARINATING")
            meant[2]["output"].pop("video_url", None)
        if fault == "no address" and "video_url" in meant[2]["output"]:
            del meant[2]["output"]["video_url"]
        return answer or meant

    def _policy(self, _path: str, _body: bytes) -> tuple[int, dict[str, str], Any]:
        policy = {
            "policy": "P", "signature": "S", "upload_dir": "dashscope-instant/x", "upload_host": self.store,
            "expire_in_seconds": 300, "max_file_size_mb": 100, "oss_access_key_id": "LTA",
            "x_oss_object_acl": "private", "x_oss_forbid_overwrite": "true",
        }  # fmt: skip
        return 200, {}, {"request_id": "r", "data": policy}

    def _form(self, _path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        found = re.search(rb'name="key"\r\n\r\n([^\r\n]+)', body)
        assert found, body[:500]
        key = found[1].decode()
        if key in self.stored:
            return 403, {"Content-Type": "application/xml"}, b"<Error><Code>FileAlreadyExists</Code></Error>"
        self.stored.add(key)
        return 200, {}, b""

    def _submit(self, _path: str, body: bytes) -> tuple[int, dict[str, str], Any]:
        asked = json.loads(body)
        image = asked["input"]["img_url"]
        assert not image.startswith("oss://") or image.removeprefix("oss://") in self.stored
        made = Made(f"task-{uuid.uuid4()}", asked["input"]["prompt"], asked["model"], self.now())
        self.tasks[made.task_id] = made
        return (
            200,
            {},
            {"request_id": f"r-{made.task_id}", "output": {"task_id": made.task_id, "task_status": "PENDING"}},
        )

    def _poll(self, path: str, _body: bytes) -> tuple[int, dict[str, str], Any]:
        task_id = path.rpartition("/")[2]
        made = self.tasks.get(task_id)
        output: dict[str, Any] = {"task_id": task_id, "task_status": "UNKNOWN"}
        answer: dict[str, Any] = {"request_id": "r", "output": output}
        if made is not None:
            made.polls += 1
            output["orig_prompt"] = made.prompt
            output["task_status"] = "RUNNING" if made.polls == 1 else self.ends
            if output["task_status"] == "SUCCEEDED":
                output["video_url"] = f"{self.clips}/{task_id}.mp4?Expires={int(time.time()) + 86400}"
                answer["usage"] = {"duration": 5, "SR": 720, "video_count": 1}
        return 200, {}, answer

    def _download(self, _path: str, _body: bytes) -> tuple[int, dict[str, str], Any]:
        return 200, {"Content-Type": "video/mp4"}, self.clip

    def _list(self, path: str, _body: bytes) -> tuple[int, dict[str, str], Any]:
        """The latest tasks; neither prompts nor addresses stand there."""
        asked = dict(re.findall(r"(\w+)=([^&]*)", path.partition("?")[2]))
        size, page = int(asked.get("page_size", 10)), int(asked.get("page_no", 1))
        made = [one for one in self.tasks.values() if one.model == asked.get("model_name", one.model)][::-1]
        rows = [
            {"api_key_id": "key-1", "gmt_create": int(one.at * 1000), "model_name": one.model, "region": "cn-beijing",
             "request_id": f"r-{one.task_id}", "status": "RUNNING", "task_id": one.task_id}
            for one in made[(page - 1) * size : page * size]
        ]  # fmt: skip
        pages = -(-len(made) // size)
        return 200, {}, {"total": len(made), "data": rows, "total_page": pages, "page_no": page, "page_size": size}

    def _other(self, _path: str, _body: bytes) -> tuple[int, dict[str, str], Any]:
        return 404, {}, {"code": "NotFound", "message": "no such thing"}
