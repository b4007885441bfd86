"""Jobs of an earlier kernel, followed again: when the extension is loaded, or by ``%wan_resume``."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import Settings
from wan_notebook.doors.continuation import bound, send_on
from wan_notebook.doors.remainders import gathered
from wan_notebook.engine.reconcile import choices
from wan_notebook.engine.revival import revived
from wan_notebook.engine.spending import Terms
from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.session import session
from wan_notebook.ledger.journal import Journal
from wan_notebook.ledger.moves import moved_notebook
from wan_notebook.ledger.runs import LATER, OVER, PLANNED, TURNED_AWAY, UNFINISHED, UPDATE
from wan_notebook.ledger.statements import count
from wan_notebook.notebook import cards, frontend
from wan_notebook.notebook.leftovers import COLLECTED, of_this_notebook
from wan_notebook.tasks import JobState
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.doors.remainders import Remainder
    from wan_notebook.engine.job import Job
    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import JobUpdate

__all__ = ["at_load", "follow", "is_lost", "of_another_key", "resume", "settings_of", "without_task"]

YES = ("--yes", "-y")


def at_load(runs: Sequence[Run]) -> str:
    """Follow the runs this notebook left behind; one line that says so. The plugin shows them in their old cells."""
    cards.listen()
    ledger = session().ledger
    runs = _at_home(runs)
    came = [run for run in runs if run.owner == COLLECTED and run.state in OVER]
    for run in came:
        ledger.update(run.run_id, owner=ledger.owner)
    rest = [run for run in runs if run not in came]
    sweeps = [left for left in map(_gathered, _sweeps(rest)) if left is not None]
    jobs, said = _followed([run for run in rest if run.sweep is None], show=False)
    for left in sweeps:
        said += left.said
        jobs += [job for job in left.jobs if job.begun and not job.done()]
        if unsent := left.unsent:
            waits = count(len(unsent), "clip")
            said.append(f"{waits} of the sweep {left.board.name} were never sent: %wan_resume shows what they cost")
    unheard = [job for job in jobs if job.task_id is None and job.update.from_run is None]
    if unheard:
        said.insert(0, f"{count(len(unheard), 'submit')} without an answer looked for ({_names(unheard)})")
    if known := [job for job in jobs if job not in unheard]:
        said.insert(0, f"{count(len(known), 'job')} of this notebook followed again ({_names(known)})")
    if came:
        said.insert(0, f"{count(len(came), 'clip')} of this notebook came while no kernel was there")
    if jobs or came or sweeps:
        frontend.announce()
    return f"wan_notebook: {'; '.join(said)}. %wan_jobs shows them." if said else ""


def resume(line: str) -> str:
    """``%wan_resume [ID|all] [--yes]``: follow what is left of this notebook, of one run or task, or of everything.

    What a sweep never sent is sent on, once a person has seen what it costs.
    """
    cards.listen()
    words, ledger = line.split(), session().ledger
    yes = any(word in YES for word in words)
    word = " ".join(word for word in words if word not in YES)
    left = f"({UNFINISHED} OR state = '{PLANNED}' OR {TURNED_AWAY})"
    if not word and (path := frontend.notebook_path()):
        found = _at_home(of_this_notebook(ledger, path, also=TURNED_AWAY))
        found = [run for run in found if run.never_sent or run.state not in OVER]
    elif not word:
        found = ledger.runs(f"{left} AND folder = ?", (str(frontend.notebook_folder()),))
    elif word == "all":
        found = ledger.runs(left)
    else:
        member = "sweep IS NOT NULL AND substr(name, 1, ?) = ?"
        named = (word, len(word) + 1, f"{word}-")
        found = ledger.runs(f"{left} AND (? IN (run_id, task_id, name, sweep) OR ({member}))", named)
    sweeps = [sweep for sweep in map(_gathered, _sweeps(found)) if sweep is not None]
    theirs = {job.run_id for sweep in sweeps for job in sweep.jobs}
    found = [run for run in found if run.run_id not in theirs and (run.state == PLANNED or run.state not in OVER)]
    at_work = [run for run in found if ledger.driven(run)]
    jobs, said = _followed([run for run in reversed(found) if run not in at_work], show=True)
    for sweep in sweeps:
        sweep.board.show()
        said += sweep.said
        said.append(send_on(sweep, settings_of, yes=yes))
        said.append(bound(sweep))
    if jobs or sweeps:
        frontend.announce()
    if at_work:
        said.append(f"{count(len(at_work), 'job')} followed already: {', '.join(run.run_id for run in at_work[:5])}")
    if ledger.trouble:
        said.append(ledger.complaint)
    if not found and not sweeps:
        said.append(f"nothing to follow{f' of {word!r}' if word else ''}. %wan_jobs --all shows what there was")
    return "\n".join(filter(None, said))


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


def of_another_key(run: Run) -> bool:
    return run.account not in (None, session().switchboard.account(settings_of(run)))


def _sweeps(runs: Sequence[Run]) -> list[str]:
    """The sweeps that some runs belong to."""
    return list(dict.fromkeys(run.sweep for run in reversed(runs) if run.sweep is not None))


def _gathered(sweep_id: str) -> Remainder | None:
    return gathered(sweep_id, _picked_up)


def _picked_up(run: Run, watch: Callable[[Job], Sequence[Callable[[JobUpdate], None]]]) -> Job | str:
    """A member of a sweep, followed; or why it cannot be."""
    if run.strange or (run.task_id is None and run.from_run is None and not is_lost(run)):
        return without_task(run)[0]
    return follow(run, watch=watch)


def _followed(runs: Sequence[Run], *, show: bool) -> tuple[list[Job], list[str]]:
    jobs, said = [], []
    for run in runs:
        if run.strange or (run.task_id is None and run.from_run is None and not is_lost(run)):
            words, asks = without_task(run)
            if asks:
                said.append(f"{run.run_id}: {words}")
            continue
        try:
            jobs.append(follow(run, watch=lambda job: cards.card(job, show=show), show=cards.shown_again))
            if of_another_key(run):
                said.append(f"{run.run_id} was sent with another key than the one that is set now")
        except WanError as error:
            said.append(f"{run.run_id} cannot be followed: {error}")
    return jobs, said


def _names(jobs: Sequence[Job]) -> str:
    return ", ".join(job.update.name or job.run_id for job in jobs[:5]) + (", …" if jobs[5:] else "")


def is_lost(run: Run) -> bool:
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


def without_task(run: Run) -> tuple[str, bool]:
    """What there is to say of a run that cannot be followed, and whether a person has to decide something."""
    ledger = session().ledger
    if run.state == PLANNED:
        return "it is planned and was never sent; nothing is billed", False
    if run.strange:
        return f"{LATER.format(run.state)}. {UPDATE}", True
    if ledger.may_be_sent(run.run_id):
        return "it waits in a process that lives and stands still: it may be sent from there", True
    if run.state == JobState.WAITING:
        return "it was never sent, and nothing is billed", False
    if run.state == JobState.SUBMITTING and ledger.take_over(run.run_id):
        ledger.update(run.run_id, mine=True, state=JobState.AMBIGUOUS.value)
    return f"its answer never came, and the service's list no longer goes back to it. {choices(run.run_id)}", True
