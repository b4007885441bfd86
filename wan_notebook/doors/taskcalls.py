"""What can be asked about any task, wherever it was made: fetch, cancel, list it; attach to it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from wan_notebook.engine.job import Job
from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.hall.session import session
from wan_notebook.keys import seal
from wan_notebook.notebook import arguments, cells, frontend
from wan_notebook.request.recalled import recalled
from wan_notebook.service import inquiries
from wan_notebook.service.listing import filters, given_task_id
from wan_notebook.tasks import JobState, Task
from wan_notebook.windows.tasktable import TaskList
from wan_notebook.words.addresses import without_workspace
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from pathlib import Path

    from wan_notebook.config import Settings
    from wan_notebook.keys import Secret
    from wan_notebook.service.client import WanClient
    from wan_notebook.service.inquiries import Cancellation
    from wan_notebook.service.listing import TaskRow
    from wan_notebook.tasks import JobUpdate

__all__ = ["attach", "cancel", "fetch", "join", "list_tasks", "stop"]

LIMIT, MOST = 50, 1000
ELSEWHERE = "attached to a task that exists already: nothing was submitted by this run"


def attach(
    task_id: str | Task | TaskRow,
    /,
    *,
    name: str | None = None,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    embed: bool | None = None,
) -> Job:
    """Follow a task that was made anywhere else (another notebook, the vendor's SDK, curl) and save its clip.

    Nothing is submitted. The service does not tell the request of a task: of it the record holds the model, the prompt
    and the ids, and null for the rest.

    Parameters
    ----------
    task_id : str
        Or a :class:`Task`, or a row of :func:`list_tasks`. The service knows it for 24 h, for its account and region.
    name : str, optional
        Used for the card and the clip's file name.
    region, api_key, base_url, workspace, output_dir, embed
        As for :func:`wan_notebook.submit`: those the task was submitted with.

    Returns
    -------
    Job
        With card, clock, download and record as any other. A job of this process that follows the task already, or has
        saved its clip, is returned as it is.

    Raises
    ------
    InvalidRequestError
        It can be no task id; nothing was asked.
    ConfigurationError
        No key, unknown region.

    Examples
    --------
    >>> job = attach("0385dc79-5ff8-4d82-bcb6-7a1c0e2f9d11", region="simulator")  # doctest: +SKIP
    """
    api_key = seal(api_key)
    how = arguments.taken(region, api_key, base_url, workspace, name=name, output_dir=output_dir, embed=embed)
    job = join(task_id, **how)
    frontend.wait_unattended(job.wait)
    return job


def fetch(
    task_id: str | Task | TaskRow,
    /,
    *,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
) -> Task:
    """Ask the service for a task as it is now; costs nothing.

    Parameters
    ----------
    task_id : str
        Or a :class:`Task`, or a row of :func:`list_tasks`.
    region, api_key, base_url, workspace
        As for :func:`wan_notebook.submit`.

    Returns
    -------
    Task
        ``task_status == "UNKNOWN"`` is the service's answer for a task that is older than 24 h, of another account or
        region, or none at all.

    Raises
    ------
    WanError
        No answer within 10 s, or one that says no.
    """
    api_key = seal(api_key)
    checked = given_task_id(task_id)
    return session().ask(_settings(region, api_key, base_url, workspace), lambda client: client.fetch(checked))


def cancel(
    task: str | Task | TaskRow | Job,
    /,
    *,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
) -> Cancellation:
    """Cancel a task that is still PENDING. A RUNNING one cannot be stopped and will be billed.

    Parameters
    ----------
    task : str
        A task id; or a :class:`Job`, a :class:`Task`, a row of :func:`list_tasks`.
    region, api_key, base_url, workspace
        As for :func:`wan_notebook.submit`.

    Returns
    -------
    Cancellation
        True if the task is canceled; as text it says how it went, and whether it will be billed.

    Raises
    ------
    WanError
        The service could not be asked, or refused the question itself.
    """
    api_key = seal(api_key)
    return stop(task, _settings(region, api_key, base_url, workspace))


def list_tasks(
    *,
    status: str | None = None,
    model: str | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    task_id: str | None = None,
    limit: int = LIMIT,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
) -> TaskList:
    """List the account's tasks, newest as the service orders them; costs nothing.

    Parameters
    ----------
    status : {"PENDING", "RUNNING", "SUCCEEDED", "FAILED", "CANCELED", "UNKNOWN"}, optional
    model : str, optional
    since, until : datetime or str, optional
        Submitted between these, at most 24 h apart; without either, the last 24 h. Text is ISO-8601; what names no zone
        is this machine's time. They go out as Beijing time, which is inferred: the documents name no zone.
    task_id : str, optional
    limit : int
        From 1 to 1000. Each ten tasks are one question to the service.
    region, api_key, base_url, workspace
        As for :func:`wan_notebook.submit`.

    Returns
    -------
    TaskList
        A list of frozen rows, without clips or prompts (the list has none: :func:`fetch` each, or :func:`attach`). It
        shows itself as a table. The account's other keys and people are in it.

    Raises
    ------
    InvalidRequestError
        All problems of the filters at once; nothing was asked.
    WanError
        No answer within 10 s, or one that says no.
    """
    api_key = seal(api_key)
    which = filters(status=status, model=model, since=since, until=until, task_id=task_id)
    if not isinstance(limit, int) or isinstance(limit, bool) or not 1 <= limit <= MOST:
        raise InvalidRequestError([Problem("limit", shown(limit), "it is out of range", f"1 to {MOST}")])
    settings = _settings(region, api_key, base_url, workspace)

    async def asked(client: WanClient) -> TaskList:
        found, more = await inquiries.rows(client, which, limit)
        region, simulated = session().switchboard.region(settings), client.simulator_speed is not None
        return TaskList(found, region=region, more=more, by_time=which.by_time, simulated=simulated)

    return session().ask(settings, asked)


def join(
    task_id: object,
    settings: Settings,
    *,
    name: str | None = None,
    variable: str | None = None,
    output_dir: str | Path | None = None,
    embed: bool | None = None,
    watch: Sequence[Callable[[JobUpdate], None]] = (),
) -> Job:
    """The job that follows a task: the one that does so already, or a new one whose card is shown here."""
    checked = given_task_id(task_id)
    known = _followed(checked, settings)
    if known is not None:
        return known
    return cells.begun(
        partial(session().follow, Task(checked, ""), recalled({}), settings),
        name=name,
        output_dir=output_dir,
        embed=embed,
        variable=variable,
        notes=(ELSEWHERE,),
        watch=watch,
    )


def stop(task: object, settings: Settings) -> Cancellation:
    """What :func:`cancel` does."""
    if isinstance(task, Job) and task.state is not JobState.DETACHED:
        return task.cancel()
    task_id = given_task_id(task)
    told = session().ask(settings, lambda client: inquiries.cancel(client, task_id))
    session().runner.look(task_id)
    return told


def _followed(task_id: str, settings: Settings) -> Job | None:
    region, address = session().switchboard.place(settings)
    for job in reversed(session().jobs):
        there = job.update.region == region and (
            address is None or job.update.endpoint in ("", without_workspace(address))
        )
        if job.task_id == task_id and there and (job.running() or job.state is JobState.DOWNLOADED):
            return job
    return None


def _settings(region: str | None, api_key: Secret | None, base_url: str | None, workspace: str | None) -> Settings:
    arguments.check_types(region=region, api_key=api_key, base_url=base_url, workspace=workspace)
    return arguments.settings(region, api_key, base_url, workspace)
