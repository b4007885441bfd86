"""Was this paid? A submit whose answer never came is looked for in the account's list of tasks.

A task there is probably the one if it is of the same model, time and key, and unknown to the ledger. It is followed as
ours only once the service shows its prompt. Another key makes that less certain and rules nothing out: an account has
many. "It is not there" is believed only of a list read as a whole, a minute after the submit was lost. Whatever stays
open is for the person to decide: nothing is sent again.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wan_notebook.errors import AmbiguousSubmitError, ServiceError, TransportError
from wan_notebook.facts.catalog import catalog
from wan_notebook.service import polling
from wan_notebook.service.client import SUBMIT_SECONDS
from wan_notebook.service.inquiries import rows
from wan_notebook.service.listing import filters
from wan_notebook.words.instants import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.engine.pursuit import Pursuit
    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.service.client import WanClient
    from wan_notebook.service.listing import TaskRow
    from wan_notebook.tasks import Task

__all__ = ["NotAcceptedError", "choices", "find_lost"]

PATIENCE_SECONDS = 60.0  # from the loss on, before "it is not there" is believed
BETWEEN_SECONDS = 5.0
SLACK_SECONDS = 60.0  # by which two clocks may differ
MOST_ROWS = 1000
LOOKING = "no answer came to the submit: looking for its task in the service's list"
PROBABLY = "no answer came to the submit: probably it is"


class NotAcceptedError(TransportError):
    """The service's list shows that it never accepted the request."""


def choices(run_id: str, tasks: tuple[str, ...] = ()) -> str:
    """What a person can do where nothing is certain."""
    attach = " or ".join(f'wan_notebook.attach("{task}")' for task in tasks[:3])
    ways = [
        "It may be running and will then be billed, so it is not sent again by itself.",
        f"If it is one of these, follow it: {attach}." if tasks else "",
        "Run it with --force (force=True) to send it again all the same.",
        f"When the console's task list shows no task of it, forget it: wan-notebook runs --forget {run_id}",
    ]
    return " ".join(filter(None, ways))


async def find_lost(life: Pursuit, run: Run, *, lost_at: float | None = None) -> Task:
    """The task of a submit whose answer never came.

    Parameters
    ----------
    life : Pursuit
        The job that looks: its request is the one that was sent.
    run : Run
        The row of the submit.
    lost_at : float, optional
        When it was given up; where that is not known, when it would have been.

    Raises
    ------
    NotAcceptedError
        The whole list was read for a minute, and no task there could be it.
    AmbiguousSubmitError
        It cannot be told.
    """
    client = await life.connect()
    begun = time.monotonic()
    life.note(LOOKING)
    try:
        while True:
            speed = client.simulator_speed or 1.0
            over = time.monotonic() - begun > PATIENCE_SECONDS / speed
            seen = await _look(client, life.journal.ledger, run, lost_at)
            if seen.fitting or over:
                break
            await asyncio.sleep(max(BETWEEN_SECONDS / (client.simulator_speed or 1.0), polling.FLOOR_SECONDS))
    except (ServiceError, TransportError) as error:
        what = f"the service's task list could not be asked ({error.message})."
        raise _open(run, what) from None
    finally:
        life.unnote(LOOKING)
    ids = tuple(row.task_id for row in seen.fitting or seen.doubtful)
    if len(seen.fitting) == 1 and seen.certain:
        return await _proven(life, client, ids[0], run)
    if ids:
        which = "of that time" if seen.fitting else "of a later or unknown time"
        what = f"several tasks {which} could be it" if len(ids) > 1 else f"a task {which} could be it"
        raise _open(run, f"{what}: {', '.join(ids[:3])}{', …' if ids[3:] else ''}.", ids)
    if seen.gap:
        raise _open(run, f"{seen.gap}.")
    if life.journal.foreign(run):
        raise _open(run, "it was sent with another key, whose tasks the one that is set now may not see.")
    what = "the submit got no answer, and the service's list shows no task of it: it was not accepted."
    raise NotAcceptedError(what, hint="Nothing is billed. Run the cell again.")


def _open(run: Run, what: str, tasks: tuple[str, ...] = ()) -> AmbiguousSubmitError:
    return AmbiguousSubmitError(f"the submit got no answer, and {what}", hint=choices(run.run_id, tasks))


@dataclass(frozen=True)
class Seen:
    """What one look at the list showed.

    Parameters
    ----------
    fitting : list of TaskRow
        Tasks of its model and time that no submit from here is known to have made, whatever their key.
    doubtful : list of TaskRow
        The same, but of a later time, or where times cannot be compared.
    certain : bool
        Whether those that fit are all of the key that submits from here are known by.
    gap : str
        Why a task that is not seen may be there all the same; empty where it may not.
    """

    fitting: list[TaskRow]
    doubtful: list[TaskRow]
    certain: bool
    gap: str


async def _look(client: WanClient, ledger: Ledger, run: Run, lost_at: float | None) -> Seen:
    _, headers, _ = await client.knock()
    there, here, speed = _now(headers), time.time(), client.simulator_speed or 1.0
    sent_at = run.sent_at or run.created_at
    lost_at = min(here, sent_at + SUBMIT_SECONDS) if lost_at is None else lost_at
    compared, gap = there is not None and sent_at <= lost_at <= here, ""
    there = here if there is None else there
    since = there - (here - sent_at) * speed - SLACK_SECONDS * speed  # by the service's clock
    until = there - (here - lost_at) * speed + SLACK_SECONDS * speed
    if (here - sent_at) * speed > catalog().service.list_seconds - SLACK_SECONDS:
        gap = "the service's task list does not go back to it"
    if not compared:
        gap = "the clocks here and there cannot be compared"
    listed, more = await rows(client, filters(model=run.model), MOST_ROWS, since=since if compared else None)
    if run.simulated not in (None, client.simulator_speed is not None):
        gap = "what answers at this address now is not what it was sent to"
    if more:
        gap = "the service's task list could not be read to its end"
    ids = [row.task_id for row in listed]
    marks = ", ".join("?" * len(ids))
    where = f"asked_key IS NOT NULL AND task_id IN ({marks})"  # submitted from here; those attached to may be it
    known = {one.task_id: one for one in ledger.runs(where, ids, forgotten=True)}
    mine = {row.api_key_id for row in listed if row.task_id in known and known[row.task_id].payer == ledger.payer}
    keys = mine or {row.api_key_id for row in listed if row.task_id in known}
    fitting, doubtful = [], []
    for row in listed:
        at = epoch(row.gmt_create)
        if row.task_id in known or row.model_name not in (None, run.model):
            continue
        if at is None or since <= at <= until:
            fitting.append(row)
        elif at > until or not compared:
            doubtful.append(row)
    return Seen(fitting, doubtful, all(row.api_key_id and keys == {row.api_key_id} for row in fitting), gap)


async def _proven(life: Pursuit, client: WanClient, task_id: str, run: Run) -> Task:
    """The task, once the service shows that it has this request's prompt."""
    polls, failures, begun = 0, 0, time.monotonic()
    proof = "it is followed as this one's once the service shows its prompt"
    life.note(f"{PROBABLY} task {task_id}; {proof}", instead_of=PROBABLY)
    try:
        while True:
            word = "PENDING"
            try:
                task = await client.fetch(task_id)
            except (ServiceError, TransportError):
                failures += 1
            else:
                word, polls, failures = task.status, polls + 1, 0
                if task.orig_prompt is not None or task.status.ended:
                    break
            speed, jitter = client.simulator_speed or 1.0, random.uniform(-1, 1)  # noqa: S311  spreads queries, no secret
            elapsed = (time.monotonic() - begun) * speed
            await asyncio.sleep(
                polling.next_delay(word, polls=polls, elapsed=elapsed, failures=failures, speed=speed, jitter=jitter)
            )
    finally:
        life.unnote(PROBABLY)
    if task.orig_prompt is None:
        what = f"ended as {task.task_status} without showing its prompt"
    elif not _same(task.orig_prompt, life.picture().request.prompt or ""):
        what = "has another prompt"
    elif life.journal.ledger.runs("task_id = ? AND run_id != ?", (task_id, run.run_id)):
        what = "belongs to another run"
    else:
        return task
    what = f"the submit got no answer; task {task_id}, probably of it, {what}."
    raise AmbiguousSubmitError(what, hint=choices(run.run_id, (task_id,)))


def _same(shown: str, asked: str) -> bool:
    """Whether the prompt that the service shows is the one that was sent; it may have been cut."""
    shown, asked = shown.strip(), asked.strip()
    return shown == asked or (len(shown) > len(asked) // 2 and asked.startswith(shown))


def _now(headers: Mapping[str, str]) -> float | None:
    """What the service's clock shows; None where it does not say."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
