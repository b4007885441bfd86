"""Job: the only mutable noun; speaks like ``concurrent.futures.Future`` and can be awaited.

A job is local; the task it follows is remote. What a job can do (cancel, show itself) is given to it by the runner.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from wan_notebook.errors import JobTimeoutError, WanError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from PIL.Image import Image

    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.service.inquiries import Cancellation
    from wan_notebook.tasks import JobState, JobUpdate, Task, VideoResult

__all__ = ["Job", "Verbs", "remark"]

LOOK_SECONDS = 0.1  # how soon a wait notices an interrupt


def remark(interrupt: BaseException, text: str) -> None:
    """Let an interrupt say what it did not stop; a notebook shows that instead of a traceback."""
    interrupt.add_note(text)
    lines = ["interrupted: no longer waiting.", text]
    interrupt._render_traceback_ = lambda: lines  # type: ignore[attr-defined]  # what IPython asks an error for


@dataclass(frozen=True)
class Verbs:
    """What the runner lends a job."""

    cancel: Callable[[Job], Cancellation]
    record: Callable[[JobUpdate], dict[str, Any]]
    show: Callable[[JobUpdate], dict[str, Any]]


class Job:
    """One request on its way to a clip.

    Made by ``%%wan_i2v``, the form, :func:`wan_notebook.submit`; it goes on in the background whatever the notebook
    does. ``job.result()`` waits for the clip, ``await job`` does the same in async code, ``job.cancel()`` cancels while
    the service has not begun.
    """

    def __init__(self, update: JobUpdate, verbs: Verbs) -> None:
        self._update = update
        self._verbs = verbs
        self._future: Future[VideoResult] = Future()
        self._runner_thread: threading.Thread | None = None

    def __reduce__(self) -> NoReturn:
        """A scheduler's worker cannot send a job away: its thread is here."""
        raise TypeError("a Job stays in the process that drives it: return its result(), or its task_id for attach()")

    @property
    def update(self) -> JobUpdate:
        """The latest frozen picture of this job."""
        return self._update

    @property
    def request(self) -> I2VRequest:
        """The request as asked."""
        return self._update.request

    @property
    def run_id(self) -> str:
        """Local id of this run."""
        return self._update.run_id

    @property
    def state(self) -> JobState:
        """Our word: waiting, submitting, following, downloading, downloaded, refused, failed, ..."""
        return self._update.state

    @property
    def task(self) -> Task | None:
        """The task at the service as last heard of, once it has an id."""
        return self._update.task

    @property
    def task_id(self) -> str | None:
        """Id of the task at the service (24 h long)."""
        return self._update.task.task_id if self._update.task else None

    @property
    def status(self) -> str:
        """The service's word (PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED, UNKNOWN), before that our own."""
        return (self._update.task and self._update.task.task_status) or self._update.state.value

    @property
    def record(self) -> dict[str, Any]:
        """The provenance record of this run, as it stands in the cell's metadata."""
        return self._verbs.record(self._update)

    @property
    def begun(self) -> bool:
        """Whether something drives it, or did; False for a member of a sweep that waits for ``%wan_resume``."""
        return self._runner_thread is not None or self._future.done()

    def done(self) -> bool:
        """Whether the clip is saved or the job ended without one."""
        return self._future.done()

    def running(self) -> bool:
        """Whether it is still under way."""
        return not self._future.done()

    def cancelled(self) -> bool:
        """Whether the task was canceled before it ran."""
        return self._update.state.value == "canceled"

    def cancel(self) -> Cancellation:
        """Cancel the job while the service has not begun; a RUNNING task cannot be stopped and will be billed.

        Returns
        -------
        Cancellation
            True if nothing will be billed for it; false if it was too late, or the service has not answered within
            20 s. As text it says how it went; the card does, too.
        """
        self._check_driven()
        return self._verbs.cancel(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until :meth:`done`, at most ``timeout`` seconds; interrupting stops the wait, not the job.

        Raises
        ------
        WanError
            This process was forked from the one that drives the job.
        """
        if threading.current_thread() is self._runner_thread:
            raise WanError("a job cannot be waited for on the thread that drives it.", hint="Use `await job` there.")
        end = None if timeout is None else time.monotonic() + timeout
        while not self._future.done():
            left = LOOK_SECONDS if end is None else min(LOOK_SECONDS, end - time.monotonic())
            if left <= 0:
                return False
            try:
                self._future.exception(timeout=left)
            except TimeoutError:
                self._check_driven()
            except CancelledError:
                break
            except KeyboardInterrupt as interrupt:
                remark(interrupt, self._goes_on())
                raise
        return True

    def result(self, timeout: float | None = None) -> VideoResult:
        """The clip; waits for it.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; the job goes on after it.

        Raises
        ------
        JobTimeoutError
            It is not done yet.
        WanError
            The job ended without a clip: the error says why and whether it was billed.
        """
        if not self.wait(timeout):
            raise JobTimeoutError(
                f"no clip after {timeout:g} s of waiting (task {self.task_id or 'not submitted yet'}).",
                task_id=self.task_id,
                hint=self._goes_on(),
            )
        return self._future.result()

    def frame(self, index: int = -1, timeout: float | None = None) -> Image:
        """One frame of the clip as a PIL image, e.g. the first frame of the next one; waits like :meth:`result`.

        Parameters
        ----------
        index : int
            Counted from 0; negative from the end, -1 is the last.
        timeout : float, optional
            Seconds to wait at most.

        Raises
        ------
        IndexError
            The clip has fewer frames.
        WanError
            As :meth:`result`, or the clip's file cannot be read any more.

        Examples
        --------
        >>> job = submit(prompt="It goes on.", image=job.frame(-1))  # doctest: +SKIP
        """
        return self.result(timeout).frame(index)

    def frames(self, n: int, timeout: float | None = None) -> list[Image]:
        """``n`` frames of the clip, evenly spaced from the first to the last; waits like :meth:`result`."""
        return self.result(timeout).frames(n)

    def contact_sheet(self, n: int = 12, timeout: float | None = None, **how: int) -> Image:
        """``n`` frames of the clip with their times, as one PIL image; waits like :meth:`result`.

        A notebook shows it; ``.save("cat.png")`` saves it. ``columns`` (4) and ``width`` (960 pixels) say how.
        """
        return self.result(timeout).contact_sheet(n, **how)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Why the job ended without a clip, or None; waits like :meth:`result`."""
        try:
            self.result(timeout)
        except JobTimeoutError:
            raise
        except WanError as error:
            return error
        return None

    def add_done_callback(self, call: Callable[[Job], object]) -> None:
        """Call ``call(job)`` when it is done, on the runner's thread (at once if it is done already)."""
        self._future.add_done_callback(lambda _: call(self))

    def __await__(self) -> Generator[Any, None, VideoResult]:
        return self._awaited().__await__()

    async def _awaited(self) -> VideoResult:
        # Looking, not chaining futures: an interrupt is noticed at once and cancels the wait alone, never the job.
        try:
            while not self._future.done():  # the future lives on another thread's loop
                await asyncio.sleep(LOOK_SECONDS)
                self._check_driven()
        except asyncio.CancelledError as interrupt:
            remark(interrupt, self._goes_on())
            raise
        return self._future.result()

    def _check_driven(self) -> None:
        """No wait for what will never come: after a fork the child has no runner for the jobs of its parent."""
        if self._runner_thread is not None and not self._runner_thread.is_alive() and not self._future.done():
            raise WanError(
                "this process does not drive the job: it was forked from the one that does.",
                hint=f"Wait for it there, or follow its task from here: wan_notebook.attach({self.task_id!r}).",
            )

    def _goes_on(self) -> str:
        update, task = self._update, self._update.task
        which = f"The job goes on (task {task.task_id})" if task else "The job goes on"
        bill = "" if update.simulated or task is None else " and is billed when it succeeds"
        if task is None or task.task_status == "PENDING":
            return f"{which}{bill}; {update.handle}.cancel() stops it while it is PENDING."
        return f"{which}{bill}; a RUNNING task cannot be stopped any more."

    def __repr__(self) -> str:
        model = self.request.model or "unknown model"
        return f"<Job {self._update.name or self.run_id}: {self.status}, {model}, task {self.task_id}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        return self._verbs.show(self._update)

    # Only the runner calls these.

    def begin(self, thread: threading.Thread) -> None:
        """Note the thread that drives this job."""
        self._runner_thread = thread

    def advance(self, update: JobUpdate) -> None:
        """Replace the picture."""
        self._update = update

    def finish(self, outcome: VideoResult | BaseException) -> None:
        """End it, once."""
        if isinstance(outcome, BaseException):
            self._future.set_exception(outcome)
        else:
            self._future.set_result(outcome)
