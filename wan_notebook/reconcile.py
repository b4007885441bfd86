"""Was this paid? A submit whose answer never came is looked for in the account's list of tasks.

A task there is probably the one if it is of the same model, time and key, and unknown to the ledger. It is followed as
ours only once the service shows its prompt. Whatever stays open is for the person to decide: nothing is sent again.
"""

from __future__ import annotations

import asyncio
import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wan_notebook import polling
from wan_notebook.errors import AmbiguousSubmitError, ServiceError, TransportError
from wan_notebook.inquiries import rows
from wan_notebook.instants import epoch
from wan_notebook.listing import filters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wan_notebook.client import WanClient
    from wan_notebook.ledger import Ledger
    from wan_notebook.listing import TaskRow
    from wan_notebook.pursuit import Pursuit
    from wan_notebook.runs import Run
    from wan_notebook.tasks import Task

__all__ = ["NotAcceptedError", "choices", "find_lost"]

PATIENCE_SECONDS = 60.0  # before "it is not there" is believed
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


async def find_lost(life: Pursuit, run: Run) -> Task:
    """The task of a submit whose answer never came.

    Parameters
    ----------
    life : Pursuit
        The job that looks: its request is the one that was sent.
    run : Run
        The row of the submit.

    Raises
    ------
    NotAcceptedError
        There was none within a minute of it.
    AmbiguousSubmitError
        It cannot be told.
    """
    client = await life.connect()
    sent_at = run.sent_at or run.created_at
    life.note(LOOKING)
    try:
        while True:
            found, complete = await _candidates(client, life.journal.ledger, run, sent_at)
            speed = client.simulator_speed or 1.0
            if found or time.time() - sent_at > PATIENCE_SECONDS / speed:
                break
            await asyncio.sleep(max(BETWEEN_SECONDS / speed, polling.FLOOR_SECONDS))
    except (ServiceError, TransportError) as error:
        what = f"the submit got no answer, and the service's task list could not be asked ({error.message})"
        raise AmbiguousSubmitError(f"{what}.", hint=choices(run.run_id)) from None
    finally:
        life.unnote(LOOKING)
    if not found and not complete:
        what = f"the submit got no answer, and the service's list has more than {MOST_ROWS} tasks since."
        raise AmbiguousSubmitError(what, hint=choices(run.run_id))
    if not found:
        what = "the submit got no answer, and the service's list shows no task of it: it was not accepted."
        raise NotAcceptedError(what, hint="Nothing is billed. Run the cell again.")
    ids = tuple(row.task_id for row, _ in found)
    ours = [row for row, certain in found if certain]
    if len(found) > 1 or not ours:
        what = "several tasks of that time could be it" if len(found) > 1 else "a task of that time could be it"
        raise AmbiguousSubmitError(
            f"the submit got no answer, and {what}: {', '.join(ids[:3])}.", hint=choices(run.run_id, ids)
        )
    return await _proven(life, client, ours[0].task_id, run)


async def _candidates(
    client: WanClient, ledger: Ledger, run: Run, sent_at: float
) -> tuple[list[tuple[TaskRow, bool]], bool]:
    """Tasks that may be the lost one, whether each was submitted with this key; and whether all could be looked at."""
    _, headers, _ = await client.knock()
    speed = client.simulator_speed or 1.0
    then = _now(headers) - (time.time() - sent_at) * speed  # when it was sent, by the service's clock
    slack = SLACK_SECONDS * speed
    listed, more = await rows(client, filters(model=run.model), MOST_ROWS, since=then - slack)
    marks = ", ".join("?" * len(listed))
    known = {one.task_id: one for one in ledger.runs(f"task_id IN ({marks})", [row.task_id for row in listed])}
    mine = {row.api_key_id for row in listed if row.task_id in known and known[row.task_id].payer == ledger.owner}
    keys = mine or {row.api_key_id for row in listed if row.task_id in known}
    found = [
        (row, keys == {row.api_key_id} and row.api_key_id is not None)
        for row in listed
        if row.task_id not in known
        and row.model_name in (None, run.model)
        and ((at := epoch(row.gmt_create)) is None or then - slack <= at <= then + slack)
        and not (len(keys) == 1 and row.api_key_id not in (None, *keys))
    ]
    return found, not more


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


def _now(headers: Mapping[str, str]) -> float:
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError):
        return time.time()
