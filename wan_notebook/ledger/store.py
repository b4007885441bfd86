"""The ledger: every run this machine paid for, written before it can be lost; the only room that knows SQLite.

One file for all kernels and processes of a user. A row is the intent before the POST, holds the task id right after it,
and later names the clip's file: an index onto saved files, never a second copy of them, and never a key. Where the
file cannot be used (full or read-only disk, damaged file) this process goes on with a copy in memory, and
:attr:`Ledger.trouble` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.errors import WanError
from wan_notebook.ledger.owners import LEASE_SECONDS, held_at_forks, host, is_gone, is_shared, is_there, itself, payer
from wan_notebook.ledger.runs import COLUMNS, FILE, FORGOTTEN, MIGRATIONS, OPEN, PLANNED, UNDRIVEN, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

__all__ = ["Ledger"]

PATIENCE_SECONDS, ON_A_LOOP_SECONDS = 60.0, 5.0  # with a lock; a loop that stands still keeps more than this waiting
TRY_SECONDS, MOST_BETWEEN_SECONDS = 0.1, 0.05
LET_GO = "Close what reads or copies it (a database browser, a backup), and run it again. Nothing was sent for this."
TAKEN = 5, 6, 15  # SQLite's words for it: busy, locked, protocol

T = TypeVar("T")

SELECT = f"SELECT {', '.join(COLUMNS)} FROM runs"  # noqa: S608  our own column names
FLAGS = ("simulated", "estimated")  # kept as 0, 1 or NULL


class Ledger:
    """The ledger of one folder, opened when it is first used; safe in threads, forks and many processes.

    Parameters
    ----------
    folder : Path
        The user's folder for state.

    Attributes
    ----------
    trouble : str
        Why nothing can be written to the file; empty while all is well.
    owner : str
        This process, as it stands in the rows it drives.
    payer : str
        This session, as it stands in the rows it pays for.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.trouble = ""
        self.owner, self._begun = itself()
        self.payer = payer()
        self._lock = held_at_forks(threading.RLock())
        self._connection: sqlite3.Connection | None = None
        self._pid = os.getpid()

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

        return self.write(work)

    def add(self, *runs: Run) -> None:
        """Write rows of runs that nothing was paid for: attached to, shown again, planned; all of them or none."""
        self.write(lambda db: self._insert(db, *runs))

    def update(self, run_id: str, **columns: Any) -> bool:
        """Change columns of a row; whether there is one."""
        columns["updated_at"] = time.time()
        text = ", ".join(f"{name} = :{name}" for name in columns)
        sql = f"UPDATE runs SET {text} WHERE run_id = :key"  # noqa: S608  names from our own code
        return bool(self.write(lambda db: db.execute(sql, {**columns, "key": run_id}).rowcount))

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
        known = "1" if forgotten else f"state != '{FORGOTTEN}'"
        sql = f"{SELECT} WHERE ({where}) AND {known} ORDER BY created_at DESC, rowid DESC LIMIT ?"
        return self.read(lambda db: _runs(db.execute(sql, (*values, limit))))

    def beat(self) -> None:
        """Say that this process lives; to be repeated well within the 15 s of a lease."""
        self.write(self._enter)

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid() and not self.trouble:
                self._connection.close()
                self._connection = None

    # Inside a transaction:

    def _insert(self, db: sqlite3.Connection, *runs: Run) -> None:
        mine = {"owner": self.owner, "payer": self.payer, "updated_at": time.time()}
        marks = ", ".join(f":{name}" for name in COLUMNS)
        sql = f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({marks})"  # noqa: S608
        db.executemany(sql, [{**vars(run), **mine} for run in runs])
        self._enter(db)

    def _enter(self, db: sqlite3.Connection) -> None:
        row = (self.owner, host(), os.getpid(), self._begun, time.time())
        db.execute("INSERT OR REPLACE INTO owners (owner, host, pid, begun, beat) VALUES (?, ?, ?, ?, ?)", row)

    def _driven(self, db: sqlite3.Connection, run: Run) -> bool:
        if run.state in UNDRIVEN or run.owner is None:
            return False
        found = db.execute("SELECT host, pid, begun, beat FROM owners WHERE owner = ?", (run.owner,)).fetchone()
        return found is not None and time.time() - found[3] < LEASE_SECONDS and not is_gone(*found[:3])

    # The file:

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work(connection)`` gives, in one transaction that no other process comes between."""

        def transaction(db: sqlite3.Connection) -> T:
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise
            return result

        return self.read(transaction)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work(connection)`` gives; from memory where the file is of no use. WanError where others hold it."""
        patient_until = time.monotonic() + _patience()
        while True:
            with self._lock:
                try:
                    return work(self._opened())
                except (sqlite3.Error, OSError) as error:
                    taken = getattr(error, "sqlite_errorcode", 0) & 0xFF in TAKEN
                    if taken and time.monotonic() > patient_until:
                        raise WanError(f"another program holds the ledger {self.path.name}.", hint=LET_GO) from None
                    if self.trouble:
                        raise
                    if not taken:
                        self._connection = self._in_memory()
                        reason = getattr(error, "strerror", None) or str(error)
                        self.trouble = f"the ledger {self.path.name} cannot be used ({reason})"
            time.sleep(random.uniform(0, MOST_BETWEEN_SECONDS))  # noqa: S311  so that all get their turn

    def _opened(self) -> sqlite3.Connection:
        if self._pid != os.getpid():  # no connection crosses a fork; it is not even closed here
            self._pid, self._connection, self.trouble = os.getpid(), None, ""
            self.owner, self._begun = itself()
        if self._connection is None:
            folder = self.path.parent
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with contextlib.suppress(OSError):  # somebody else's folder keeps its mode
                folder.chmod(0o700)
            with contextlib.suppress(FileExistsError):
                # Only a new file: closing one that SQLite has open in this process would let go of its locks.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
            with contextlib.suppress(OSError):
                self.path.chmod(0o600)
            self._connection = _connect(self.path)
        return self._connection

    def _in_memory(self) -> sqlite3.Connection:
        """What can still be read of the file, in memory."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for how in ("mode=ro", "immutable=1"):
            with contextlib.suppress(sqlite3.Error, OSError):
                kept = sqlite3.connect(f"{self.path.absolute().as_uri()}?{how}", uri=True)
                with contextlib.closing(kept):
                    kept.backup(memory)
                break
        _migrate(memory)
        return memory


def _patience() -> float:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return ON_A_LOOP_SECONDS
    return PATIENCE_SECONDS


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=TRY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        mode = "delete" if is_shared(path) else "wal"
        if db.execute("PRAGMA journal_mode").fetchone()[0] != mode:
            db.execute(f"PRAGMA journal_mode = {mode}")
        db.execute("PRAGMA synchronous = FULL")  # what was paid for outlives a power cut
        _migrate(db)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection) -> None:
    """Bring an older ledger up to date; one that a later version wrote is used as it is."""
    if db.execute("PRAGMA user_version").fetchone()[0] >= len(MIGRATIONS):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
        for step in MIGRATIONS[version:]:
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {max(version, len(MIGRATIONS))}")
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise


def _runs(cursor: sqlite3.Cursor) -> list[Run]:
    found = []
    for row in cursor:
        values = dict(zip(COLUMNS, row, strict=True))
        found.append(Run(**{**values, **{f: None if values[f] is None else bool(values[f]) for f in FLAGS}}))
    return found
