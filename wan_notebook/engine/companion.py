"""An earlier run instead of a new payment: its saved clip, or the job that is still under way.

The job under way may be another kernel's: it is followed through the ledger, and driven on from here when its process
has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.engine import pricing
from wan_notebook.engine.clips import bring, discard
from wan_notebook.engine.reconcile import recover
from wan_notebook.errors import BudgetError, ServiceError, TransportError, WanError
from wan_notebook.ledger.moves import places
from wan_notebook.ledger.rows import known_task
from wan_notebook.ledger.runs import OPEN, OVER, PLANNED, told
from wan_notebook.record.footage import probe_clip
from wan_notebook.service.endings import OTHER_KEY, ended_without_clip, still_kept
from wan_notebook.tasks import JobState, TaskStatus, iso_utc
from wan_notebook.words.phrases import moment

if TYPE_CHECKING:
    from wan_notebook.engine.pursuit import Pursuit
    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import Clip, JobUpdate, Task

__all__ = ["accompany", "go_along"]

UPDATE = (
    "It may be paid for: update the package and run it again, or use --force (force=True). Nothing was sent for this."
)
PAY = "Set that key, or pay once more under this one: --force (force=True). Nothing was sent for this."
LOOK_SECONDS = 0.3  # at the ledger, where another process writes down how it stands


async def accompany(life: Pursuit, run: Run) -> Clip | None:
    """The clip of an earlier ``run`` of the same request; None where nothing was sent for it after all.

    Raises
    ------
    WanError
        It ended without a clip, its clip is gone, or nobody knows whether it was paid for.
    """
    before = life.picture()
    life.tell(from_run=run.run_id, cost=before.cost and pricing.nothing(before.cost), simulated=bool(run.simulated))
    life.journal.share(life.picture(), run)
    clip = await go_along(life, run)
    if clip is None:
        life.tell(from_run=None, cost=before.cost, state=JobState.WAITING)
    return clip


async def go_along(life: Pursuit, run: Run) -> Clip | None:
    """The clip of a run, whoever drives it; as :func:`accompany`, and nothing is written of where it comes from."""
    first = run
    while True:
        if run.state == JobState.DOWNLOADED:
            clip = await _saved(life, run)
        elif run.state not in (*OPEN, *OVER):
            what = f"the same request is {run.run_id}, which a later version of this package left as {run.state!r}."
            raise WanError(what, hint=UPDATE)
        elif run.state == PLANNED:  # given back to its sweep
            clip = None
        elif run.state not in OPEN:
            raise _ended(run, life.picture())
        elif life.journal.ledger.driven(run) or life.journal.ledger.may_be_sent(run.run_id):
            await _mirror(life, run, new=run is first)
            run = life.journal.ledger.run(run.run_id) or replace(run, state=JobState.DETACHED)
            continue
        elif (now := life.journal.ledger.run(run.run_id)) and now.task_id != run.task_id:
            run = now  # its process lives after all, and had its answer while it was looked for
            continue
        else:
            clip = await _drive_on(life, run)
        return clip


async def _mirror(life: Pursuit, run: Run, *, new: bool) -> None:
    """Show how another process's job stands, and wait a little."""
    if new:
        life.note(
            f"the same request is under way since {moment(run.created_at)} ({run.run_id}): not sent again, 0 spent"
        )
    task, shown = known_task(run), life.picture()
    state = JobState.SUBMITTING if task is None else JobState.FOLLOWING
    state = JobState.DOWNLOADING if run.state == JobState.DOWNLOADING else state
    if (task, state) != (shown.task, shown.state):
        queued, ran = task.clocks() if task else (None, None)
        life.tell(
            simulated=bool(run.simulated),
            task=task,
            state=state,
            queue_seconds=queued,
            run_seconds=ran,
            submitted_at=iso_utc(run.submitted_at or run.created_at),
        )
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(life.look.wait(), LOOK_SECONDS)
    if life.look.is_set() and task is not None:  # cancelled from here: the service knows before the other process does
        life.look.clear()
        with contextlib.suppress(TransportError, ServiceError):
            found = task.then(await (await life.connect()).fetch(task.task_id))
            if found.status is TaskStatus.CANCELED:
                life.tell(task=found)
                raise ended_without_clip(found, life.picture())


async def _drive_on(life: Pursuit, run: Run) -> Clip | None:
    """Go on where a process ended that will not."""
    task = known_task(run)
    await asyncio.to_thread(discard, Path(run.outputs), run.stem, run.run_id)
    if task is not None:
        life.foreign = life.journal.foreign(run)
        if life.foreign and await _out_of_sight(life, run, task):
            when = moment(run.created_at)
            raise BudgetError(f"the same request is under way since {when} ({run.run_id}), and {OTHER_KEY}.", hint=PAY)
        life.journal.adopt(run)
        life.tell(state=JobState.FOLLOWING, task=task, submitted_at=iso_utc(run.submitted_at or run.created_at))
        life.note(f"already paid as {run.run_id} of {moment(run.created_at)}: followed to its end, 0 spent")
        return await life.pick_up(task)
    if run.state == JobState.WAITING:  # given up by now
        return None
    return await _found_again(life, run)


async def _found_again(life: Pursuit, run: Run) -> Clip | None:
    """The clip of a submit whose answer an ended process never saw; None where the person had it forgotten.

    Nothing is sent in its place: even where the service did not accept it, that is for the person to say.
    """
    ledger = life.journal.ledger
    if not ledger.take_over(run.run_id):
        now = ledger.run(run.run_id)
        return await go_along(life, now) if now else None
    run = ledger.run(run.run_id) or run
    if run.task_id is not None:  # its answer came just before
        return await _drive_on(life, run)
    client = await life.connect()
    found = await recover(client, ledger, run, note=life.search, foreign=life.journal.foreign(run))
    if found.remark:
        life.note(found.remark)
    # nobody had answered the process that sent it
    simulated, sent = client.simulator_speed is not None, iso_utc(run.sent_at or run.created_at)
    life.tell(state=JobState.FOLLOWING, task=found.task, simulated=simulated, submitted_at=sent)
    life.journal.adopt(run)
    return await life.pick_up(found.task)


async def _saved(life: Pursuit, run: Run) -> Clip | None:
    """The clip that was saved, where it still is what it was."""
    task, clip, how = known_task(run), None, "is not there any more"
    for path in places(run, life.outputs):
        with contextlib.suppress(WanError):
            clip = await asyncio.to_thread(probe_clip, path)
            if clip.sha256 == run.clip_sha256:
                break
            how = "has changed" if path == Path(run.clip_path or "") else how
    if clip is None or clip.sha256 != run.clip_sha256:
        return await _once_more(life, run, how)
    if str(clip.path) != run.clip_path:  # it was moved: the next one finds it at once
        with contextlib.suppress(WanError):
            life.journal.ledger.update(run.run_id, clip_path=str(clip.path))
    near = await asyncio.to_thread(bring, clip.path, life.outputs, life.picture().folder)
    ran = {"queue_seconds": run.queue_seconds, "run_seconds": run.run_seconds}
    life.tell(task=task, simulated=bool(run.simulated), **ran)
    life.note(f"0 spent, from {run.run_id} of {moment(run.created_at)}")
    return replace(clip, path=near)


async def _once_more(life: Pursuit, run: Run, how: str) -> Clip | None:
    """A clip whose file is gone: downloaded again while the service has it, but never paid again by itself."""
    gone = f"the clip of {run.run_id} of {moment(run.created_at)} {how} ({Path(run.clip_path or '').name})"
    task = known_task(run)
    if task is not None:
        found = await _asked(life, task)
        if found is not None and found.status is TaskStatus.SUCCEEDED:
            life.note(f"{gone}: downloaded again, 0 spent")
            life.tell(task=found)
            clip = await life.deliver(await life.connect(), found)
            life.journal.ledger.update(run.run_id, clip_path=str(clip.path), clip_sha256=clip.sha256)
            return clip
    if run.simulated:
        life.note(f"{gone}: made again; the simulator bills nothing")
        life.journal.pass_over(run)
        return None
    away = life.journal.foreign(run) and task is not None and await _out_of_sight(life, run, task)
    raise BudgetError(
        f"this request was paid for already, and {gone}{f'; {OTHER_KEY}' if away else ''}.",
        hint="Put the file back, or run it with --force (force=True) to make and pay for a new one. Nothing is billed.",
    )


async def _out_of_sight(life: Pursuit, run: Run, task: Task) -> bool:
    """Whether the key that is used now does not show a task that the service still keeps."""
    found = await _asked(life, task)
    kept = still_kept(run.submitted_at, (await life.connect()).simulator_speed)
    return found is not None and found.status is TaskStatus.UNKNOWN and kept


async def _asked(life: Pursuit, task: Task) -> Task | None:
    with contextlib.suppress(TransportError, ServiceError):
        return task.then(await (await life.connect()).fetch(task.task_id))
    return None


def _ended(run: Run, update: JobUpdate) -> WanError:
    """How another run ended, for one that went along with it."""
    task = known_task(run)
    if task is not None and task.status.ended and task.status is not TaskStatus.SUCCEEDED:
        return ended_without_clip(task, update)
    record = told(run.record)
    return WanError(record.get("error") or f"{run.run_id} ended without a clip.", hint=record.get("hint") or "")
