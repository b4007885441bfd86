"""How a task ends without a clip: what happened, and whether it is billed; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wan_notebook.errors import TaskCanceledError, TaskExpiredError
from wan_notebook.explanations import failed
from wan_notebook.tasks import TaskStatus

if TYPE_CHECKING:
    from wan_notebook.errors import WanError
    from wan_notebook.tasks import Task

__all__ = ["ended_without_clip", "lost_sight"]


def ended_without_clip(task: Task) -> WanError:
    """The error of a task that is over and has no clip."""
    where = f"task {task.task_id}"
    if task.status is TaskStatus.CANCELED:
        return TaskCanceledError(f"{where} was canceled.", task=task, hint="It had not begun; nothing is billed.")
    if task.status is TaskStatus.UNKNOWN:
        return TaskExpiredError(
            f"the service does not know {where} any more.",
            task=task,
            hint="Tasks and clips are kept 24 h, for the account that made them; a clip not saved by then is gone.",
        )
    return failed(task)


def lost_sight(task: Task) -> WanError:
    """The error of a task that nothing could be learned about for as long as the service keeps it."""
    return TaskExpiredError(
        f"no answer about task {task.task_id} for the 24 h it is kept.",
        task=task,
        hint="If it succeeded it was billed; the console's task list knows.",
    )
