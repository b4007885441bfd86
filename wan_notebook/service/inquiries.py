"""Questions about tasks that cost nothing: which one is it, can it be stopped, what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wan_notebook.errors import ServiceError, TransportError
from wan_notebook.facts.catalog import catalog
from wan_notebook.service.listing import filters
from wan_notebook.tasks import TaskStatus
from wan_notebook.words.instants import epoch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wan_notebook.engine.job import Job
    from wan_notebook.service.client import WanClient
    from wan_notebook.service.listing import Filters, TaskRow

__all__ = [
    "CANCEL_WORDS",
    "Cancellation",
    "cancel",
    "fate",
    "identify",
    "may_mend_itself",
    "not_known",
    "outcome",
    "rows",
]

NOT_PENDING = "UnsupportedOperation"
NOT_KNOWN = "older than {hours} h, of another account or region, or no task id"
CANCEL_WORDS = ("too late to cancel", "not canceled", "whether the cancel arrived")  # what a remark on it begins with
NO_LONGER = "too late to cancel: it is no longer PENDING, says the service; if it runs, it will be billed"
TOO_LATE = "too late to cancel: the service is already running it, it cannot be stopped and will be billed"
# What a look at the task says after a cancel that was refused or not answered.
FATES = {
    TaskStatus.PENDING: (False, "not canceled: it is still PENDING; ask again"),
    TaskStatus.RUNNING: (False, TOO_LATE),
    TaskStatus.SUCCEEDED: (False, "too late to cancel: it has SUCCEEDED and is billed"),
    TaskStatus.FAILED: (False, "nothing to cancel: it has FAILED, and failed tasks are not billed"),
    TaskStatus.CANCELED: (True, "it is CANCELED; nothing is billed"),
    TaskStatus.UNKNOWN: (False, "nothing to cancel: the service does not know this task ({not_known})"),
}


REAL = ("; if it runs, it will be billed", " and will be billed", " and is billed")  # never true of the simulator
PLAY = "; a real one would be billed"


def not_known() -> str:
    """Why the service may not know a task."""
    return NOT_KNOWN.format(hours=catalog().service.keep_hours)


def fate(status: TaskStatus, *, simulated: bool) -> tuple[bool, str]:
    """Whether a task of this status is canceled, and in words what a cancel can do about it.

    >>> fate(TaskStatus.SUCCEEDED, simulated=True)
    (False, 'too late to cancel: it has SUCCEEDED; a real one would be billed')
    """
    canceled, words = FATES[status]
    return canceled, _said(words.format(not_known=not_known()), simulated=simulated)


def _said(reason: str, *, simulated: bool) -> str:
    ending = next((words for words in REAL if reason.endswith(words)), "") if simulated else ""
    return reason.removesuffix(ending) + PLAY if ending else reason


def may_mend_itself(error: TransportError | ServiceError) -> bool:
    """Whether a call that costs nothing may do better later."""
    return isinstance(error, TransportError) or error.may_pass


@dataclass(frozen=True)
class Cancellation:
    """What became of asking the service to cancel a task; true if it is canceled.

    Parameters
    ----------
    task_id : str
    canceled : bool or None
        None: not known, because no answer came.
    task_status : str or None
        The service's word afterwards, where it was asked.
    reason : str
        In words, with whether it will be billed.
    """

    task_id: str
    canceled: bool | None
    task_status: str | None
    reason: str

    def __bool__(self) -> bool:
        return self.canceled is True

    def __str__(self) -> str:
        return f"task {self.task_id}: {self.reason}."

    def _repr_pretty_(self, printer: object, cycle: bool) -> None:  # noqa: ARG002  IPython's protocol
        printer.text(str(self))  # type: ignore[attr-defined]  # IPython's printer, which is not imported here


def outcome(job: Job) -> Cancellation:
    """What a job says of itself after a cancel."""
    if job.cancelled():
        reason = "it is canceled; nothing is billed"
    elif job.running():
        reason = job.update.notes[-1] if job.update.notes else "whether it can be canceled is not known yet"
    elif job.task is not None:
        _, reason = fate(job.task.status, simulated=job.update.simulated)
    else:
        reason = f"nothing to cancel: {job.update.error or 'it was not submitted'}".rstrip(".")
    return Cancellation(job.task_id or "not submitted", job.cancelled(), job.status, reason)


async def cancel(client: WanClient, task_id: str) -> Cancellation:
    """Cancel a task if it is still PENDING, and tell how it went.

    Where the service refuses, or its answer is lost, the task is looked at once more: it may have begun to run between
    the last look and the cancel.

    Raises
    ------
    ServiceError
        A refusal that says nothing about the task (a wrong key, too many questions).
    """
    lost = ""
    try:
        await client.cancel(task_id)
    except ServiceError as error:
        if error.code != NOT_PENDING:
            raise
    except TransportError as error:
        lost = f"whether the cancel arrived is not known ({error.message.rstrip('.')})"
    else:
        return Cancellation(task_id, True, str(TaskStatus.CANCELED), fate(TaskStatus.CANCELED, simulated=False)[1])
    try:
        task = await client.fetch(task_id)
    except (ServiceError, TransportError):
        reason = lost or _said(NO_LONGER, simulated=client.simulator_speed is not None)
        return Cancellation(task_id, None if lost else False, None, reason)
    canceled, reason = fate(task.status, simulated=client.simulator_speed is not None)
    return Cancellation(task_id, canceled, task.task_status, reason)


def _reaches(listed: Sequence[TaskRow], since: float) -> bool:
    """Whether a list goes back beyond ``since``, and so in order that nothing younger can follow."""
    times = [epoch(row.gmt_create) for row in listed]
    known = [at for at in times if at is not None]
    in_order = len(known) == len(times) > 0 and known[0] > known[-1] and known == sorted(known, reverse=True)
    return in_order and known[-1] < since


async def identify(client: WanClient, task_id: str) -> TaskRow | None:
    """The row of one task in the account's list, which names its model and its submit; None where there is none."""
    try:
        found, _ = await client.list(filters(task_id=task_id).page(1))
    except (ServiceError, TransportError):
        return None
    return next((row for row in found if row.task_id == task_id), None)


async def rows(
    client: WanClient, which: Filters, limit: int, *, since: float | None = None
) -> tuple[list[TaskRow], bool]:
    """The first ``limit`` tasks of the account's list, and whether there are more.

    A list that repeats itself, or never ends, is left after the pages that ``limit`` needs. With ``since`` (seconds
    since the epoch) a list that goes from the newest to the oldest is read no further back, and is complete then.
    """
    found: dict[str, TaskRow] = {}
    for page in range(1, limit // catalog().service.page_size + 2):
        new, last = await client.list(which.page(page))
        fresh = {row.task_id: row for row in new if row.task_id not in found}
        found |= fresh
        if since is not None and _reaches(list(found.values()), since):
            return list(found.values())[:limit], False
        if not fresh or (last is not None and (page >= last or len(found) >= limit)):
            ended = not new if last is None else page >= last  # a page that repeats another one is no end
            return list(found.values())[:limit], len(found) > limit or not ended
    return list(found.values())[:limit], True
