"""What all processes of a user share: places at the service, and the times its runs took."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import WanError
from wan_notebook.facts.catalog import catalog
from wan_notebook.ledger.owners import LEASE_SECONDS, is_gone, is_there
from wan_notebook.ledger.runs import TURNED_AWAY

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Mapping

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger

__all__ = ["accept", "give", "hold", "processes", "reclaim", "run_times", "slot"]

SHORTEST_SECONDS = 0.02
CLOCKS_SECONDS = 0.05  # the service's clock is not ours
PLACE_SECONDS = 5.0  # until it is worth asking again for a free place
OVERTAKEN = "this process stood still, and the request was taken over or forgotten meanwhile: not sent from here."
PAID_IS_FOUND = "Nothing is billed for it. Run the cell again: what is paid for is found."


def slot(ledger: Ledger, run_id: str, *, per_second: int | None, most: int | None, speed: float) -> float:
    """Take the right to send a run's POST now; 0 if it is taken (and written down), else the seconds to wait.

    The service counts what arrives, and a POST arrives at any moment between its leaving and its answer: it takes its
    place until a second after the answer. So no more than ``per_second`` arrive in any second, however uneven the way.

    Parameters
    ----------
    run_id : str
    per_second : int or None
        POSTs a second for its model at its address, by all processes together; None where that is not known.
    most : int or None
        Tasks that may be open there at once.
    speed : float
        Of the service's clock.

    Raises
    ------
    WanError
        The run does not wait here any more: it may not be sent.
    """

    def work(db: sqlite3.Connection) -> float:
        now = time.time()
        sql = "SELECT model, region, endpoint FROM runs WHERE run_id = ? AND owner = ? AND state = 'waiting'"
        row = db.execute(sql, (run_id, ledger.owner)).fetchone()
        if row is None:
            raise WanError(OVERTAKEN, hint=PAID_IS_FOUND)
        same, place = "model = ? AND region = ? AND endpoint = ? AND run_id != ?", (*row, run_id)
        window = 1.0 / speed + CLOCKS_SECONDS
        alive = "owner IN (SELECT owner FROM owners WHERE beat > ?)"  # what nobody follows is over by now, or soon
        under_way = f"state = 'submitting' AND task_id IS NULL AND lost_at IS NULL AND sent_at <= ? AND {alive}"
        answered = "MAX(COALESCE(submitted_at, finished_at, sent_at), COALESCE(lost_at, 0))"
        heard = f"CASE WHEN {under_way} THEN ? ELSE {answered} END AS heard"
        recent = "sent_at > 0 AND heard > ? AND heard < ?"  # none of a future that a clock set back has left behind
        sql = f"SELECT {heard} FROM runs WHERE {same} AND {recent} ORDER BY heard DESC LIMIT ?"  # noqa: S608  our own
        lately = (now, now - LEASE_SECONDS, now, *place, now - window, now + window, per_second or 0)
        sent = [at for (at,) in db.execute(sql, lately)]
        if per_second is not None and len(sent) >= per_second:
            return max(min(float(sent[-1]) + window - now, window / 2), SHORTEST_SECONDS)
        if most is not None:
            young = "COALESCE(submitted_at, sent_at, created_at) > ?"  # the service keeps no task for longer
            sql = f"SELECT COUNT(*) FROM runs WHERE {same} AND state IN ('submitting', 'following')"  # noqa: S608  our own
            sql += f" AND {alive} AND {young}"
            oldest = now - catalog().service.keep_seconds / speed
            if db.execute(sql, (*place, now - LEASE_SECONDS, oldest)).fetchone()[0] >= most:
                return max(PLACE_SECONDS / speed, SHORTEST_SECONDS)
        db.execute("UPDATE runs SET state = 'submitting', sent_at = ? WHERE run_id = ?", (now, run_id))
        return 0.0

    return ledger.write(work)


def reclaim(ledger: Ledger, sweep: str, among: Collection[str]) -> list[str]:
    """Take over those of some members of a sweep that were never sent and that no living process holds, in order.

    Their rows are planned again and belong to this process.
    """

    def work(db: sqlite3.Connection) -> list[str]:
        sql = "SELECT run_id, owner, host, pid, begun, beat FROM runs LEFT JOIN owners USING (owner) WHERE sweep = ? "
        sql += f"AND task_id IS NULL AND (state IN ('planned', 'waiting') OR {TURNED_AWAY}) ORDER BY place"
        free, now = [], time.time()
        for run_id, owner, host, pid, begun, beat in db.execute(sql, (sweep,)).fetchall():
            if run_id not in among:
                continue
            known = host is not None and owner != ledger.owner
            if known and (is_there(host, pid, begun) or (now - beat < LEASE_SECONDS and not is_gone(host, pid, begun))):
                continue
            changes = "state = 'planned', reuse_key = NULL, ordinal = NULL, owner = ?, payer = ?, finished_at = NULL"
            changes += ", lost_at = NULL, sent_at = NULL"
            db.execute(f"UPDATE runs SET {changes} WHERE run_id = ?", (ledger.owner, ledger.payer, run_id))  # noqa: S608
            free.append(run_id)
        return free

    return ledger.write(work)


def hold(ledger: Ledger, run_id: str) -> None:
    """Make sure that a run may still be sent, after this process has stood still.

    Raises
    ------
    WanError
        It is no longer this process's to send.
    """
    run = ledger.run(run_id)
    if run is None or (run.owner, run.state, run.task_id) != (ledger.owner, "submitting", None):
        raise WanError(OVERTAKEN, hint=PAID_IS_FOUND)


def give(
    ledger: Ledger, run_id: str, tasks: Mapping[str, str | None], *, answered: bool = False, **columns: Any
) -> str | None:
    """Write the first task that no submit from here has into the row of a run that has none, and its ``columns``.

    Parameters
    ----------
    tasks : mapping
        Task id to the request id of its submit, where that is known.
    answered : bool
        The service's own answer to this submit named the task: it is this run's, whoever has it.

    Returns
    -------
    str or None
        The run's task: this one, or the one that was written meanwhile. None where all are taken.
    """

    def work(db: sqlite3.Connection) -> str | None:
        row = db.execute("SELECT task_id FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if row is not None and row[0] is not None:
            return str(row[0])
        taken = "SELECT 1 FROM runs WHERE task_id = ? AND asked_key IS NOT NULL AND from_run IS NULL LIMIT 1"
        free = next((task for task in tasks if answered or db.execute(taken, (task,)).fetchone() is None), None)
        if free is not None and row is not None:
            told = columns | {"state": "following", "task_id": free, "request_id": tasks[free]}
            told |= {"owner": ledger.owner, "updated_at": time.time()}
            text = ", ".join(f"{name} = :{name}" for name in told)
            db.execute(f"UPDATE runs SET {text} WHERE run_id = :key", {**told, "key": run_id})  # noqa: S608  our own
        return free

    return ledger.write(work)


def accept(ledger: Ledger, run: Run) -> Run | None:
    """Write the task that the service's answer named for ``run``; its row, where another process has it by now."""
    assert run.task_id is not None  # noqa: S101  that is what was answered
    told = {"submitted_at": run.submitted_at, "simulated": run.simulated}
    give(ledger, run.run_id, {run.task_id: run.request_id}, answered=True, **told)
    row = ledger.run(run.run_id)
    if row is None:  # forgotten while this process stood still, and paid for all the same
        ledger.add(run)
    else:  # once more, as what this process holds for its own, whatever becomes of the file
        ledger.update(run.run_id, mine=True, task_id=row.task_id, request_id=row.request_id, state=row.state, **told)
    return None if row is None or row.owner == ledger.owner else row


def run_times(ledger: Ledger, *kind: Any) -> list[float]:
    """Run times of the latest 100 runs of one (model, resolution, duration, simulated), in seconds."""
    sql = (
        "SELECT run_seconds FROM runs WHERE model = ? AND resolution IS ? AND duration IS ? AND simulated = ? "
        "AND run_seconds IS NOT NULL AND from_run IS NULL ORDER BY created_at DESC LIMIT 100"
    )
    found = ledger.read(lambda db: db.execute(sql, kind).fetchall())
    return [seconds for (seconds,) in found if isinstance(seconds, (int, float))]


def processes(ledger: Ledger) -> int:
    """How many processes live that drive runs, this one included."""
    sql = "SELECT COUNT(*) FROM owners WHERE beat > ? AND owner != ?"
    since = time.time() - LEASE_SECONDS
    return 1 + int(ledger.read(lambda db: db.execute(sql, (since, ledger.owner)).fetchone()[0]))
