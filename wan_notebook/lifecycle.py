"""The life of one job: prepare the media, find out whether it is paid for already, submit once, follow, download.

A coroutine for the runner's loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from wan_notebook import polling
from wan_notebook.clips import check_folder, keep_input
from wan_notebook.companion import accompany
from wan_notebook.errors import ServiceError, TransportError
from wan_notebook.preparation import prepare
from wan_notebook.pursuit import Pursuit
from wan_notebook.tasks import JobState, iso_utc
from wan_notebook.wire import encode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wan_notebook.client import WanClient
    from wan_notebook.media import SentMedia
    from wan_notebook.request import I2VRequest
    from wan_notebook.runs import Run
    from wan_notebook.tasks import Clip, Task

__all__ = ["Life"]

SUBMIT_TRIES = 12  # answered "too many requests": each try waits longer, about ten minutes in all
MAX_WAIT_SECONDS = 600.0
ASKED_TO_WAIT = "the service asks to wait (too many requests at once); nothing is billed yet"


class Life(Pursuit):
    """One job's whole way."""

    async def run(self) -> Clip:
        """From the request to the saved clip.

        Raises
        ------
        WanError
            Why there is none.
        """
        try:
            await asyncio.to_thread(check_folder, self.outputs)
            media = await self._prepare(self.picture().request)
            await self.journal.identify(media)
        finally:
            self.journal.turn.pass_on()
        while (earlier := await self._earlier()) is not None:
            seed = self.picture().seed if earlier.seed is None else earlier.seed
            self.tell(seed=seed, sent=encode(self.picture().request, seed=seed, media=media)[1])
            clip = await accompany(self, earlier)
            if clip is not None:
                return clip
        client = await self.connect()
        for name, item in media.items():
            if item.how == "oss" and item.url is None:
                media[name] = replace(item, url=await client.upload(item, self.picture().request.model))
        task = await self._submit(client, media)
        # the bytes are on disk and on their way; nobody needs them here
        self.tell(media=tuple(replace(item, data=None) for item in media.values()))
        return await self.deliver(client, await self.follow(client, task))

    async def _prepare(self, request: I2VRequest) -> dict[str, SentMedia]:
        """Every medium as it will be sent."""
        media: dict[str, SentMedia] = {}
        kept: dict[str, Path] = {}
        for name, facts in request.media_facts.items():
            item = media[name] = await asyncio.to_thread(
                prepare, facts, max_raw_base64=self._plan.upload_above, max_bytes=request.spec.image.bytes
            )
            path = await asyncio.to_thread(keep_input, self.outputs, item)
            if path and item.sha256:
                kept[item.sha256] = path
        notes = dict.fromkeys((*self.picture().notes, *(note for item in media.values() for note in item.notes)))
        self.tell(media=tuple(media.values()), kept=kept, notes=tuple(notes))
        return media

    async def _earlier(self) -> Run | None:
        """The run to use instead of paying; None once the intent to pay is written."""
        journal = self.journal
        twin = journal.twin() if journal.simulated is None else None
        if twin is not None and twin.task_id:
            client = await self.connect()  # an address of this machine: real or simulated, only its answer tells
            with contextlib.suppress(TransportError):
                with contextlib.suppress(ServiceError):
                    await client.fetch(twin.task_id)
                journal.simulated = client.simulator_speed is not None
        earlier = journal.claim(self.picture())
        if journal.trouble:
            self.note(journal.trouble)
        return earlier

    async def _submit(self, client: WanClient, media: Mapping[str, SentMedia]) -> Task:
        update = self.picture()
        body, sent = encode(update.request, seed=update.seed, media=media)
        self.tell(state=JobState.SUBMITTING, sent=sent)
        for attempt in range(SUBMIT_TRIES):
            self.journal.sending()
            try:
                task = await client.submit(body)
            except ServiceError as error:
                if not error.asks_to_wait or attempt == SUBMIT_TRIES - 1:
                    raise
                wait = min(2.0 * 2**attempt, 90.0) * (1 + 0.5 * random.random())  # noqa: S311  spreads retries, no secret
                wait = max(wait, min(error.retry_after or 0.0, MAX_WAIT_SECONDS)) / (client.simulator_speed or 1.0)
                self.note(f"{ASKED_TO_WAIT}; tried again in {wait:.0f} s", instead_of=ASKED_TO_WAIT)
                self.tell(state=JobState.WAITING)
                await asyncio.sleep(max(wait, polling.FLOOR_SECONDS))
                self.tell(state=JobState.SUBMITTING)
            else:
                simulated, now = client.simulator_speed is not None, time.time()
                self.journal.accepted(task, at=now, simulated=simulated)  # before anything else
                self.unnote(ASKED_TO_WAIT)
                self.tell(state=JobState.FOLLOWING, task=task, simulated=simulated, submitted_at=iso_utc(now))
                return task
        raise AssertionError("the last attempt returns or raises")
