"""The life of a task: PENDING, RUNNING, then SUCCEEDED, FAILED or CANCELED; UNKNOWN after 24 hours.

Nothing here waits. Whenever somebody asks, everything that was due by then is played in order, so the simulator's
clock may run at any speed or be moved on by hours.
"""

from __future__ import annotations

import heapq
import threading
import uuid
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .clock import wall_time
from .refusals import NOT_PENDING, RATE, Refusal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .clock import Clock
    from .rules import Order

__all__ = ["KEPT_SECONDS", "Task", "TaskBook"]

QUEUE_SECONDS = 2.0
"""PENDING takes this long even when nothing else is waiting."""
FAIL_SECONDS = 3.0
"""A task that fails does so this long after it began to run."""
QUEUE_LIMIT = 500
KEPT_SECONDS = 24 * 3600


@dataclass(eq=False)
class Task:
    """One accepted submit.

    Attributes
    ----------
    submitted, scheduled, ended : simulated seconds since 1970
    prepared : when its media were fetched and its clip rendered; None until then
    failure : (code, message), each possibly None; None when it goes well
    clip : name of the clip in the storage
    """

    account: str
    order: Order
    request_id: str
    submitted: float
    task_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    status: str = "PENDING"
    scheduled: float | None = None
    ended: float | None = None
    prepared: float | None = None
    failure: tuple[str | None, str | None] | None = None
    clip: str | None = None

    @property
    def over(self) -> bool:
        """Whether its status is final."""
        return self.status not in ("PENDING", "RUNNING")

    @property
    def due(self) -> float | None:
        """When it ends, once that is known: never before its clip is there, else as documented for the model."""
        if self.scheduled is None or self.prepared is None:
            return None
        order = self.order
        lasting = FAIL_SECONDS if self.failure else order.model.run_seconds(order.resolution, order.duration)
        return max(self.scheduled + lasting, self.prepared)

    def output(self, video_url: str | None) -> dict[str, Any]:
        """The ``output`` of an answer to a query."""
        output: dict[str, Any] = {"task_id": self.task_id, "task_status": self.status}
        output["submit_time"] = wall_time(self.submitted)
        if self.scheduled is not None:
            output["scheduled_time"] = wall_time(self.scheduled)
        if self.ended is not None:
            output["end_time"] = wall_time(self.ended)
        if self.status == "SUCCEEDED":
            output["orig_prompt"] = self.order.prompt
            if self.order.actual_prompt is not None:
                output["actual_prompt"] = self.order.actual_prompt
            output["video_url"] = video_url
        if self.status == "FAILED" and self.failure is not None and self.failure[0] is not None:
            output["code"], output["message"] = self.failure
        return output


class _Line:
    """The queue of one account and model: so many tasks at work, the others wait their turn."""

    def __init__(self, limit: int) -> None:
        self.waiting: deque[Task] = deque()
        self.running: list[Task] = []
        self.free = [0.0] * limit

    def settle(self, now: float) -> None:
        while self._end_due(now) or self._start_next(now):
            pass

    def _end_due(self, now: float) -> bool:
        over = sorted(
            (task.due, task.task_id, task) for task in self.running if task.due is not None and task.due <= now
        )
        for due, _, task in over:
            task.ended = due
            task.status = "FAILED" if task.failure else "SUCCEEDED"
            self.running.remove(task)
            heapq.heappush(self.free, due)
        return bool(over)

    def _start_next(self, now: float) -> bool:
        if not self.waiting or not self.free:
            return False
        start = max(self.free[0], self.waiting[0].submitted + QUEUE_SECONDS)
        if start > now:
            return False
        heapq.heappop(self.free)
        task = self.waiting.popleft()
        task.scheduled, task.status = start, "RUNNING"
        self.running.append(task)
        return True


class TaskBook:
    """Every task the simulator still knows; may be asked from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._tasks: dict[str, Task] = {}
        self._lines: dict[tuple[str, str], _Line] = {}

    def submit(self, account: str, order: Order, request_id: str) -> Task:
        """Put a new task in its queue.

        Raises
        ------
        Refusal
            429: 500 of this account and model are waiting already.
        """
        with self._settled() as now:
            line = self._lines.setdefault((account, order.model_name), _Line(order.model.limit))
            if len(line.waiting) >= QUEUE_LIMIT:
                raise Refusal(429, "Throttling.RateQuota", RATE)
            task = Task(account, order, request_id, now, failure=order.doomed)
            self._tasks[task.task_id] = task
            line.waiting.append(task)
            return task

    def find(self, account: str, task_id: str) -> Task | None:
        """The task as it is now; None once it is 24 h old, and for somebody else's."""
        with self._settled() as now:
            task = self._tasks.get(task_id)
            if task is None or task.account != account or task.submitted + KEPT_SECONDS <= now:
                return None
            return task

    def result(self, task_id: str) -> Task | None:
        """The task whose clip is asked for, whoever asks: the signature in the URL is the right to see it."""
        with self._settled():
            return self._tasks.get(task_id)

    def cancel(self, account: str, task_id: str) -> None:
        """Cancel a PENDING task.

        Raises
        ------
        Refusal
            400 UnsupportedOperation: it is not PENDING, or not known.
        """
        with self._settled() as now:
            task = self.find(account, task_id)
            if task is None or task.status != "PENDING":
                raise Refusal(400, "UnsupportedOperation", NOT_PENDING)
            self._lines[account, task.order.model_name].waiting.remove(task)
            task.status, task.ended = "CANCELED", now

    def of(self, account: str) -> list[Task]:
        """The account's tasks of the last 24 h, newest first."""
        with self._settled() as now:
            mine = [task for task in self._tasks.values() if task.account == account]
        recent = [task for task in mine if task.submitted > now - KEPT_SECONDS]
        return sorted(recent, key=lambda task: task.submitted, reverse=True)

    def at_work(self) -> int:
        """How many tasks are PENDING or RUNNING."""
        with self._settled():
            return sum(not task.over for task in self._tasks.values())

    def forget(self) -> set[str]:
        """Forget tasks whose result has expired; the names of the clips still in use."""
        with self._settled() as now:
            for task in list(self._tasks.values()):
                if task.ended is not None and task.ended + KEPT_SECONDS <= now:
                    del self._tasks[task.task_id]
            return {task.clip for task in self._tasks.values() if task.clip}

    @contextmanager
    def _settled(self) -> Iterator[float]:
        """Now, with everything played that was due by now."""
        with self._lock:
            now = self._clock.now()
            for line in self._lines.values():
                line.settle(now)
            yield now
