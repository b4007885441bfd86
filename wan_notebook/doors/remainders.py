"""Sweeps that an earlier kernel left behind: gathered from the ledger, shown, and sent on when a person says so."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import SIMULATOR
from wan_notebook.doors.variables import name_problem
from wan_notebook.engine.job import Job, Verbs
from wan_notebook.engine.jobset import JobSet
from wan_notebook.engine.revival import revived
from wan_notebook.engine.turnstile import Turnstile
from wan_notebook.errors import AmbiguousSubmitError, BudgetError, TaskCanceledError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.restoration import restored
from wan_notebook.hall.session import session
from wan_notebook.ledger import sharing
from wan_notebook.ledger.runs import OPEN, PLANNED
from wan_notebook.ledger.statements import count
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.boards import Board, verbs
from wan_notebook.notebook.expectation import expect
from wan_notebook.notebook.surroundings import shell
from wan_notebook.request.declaration import MEASURES
from wan_notebook.tasks import JobState, VideoResult
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wan_notebook.config import Settings
    from wan_notebook.engine.spending import Terms
    from wan_notebook.hall.session import Ready
    from wan_notebook.ledger.runs import Run
    from wan_notebook.tasks import JobUpdate

__all__ = ["Remainder", "bound", "gathered", "send_on"]

NEVER_BEGUN = (PLANNED, JobState.WAITING.value)
AGAIN = "run the sweep's cell again: what is paid for is found"


@dataclass
class Remainder:
    """A sweep of an earlier kernel.

    Parameters
    ----------
    board : Board
    jobs : JobSet
    rows : sequence of Run
        Those of its members that were never sent.
    said : list of str
        What could not be followed.
    """

    board: Board
    jobs: JobSet
    rows: Sequence[Run]
    said: list[str] = field(default_factory=list)


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
        folder=Path(rows[0].folder) if rows[0].folder else None,
    )
    said: list[str] = []
    jobs: list[Job] = []
    for own, run in zip(values, rows, strict=True):
        update = revived(run, now=time.time(), handle=f"{board.name or 'sweep'}[{run.place}]")
        if run.state in NEVER_BEGUN:
            update = replace(update, state=JobState.PLANNED, finished_at=None)
        board.place(own, update, waits=run.state in NEVER_BEGUN)
    for run in rows:
        try:
            jobs.append(_job(run, board, pick_up, said))
        except WanError as error:
            said.append(f"{run.run_id} cannot be followed: {error}")
            jobs.append(_ended(board.update_of(run.run_id), error))
    found = JobSet(jobs, values, verbs(board), sweep_id=sweep_id, name=board.name)
    unsent = [run for run in rows if run.state in NEVER_BEGUN]
    _known[sweep_id] = Remainder(board, found, unsent, said)
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
    if run.state in NEVER_BEGUN:
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


def send_on(left: Remainder, settings_of: Callable[[Run], Settings], *, yes: bool) -> str:
    """Send the members that were never sent, once a person has seen what they cost; one line that says so.

    Raises
    ------
    BudgetError
        The answer was no, nobody could be asked, or a limit forbids it.
    """
    hall, board = session(), left.board
    turnstile, ready, missing = Turnstile(), [], []
    terms = arguments.terms(force=False, yes=yes, max_cost=None)
    for run in left.rows:
        try:
            ready.append(_ready(run, board, settings_of(run), turnstile))
        except WanError as error:
            missing.append((run, error))
    said = []
    if missing:
        first = f"{missing[0][0].run_id}: {missing[0][1]}"
        said.append(f"{count(len(missing), 'clip')} cannot be made again from here ({first}); {AGAIN}")
    if ready:
        simulated = ready[0].update.region == SIMULATOR or not ready[0].journal.purse.billed
        updates = [one.update for one in ready]
        costs = [update.cost for update in updates if update.cost]
        whole = expect(
            [update.request for update in updates], costs, simulated=simulated, ledger=hall.ledger, updates=updates
        )
        what = f"{count(len(ready), 'clip')} of the sweep {board.name or board.sweep_id}"
        if not simulated and not yes and not frontend.ask(f"Send {what}, which were not sent yet, for {whole}?"):
            raise BudgetError(f"{what} were not sent.", hint="They stay planned. Nothing is billed.")
        terms = replace(terms, yes=True)
        terms = ready[0].journal.check(*(whole.costs[place] for place in whole.new), ask=frontend.ask, terms=terms)
        begun = _begun(left, ready, terms)
        said.insert(0, f"{what} sent on, for {whole}" if begun else f"{what} were taken on by another kernel meanwhile")
    return "; ".join(said)


def _ready(run: Run, board: Board, settings: Settings, turnstile: Turnstile) -> Ready:
    """A member that was planned, to be sent: the very request, from the kept bytes."""
    hall, record, folder = session(), json.loads(run.record or "{}"), Path(run.folder or "")
    region = hall.switchboard.region(settings)
    request = restored(record, folder, {}, uploads=catalog().region(region).uploads).request
    told = record["request"]
    # The request as asked, so that its cell finds it: what was not given then is left to the defaults, which are sent.
    unsaid = dict.fromkeys(request.given - set(told["given"]) - MEASURES.keys())
    lean = request.replace(**unsaid)
    same = {name: value for name, value in lean.effective().items() if name != "seed" and name not in MEASURES}
    if all(request.effective()[name] == value for name, value in same.items()):
        request = lean
    elif "seed" in unsaid:
        request = request.replace(seed=None)
    update = board.update_of(run.run_id)
    return hall.ready(
        request,
        settings,
        seed=run.seed,
        terms=replace(arguments.terms(force=False, yes=False, max_cost=None), body=told["sent_sha256"]),
        scope=board.sweep_id,
        folder=folder,
        outputs=Path(run.outputs),
        notebook=Path(run.notebook) if run.notebook else None,
        name=run.name,
        variable=update.handle,
        cell_id=run.cell_id,
        source_sha256=record.get("source_sha256"),
        private=update.private,
        watch=lambda _: [board.tell],
        show=rendering.bundle,
        turnstile=turnstile,
        planned=run,
        sweep=board.sweep_id,
        place=run.place,
    )


def _begun(left: Remainder, ready: Sequence[Ready], terms: Terms) -> int:
    """Let the members begin that nobody else took meanwhile; how many."""
    hall, board = session(), left.board
    mine = set(sharing.reclaim(hall.ledger, board.sweep_id))
    own = {run.run_id: values for run, values in zip(left.rows, _values(left), strict=True)}
    chosen = [one for one in ready if one.update.run_id in mine]
    for one in chosen:
        one.journal.terms = replace(terms, max_cost=None, body=one.journal.terms.body)
    hall.ledger.add(*(one.journal.planned(one.update, own[one.update.run_id]) for one in chosen))
    started = {}
    for one in chosen:
        board.place(own[one.update.run_id], one.update)
        board.begun(one.update.run_id)
        started[one.update.run_id] = one.start()
    left.jobs = left.jobs.exchanged(started)
    left.rows = [run for run in left.rows if run.run_id not in started]
    return len(chosen)


def _values(left: Remainder) -> list[Mapping[str, Any]]:
    rows = {run.run_id for run in left.rows}
    return [values for job, values in zip(left.jobs, left.jobs.values, strict=True) if job.run_id in rows]


def bound(left: Remainder) -> str:
    """Bind the variable the sweep had, where it is free; what is said about it."""
    running, name = shell(), left.board.name
    if running is None or not name or name_problem(name, running.user_ns) is not None:
        return ""
    running.user_ns[name] = left.jobs
    return f"{name} holds them"
