"""The ledger's lines: ``%wan_jobs``, ``%wan_costs``, ``%wan_cache`` and what the command line shares with them."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.config import SIMULATOR
from wan_notebook.doors.options import Parser, add, read
from wan_notebook.errors import ConfigurationError
from wan_notebook.keys import UNREAD_KEY, Secret
from wan_notebook.ledger import expenses, moves
from wan_notebook.ledger.expenses import Purse
from wan_notebook.ledger.runs import FORGOTTEN, LATER, OPEN, OVER, UNDRIVEN, UPDATE
from wan_notebook.ledger.statements import Statement, cache, costs, count, listed, money, select
from wan_notebook.notebook import arguments, frontend
from wan_notebook.service.hosts import region_of
from wan_notebook.words.addresses import is_loopback, without_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger

__all__ = ["cached", "costs_by", "forget", "jobs", "runs", "spent"]

LIMIT = 50
DAY_SECONDS = 24 * 3600
MAYBE = "May have been billed, and stays counted (without --unbilled)"
KEPT = "No clip was deleted, and what was spent stays in the costs and budgets."


def runs(ledger: Ledger, *, limit: int = LIMIT, **filters: object) -> Statement:
    """Runs of the ledger, newest first; ``filters`` as for :func:`wan_notebook.ledger.statements.select`."""
    where, values = select(**filters)  # type: ignore[arg-type]  # its own names, from a door
    found = ledger.runs(where, values, limit=limit + 1, forgotten=filters.get("state") == FORGOTTEN)
    return listed(found[:limit], ledger.driven, more=len(found) > limit)


def forget(ledger: Ledger, run_ids: Sequence[str], *, yes: bool = False, unbilled: bool = False) -> str:
    """Forget runs. Their clips stay; what is forgotten is no longer found instead of being paid for again.

    What a submit without an answer may cost stays counted; ``unbilled`` says that the console shows no task of it.

    Raises
    ------
    ConfigurationError
        One is not known, is driven by a process, or its paid clip is not saved yet and ``yes`` was not said.
        ``unbilled`` was said of one that has a task.
    """
    for run_id in run_ids:
        run = ledger.run(run_id)
        if run is None:
            raise ConfigurationError(f"the ledger knows no run {run_id[:80]}.", hint="wan-notebook runs lists them.")
        if run.state in OPEN and run.state not in UNDRIVEN and ledger.driven(run):
            raise ConfigurationError(f"{run_id} is under way: a process is at work on it.", hint="Cancel it first.")
        if run.strange and not yes:
            hint = f"{UPDATE} To forget it all the same say --yes."
            raise ConfigurationError(f"{run_id} may be paid for: {LATER.format(run.state)}.", hint=hint)
        if unbilled and run.task_id is not None:
            raise ConfigurationError(
                f"{run_id} was accepted as task {run.task_id}.", hint="Forget it without --unbilled."
            )
        if run.state in OPEN and run.task_id and not yes:
            raise ConfigurationError(
                f"{run_id} is not finished: its clip may be paid for and is not saved yet (task {run.task_id}).",
                hint="wan-notebook collect fetches it. To forget it all the same say --yes.",
            )
    known = [run for run in map(ledger.run, run_ids) if run]
    again = " Run again, it is paid for again." if paid_for(known) else ""
    lost = [run.run_id for run in known if run.task_id is None and run.state in ("submitting", "ambiguous")]
    if lost:
        again += f" {'Taken for never accepted, and counted nowhere' if unbilled else MAYBE}: {', '.join(lost)}."
    expenses.forget(ledger, run_ids, unbilled=unbilled)
    return f"forgotten: {', '.join(run_ids)}. {KEPT}{again}"


def jobs(ledger: Ledger, line: str) -> Statement:
    """``%wan_jobs [--all] [--limit N]``: the runs that are not finished, or all of them."""
    parser = Parser("%wan_jobs")
    add(parser, "all", flag=True, text="finished ones, too")
    add(parser, "limit", flag=False, text=f"how many ({LIMIT})")
    said = read(parser, line, str)
    return runs(ledger, limit=_number(said.get("limit", LIMIT), "--limit"), unfinished=not said.get("all"))


def spent(ledger: Ledger, line: str) -> Statement:
    """``%wan_costs [--by day|model|notebook|project] [--since DATE]``: what was spent, and what the budgets leave."""
    parser = Parser("%wan_costs")
    add(parser, "by", flag=False, text="day (default), model, notebook or project")
    add(parser, "since", flag=False, text="a date")
    said = read(parser, line, str)
    return costs_by(ledger, said.get("by") or "day", since=said.get("since"))


def costs_by(ledger: Ledger, by: str, *, since: str | None = None) -> Statement:
    """What was spent, forgotten runs included, and what of the budgets that hold here is spent or promised.

    Budgets are told of the kind that would be paid for here: of simulated runs where the region is the simulator.

    Raises
    ------
    InvalidRequestError
        It is not grouped by that, or ``since`` is no date.
    """
    told = costs(ledger.runs(*select(since=since), forgotten=True), by)
    terms = arguments.terms(force=False, yes=False, max_cost=None)
    purse = _purse(ledger, terms.folder or os.path.realpath(frontend.notebook_folder()))
    kind = "" if purse.billed else " (simulated)"
    budgets = [
        f"Of the {limit} of this {name} {spent} is spent or promised{kind}."
        for name, limit, spent in (
            ("session", terms.session, purse.in_session()),
            ("project", terms.project, purse.in_project()),
        )
        if limit is not None
    ]
    return replace(told, remarks=[*budgets, *told.remarks])


def _purse(ledger: Ledger, folder: str) -> Purse:
    """What a run would be paid out of here and now: the budgets count simulated runs and real ones apart."""
    try:
        settings = arguments.settings(None, Secret(UNREAD_KEY), None, None)
        region, address = region_of(settings), settings.base_url or ""
    except ConfigurationError:  # costs are told all the same
        return Purse(ledger, folder, simulated=False)
    simulated = None if is_loopback(address) else region == SIMULATOR
    return Purse(ledger, folder, simulated, without_workspace(address))


def cached(ledger: Ledger, line: str) -> Statement | str:
    """``%wan_cache [--prune DAYS] [--gone] [--yes]``: the saved clips that are shown again; forgets old or lost ones.

    Raises
    ------
    BudgetError
        What is to be forgotten would be paid for again, and nobody can be asked.
    """
    parser = Parser("%wan_cache")
    add(parser, "prune", flag=False, text="forget those made more than so many days ago")
    add(parser, "gone", flag=True, text="forget those whose file is gone")
    add(parser, "yes", flag=True, text="do not ask, also where a run would be paid for again")
    said = read(parser, line, str)
    moves.follow_moves(ledger, str(frontend.notebook_folder()))
    everything = ledger.runs()
    if "prune" not in said and not said.get("gone"):
        return cache(everything)
    before = time.time() - _number(said["prune"], "--prune") * DAY_SECONDS if "prune" in said else 0.0
    kept = [run for run in everything if run.state in OVER]
    lost = [run for run in kept if said.get("gone") and run.clip_path and not Path(run.clip_path).is_file()]
    old = [run for run in kept if run.created_at < before and run not in lost]
    if (paid := paid_for([*old, *lost])) and not said.get("yes") and not frontend.ask(_again(paid)):
        return "Nothing was forgotten."
    return f"forgotten: {count(expenses.forget(ledger, [run.run_id for run in (*old, *lost)]), 'run')}. {KEPT}"


def paid_for(runs: Sequence[Run]) -> list[Run]:
    """Those whose clip would be paid for again if they were forgotten."""
    return [run for run in runs if run.from_run is None and run.state == "downloaded" and not run.simulated]


def _again(paid: Sequence[Run]) -> str:
    away = sum(not Path(run.clip_path or "").parent.is_dir() for run in paid)
    mounted = f" The folder of {count(away, 'clip')} is not there: is a disk not mounted, or a folder renamed?"
    cost = f"{count(len(paid), 'run')} ({money(paid)})"
    return f"Forget {cost}? Run again, they would be paid for again.{mounted if away else ''}"


def _number(said: object, what: str) -> int:
    if isinstance(said, int):
        return said
    text = str(said)
    if not text.isascii() or not text.isdecimal() or len(text) > 6:  # noqa: PLR2004  more than any ledger holds
        raise ConfigurationError(f"{what} takes a whole number, not {text[:40]!r}.")
    return int(text)
