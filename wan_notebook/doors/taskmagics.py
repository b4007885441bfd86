"""``%wan_tasks``, ``%wan_cancel`` and ``%wan_attach``: what a notebook asks about any task."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from wan_notebook.doors.options import Parser, add, read
from wan_notebook.doors.taskcalls import LIMIT, join, list_tasks, stop
from wan_notebook.doors.variables import name_problem, wait
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.cells import jobs
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from IPython.core.interactiveshell import InteractiveShell

    from wan_notebook.engine.job import Job
    from wan_notebook.service.inquiries import Cancellation
    from wan_notebook.windows.tasktable import TaskList

__all__ = ["attached", "canceled", "listed", "since_hours"]

REGION = "where the task was submitted; otherwise the region that is set"
LONGEST_HOURS = 24


def listed(line: str, shell: InteractiveShell) -> TaskList:
    """``%wan_tasks``."""
    parser = Parser("%wan_tasks", "It takes options only.")
    add(parser, "status", flag=False, text="PENDING, RUNNING, SUCCEEDED, FAILED, CANCELED or UNKNOWN")
    add(parser, "model", flag=False, text="of this model only")
    add(parser, "hours", flag=False, text="submitted in the last so many hours (24)")
    add(parser, "limit", flag=False, text=f"how many ({LIMIT})")
    add(parser, "region", flag=False, text="the region to ask; otherwise the one that is set")
    said = read(parser, line, shell.ev)
    since = since_hours(said.pop("hours", None))
    if "limit" in said:
        said["limit"] = _number(said["limit"])
    return list_tasks(since=since, **said)


def canceled(line: str, shell: InteractiveShell) -> Cancellation:
    """``%wan_cancel TASK_ID|VARIABLE``."""
    parser = Parser("%wan_cancel", "One task id, or one variable that holds a job.")
    parser.add_argument("task", nargs="?", help="a task id, or a variable that holds a job, a task or an id")
    add(parser, "region", flag=False, text=REGION)
    said = read(parser, line, shell.ev)
    return stop(_meant(said.get("task"), shell.user_ns), arguments.settings(said.get("region"), None, None, None))


def attached(line: str, shell: InteractiveShell) -> Job | None:
    """``%wan_attach TASK_ID [NAME]``: the job, where there was one already and so no new card is shown."""
    parser = Parser("%wan_attach", "One task id and one variable name, then options.")
    parser.add_argument("task", nargs="?", help="a task id, or a variable that holds a task or an id")
    parser.add_argument("name", nargs="?", help="variable the Job is bound to")
    add(parser, "region", flag=False, text=REGION)
    add(parser, "output_dir", flag=False, text="folder for the clip, relative to the notebook", short="-o")
    add(parser, "embed", flag=True, text="put a clip up to 5 MB into the notebook instead of linking it")
    add(parser, "wait", flag=True, text="wait for the clip in the cell; headless runs wait by themselves", short="-w")
    said = read(parser, line, shell.ev)
    name = said.get("name")
    if (problem := name_problem(name, shell.user_ns)) is not None:
        raise InvalidRequestError([problem])
    before = jobs()
    job = join(
        _meant(said.get("task"), shell.user_ns),
        arguments.settings(said.get("region"), None, None, None),
        name=name,
        variable=name,
        output_dir=said.get("output_dir"),
        embed=said.get("embed"),
    )
    if name:
        shell.user_ns[name] = job
    if said["wait"] if "wait" in said else frontend.run_mode() == "blocking":
        wait(job)
    return job if job in before else None


def since_hours(hours: object) -> datetime | None:
    """The instant so many hours ago; None where nothing was said.

    Raises
    ------
    InvalidRequestError
    """
    if hours is None:
        return None
    try:
        number = float(str(hours))
    except ValueError:
        number = 0.0
    if not 0 < number <= LONGEST_HOURS:
        allowed = f"a number of hours, at most {LONGEST_HOURS}: the service keeps no task longer"
        raise InvalidRequestError([Problem("--hours", shown(hours), "it is out of range", allowed)])
    return datetime.now(UTC) - timedelta(hours=number)


def _meant(word: object, variables: Mapping[str, object]) -> object:
    """What a word of the line stands for: a variable of the notebook, or itself."""
    if word is None or word == "":
        allowed = "a task id, or the name of a variable that holds a job"
        raise InvalidRequestError([Problem("task_id", "", "it is missing", allowed)])
    return variables.get(word, word) if isinstance(word, str) else word


def _number(said: object) -> object:
    text = str(said)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else said  # noqa: PLR2004  more than any list
