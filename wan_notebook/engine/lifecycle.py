"""The life of one job: prepare the media, find out whether it is paid for already, submit once, follow, download.

A coroutine for the runner's loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from wan_notebook.engine.clips import check_folder, keep_input
from wan_notebook.engine.companion import accompany, go_along
from wan_notebook.engine.reconcile import NotAcceptedError, choices, recover
from wan_notebook.engine.submission import NOT_YET, OvertakenError, Submission, aside
from wan_notebook.engine.turnstile import picked_up, set_down
from wan_notebook.engine.whereabouts import go_after, identity
from wan_notebook.errors import (
    AmbiguousSubmitError,
    InvalidRequestError,
    Problem,
    ServiceError,
    TransportError,
    WanError,
)
from wan_notebook.ledger.sharing import OVERTAKEN, PAID_IS_FOUND
from wan_notebook.record.provenance import digest
from wan_notebook.request.provision import MOST_PINNED, needs_fetching, pinned, provide
from wan_notebook.service.inquiries import may_mend_itself
from wan_notebook.service.wire import encode
from wan_notebook.tasks import JobState, iso_utc
from wan_notebook.words.phrases import moment
from wan_notebook.words.privacy import sealed_body

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wan_notebook.ledger.runs import Run
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Clip

__all__ = ["Life"]

NOT_THE_SAME = "what would be sent is not what the record says was sent"
UNSENT = "Give the inputs of that run. Nothing was sent and nothing is billed"
PAID_ANEW = "paid anew: an earlier run, {} of {}, expired at the service before its clip was saved"


class Life(Submission):
    """One job's whole way."""

    async def run(self) -> Clip:
        """From the request to the saved clip.

        Raises
        ------
        WanError
            Why there is none.
        """
        self.home = await asyncio.to_thread(identity, self.picture().folder)
        if (source := self.picture().from_run) is not None:
            return await self._go_along(source)
        if self.picture().state is JobState.SUBMITTING:
            return await self._look_for_it()
        if (task := self.picture().task) is not None:
            await asyncio.to_thread(check_folder, self.outputs)
            self.journal.enter(self.picture())
            return await self.pick_up(task)
        try:
            await asyncio.to_thread(check_folder, self.outputs)
            media = await self._prepare(self.picture().request)
            self._hold_to_record(media)
            await self.journal.identify(media)
            await asyncio.to_thread(self.journal.catch_up)
        finally:
            self.journal.turn.pass_on()
        try:
            return await self._pay_once(media)
        except BaseException:
            self.journal.turn.give_back()  # the same request is this one again, not one more
            raise

    async def _pay_once(self, media: dict[str, SentMedia]) -> Clip:
        """From the prepared media to the saved clip: of an earlier run, or of a new payment."""
        try:
            media = await self._in_turn(media)
            while (earlier := await self._earlier()) is not None:
                await self.door.aclose()
                seed = self.picture().seed if earlier.seed is None else earlier.seed
                self.tell(seed=seed, sent=encode(self.picture().request, seed=seed, media=media)[1])
                clip = await accompany(self, earlier)
                if clip is not None:
                    return clip
            client = await self.connect()
            for name, item in media.items():
                if item.how == "oss" and item.url is None:
                    media[name] = await self._upload(client, item, self.picture().request.model)
            task = await self._submit(client, media)
        except OvertakenError as error:
            clip = await go_along(self, error.run)
            if clip is None:
                raise WanError(OVERTAKEN, hint=PAID_IS_FOUND) from None
            return clip
        finally:
            await self.door.aclose()
        # the bytes are on disk and on their way; nobody needs them here
        self.tell(media=tuple(replace(item, data=None) for item in media.values()))
        return await self.deliver(client, await self.follow(client, task))

    async def _in_turn(self, media: dict[str, SentMedia]) -> dict[str, SentMedia]:
        """A member of a sweep waits here, with nothing in hand; its row says what it will send."""
        if self._plan.turnstile is None:
            return media
        update = self.picture()
        sent, light = encode(update.request, seed=update.seed, media=media)[1], set_down(media)
        del media
        self.tell(sent=sent, media=tuple(light.values()))
        await self.door.enter_async_context(self._plan.turnstile.door(update.request.model))
        await go_after(self)
        return await picked_up(light, self.picture().kept)

    async def _go_along(self, source: str) -> Clip:
        """Go along again with the run that this one showed before its process ended."""
        run = self.journal.ledger.run(source)
        clip = await accompany(self, run) if run is not None else None
        if clip is None:
            raise WanError(f"{source}, whose clip this run showed, came to nothing.", hint="Nothing is billed.")
        return clip

    async def _look_for_it(self) -> Clip:
        """The clip of a submit whose answer an earlier process never saw. Nothing is sent, whatever is found."""
        run = self.journal.row()
        try:
            client = await self.connect()
            found = await recover(client, self.journal.ledger, run, note=self.search, foreign=self.foreign)
        except (AmbiguousSubmitError, NotAcceptedError):
            raise
        except WanError as error:
            what = f"the submit got no answer, and its task cannot be looked for: {error.message}"
            raise AmbiguousSubmitError(what, hint=choices(run.run_id)) from None
        if found.remark:
            self.note(found.remark)
        sent_at = iso_utc(run.sent_at or run.created_at)
        simulated = client.simulator_speed is not None
        self.tell(state=JobState.FOLLOWING, task=found.task, simulated=simulated, submitted_at=sent_at)
        return await self.pick_up(found.task)

    async def _prepare(self, request: I2VRequest) -> dict[str, SentMedia]:
        """Every medium as it will be sent."""
        media: dict[str, SentMedia] = {}
        kept: dict[str, Path] = {}
        for name, facts in request.media_facts.items():
            above = self._plan.upload_above
            if needs_fetching(request, facts):
                client = await self.connect()
                data = await client.fetch_picture(facts.source, most=MOST_PINNED)
                item = await asyncio.to_thread(pinned, request, facts, data, max_raw_base64=above)
            elif self._plan.turnstile is not None:
                item = await self._plan.turnstile.provide(request, facts, above)
            else:
                item = await asyncio.to_thread(provide, request, facts, max_raw_base64=above)
            media[name] = item
            path = await asyncio.to_thread(keep_input, self.outputs, item)
            if path and item.sha256:
                kept[item.sha256] = path
        notes = dict.fromkeys((*self.picture().notes, *(note for item in media.values() for note in item.notes)))
        self.tell(media=tuple(media.values()), kept=kept, notes=tuple(notes))
        return media

    def _hold_to_record(self, media: Mapping[str, SentMedia]) -> None:
        """Refuse a replay that would not send what was recorded."""
        update, expected = self.picture(), self.journal.terms.body
        sent = encode(update.request, seed=update.seed, media=media)[1]
        if expected is not None and digest(sealed_body(sent) if update.private else sent) != expected:
            raise InvalidRequestError([Problem("request", "", NOT_THE_SAME, fix=UNSENT)])

    async def _earlier(self) -> Run | None:
        """The run to use instead of paying; None once the intent to pay is written."""
        journal = self.journal
        twin = journal.twin() if journal.simulated is None else None
        if twin is not None and twin.task_id:
            client = await self.connect()  # an address of this machine: real or simulated, only its answer tells
            task_id = twin.task_id

            async def look() -> None:
                try:
                    await client.fetch(task_id)
                except TransportError:
                    await client.knock()  # whatever it answers
                except ServiceError:
                    pass

            await self._patiently(client, look, may_mend_itself)
            self.unnote(NOT_YET)
            journal.simulated = client.simulator_speed is not None
        earlier = await aside(lambda: journal.claim(self.picture()))
        if earlier is None and self.picture().state is JobState.PLANNED:
            self.tell(state=JobState.WAITING)
        if earlier is None and (lost := journal.expired) is not None:
            self.note(PAID_ANEW.format(lost.run_id, moment(lost.created_at)))
        if earlier is None and journal.terms.remark:
            self.note(journal.terms.remark)
        self.mind_ledger()
        return earlier
