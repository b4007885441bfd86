"""Sweeps that an earlier kernel left behind: gathered from the ledger, shown, and sent on when a person says so."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.job import Job, Verbs
from wan_notebook.engine.jobset import JobSet
from wan_notebook.engine.revival import revived
from wan_notebook.errors import AmbiguousSubmitError, TaskCanceledError, WanError
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import OPEN, PLANNED
from wan_notebook.notebook.boards import Board, verbs
from wan_notebook.tasks import JobState, VideoResult
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import JobUpdate

__all__ = ["Remainder", "gathered"]


@dataclass
class Remainder:
    """A sweep of an earlier kernel.

    Parameters
    ----------
    board : Board
    jobs : JobSet
    lost : set of str
        The run ids of those whose submit got no answer: they are looked for.
    said : list of str
        What could not be followed.
    """

    board: Board
    jobs: JobSet
    lost: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    @property
    def unsent(self) -> list[Run]:
        """Those of its members that were never sent, and that nothing drives."""
        idle = {job.run_id for job in self.jobs if not job.begun or job.state is JobState.REFUSED}
        rows = session().ledger.runs("sweep = ?", (self.board.sweep_id,))
        return sorted((run for run in rows if run.run_id in idle and run.never_sent), key=lambda run: run.place or 0)

    @property
    def looked_for(self) -> list[Job]:
        """Those whose submit got no answer, and of which it is not known yet whether they were accepted."""
        return [job for job in self.jobs if job.run_id in self.lost and not job.done() and job.task_id is None]


_known: dict[str, Remainder] = {}  # of this process, so that %wan_resume goes on with what %load_ext found


def gathered(sweep_id: str, pick_up: Callable[..., Job | str]) -> Remainder | None:
    """All members of a sweep: finished ones as they are, open ones followed again, the rest as it was planned.

    Parameters
    ----------
    pick_up : callable
        Follows an open run, or says in words why that cannot be.

    Returns
    -------
    Remainder or None
        None where a living process is at work on it.
    """
    if sweep_id in _known:
        return _known[sweep_id]
    hall = session()
    rows = sorted(hall.ledger.runs("sweep = ?", (sweep_id,)), key=lambda run: run.place or 0)
    if not rows or any(hall.ledger.driven(run) for run in rows if run.state in (*OPEN, PLANNED)):
        return None
    values = [json.loads(run.varied or "{}") for run in rows]
    name = (rows[0].name or "").rpartition("-")[0]
    board = Board(
        sweep_id,
        name=None if name == "sweep" else name or None,
        shape=_shape_of(values),
        created=min(run.created_at for run in rows),
        notes=(),
    )
    said: list[str] = []
    jobs: list[Job] = []
    for own, run in zip(values, rows, strict=True):
        update = revived(run, now=time.time(), handle=f"{board.place}[{run.place}]")
        if run.never_sent:
            update = replace(update, state=JobState.PLANNED, finished_at=None, error=None, hint=None)
        board.put(own, update, waits=run.never_sent)
    for run in rows:
        try:
            jobs.append(_job(run, board, pick_up, said))
        except WanError as error:
            said.append(f"{run.run_id} cannot be followed: {error}")
            jobs.append(_ended(board.update_of(run.run_id), error))
    found = board.hold(JobSet(jobs, values, verbs(board), sweep_id=sweep_id, name=board.name))
    lost = {job.run_id for job in jobs if job.begun and not job.done() and job.task_id is None}
    lost -= {job.run_id for job in jobs if job.update.from_run is not None}
    _known[sweep_id] = Remainder(board, found, lost, said)
    board.register()
    return _known[sweep_id]


def _shape_of(values: Sequence[Mapping[str, Any]]) -> str:
    """What varies, in words, from the members' values."""
    seen: dict[str, set[str]] = defaultdict(set)
    for own in values:
        for name, value in own.items():
            seen[name].add(str(value))
    return " × ".join(f"{len(different)} {name}" for name, different in seen.items())


def _job(run: Run, board: Board, pick_up: Callable[..., Job | str], said: list[str]) -> Job:
    """One member as a job."""
    update = board.update_of(run.run_id)
    if run.never_sent:
        return _idle(update)
    if run.state not in OPEN:
        return _ended(update, TaskCanceledError("canceled.", task=None) if run.state == "canceled" else None)
    found = pick_up(run, lambda _: [board.tell])
    if isinstance(found, str):
        said.append(f"{run.run_id}: {found}")
        return _ended(replace(update, state=JobState.AMBIGUOUS, error=found), AmbiguousSubmitError(found))
    board.tell(found.update)
    return found


def _idle(update: JobUpdate) -> Job:
    hall = session()
    return Job(update, Verbs(cancel=hall.runner.cancel, record=hall.record, show=rendering.bundle))


def _ended(update: JobUpdate, error: WanError | None = None) -> Job:
    """A job that is over."""
    hall, job = session(), _idle(update)
    if update.state is JobState.DOWNLOADED and update.clip is not None and update.task is not None:
        job.finish(
            VideoResult(
                path=update.clip.path,
                url="",
                usage=update.task.usage,
                cost=update.cost,
                clip=update.clip,
                task=update.task,
                record=hall.record(update),
                show=rendering.video_bundle,
            )
        )
    else:
        job.finish(error or WanError(update.error or f"it ended as {update.state.value}.", hint=update.hint or ""))
    return job
