"""How a task ends without a clip: what happened, and whether it is billed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from wan_notebook.errors import (
    AmbiguousSubmitError,
    ConfigurationError,
    DownloadError,
    TaskCanceledError,
    TaskExpiredError,
    TaskFailedError,
)
from wan_notebook.facts.catalog import catalog
from wan_notebook.facts.explanations import failed
from wan_notebook.request.recalled import RecalledRequest
from wan_notebook.tasks import UNSENT, JobState, TaskStatus

if TYPE_CHECKING:
    from wan_notebook.errors import WanError
    from wan_notebook.tasks import JobUpdate, Task

__all__ = [
    "OTHER_KEY",
    "ended_without_clip",
    "fate",
    "lost_sight",
    "not_known_yet",
    "of_another_key",
    "state_after",
    "still_kept",
]


KEPT = "Tasks and clips are kept {hours} h, for the account that made them; a clip not saved by then is gone."
OTHER_KEY = "this run belongs to another key than the one that is set now, and the service does not know it under that"
USE_IT = "Set the key it was sent with, and %wan_resume (or wan-notebook collect): it is kept. Asking costs nothing."
NEVER_SEEN = (
    "It is older than {hours} h (its clip is then gone), or of another account or region: use the key and the region "
    "it was submitted with. Asking costs nothing."
)


def ended_without_clip(task: Task, update: JobUpdate) -> WanError:
    """The error of a task that is over and has no clip.

    Parameters
    ----------
    task : Task
    update : JobUpdate
        Of the job that followed it: where it was looked for, and whether anything shows that it was submitted there.
    """
    where = f"task {task.task_id}"
    if task.status is TaskStatus.CANCELED:
        return TaskCanceledError(f"{where} was canceled.", task=task, hint="It had not begun; nothing is billed.")
    if task.status is TaskStatus.UNKNOWN:
        if isinstance(update.request, RecalledRequest) and not update.submitted_at:
            unheard = f"the service does not know {where} in {update.region}."
            return TaskExpiredError(unheard, task=task, hint=_kept(NEVER_SEEN))
        return TaskExpiredError(f"the service does not know {where} any more.", task=task, hint=_kept(KEPT))
    return failed(task)


def not_known_yet(task: Task, submitted_at: float | None, *, simulated: bool) -> bool:
    """Whether ``UNKNOWN`` is no end: the service keeps the task, so this key cannot be the right one.

    Parameters
    ----------
    task : Task
        As the service answered.
    submitted_at : float or None
        Seconds since the epoch; where it is not known the answer is taken as it is.
    simulated : bool
        The simulator's own word is always its last.
    """
    if task.status is not TaskStatus.UNKNOWN or submitted_at is None or simulated:
        return False
    return still_kept(submitted_at)


def still_kept(submitted_at: float | None, speed: float | None = None) -> bool:
    """Whether the service keeps a task of that time; also where its time is not known."""
    return submitted_at is None or (time.time() - submitted_at) * (speed or 1.0) < catalog().service.keep_seconds


def of_another_key(task: Task) -> WanError:
    """The error of a run whose task can only be had with the key it was sent with."""
    return ConfigurationError(f"{OTHER_KEY} (task {task.task_id}).", hint=USE_IT)


def lost_sight(task: Task) -> WanError:
    """The error of a task that nothing could be learned about for as long as the service keeps it."""
    return TaskExpiredError(
        _kept(f"no answer about task {task.task_id} for the {{hours}} h it is kept."),
        task=task,
        hint="If it succeeded it was billed; the console's task list knows.",
    )


def state_after(error: WanError) -> JobState | None:
    """The state of a job that ended with ``error``, where the error alone tells."""
    states = {
        AmbiguousSubmitError: JobState.AMBIGUOUS,
        TaskFailedError: JobState.FAILED,
        TaskCanceledError: JobState.CANCELED,
        TaskExpiredError: JobState.EXPIRED,
        DownloadError: JobState.UNDELIVERED,
    }
    return next((state for kind, state in states.items() if isinstance(error, kind)), None)


def fate(task_id: str | None, state: JobState, *, simulated: bool = False) -> str:
    """What becomes of a job that is no longer followed.

    >>> fate("a1", JobState.DOWNLOADING)
    'The clip was made and is billed; task a1 knows its address for 24 h.'
    """
    if task_id and state is JobState.DOWNLOADING:
        billed = "" if simulated else " and is billed"
        return _kept(f"The clip was made{billed}; task {task_id} knows its address for {{hours}} h.")
    if task_id and simulated:
        return f"Task {task_id} goes on at the simulator; nothing is billed."
    if task_id:
        return f"Task {task_id} goes on at the service and will be billed when it succeeds."
    if state in UNSENT:
        return "Nothing was sent and nothing is billed."
    return "It may be running and will then be billed: look at the console's task list."


def _kept(words: str) -> str:
    return words.format(hours=catalog().service.keep_hours)
