"""A paid task followed to its end, and its clip saved.

It is never given up for a fault of the network: only the service's own word, or its silence beyond the 24 hours it
keeps a task, ends one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wan_notebook.engine import pricing
from wan_notebook.engine.clips import discard
from wan_notebook.engine.delivery import SAFE, deliver
from wan_notebook.engine.reconcile import LOST
from wan_notebook.engine.settlement import settle
from wan_notebook.engine.whereabouts import Identity, go_after
from wan_notebook.errors import ConfigurationError, ServiceError, TransportError
from wan_notebook.facts.catalog import catalog
from wan_notebook.request.recalled import RecalledRequest
from wan_notebook.service import polling
from wan_notebook.service.endings import ended_without_clip, lost_sight, not_known_yet, of_another_key, still_kept
from wan_notebook.service.inquiries import CANCEL_WORDS, cancel, identify, may_mend_itself
from wan_notebook.tasks import JobState, TaskStatus
from wan_notebook.words.forecast import Forecast
from wan_notebook.words.instants import epoch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from wan_notebook.engine.turnstile import Turnstile
    from wan_notebook.ledger.journal import Journal
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.service.client import WanClient
    from wan_notebook.tasks import Clip, Cost, JobUpdate, Task, Usage

__all__ = ["Plan", "Pursuit", "Refusal"]

Refusal = TransportError | ServiceError

LOST_WITHOUT = "this job goes on, but a restarted kernel will not find it, and no other one knows it was paid"
TROUBLE = "network trouble, the task is still yours"
LEDGER = "the ledger "  # how what is said of it begins
NO_WORD = "the service gives no word of the task, which is still yours"
NOT_UNDER_THIS_KEY = "it does not know it under this key: is it of another account or region?"


@dataclass(frozen=True)
class Plan:
    """What a job needs beyond its request.

    Parameters
    ----------
    connect : callable
        Gives the client, starting the simulator first where that is the region.
    outputs : Path
        The folder the clip and the inputs are kept in.
    stem : str
        The clip's file name without its ending.
    upload_above : int or None
        Bytes above which an image is uploaded rather than sent as base64; None for never.
    price : callable
        The real cost of a request, by what the service reports it used.
    journal : Journal
        The run's page in the ledger.
    pace : callable
        Seconds until the next query of this process may go out, given the speed of the service's clock.
    turnstile : Turnstile, optional
        What the members of its sweep come through one after the other.
    """

    connect: Callable[[], Awaitable[WanClient]]
    outputs: Path
    stem: str
    upload_above: int | None
    price: Callable[[I2VRequest, Usage | None], Cost]
    journal: Journal
    pace: Callable[[float], float]
    turnstile: Turnstile | None = None


class Pursuit:
    """One job from its task on, and the few things others may do to it meanwhile.

    Parameters
    ----------
    picture : callable
        The job's latest JobUpdate.
    tell : callable
        ``tell(**changes)`` replaces it and informs the observers.

    Attributes
    ----------
    look : asyncio.Event
        Set where it is worth looking at once.
    home : Identity or None
        By which the notebook's folder is known again.
    foreign : bool
        Whether the task was submitted with another key than the one that is used now.
    """

    def __init__(self, plan: Plan, picture: Callable[[], JobUpdate], tell: Callable[..., None]) -> None:
        self._plan, self.picture, self.tell = plan, picture, tell
        self.journal, self.outputs = plan.journal, plan.outputs
        self.look = asyncio.Event()
        self.door = contextlib.AsyncExitStack()  # held by a member of a sweep whose turn it is
        self._client: WanClient | None = None
        self.home: Identity | None = None
        self.foreign = self.journal.foreign()

    async def connect(self) -> WanClient:
        """The client, made when it is first needed."""
        if self._client is None:
            self._client = await self._plan.connect()
            if self._client.public_address() != self.picture().endpoint:
                self.tell(endpoint=self._client.public_address())
        return self._client

    async def cancel(self) -> bool:
        """Cancel a submitted task if it is still PENDING; False (and a note on the card) where that is too late."""
        task = self.picture().task
        if task is None:
            return False
        try:
            told = await cancel(await self.connect(), task.task_id)
        except (ServiceError, ConfigurationError) as error:
            self.note(f"cancel was refused: {error.message}")
            return False
        finally:
            self.look.set()
        if not told:
            self.note(told.reason)
        return bool(told)

    async def pick_up(self, task: Task) -> Clip:
        """From a task that exists to its saved clip."""
        await asyncio.to_thread(discard, self.outputs, self._plan.stem, self.picture().run_id)
        if task.status.ended:
            task = replace(task, task_status=TaskStatus.RUNNING)  # its address, if any, has to be asked for anew
        client = await self.connect()
        try:
            found = task.then(await client.fetch(task.task_id))
            task = task if self._not_known_yet(client, found) else found
        except (TransportError, ServiceError) as error:
            if not task.task_status and not may_mend_itself(error):
                raise  # nothing was ever heard of this task: asking again changes nothing
            self._trouble(error)
        queued, ran = task.clocks()
        self.tell(state=JobState.FOLLOWING, task=task, queue_seconds=queued, run_seconds=ran)
        task = await self._learn(client, task)
        return await self.deliver(client, await self.follow(client, task))

    async def _learn(self, client: WanClient, task: Task) -> Task:
        """What only the service can tell of a request made elsewhere: its model and submit (the list), its prompt."""
        update = self.picture()
        request = update.request
        if isinstance(request, RecalledRequest):
            row = await identify(client, task.task_id) if request.model is None else None
            task = replace(task, request_id=task.request_id or (row and row.request_id))
            self.tell(
                task=task,
                request=request.learned(model=row and row.model_name, prompt=request.prompt or task.orig_prompt),
                submitted_at=update.submitted_at or (row and row.gmt_create),
                simulated=client.simulator_speed is not None,
            )
            await settle(self, client, task)
        return task

    async def follow(self, client: WanClient, task: Task) -> Task:
        """Look at a task until the service says that it has ended."""
        loop = asyncio.get_running_loop()
        begun, polls, failures, retry_after = loop.time(), 0, 0, None
        update = self.picture()
        known, documented = self.journal.run_times(update), update.request.spec.run_seconds
        kind = polling.expected(known, documented)
        self.tell(forecast=Forecast.of(known, documented, client.simulator_speed or 1.0))
        since = max(0.0, time.time() - (epoch(update.submitted_at) or time.time()))  # from its submit to now
        while not task.status.ended:
            self.mind_ledger()
            speed = client.simulator_speed or 1.0
            elapsed = (loop.time() - begun) * speed
            queued, _ = task.clocks()
            delay = polling.next_delay(
                task.status,
                polls=polls,
                elapsed=elapsed,
                running=None if queued is None else since * speed + elapsed - queued,
                kind=kind,
                failures=failures,
                retry_after=retry_after,
                speed=speed,
                jitter=random.uniform(-1, 1),  # noqa: S311  spreads queries, no secret
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.look.wait(), delay)
            self.look.clear()
            await asyncio.sleep(self._plan.pace(speed))
            try:
                found = await client.fetch(task.task_id)
            except (TransportError, ServiceError) as error:
                failures += 1
                retry_after = error.retry_after if isinstance(error, ServiceError) else None
                self._trouble(error)
                if elapsed > catalog().service.keep_seconds:
                    raise lost_sight(task) from None
                continue
            found = task.then(found)
            if self._not_known_yet(client, found):
                failures, retry_after = failures + 1, None
                continue
            polls, failures = polls + 1, 0
            self.unnote(TROUBLE)
            self.unnote(NO_WORD)
            if found != task:
                task = found
                queued, ran = task.clocks()
                self.tell(task=task, queue_seconds=queued, run_seconds=ran)
        return task

    def _not_known_yet(self, client: WanClient, found: Task) -> bool:
        submitted_at = epoch(self.picture().submitted_at)
        if found.status is TaskStatus.UNKNOWN and self.foreign and still_kept(submitted_at, client.simulator_speed):
            raise of_another_key(found)
        if not not_known_yet(found, submitted_at, simulated=client.simulator_speed is not None):
            return False
        self.unnote(TROUBLE)
        self.note(f"{NO_WORD} ({NOT_UNDER_THIS_KEY})", instead_of=NO_WORD)
        return True

    def _trouble(self, error: Refusal) -> None:
        trouble, other = (TROUBLE, NO_WORD) if may_mend_itself(error) else (NO_WORD, TROUBLE)
        self.unnote(other)
        self.note(f"{trouble} ({error.message})", instead_of=trouble)

    async def deliver(self, client: WanClient, task: Task) -> Clip:
        """The saved clip of a task that has ended."""
        for asked in CANCEL_WORDS:  # what could no longer be canceled is over now
            self.unnote(asked)
        if task.status is not TaskStatus.SUCCEEDED:
            raise ended_without_clip(task, self.picture())
        task = await self._learn(client, task)
        self.tell(state=JobState.DOWNLOADING, cost=self._cost(task))
        await go_after(self, saving=True)
        clip = await deliver(
            client,
            task,
            folder=self.outputs,
            stem=self._plan.stem,
            run_id=self.picture().run_id,
            heard=lambda task: self.tell(task=task, cost=self._cost(task)),
            note=lambda text: self.note(text, instead_of=SAFE),
        )
        self.unnote(SAFE)
        return clip

    def _cost(self, task: Task) -> Cost:
        """What this job costs; nothing where an earlier run has paid."""
        cost = self._plan.price(self.picture().request, task.usage)
        if not self.picture().from_run:
            return cost
        self.journal.settle(cost)
        return pricing.nothing(cost)

    def mind_ledger(self) -> None:
        """Keep the card's remark about the ledger true."""
        if trouble := self.journal.ledger.trouble:
            self.note(f"{trouble}: {LOST_WITHOUT}", instead_of=LEDGER)
        else:
            self.unnote(LEDGER)

    def note(self, text: str, *, instead_of: str = "") -> None:
        """Put a remark on the card, in place of those that begin with ``instead_of``."""
        notes = tuple(n for n in self.picture().notes if n != text and not (instead_of and n.startswith(instead_of)))
        if self.picture().notes != (*notes, text):
            self.tell(notes=(*notes, text))

    def unnote(self, beginning: str) -> None:
        """Take remarks off the card again."""
        notes = tuple(note for note in self.picture().notes if not note.startswith(beginning))
        if notes != self.picture().notes:
            self.tell(notes=notes)

    def search(self, text: str) -> None:
        """Say how the search for a lost submit stands; nothing once it is over."""
        if text:
            self.note(text, instead_of=LOST)
        else:
            self.unnote(LOST)
