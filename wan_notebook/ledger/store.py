"""The ledger: every run this machine paid for, written before it can be lost.

One file for all kernels of a user. A row is the intent before the POST, holds the task id right after it, and later
names the clip's file: an index onto saved files, never a second copy of them, and never a key. Where the file cannot be
used (full or read-only disk, damaged file) this process goes on with a copy in memory; :attr:`Ledger.trouble` says so.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from wan_notebook.ledger.file import LedgerFile
from wan_notebook.ledger.owners import LEASE_SECONDS, is_gone, is_there, payer
from wan_notebook.ledger.runs import COLUMNS, FORGOTTEN, OPEN, PLANNED, UNDRIVEN, Run

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

__all__ = ["Ledger"]

SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"  # noqa: S608  our own column names


class Ledger(LedgerFile):
    """The ledger of one folder, opened when it is first used; safe in threads, forks and many processes.

    Parameters
    ----------
    folder : Path
        The user's folder for state.

    Attributes
    ----------
    payer : str
        This session, as it stands in the rows it pays for.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.payer = payer()

    def claim(self, run: Run, judge: Callable[[Sequence[Run]], Run | None]) -> Run | None:
        """Write the intent to pay for ``run``, unless an earlier run will do; no other process decides meanwhile.

        Parameters
        ----------
        run : Run
        judge : callable
            Given the paid runs of the same reuse key, newest first: the one to use instead, or None to go on. What it
            raises ends the claim, and nothing is written.

        Returns
        -------
        Run or None
            The run to use instead; None when ``run`` is written and may be sent.
        """

        def work(db: sqlite3.Connection) -> Run | None:
            sql = f"{SELECT} WHERE reuse_key = ? AND from_run IS NULL ORDER BY created_at DESC"
            same = _runs(db.execute(sql, (run.reuse_key,)))
            found = judge(same)
            if found is None:
                self._insert(db, run)
            return found

        found = self.write(work)
        if found is None:
            self._own[run.run_id] = self._values(run)
        return found

    def add(self, *runs: Run) -> None:
        """Write rows of runs that nothing was paid for: attached to, shown again, planned; all of them or none."""
        self.write(lambda db: self._insert(db, *runs))
        self._own |= {run.run_id: self._values(run) for run in runs}

    def update(self, run_id: str, *, mine: bool = False, **columns: Any) -> bool:
        """Change columns of a row; whether there is one, with ``mine`` one that this process drives."""
        columns["updated_at"] = time.time()
        text = ", ".join(f"{name} = :{name}" for name in columns)
        sql = f"UPDATE runs SET {text} WHERE run_id = :key AND (owner = :me OR NOT :mine)"  # noqa: S608  our own names
        values = {**columns, "key": run_id, "me": self.owner, "mine": mine}
        there = bool(self.write(lambda db: db.execute(sql, values).rowcount))
        if there and run_id in self._own:
            self._own[run_id] |= columns
        return there

    def take_over(self, run_id: str) -> bool:
        """Become the owner of a run nobody drives any more; False if somebody does, or was quicker."""

        def work(db: sqlite3.Connection) -> bool:
            rows = _runs(db.execute(f"{SELECT} WHERE run_id = ?", (run_id,)))
            if not rows or rows[0].state not in OPEN or self._driven(db, rows[0]):
                return False
            db.execute("UPDATE runs SET owner = ?, updated_at = ? WHERE run_id = ?", (self.owner, time.time(), run_id))
            self._enter(db)
            return True

        return self.write(work)

    def may_be_sent(self, run_id: str) -> bool:
        """Whether a run without a task may still be sent by the process that claimed it; a waiting one no more if not.

        A process that lives and says nothing (it is stopped, or one long call holds it up) will go on some time.
        """

        def work(db: sqlite3.Connection) -> bool:
            rows = _runs(db.execute(f"{SELECT} WHERE run_id = ? AND task_id IS NULL", (run_id,)))
            if not rows or rows[0].state not in ("waiting", "submitting"):
                return False
            found = db.execute("SELECT host, pid, begun FROM owners WHERE owner = ?", (rows[0].owner,)).fetchone()
            if self._driven(db, rows[0]) or (found is not None and is_there(*found)):
                return True
            if rows[0].state == "waiting":
                given_up = "canceled" if rows[0].sweep is None else PLANNED
                sql = "UPDATE runs SET state = ?, owner = ?, updated_at = ?, finished_at = ? WHERE run_id = ?"
                db.execute(sql, (given_up, self.owner, time.time(), time.time(), run_id))
            return False

        return self.write(work)

    def driven(self, run: Run) -> bool:
        """Whether a living process (this one, too) is at work on ``run``."""
        return self.read(lambda db: self._driven(db, run))

    def run(self, run_id: str) -> Run | None:
        """The row of one run."""
        return next(iter(self.runs("run_id = ?", (run_id,))), None)

    def runs(
        self, where: str = "1", values: Sequence[Any] = (), *, limit: int = -1, forgotten: bool = False
    ) -> list[Run]:
        """Rows, newest first; ``where`` is SQL of our own, ``values`` what stands for its question marks."""
        known = "1" if forgotten else f"state IS NOT '{FORGOTTEN}'"
        sql = f"{SELECT} WHERE ({where}) AND {known} ORDER BY created_at DESC, rowid DESC LIMIT ?"
        return self.read(lambda db: _runs(db.execute(sql, (*values, limit))))

    def beat(self) -> None:
        """Say that this process lives; to be repeated well within the 15 s of a lease."""
        if not self._changed:
            self.write(self._enter)

    def let_go(self, run_ids: Iterable[str]) -> None:
        """Hold these runs no longer, where the file is lost: they are forgotten."""
        for run_id in run_ids:
            self._own.pop(run_id, None)

    # Inside a transaction:

    def _insert(self, db: sqlite3.Connection, *runs: Run) -> None:
        marks = ", ".join(f":{name}" for name in COLUMNS)
        sql = f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608
        db.executemany(sql, map(self._values, runs))
        self._enter(db)

    def _values(self, run: Run) -> dict[str, Any]:
        return {**vars(run), "owner": self.owner, "payer": self.payer, "updated_at": time.time()}

    def _driven(self, db: sqlite3.Connection, run: Run) -> bool:
        if run.state in UNDRIVEN or run.owner is None:
            return False
        found = db.execute("SELECT host, pid, begun, beat FROM owners WHERE owner = ?", (run.owner,)).fetchone()
        if found is None or not isinstance(found[3], (int, float)):
            return False
        return time.time() - found[3] < LEASE_SECONDS and not is_gone(*found[:3])


def _runs(cursor: sqlite3.Cursor) -> list[Run]:
    return [Run.read(row) for row in cursor]
