"""Which tasks of the account's list could be a lost submit's: by model, time and key, and what the ledger knows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from wan_notebook.facts.catalog import catalog
from wan_notebook.ledger.likeness import has_prompt
from wan_notebook.service.client import SUBMIT_SECONDS
from wan_notebook.service.inquiries import rows
from wan_notebook.service.listing import filters
from wan_notebook.words.instants import epoch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.service.client import WanClient
    from wan_notebook.service.listing import TaskRow

__all__ = ["SLACK_SECONDS", "Seen", "look", "look_further_back"]

SLACK_SECONDS = 60.0  # by which two clocks may differ
NEAR_THE_END_SECONDS = 3600.0  # before the list ends: what is so old is not relied on to stand in it
MOST_ROWS, MOST_EARLIER = 1000, 30


@dataclass(frozen=True)
class Seen:
    """What one look at the list showed.

    Parameters
    ----------
    fitting : list of TaskRow
        Tasks of its model and time that no submit from here is known to have made, whatever their key.
    likely : list of TaskRow
        Those of them whose key is one that submits from here are known by, the oldest first.
    doubtful : list of TaskRow
        Tasks of its model of a later time, or where times cannot be compared.
    gap : str
        Why a task that is not seen may be there all the same; empty where it may not.
    """

    fitting: list[TaskRow]
    likely: list[TaskRow]
    doubtful: list[TaskRow]
    gap: str


async def look(client: WanClient, ledger: Ledger, run: Run, *, foreign: bool) -> Seen:
    """Read the list once; ``foreign``: with another key than the run was sent with."""
    _, headers, _ = await client.knock()
    there, here, speed = _now(headers), time.time(), client.simulator_speed or 1.0
    sent_at = run.sent_at or run.created_at
    lost_at = min(here, sent_at + SUBMIT_SECONDS) if run.lost_at is None else run.lost_at
    compared, gap = there is not None and sent_at <= lost_at <= here, ""
    there = here if there is None else there
    since = there - (here - sent_at) * speed - SLACK_SECONDS * speed  # by the service's clock
    until = there - (here - lost_at) * speed + SLACK_SECONDS * speed
    if (here - sent_at) * speed > catalog().service.list_seconds - NEAR_THE_END_SECONDS:
        gap = "the service's task list does not go back to it"
    if not compared:
        gap = "the clocks here and there cannot be compared"
    listed, more = await rows(client, filters(model=run.model), MOST_ROWS, since=since if compared else None)
    if run.simulated not in (None, client.simulator_speed is not None):
        gap = "what answers at this address now is not what it was sent to"
    if foreign:
        gap = "it was sent with another key, whose tasks the one that is set now may not see"
    if more:
        gap = "the service's task list could not be read to its end"
    unknown, keys = _unknown(ledger, run, listed)
    fitting, doubtful = [], []
    for row in unknown:
        at = epoch(row.gmt_create)
        if at is None or since <= at <= until:
            fitting.append(row)
        elif at > until or not compared:
            doubtful.append(row)
    likely = sorted((row for row in fitting if row.api_key_id in keys), key=lambda row: epoch(row.gmt_create) or 0.0)
    return Seen(fitting, likely, doubtful, gap)


async def look_further_back(client: WanClient, ledger: Ledger, run: Run) -> list[str]:
    """Tasks of any earlier time with the prompt of a run, or that do not show theirs yet.

    A clock that was wrong when it was sent, and was set since, makes a task look older than its submit.
    """
    listed, _ = await rows(client, filters(), MOST_ROWS)  # of any model: the service's own filter is not relied on
    unknown, keys = _unknown(ledger, run, listed)
    could = [row for row in unknown if not keys or row.api_key_id in keys]
    found = []
    for row in sorted(could, key=lambda row: row.gmt_create or "", reverse=True)[:MOST_EARLIER]:
        task = await client.fetch(row.task_id)
        if not task.status.ended if task.orig_prompt is None else has_prompt(run, task.orig_prompt):
            found.append(row.task_id)
    return found


def _unknown(ledger: Ledger, run: Run, listed: Sequence[TaskRow]) -> tuple[list[TaskRow], set[str]]:
    """Tasks of its model that no submit from here is known to have made; the ids of the keys that made the others."""
    ids = [row.task_id for row in listed]
    marks = ", ".join("?" * len(ids))
    where = f"asked_key IS NOT NULL AND task_id IN ({marks})"  # submitted from here; those attached to may be it
    known = {one.task_id: one for one in ledger.runs(where, ids, forgotten=True)}
    mine = {row.api_key_id for row in listed if row.task_id in known and known[row.task_id].payer == ledger.payer}
    keys = mine or {row.api_key_id for row in listed if row.task_id in known}
    unknown = [row for row in listed if row.task_id not in known and row.model_name in (None, run.model)]
    return unknown, {key for key in keys if key}


def _now(headers: Mapping[str, str]) -> float | None:
    """What the service's clock shows; None where it does not say."""
    try:
        return parsedate_to_datetime(headers.get("date", "")).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
