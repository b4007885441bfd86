"""The simulator on a port of this machine, for as long as a ``with`` block lasts."""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Literal, Self

from .clock import Clock
from .front import Fault
from .running import Running

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType

    from .front import Call, Held, Request

__all__ = ["Simulator", "serve"]

LOOK_SECONDS = 0.5


class Simulator:
    """The Wan image-to-video service on loopback.

    Parameters
    ----------
    speed : float
        Simulated seconds per real second.
    render : {"full", "shape"}
        ``"shape"`` renders clips of the right size, length and tracks with a still picture, the same for every seed.
    port : int
        0 takes a free one.
    folder : path, optional
        Where uploads and clips lie; a temporary folder unless given.
    remember : int
        How many requests, with their bodies, are kept in ``requests``.
    region : str, optional
        Where it stands: it then takes only keys that begin with ``sk-region-REGION``, as a region of the service takes
        only its own, and has only the models offered there. One that stands nowhere in particular takes every key but
        ``sk-region-beijing*``, and has every model.

    Attributes
    ----------
    base_url : str
        ``http://127.0.0.1:PORT/api/v1``, while it runs.
    clock : Clock
        ``clock.advance(seconds)`` lets simulated time pass at once.

    Examples
    --------
    >>> with Simulator(speed=60) as sim:
    ...     sim.requests
    []
    """

    def __init__(
        self,
        speed: float = 1.0,
        render: Literal["full", "shape"] = "full",
        port: int = 0,
        folder: str | Path | None = None,
        remember: int = 2000,
        *,
        region: str | None = None,
    ) -> None:
        if render not in ("full", "shape"):
            raise ValueError(f'render must be "full" or "shape", not {render!r}')
        self.clock = Clock(speed)
        self._render = render
        self._port = port
        self._folder = folder
        self._remember = remember
        self._region = region
        self._running: Running | None = None

    def __enter__(self) -> Self:
        """Start, and return once it answers.

        Raises
        ------
        OSError
            The port is taken.
        """
        if self._running is not None:
            raise RuntimeError("this simulator is running already")
        self._running = Running(
            self.clock,
            self._port,
            self._folder,
            shape_only=self._render == "shape",
            remember=self._remember,
            region=self._region,
        )
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; connections still open are closed."""
        running, self._running = self._now(), None
        running.close()

    @property
    def base_url(self) -> str:
        """Where it answers, as the vendor's SDK wants it."""
        return f"{self._now().origin}/api/v1"

    @property
    def speed(self) -> float:
        """Simulated seconds per real second; may be changed while it runs."""
        return self.clock.speed

    @speed.setter
    def speed(self, value: float) -> None:
        self.clock.speed = value

    @property
    def requests(self) -> list[Request]:
        """What it received so far, oldest first; keys are cut to their first three characters."""
        return list(self._now().front.requests)

    @property
    def answers(self) -> dict[tuple[Call, int], int]:
        """How often each call was answered with each HTTP status: ``{("submit", 200): 3, ...}``."""
        return dict(self._now().front.answers)

    @property
    def tasks_at_work(self) -> int:
        """How many tasks are PENDING or RUNNING."""
        return self._now().service.tasks.at_work()

    @property
    def last_seen(self) -> float:
        """``time.monotonic()`` at the last request."""
        return self._now().front.last_seen

    def hold_submits(self) -> AbstractContextManager[Held]:
        """Withhold the answers to submits that were read and carried out.

        ``with sim.hold_submits() as held:`` until the block ends; ``held.wait()`` returns when a submit is being held,
        ``held.release()`` lets them go earlier.
        """
        return self._now().front.hold()

    def fail_next(self, code: str | None = None, message: str | None = None, times: int = 1) -> None:
        """Let the next ``times`` accepted submits end as FAILED tasks, with this code and message or without any."""
        for _ in range(times):
            self._now().service.fail_next(code, message)

    def refuse_next(
        self,
        call: Call,
        status: int,
        code: str = "",
        message: str = "",
        *,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        handled: bool = False,
        times: int = 1,
    ) -> None:
        """Answer the next ``times`` calls of one kind with an error.

        Parameters
        ----------
        call : {"submit", "query", "list", "cancel", "policy", "upload", "result"}
        status : int
            HTTP status.
        code, message : str
            Of the JSON error.
        body : bytes, optional
            Sent instead of the JSON error: a gateway's HTML page, say.
        headers : dict, optional
            ``Retry-After`` and the like.
        handled : bool
            Carry the call out all the same: a submit then exists although its answer was an error.
        """
        fault = Fault(call, status, code, message, body, headers or {}, handled)
        self._now().front.faults.extend([fault] * times)

    def drop_next(self, call: Call, *, handled: bool = False, times: int = 1) -> None:
        """Cut the connection on the next ``times`` calls of one kind instead of answering; see :meth:`refuse_next`."""
        self._now().front.faults.extend([Fault(call, None, "", "", None, {}, handled)] * times)

    def _now(self) -> Running:
        if self._running is None:
            raise RuntimeError("this simulator is not running")
        return self._running


def serve(
    port: int = 0,
    speed: float = 1.0,
    ready_file: Path | None = None,
    *,
    render: Literal["full", "shape"] = "full",
    folder: Path | None = None,
    idle_minutes: float | None = None,
    announce: Callable[[str], None] | None = None,
) -> None:
    """Serve until interrupted, terminated, or idle for too long; for the main thread of a process.

    Parameters
    ----------
    port, speed, render, folder
        As for :class:`Simulator`.
    ready_file : Path, optional
        Gets the base URL, one line, once it answers.
    idle_minutes : float, optional
        End after so many minutes (of real time) without a request or a task at work.
    announce : callable, optional
        Called with the base URL once it answers.
    """
    over = threading.Event()

    def end(_signal: int, _frame: FrameType | None) -> None:
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with Simulator(speed, render, port, folder, remember=0) as sim:
            if ready_file is not None:
                part = ready_file.with_name(ready_file.name + ".part")
                part.write_text(sim.base_url + "\n", encoding="utf-8")
                part.replace(ready_file)
            if announce is not None:
                announce(sim.base_url)
            while not over.wait(LOOK_SECONDS):
                idle = time.monotonic() - sim.last_seen
                if idle_minutes is not None and idle > idle_minutes * 60 and not sim.tasks_at_work:
                    return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
