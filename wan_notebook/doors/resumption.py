"""Jobs of an earlier kernel, followed again: when the extension is loaded, by ``%wan_resume``, or from a cron job."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import Settings
from wan_notebook.engine.reconcile import NotAcceptedError, choices, recover
from wan_notebook.engine.revival import revived
from wan_notebook.engine.spending import Terms
from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.session import session
from wan_notebook.ledger.journal import Journal
from wan_notebook.ledger.moves import moved_notebook
from wan_notebook.ledger.runs import LATER, OVER, UNFINISHED, UPDATE
from wan_notebook.ledger.statements import count
from wan_notebook.notebook import cards, frontend
from wan_notebook.notebook.leftovers import COLLECTED, of_this_notebook
from wan_notebook.service.endings import OTHER_KEY, not_known_yet
from wan_notebook.tasks import JobState, TaskStatus
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.engine.job import Job
    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import JobUpdate

__all__ = ["at_load", "collect", "follow", "resume", "settings_of"]

NOT_KNOWN = "the service does not know it under this key; is it of another account or region?"


def at_load(runs: Sequence[Run]) -> str:
    """Follow the runs this notebook left behind; one line that says so. The plugin shows them in their old cells."""
    cards.listen()
    ledger = session().ledger
    runs = _at_home(runs)
    came = [run for run in runs if run.owner == COLLECTED and run.state in OVER]
    for run in came:
        ledger.update(run.run_id, owner=ledger.owner)
    jobs, said = _followed([run for run in runs if run not in came], show=False)
    unheard = [job for job in jobs if job.task_id is None and job.update.from_run is None]
    if unheard:
        said.insert(0, f"{count(len(unheard), 'submit')} without an answer looked for ({_names(unheard)})")
    if known := [job for job in jobs if job not in unheard]:
        said.insert(0, f"{count(len(known), 'job')} of this notebook followed again ({_names(known)})")
    if came:
        said.insert(0, f"{count(len(came), 'clip')} of this notebook came while no kernel was there")
    if jobs or came:
        frontend.announce()
    return f"wan_notebook: {'; '.join(said)}. %wan_jobs shows them." if said else ""


def resume(line: str) -> str:
    """``%wan_resume [ID|all]``: follow what is left of this notebook, of one run or task, or of everything."""
    cards.listen()
    word, ledger = line.strip(), session().ledger
    if not word and (path := frontend.notebook_path()):
        found = [run for run in _at_home(of_this_notebook(ledger, path)) if run.state not in OVER]
    elif not word:
        found = ledger.runs(f"{UNFINISHED} AND folder = ?", (str(frontend.notebook_folder()),))
    elif word == "all":
        found = ledger.runs(UNFINISHED)
    else:
        found = ledger.runs(f"{UNFINISHED} AND ? IN (run_id, task_id, name)", (word,))
    at_work = [run for run in found if ledger.driven(run)]
    jobs, said = _followed([run for run in reversed(found) if run not in at_work], show=True)
    if jobs:
        frontend.announce()
    if at_work:
        said.append(f"{count(len(at_work), 'job')} followed already: {', '.join(run.run_id for run in at_work[:5])}")
    if ledger.trouble:
        said.append(ledger.complaint)
    if not found:
        said.append(f"nothing to follow{f' of {word!r}' if word else ''}. %wan_jobs --all shows what there was")
    return "\n".join(said)


def _at_home(runs: Sequence[Run]) -> list[Run]:
    """Runs of this notebook; those of one that was renamed or moved are written down as this one's."""
    path, ledger = frontend.notebook_path(), session().ledger
    home = []
    for run in runs:
        now = run if path is None or run.notebook == str(path) else moved_notebook(run, path)
        if now is not run:
            ledger.update(run.run_id, notebook=now.notebook, folder=now.folder, outputs=now.outputs)
        home.append(now)
    return home


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
    looked_for = _look_for([run for run in runs if _is_lost(run)], patient=wait)
    for one in reversed(runs):
        run = looked_for.get(one.run_id, one)
        if isinstance(run, WanError):
            missing += not isinstance(run, NotAcceptedError)
            say(f"{one.run_id}: {run}")
        elif ledger.driven(run):
            say(f"{run.run_id}: followed by a running process")
        elif run.task_id is None or run.strange:
            words, asks = _without_task(run)
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


def follow(
    run: Run,
    *,
    watch: Callable[[Job], Sequence[Callable[[JobUpdate], None]]] = lambda _: (),
    show: Callable[[JobUpdate], dict[str, Any]] = rendering.bundle,
) -> Job:
    """Follow a run that an earlier process left behind.

    Parameters
    ----------
    run : Run
        With a task id, or one that showed another run's clip.
    watch, show : callable
        The observers of the new job; how it shows itself.

    Raises
    ------
    ConfigurationError
        No key, or somebody drives it.
    """
    hall, settings = session(), settings_of(run)
    hall.switchboard.place(settings)
    if not hall.ledger.take_over(run.run_id):
        raise ConfigurationError(f"{run.run_id} is followed by another process, or over.")
    account = hall.switchboard.account(settings)
    journal = Journal(hall.ledger, run, terms=Terms(), record=hall.record, simulated=run.simulated, account=account)
    journal.reopen()
    update = revived(run, now=time.time(), handle=f"wan_notebook.jobs()[{len(hall.jobs)}]", again=True)
    return hall.drive(
        update, settings, journal, outputs=Path(run.outputs), stem=run.stem, scope=None, watch=watch, show=show
    )


def settings_of(run: Run) -> Settings:
    """What a run of the ledger was sent with, and today's key; a base URL of today's environment is no part of it.

    Raises
    ------
    ConfigurationError
    """
    environ = {name: value for name, value in os.environ.items() if name != "DASHSCOPE_HTTP_BASE_URL"}
    return Settings.resolve(region=run.region, base_url=run.base_url, workspace=run.workspace, environ=environ)


def _under_way(run: Run) -> str:
    """Why a run's task is left alone, nothing where it has ended; a question that costs nothing."""
    settings = settings_of(run)
    task = session().ask(settings, lambda client: client.fetch(run.task_id or ""))
    if not_known_yet(task, run.submitted_at, simulated=bool(run.simulated)):
        return OTHER_KEY if _of_another_key(run) else NOT_KNOWN
    return "still under way" if task.status in (TaskStatus.PENDING, TaskStatus.RUNNING) else ""


def _of_another_key(run: Run) -> bool:
    return run.account not in (None, session().switchboard.account(settings_of(run)))


def _followed(runs: Sequence[Run], *, show: bool) -> tuple[list[Job], list[str]]:
    jobs, said = [], []
    for run in runs:
        if run.strange or (run.task_id is None and run.from_run is None and not _is_lost(run)):
            words, asks = _without_task(run)
            if asks:
                said.append(f"{run.run_id}: {words}")
            continue
        try:
            jobs.append(follow(run, watch=lambda job: cards.card(job, show=show), show=cards.shown_again))
            if _of_another_key(run):
                said.append(f"{run.run_id} was sent with another key than the one that is set now")
        except WanError as error:
            said.append(f"{run.run_id} cannot be followed: {error}")
    return jobs, said


def _names(jobs: Sequence[Job]) -> str:
    return ", ".join(job.update.name or job.run_id for job in jobs[:5]) + (", …" if jobs[5:] else "")


def _is_lost(run: Run) -> bool:
    """Whether a run was sent by a process that is gone, its answer never came, and its task can still be listed."""
    ledger, now = session().ledger, time.time()
    if (
        run.task_id is not None
        or run.from_run is not None
        or run.state not in (JobState.SUBMITTING, JobState.AMBIGUOUS)
    ):
        return False
    if ledger.driven(run) or ledger.may_be_sent(run.run_id):
        return False
    return now - (run.sent_at or run.created_at) < catalog().service.list_seconds


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
            foreign = _of_another_key(run)
            await recover(client, hall.ledger, run, note=lambda _: None, patient=patient, foreign=foreign)
            hall.ledger.update(run.run_id, mine=True, owner=None)  # whoever follows it now
        except WanError as error:
            return error
        return hall.ledger.run(run.run_id) or run

    async def every() -> list[Run | WanError]:
        return await asyncio.gather(*map(one, runs))

    found = hall.runner.wait_for(every()) if runs else []
    return {run.run_id: now for run, now in zip(runs, found, strict=True)}


def _without_task(run: Run) -> tuple[str, bool]:
    """What there is to say of a run that cannot be followed, and whether a person has to decide something."""
    ledger = session().ledger
    if run.strange:
        return f"{LATER.format(run.state)}. {UPDATE}", True
    if ledger.may_be_sent(run.run_id):
        return "it waits in a process that lives and stands still: it may be sent from there", True
    if run.state == JobState.WAITING:
        return "it was never sent, and nothing is billed", False
    if run.state == JobState.SUBMITTING and ledger.take_over(run.run_id):
        ledger.update(run.run_id, mine=True, state=JobState.AMBIGUOUS.value)
    return f"its answer never came, and the service's list no longer goes back to it. {choices(run.run_id)}", True
