"""The engine: one background thread with one event loop drives every job and tells the observers.

The kernel's own loop is never used: it stands still while a cell computes, and a paid task must be followed all the
same.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.engine.lifecycle import Life
from wan_notebook.errors import AmbiguousSubmitError, DownloadError, InvalidRequestError, TaskCanceledError, WanError
from wan_notebook.service.endings import fate, state_after
from wan_notebook.service.inquiries import outcome
from wan_notebook.tasks import UNSENT, JobState, VideoResult
from wan_notebook.words.privacy import hush

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable, Coroutine, Sequence

    from wan_notebook.engine.job import Job
    from wan_notebook.engine.pursuit import Plan
    from wan_notebook.service.inquiries import Cancellation
    from wan_notebook.tasks import Clip, JobUpdate

__all__ = ["Runner"]

T = TypeVar("T")

TICK_SECONDS = 1.0  # the clock on the card
BEAT_SECONDS = 4.0  # well within the lease of an owner
MESSAGES_A_SECOND = 4  # in all, however many jobs run
CANCEL_SECONDS = 20.0
CLOSE_SECONDS = 3.0
CANCEL_LATER = "cancel is asked for: it goes out as soon as the service has answered the submit"

log = logging.getLogger("wan_notebook")


class Runner:
    """Drives jobs on a daemon thread, which starts with the first of them.

    Parameters
    ----------
    record, show_result : callable
        The record of an update; how a finished clip shows itself.
    beat : callable
        Called every few seconds while there are jobs: says in the ledger that this process lives.
    at_close : callable
        Awaited on the loop before it ends (closes the connections).
    always : sequence of callable
        Observers of every job, told before its own.
    """

    def __init__(
        self,
        *,
        record: Callable[[JobUpdate], dict[str, Any]],
        show_result: Callable[[VideoResult], dict[str, Any]],
        beat: Callable[[], None],
        at_close: Callable[[], Coroutine[Any, Any, None]],
        always: Sequence[Callable[[JobUpdate], None]] = (),
    ) -> None:
        self._always, self._asked = tuple(always), 0  # and questions that somebody waits for
        self._record, self._show_result, self._beat, self._at_close = record, show_result, beat, at_close
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._open: dict[str, tuple[Job, asyncio.Task[None], Life]] = {}
        self._observers: dict[str, list[Callable[[JobUpdate], None]]] = {}
        if hasattr(os, "register_at_fork"):  # not on Windows
            os.register_at_fork(after_in_child=self._forget)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; the first use starts the thread."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._turn, name="wan_notebook", daemon=True)
                self._thread.start()
                atexit.register(self.close)
            return self._loop

    def start(self, job: Job, plan: Plan, *observers: Callable[[JobUpdate], None]) -> None:
        """Begin to drive ``job``; returns at once."""
        loop = self.loop
        assert self._thread is not None  # noqa: S101  set together with the loop
        job.begin(self._thread)
        loop.call_soon_threadsafe(self._begin, job, plan, [*self._always, *observers])

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> concurrent.futures.Future[Any]:
        """Run any coroutine on the loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def wait_for(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for what it returns; an interrupt ends both."""
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise WanError(
                "the thread that drives the jobs cannot wait for an answer.", hint="Ask from another thread."
            )
        future = self.run(coroutine)
        self._asked += 1
        try:
            return future.result()  # type: ignore[no-any-return]  # the coroutine's own type
        finally:
            self._asked -= 1
            future.cancel()

    def look(self, task_id: str) -> None:
        """Let the jobs that follow a task look at it now."""
        for job, _, life in list(self._open.values()):
            if job.task_id == task_id:
                self.loop.call_soon_threadsafe(life.look.set)

    def cancel(self, job: Job) -> Cancellation:
        """What :meth:`Job.cancel` does; where the service takes too long to answer, it goes on behind the scenes."""
        if not job.done() and threading.current_thread() is not self._thread:
            with contextlib.suppress(TimeoutError):
                self.run(self._cancel(job)).result(CANCEL_SECONDS)
        return outcome(job)

    def close(self) -> None:
        """End the thread. Open tasks go on at the service; their ids are logged, so that nothing paid is lost."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is None or thread is None:
            return
        atexit.unregister(self.close)
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(loop.stop)
        thread.join(CLOSE_SECONDS)

    def _forget(self) -> None:
        """In a forked child: no thread runs here, and the loop's sockets are the parent's, so they are kept open."""
        self._inherited = (self._loop, self._thread, self._open, self._observers)
        atexit.unregister(self.close)
        self._lock, self._loop, self._thread = threading.Lock(), None, None
        self._open, self._observers = {}, {}

    # On the loop's thread:

    def _turn(self) -> None:
        loop = self._loop
        assert loop is not None  # noqa: S101  set before the thread starts
        asyncio.set_event_loop(loop)
        ticking, beating = loop.create_task(self._tick()), loop.create_task(self._live())
        try:
            loop.run_forever()
        finally:
            ticking.cancel()
            beating.cancel()
            for _, task, _ in self._open.values():
                task.cancel()
            left = [task for task in asyncio.all_tasks(loop) if not task.done()]
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            loop.run_until_complete(self._at_close())
            with contextlib.suppress(RuntimeError):  # at the interpreter's end its threads are joined already
                loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    def _begin(self, job: Job, plan: Plan, observers: list[Callable[[JobUpdate], None]]) -> None:
        def tell(**changes: Any) -> None:
            self._advance(job, **changes)

        life = Life(plan, lambda: job.update, tell)
        task = asyncio.get_running_loop().create_task(self._drive(job, life))
        self._open[job.run_id], self._observers[job.run_id] = (job, task, life), observers
        self._inform(job.update)

    async def _drive(self, job: Job, life: Life) -> None:
        try:
            clip = await life.run()
        except asyncio.CancelledError:
            self._end_early(job, leaving=self._loop is None)
        except WanError as error:
            self._end_badly(job, error)
        except Exception as error:
            if isinstance(error, RuntimeError) and "shutdown" in str(error):
                self._end_early(job, leaving=True)  # the interpreter is ending and starts no more threads
                return
            log.exception("job %s (task %s) broke", job.run_id, job.task_id)
            what = f"something unforeseen broke ({type(error).__name__}: {error})."
            kind = AmbiguousSubmitError if job.state is JobState.SUBMITTING else WanError
            self._end_badly(job, kind(what, hint=fate(job.task_id, job.state, simulated=job.update.simulated)))
        else:
            self._end_well(job, clip)
        finally:
            self._open.pop(job.run_id, None)
            self._observers.pop(job.run_id, None)

    def _end_well(self, job: Job, clip: Clip) -> None:
        self._advance(job, state=JobState.DOWNLOADED, clip=clip, ended=True)
        update = job.update
        assert update.task is not None  # noqa: S101  there is no clip without a task
        job.finish(
            VideoResult(
                path=clip.path,
                url=update.task.video_url or "",
                usage=update.task.usage,
                cost=update.cost,
                clip=clip,
                task=update.task,
                record=self._record(update),
                show=self._show_result,
            )
        )

    def _end_badly(self, job: Job, error: WanError) -> None:
        state = state_after(error) or (JobState.DETACHED if job.task_id else JobState.REFUSED)
        if isinstance(error, DownloadError) and not error.hint:
            error.hint = fate(error.task_id, JobState.DOWNLOADING, simulated=job.update.simulated)
        what = "; ".join(map(str, error.problems)) if isinstance(error, InvalidRequestError) else error.message
        self._advance(job, state=state, error=what, hint=error.hint, ended=True)
        job.finish(hush(error, job.update))

    def _end_early(self, job: Job, *, leaving: bool) -> None:
        error: WanError
        hint = fate(job.task_id, job.state, simulated=job.update.simulated)
        if leaving and job.update.sweep is not None and job.state in UNSENT:
            self._observers.pop(job.run_id, None)  # it stays planned: %wan_resume asks about it
        if job.state in UNSENT:
            error = TaskCanceledError("canceled before it was sent.", task=None, hint="Nothing is billed.")
        elif job.state is JobState.SUBMITTING:
            error = AmbiguousSubmitError("the process ended before the submit was answered.", hint=hint)
        else:
            error = WanError("this process no longer follows the task.", hint=hint)
        if leaving:
            log.warning("%s: %s", job.update.name or job.run_id, error)  # nobody will see a card any more
        self._end_badly(job, error)

    async def _cancel(self, job: Job) -> bool:
        known = self._open.get(job.run_id)
        if known is not None and job.state is JobState.SUBMITTING:
            known[2].note(CANCEL_LATER)
        while job.state is JobState.SUBMITTING:  # noqa: ASYNC110  its answer decides what there is to cancel
            await asyncio.sleep(0.05)
        known = self._open.get(job.run_id)
        if known is None:
            return job.cancelled()
        _, task, life = known
        life.unnote(CANCEL_LATER)
        if job.state in UNSENT:
            task.cancel()
            await asyncio.wait([task])
            return job.cancelled()
        if not await life.cancel():
            return False
        await asyncio.wait([task], timeout=CANCEL_SECONDS / 2)
        return job.cancelled()

    def _advance(self, job: Job, *, ended: bool = False, **changes: Any) -> None:
        update = replace(_at(job.update, time.time()), **changes, rev=job.update.rev + 1)
        if ended:
            update = replace(update, finished_at=update.stamp())
        job.advance(update)
        self._inform(update)

    def _inform(self, update: JobUpdate) -> None:
        for observer in self._observers.get(update.run_id, []):
            try:
                observer(update)
            except Exception:
                log.exception(
                    "an observer of run %s broke (task %s)", update.run_id, update.task.task_id if update.task else None
                )
                self._observers[update.run_id].remove(observer)
                break

    async def _live(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            if self._open or self._asked:
                try:
                    self._beat()
                except Exception:
                    log.exception("the ledger could not be told that this process lives")

    async def _tick(self) -> None:
        while True:
            cards = len({job.update.sweep or job.run_id for job, _, _ in self._open.values()})
            await asyncio.sleep(max(TICK_SECONDS, cards / MESSAGES_A_SECOND))
            for job, _, _ in list(self._open.values()):
                job.advance(_at(job.update, time.time()))
                self._inform(job.update)


def _at(update: JobUpdate, now: float) -> JobUpdate:
    return replace(update, now=now, elapsed_seconds=update.elapsed_seconds + max(0.0, now - update.now))
