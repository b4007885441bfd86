"""The paid POST: its turn among all kernels' submits, the sending, once, and what is done where no answer comes.

A coroutine for the runner's loop.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from wan_notebook.engine.pursuit import Pursuit
from wan_notebook.engine.reconcile import NotAcceptedError, choices, find_lost
from wan_notebook.errors import AmbiguousSubmitError, ServiceError, TransportError, WanError
from wan_notebook.service import polling
from wan_notebook.service.inquiries import may_mend_itself
from wan_notebook.service.wire import encode
from wan_notebook.tasks import JobState, iso_utc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wan_notebook.engine.pursuit import Refusal
    from wan_notebook.ledger.runs import Run
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.service.client import WanClient
    from wan_notebook.tasks import Task

__all__ = ["NOT_YET", "OvertakenError", "Submission", "aside"]

T = TypeVar("T")

PATIENCE_SECONDS, LONGEST_SECONDS = 1800.0, 30.0  # of waiting between tries in all, and between two, unasked
MAX_WAIT_SECONDS = 600.0
NOT_YET = "nothing is sent yet and nothing is billed"
NOTED_SECONDS = 2.0
STANDSTILL_SECONDS = 5.0  # of a process that was stopped; well below the lease of an owner
IN_LINE = "waiting for a free place: the service limits how many are submitted at once; nothing is billed yet"


class OvertakenError(Exception):
    """While this process stood still, another one went on with its run."""

    def __init__(self, run: Run) -> None:
        super().__init__(run.run_id)
        self.run = run


class Submission(Pursuit):
    """One job's way over the one step that costs money."""

    _awake_at = 0.0

    async def _take_turn(self, client: WanClient) -> None:
        """Wait for a place among the submits of all kernels of this machine."""
        rate, waited = self.picture().request.spec.rate, 0.0
        while wait := await aside(lambda: self.journal.slot(rate, speed=client.simulator_speed or 1.0)):
            waited += wait
            if waited > NOTED_SECONDS:
                self.note(IN_LINE)
            await asyncio.sleep(wait)
        self.unnote(IN_LINE)
        self.tell(state=JobState.SUBMITTING)

    async def _upload(self, client: WanClient, item: SentMedia, model: str) -> SentMedia:
        url = await self._patiently(client, lambda: client.upload(item, model), may_mend_itself)
        return replace(item, url=url)

    async def _submit(self, client: WanClient, media: Mapping[str, SentMedia]) -> Task:
        update = self.picture()
        body, sent = encode(update.request, seed=update.seed, media=media)
        self.tell(sent=sent)

        async def send() -> Task:
            await self._take_turn(client)
            self._awake_at = 0.0  # the row is read again in any case
            try:
                task = await client.submit(body, hold=self._hold)
            except AmbiguousSubmitError as error:
                task = await self._lost(client, error.message, time.time())
            simulated, now = client.simulator_speed is not None, time.time()
            run = self.journal.accepted(task, at=now, simulated=simulated)  # before anything else
            if run is not None:
                raise OvertakenError(run) if run.task_id == task.task_id else _two_tasks(run, task)
            self.tell(state=JobState.FOLLOWING, task=task, simulated=simulated, submitted_at=iso_utc(now))
            self.mind_ledger()
            return task

        task = await self._patiently(client, send, _made_no_task)
        self.unnote(NOT_YET)
        return task

    async def _hold(self) -> None:
        """Right before a part of the request leaves: the row must say so, and may not after a standstill."""
        stood, self._awake_at = time.time() - self._awake_at, time.time()
        if not 0 <= stood < STANDSTILL_SECONDS:
            await aside(self.journal.hold)

    async def _lost(self, client: WanClient, why: str, lost_at: float) -> Task:
        """The task of a submit that got no usable answer (``why``), given up at ``lost_at``."""
        run, mine = self.journal.lost(lost_at)
        if not mine:
            raise OvertakenError(run)
        try:
            found = await find_lost(client, self.journal.ledger, run, note=self.search)
        except NotAcceptedError:
            raise
        except AmbiguousSubmitError as error:
            raise AmbiguousSubmitError(f"{error.message} ({why.rstrip('.')}.)", hint=error.hint) from None
        except WanError as error:  # the ledger, too, may be out of reach: that does not show that nothing was paid
            raise AmbiguousSubmitError(
                f"the submit got no answer, and {error.message}", hint=choices(run.run_id)
            ) from None
        if found.remark:
            self.note(found.remark)
        return found.task

    async def _patiently(
        self, client: WanClient, call: Callable[[], Awaitable[T]], again: Callable[[Refusal], bool]
    ) -> T:
        """What ``call`` gives, repeated while ``again`` says that this costs nothing, for half an hour."""
        waited, tries = 0.0, 0
        while True:
            try:
                return await call()
            except (TransportError, ServiceError) as error:
                if client.simulator_speed is not None and not self.picture().simulated:
                    self.tell(simulated=True)  # its refusal says so as well as a task
                if waited > PATIENCE_SECONDS or not again(error):
                    raise
                wait = min(2.0 * 2**tries, LONGEST_SECONDS) * (1 + 0.5 * random.random())  # noqa: S311  spreads retries, no secret
                if isinstance(error, ServiceError):
                    wait = max(wait, min(error.retry_after or 0.0, MAX_WAIT_SECONDS))
                waited, tries, pause = waited + wait, tries + 1, wait / (client.simulator_speed or 1.0)
                self.note(f"{NOT_YET} ({error.message}); tried again in {pause:.0f} s", instead_of=NOT_YET)
            if self.picture().state is JobState.SUBMITTING:
                self.tell(state=JobState.WAITING)
            await asyncio.sleep(max(pause, polling.FLOOR_SECONDS))


def _two_tasks(run: Run, task: Task) -> AmbiguousSubmitError:
    what = f"the service answered with task {task.task_id}, and {run.run_id} was given task {run.task_id} meanwhile."
    return AmbiguousSubmitError(what, hint=choices(run.run_id, (task.task_id,)))


async def aside(work: Callable[[], T]) -> T:
    """What ``work`` gives, which may have to wait for the ledger; never left half done."""
    under_way = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        await asyncio.wait([under_way])
        raise


def _made_no_task(error: Refusal) -> bool:
    """Whether a submit that met ``error`` made no task for certain: it never left, or the answer asks to wait."""
    if isinstance(error, ServiceError):
        return error.asks_to_wait
    return not isinstance(error, (AmbiguousSubmitError, NotAcceptedError))
