"""What a sweep of an earlier kernel never sent is sent on, once a person has seen what it costs."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.config import SIMULATOR
from wan_notebook.doors.variables import name_problem
from wan_notebook.engine.turnstile import Turnstile
from wan_notebook.errors import BudgetError, WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.restoration import restored
from wan_notebook.hall.session import session
from wan_notebook.ledger import sharing
from wan_notebook.ledger.statements import count
from wan_notebook.notebook import arguments, frontend
from wan_notebook.notebook.expectation import expect
from wan_notebook.notebook.surroundings import shell
from wan_notebook.request.declaration import MEASURES
from wan_notebook.windows import rendering

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from wan_notebook.config import Settings
    from wan_notebook.doors.remainders import Remainder
    from wan_notebook.engine.job import Job
    from wan_notebook.engine.spending import Terms
    from wan_notebook.hall.session import Ready
    from wan_notebook.ledger.runs import Run
    from wan_notebook.notebook.boards import Board
    from wan_notebook.notebook.expectation import Expectation

__all__ = ["bound", "send_on"]

AGAIN = "run the sweep's cell again: what is paid for is found"
PATIENCE_SECONDS, LOOK_SECONDS = 90.0, 0.1  # of a cell that waits for a search, which takes a minute
LOOKING = "{} without an answer looked for: sent on, too, where the service's list shows that it was not accepted"
LOOKED_FOR_STILL = "{} without an answer still looked for: %wan_resume sends on, too, what was not accepted"


def send_on(left: Remainder, settings_of: Callable[[Run], Settings], *, yes: bool) -> str:
    """Send the members that were never sent, once a person has seen what they cost; one line that says so.

    A member whose submit got no answer is among them only once the service's list shows that it was not accepted.

    Raises
    ------
    BudgetError
        The answer was no, nobody could be asked, or a limit forbids it.
    """
    board, searched, lost = left.board, left.looked_for, {job.run_id for job in left.looked_for}
    looked_at = [run for run_id in lost if (run := session().ledger.run(run_id)) is not None]
    ready, missing = _prepared([*left.unsent, *looked_at], board, settings_of)
    said = [f"{count(len(missing), 'clip')} cannot be made again from here ({missing[0]}); {AGAIN}"] if missing else []
    if ready:
        whole, terms = _agreed(ready, lost, f"of the sweep {board.name or board.sweep_id}", yes=yes)
        begun = _begun(left, [one for one in ready if one.update.run_id not in lost], terms)
        if searched:
            _wait(left, searched)
            away = lost & {run.run_id for run in left.unsent}
            begun |= _begun(left, [one for one in ready if one.update.run_id in away], terms)
        price = replace(whole, new=[n for n in whole.new if ready[n].update.run_id in begun])
        what = f"{count(len(begun), 'clip')} of the sweep {board.name or board.sweep_id}"
        if begun:
            said.insert(0, f"{what} sent on, for {price}")
        elif len(ready) > len(lost):
            said.insert(0, f"{count(len(ready), 'clip')} were taken on by another kernel meanwhile")
        if still := left.looked_for:
            said.append(LOOKED_FOR_STILL.format(count(len(still), "submit")))
    return "; ".join(said)


def _prepared(
    runs: Sequence[Run], board: Board, settings_of: Callable[[Run], Settings]
) -> tuple[list[Ready], list[str]]:
    """Those that can be sent, ready; why the others cannot."""
    turnstile, ready, missing = Turnstile(), [], []
    for run in runs:
        try:
            ready.append(_ready(run, board, settings_of(run), turnstile))
        except WanError as error:
            missing.append(f"{run.run_id}: {error}")
    return ready, missing


def _agreed(ready: Sequence[Ready], lost: Collection[str], of: str, *, yes: bool) -> tuple[Expectation, Terms]:
    """Price and time of all, and the terms a person agreed to.

    Raises
    ------
    BudgetError
    """
    first, updates = ready[0], [one.update for one in ready]
    simulated = first.update.region == SIMULATOR or not first.journal.purse.billed
    costs = [update.cost for update in updates if update.cost]
    requests = [update.request for update in updates]
    whole = expect(requests, costs, simulated=simulated, ledger=session().ledger, updates=updates)
    perhaps = {place for place, update in enumerate(updates) if update.run_id in lost}
    new = [place for place in whole.new if place not in perhaps]  # the others are promised already
    whole = replace(whole, new=sorted({*new, *perhaps}))
    if not simulated and not yes:
        _ask(f"{count(len(ready), 'clip')} {of}", len(ready) - len(perhaps), str(whole))
    terms = replace(arguments.terms(force=False, yes=yes, max_cost=None), yes=True)
    if new:
        terms = first.journal.check(*(whole.costs[place] for place in new), ask=frontend.ask, terms=terms)
    return whole, terms


def _ask(what: str, unsent: int, price: str) -> None:
    """Ask once, for all. Raises BudgetError where the answer is no."""
    which = "which were not sent yet" if unsent else "if the service's list shows that it was not accepted"
    if not frontend.ask(f"Send {what}, {which}, for {price}?"):
        raise BudgetError(f"{what} were not sent.", hint="They stay planned. Nothing is billed.")


def _wait(left: Remainder, searched: Sequence[Job]) -> None:
    """Wait until it is known of each whether it was accepted; for the time such a search takes, or an interrupt."""
    remark = LOOKING.format(count(len(searched), "submit"))
    left.board.notes.append(remark)
    end = time.monotonic() + PATIENCE_SECONDS
    try:
        while left.looked_for and time.monotonic() < end:
            time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        pass
    finally:
        left.board.notes.remove(remark)


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


def _begun(left: Remainder, ready: Sequence[Ready], terms: Terms) -> set[str]:
    """Let the members begin that nobody else took meanwhile; their run ids."""
    hall, board = session(), left.board
    mine = set(sharing.reclaim(hall.ledger, board.sweep_id, {one.update.run_id for one in ready}))
    own = {job.run_id: values for job, values in zip(left.jobs, left.jobs.values, strict=True)}
    chosen = [one for one in ready if one.update.run_id in mine]
    for one in chosen:
        one.journal.terms = replace(terms, max_cost=None, body=one.journal.terms.body)
    hall.ledger.add(*(one.journal.planned(one.update, own[one.update.run_id]) for one in chosen))
    started = {}
    for one in chosen:
        board.put(own[one.update.run_id], one.update)
        board.begun(one.update.run_id)
        started[one.update.run_id] = one.start()
    left.jobs = board.hold(left.jobs.exchanged(started))
    left.lost -= started.keys()
    return set(started)


def bound(left: Remainder) -> str:
    """Bind the variable the sweep had, where it is free; what is said about it."""
    running, name = shell(), left.board.name
    if running is None or not name or name_problem(name, running.user_ns) is not None:
        return ""
    running.user_ns[name] = left.jobs
    return f"{name} holds them"
