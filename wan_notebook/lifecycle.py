"""The life of one job: prepare the media, submit once, follow, download, look at what came.

A coroutine for the runner's loop. It never gives up a paid task for a fault of the network: only the service's own
word, or its silence beyond the 24 hours it keeps a task, ends one.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wan_notebook import polling
from wan_notebook.clips import check_folder, keep_input, reserve, settle
from wan_notebook.errors import (
    DownloadError,
    ServiceError,
    TaskCanceledError,
    TaskExpiredError,
    TransportError,
    WanError,
)
from wan_notebook.explanations import failed
from wan_notebook.footage import probe_clip
from wan_notebook.preparation import prepare
from wan_notebook.tasks import JobState, TaskStatus
from wan_notebook.wire import encode

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from wan_notebook.client import WanClient
    from wan_notebook.media import SentMedia
    from wan_notebook.request import I2VRequest
    from wan_notebook.tasks import Clip, Cost, JobUpdate, Task, Usage

__all__ = ["Life", "Plan"]

SUBMIT_TRIES = 12  # answered "too many requests": each try waits longer, about ten minutes in all
DOWNLOAD_TRIES = 5  # of what looks like an end: no space, no video, an address that says no
MAX_WAIT_SECONDS = 600.0
TASK_LIFE_SECONDS = 24 * 3600  # API reference of 2026-05-22: task and clip are kept 24 h
ASKED_TO_WAIT = "the service asks to wait (too many requests at once); nothing is billed yet"
TROUBLE = "network trouble, the task is still yours"
SAFE = "the clip is finished and safe at the service for 24 h; the download is tried again"
TOO_LATE = "too late to cancel: the service is already running it, it cannot be stopped and will be billed"


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
    upload_above : int
        Bytes above which an image is uploaded rather than sent as base64.
    price : callable
        The real cost of what the service reports it used.
    """

    connect: Callable[[], Awaitable[WanClient]]
    outputs: Path
    stem: str
    upload_above: int
    price: Callable[[Usage | None], Cost]


class Life:
    """One job's way, and the few things others may do to it while it goes.

    Parameters
    ----------
    picture : callable
        The job's latest JobUpdate.
    tell : callable
        ``tell(**changes)`` replaces it and informs the observers.
    """

    def __init__(self, plan: Plan, picture: Callable[[], JobUpdate], tell: Callable[..., None]) -> None:
        self._plan, self._picture, self._tell = plan, picture, tell
        self._look = asyncio.Event()
        self._client: WanClient | None = None

    async def run(self) -> Clip:
        """From the request to the saved clip.

        Raises
        ------
        WanError
            Why there is none.
        """
        update = self._picture()
        request = update.request
        await asyncio.to_thread(check_folder, self._plan.outputs)
        media, kept = await self._prepare(request)
        notes = dict.fromkeys((*update.notes, *(note for item in media.values() for note in item.notes)))
        self._tell(media=tuple(media.values()), kept=kept, notes=tuple(notes))
        client = self._client = await self._plan.connect()
        self._tell(endpoint=client.public_address())
        for name, item in media.items():
            if item.how == "oss" and item.url is None:
                media[name] = replace(item, url=await client.upload(item, request.model))
        task = await self._submit(client, media)
        # the bytes are on disk and on their way; nobody needs them here
        self._tell(media=tuple(replace(item, data=None) for item in media.values()))
        task = await self._follow(client, task)
        return await self._deliver(client, task)

    async def _prepare(self, request: I2VRequest) -> tuple[dict[str, SentMedia], dict[str, Path]]:
        """Every medium as it will be sent, and where its bytes are kept."""
        media, kept = {}, {}
        for name, facts in request.media_facts.items():
            item = media[name] = await asyncio.to_thread(
                prepare, facts, max_raw_base64=self._plan.upload_above, max_bytes=request.spec.image.bytes
            )
            path = await asyncio.to_thread(keep_input, self._plan.outputs, item)
            if path and item.sha256:
                kept[item.sha256] = path
        return media, kept

    async def cancel(self) -> bool:
        """Cancel a submitted task if it is still PENDING; False (and a note on the card) where that is too late."""
        task, client = self._picture().task, self._client
        if task is None or client is None:
            return False
        try:
            await client.cancel(task.task_id)
        except ServiceError as error:
            late = error.code == "UnsupportedOperation"
            self.note(TOO_LATE if late else f"cancel was refused: {error.message}")
            return False
        except TransportError as error:
            self.note(f"cancel may not have arrived: {error.message}")
            return False
        finally:
            self._look.set()
        return True

    async def _submit(self, client: WanClient, media: Mapping[str, SentMedia]) -> Task:
        update = self._picture()
        body, sent = encode(update.request, seed=update.seed, media=media)
        self._tell(state=JobState.SUBMITTING, sent=sent)
        for attempt in range(SUBMIT_TRIES):
            try:
                task = await client.submit(body)
            except ServiceError as error:
                if not error.asks_to_wait or attempt == SUBMIT_TRIES - 1:
                    raise
                wait = min(2.0 * 2**attempt, 90.0) * (1 + 0.5 * random.random())  # noqa: S311  spreads retries, no secret
                wait = max(wait, min(error.retry_after or 0.0, MAX_WAIT_SECONDS)) / (client.simulator_speed or 1.0)
                self.note(f"{ASKED_TO_WAIT}; tried again in {wait:.0f} s", instead_of=ASKED_TO_WAIT)
                self._tell(state=JobState.WAITING)
                await asyncio.sleep(max(wait, polling.FLOOR_SECONDS))
                self._tell(state=JobState.SUBMITTING)
            else:
                self.unnote(ASKED_TO_WAIT)
                self._tell(
                    state=JobState.FOLLOWING,
                    task=task,
                    simulated=client.simulator_speed is not None,
                    submitted_at=self._picture().stamp(),
                )
                return task
        raise AssertionError("the last attempt returns or raises")

    async def _follow(self, client: WanClient, task: Task) -> Task:
        loop = asyncio.get_running_loop()
        begun, polls, failures, retry_after = loop.time(), 0, 0, None
        while not task.status.ended:
            speed = client.simulator_speed or 1.0
            elapsed = (loop.time() - begun) * speed
            delay = polling.next_delay(
                task.status,
                polls=polls,
                elapsed=elapsed,
                failures=failures,
                retry_after=retry_after,
                speed=speed,
                jitter=random.uniform(-1, 1),  # noqa: S311  spreads queries, no secret
            )
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), delay)
            self._look.clear()
            try:
                found = await client.fetch(task.task_id)
            except (TransportError, ServiceError) as error:
                failures += 1
                retry_after = error.retry_after if isinstance(error, ServiceError) else None
                self.note(f"{TROUBLE} ({error.message})", instead_of=TROUBLE)
                if elapsed > TASK_LIFE_SECONDS:
                    raise _lost_sight(task) from None
                continue
            polls, failures = polls + 1, 0
            self.unnote(TROUBLE)
            found = task.then(found)
            if found != task:
                task = found
                queued, ran = task.clocks()
                self._tell(task=task, queue_seconds=queued, run_seconds=ran)
        return task

    async def _deliver(self, client: WanClient, task: Task) -> Clip:
        if task.status is not TaskStatus.SUCCEEDED:
            raise _ended_without_clip(task)
        self._tell(state=JobState.DOWNLOADING, cost=self._plan.price(task.usage))
        loop = asyncio.get_running_loop()
        begun, refused, tries = loop.time(), 0, 0
        while True:
            try:
                return await self._download(client, task)
            except DownloadError as error:
                speed, tries = client.simulator_speed or 1.0, tries + 1
                refused += not error.passing
                if refused == DOWNLOAD_TRIES or (loop.time() - begun) * speed > TASK_LIFE_SECONDS:
                    raise
                if error.passing:
                    self.note(f"{SAFE} ({error.message})", instead_of=SAFE)
                await asyncio.sleep(max(min(2.0**tries, 60.0) / speed, polling.FLOOR_SECONDS))
                with contextlib.suppress(TransportError, ServiceError):
                    # the address may have run out: the task knows a fresh one for 24 h
                    task = task.then(await client.fetch(task.task_id))

    async def _download(self, client: WanClient, task: Task) -> Clip:
        if task.video_url is None:
            raise DownloadError("the service names no address for the clip.", url="", task_id=task.task_id)
        try:
            final, part = await asyncio.to_thread(reserve, self._plan.outputs, self._plan.stem)
        except WanError as error:
            raise DownloadError(error.message, url=task.video_url, task_id=task.task_id) from None
        try:
            await client.download(task.video_url, part, task_id=task.task_id)
            clip = await asyncio.to_thread(probe_clip, part)
            await asyncio.to_thread(settle, part, final)
        except (DownloadError, OSError, WanError) as error:
            part.unlink(missing_ok=True)
            if isinstance(error, DownloadError):
                raise
            reason = error.message if isinstance(error, WanError) else f"it cannot be saved ({error.strerror})."
            raise DownloadError(reason, url=task.video_url, task_id=task.task_id) from None
        self.unnote(SAFE)
        return replace(clip, path=final)

    def note(self, text: str, *, instead_of: str = "") -> None:
        """Put a remark on the card, in place of those that begin with ``instead_of``."""
        notes = tuple(n for n in self._picture().notes if n != text and not (instead_of and n.startswith(instead_of)))
        if self._picture().notes != (*notes, text):
            self._tell(notes=(*notes, text))

    def unnote(self, beginning: str) -> None:
        """Take remarks off the card again."""
        notes = tuple(note for note in self._picture().notes if not note.startswith(beginning))
        if notes != self._picture().notes:
            self._tell(notes=notes)


def _ended_without_clip(task: Task) -> WanError:
    where = f"task {task.task_id}"
    if task.status is TaskStatus.CANCELED:
        return TaskCanceledError(f"{where} was canceled.", task=task, hint="It had not begun; nothing is billed.")
    if task.status is TaskStatus.UNKNOWN:
        return TaskExpiredError(
            f"the service does not know {where} any more.",
            task=task,
            hint="Tasks and clips are kept 24 h, for the account that made them; a clip not saved by then is gone.",
        )
    return failed(task)


def _lost_sight(task: Task) -> WanError:
    return TaskExpiredError(
        f"no answer about task {task.task_id} for the 24 h it is kept.",
        task=task,
        hint="If it succeeded it was billed; the console's task list knows.",
    )
