"""Finished clips that nobody follows, saved by a command: made for cron."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from wan_notebook.doors.resumption import follow, is_lost, of_another_key, settings_of, without_task
from wan_notebook.engine.reconcile import NotAcceptedError, recover
from wan_notebook.errors import WanError
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import UNFINISHED
from wan_notebook.notebook.leftovers import COLLECTED
from wan_notebook.service.endings import OTHER_KEY, not_known_yet
from wan_notebook.tasks import JobState, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.engine.job import Job
    from wan_notebook.ledger.runs import Run

__all__ = ["collect"]

NOT_KNOWN = "the service does not know it under this key; is it of another account or region?"


def collect(say: Callable[[str], None], *, wait: bool = False) -> int:
    """Save the clip of every open run that is finished at the service; how many could not be had.

    Parameters
    ----------
    say : callable
        Told one line for each run.
    wait : bool
        Follow those that are still under way to their end.
    """
    ledger, missing = session().ledger, 0
    jobs: list[Job] = []
    runs = ledger.runs(f"from_run IS NULL AND {UNFINISHED}")
    looked_for = _look_for([run for run in runs if is_lost(run)], patient=wait)
    for one in reversed(runs):
        run = looked_for.get(one.run_id, one)
        if isinstance(run, WanError):
            missing += not isinstance(run, NotAcceptedError)
            say(f"{one.run_id}: {run}")
        elif ledger.driven(run):
            say(f"{run.run_id}: followed by a running process")
        elif run.task_id is None or run.strange:
            words, asks = without_task(run)
            missing += asks
            say(f"{run.run_id}: {words}")
        else:
            try:
                if not wait and (under_way := _under_way(run)):
                    missing += under_way in (NOT_KNOWN, OTHER_KEY)
                    say(f"{run.run_id}: {under_way} (task {run.task_id})")
                    continue
                jobs.append(follow(run))
            except WanError as error:
                missing += 1
                say(f"{run.run_id}: {error}")
    for job in jobs:
        why = job.exception()
        ledger.update(job.run_id, owner=COLLECTED)
        clip = job.update.clip
        say(f"{job.run_id}: {clip.path if clip else why}")
        missing += job.state in (JobState.UNDELIVERED, JobState.DETACHED)
    if ledger.trouble and ledger.tried():
        say(ledger.complaint)
    return missing + bool(ledger.trouble)


def _under_way(run: Run) -> str:
    """Why a run's task is left alone, nothing where it has ended; a question that costs nothing."""
    settings = settings_of(run)
    task = session().ask(settings, lambda client: client.fetch(run.task_id or ""))
    if not_known_yet(task, run.submitted_at, simulated=bool(run.simulated)):
        return OTHER_KEY if of_another_key(run) else NOT_KNOWN
    return "still under way" if task.status in (TaskStatus.PENDING, TaskStatus.RUNNING) else ""


def _look_for(runs: Sequence[Run], *, patient: bool) -> dict[str, Run | WanError]:
    """Look for the tasks of lost submits, all at once; each run as it stands then, or why none was found."""
    hall = session()

    async def one(run: Run) -> Run | WanError:
        try:
            settings = settings_of(run)
            hall.switchboard.place(settings)
            if not hall.ledger.take_over(run.run_id):
                return hall.ledger.run(run.run_id) or run
            client = await hall.switchboard.connect(settings)
            foreign = of_another_key(run)
            await recover(client, hall.ledger, run, note=lambda _: None, patient=patient, foreign=foreign)
            hall.ledger.update(run.run_id, mine=True, owner=None)  # whoever follows it now
        except WanError as error:
            return error
        return hall.ledger.run(run.run_id) or run

    async def every() -> list[Run | WanError]:
        return await asyncio.gather(*map(one, runs))

    found = hall.runner.wait_for(every()) if runs else []
    return {run.run_id: now for run, now in zip(runs, found, strict=True)}
