"""The ledger's file: opened, brought up to date, waited for; and what stands in for it while it cannot be used.

A file that cannot be used (damaged, a full or read-only disk, no permission) is never deleted and never written over.
What can still be read of it is held in memory, with what is written meanwhile; each write tries the file again, and
gives it what was held. The only room that knows SQLite.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import random
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.errors import NOT_BILLED, WanError
from wan_notebook.forks import held_at_forks
from wan_notebook.ledger.database import (
    EMPTY,
    LOG_ALONE,
    PUT,
    SELECT,
    connect,
    in_memory,
    is_changed,
    saved,
    transaction,
    which,
)
from wan_notebook.ledger.owners import host, itself
from wan_notebook.ledger.runs import COLUMNS, FILE, UPDATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["LedgerFile"]

PATIENCE_SECONDS, ON_A_LOOP_SECONDS = 60.0, 5.0  # with a lock; a loop that stands still keeps more than this waiting
MOST_BETWEEN_SECONDS = 0.05
AGAIN_SECONDS = 1.0  # until a read, too, tries a file again that could not be used
LET_GO = "Close what reads or copies it (a database browser, a backup), and run it again. Nothing was sent for this."
KEEP = "It is {}, and is left as it is: rename it (and the -wal beside it) to keep it, and a new one is begun."
REPAIR = "It is {}: make it writable and make room, or name another folder in WAN_NOTEBOOK_HOME; it is tried again."
IN_ITS_PLACE, MOVED = "a folder stands in its place", "it was moved while it was in use"
LATER = "the ledger {} was changed by a later version of this package"
ERROR, TAKEN, DAMAGED = 1, (5, 6, 15), (11, 26)  # SQLite's words: error; busy, locked, protocol; corrupt, no database

T = TypeVar("T")

OVER = ", ".join(f"{name} = excluded.{name}" for name in COLUMNS)
PUT_BACK = f"{PUT} ON CONFLICT (run_id) DO UPDATE SET {OVER}"  # columns of a later version stay
_INHERITED: list[sqlite3.Connection] = []  # of the process this one was forked from: kept, so that nothing closes them


class LedgerFile:
    """One SQLite file, safe in threads, forks and many processes.

    Parameters
    ----------
    folder : Path
        The user's folder for state.

    Attributes
    ----------
    trouble, remedy : str
        Why the file cannot be used, and what to do about it; empty while all is well.
    owner : str
        This process, as it stands in the rows it drives.
    """

    def __init__(self, folder: Path) -> None:
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._memory: sqlite3.Connection | None = None  # instead of the file
        self.path = folder / FILE
        self.trouble = self.remedy = ""
        self.owner, self._begun = itself()
        self._lock = held_at_forks(threading.RLock())
        self._own: dict[str, dict[str, Any]] = {}  # what this process wrote, whatever becomes of the file
        self._inside: sqlite3.Connection | None = None  # used by a call that is under way
        self._file: tuple[int, ...] = ()  # which one is open, or was given up
        self._damaged = self._changed = False
        self._tried = 0.0

    @property
    def complaint(self) -> str:
        """Trouble and remedy, for a person."""
        return f"{self.trouble}. {self.remedy}" if self.trouble else ""

    def write(self, work: Callable[[sqlite3.Connection], T], *, patience: float | None = None) -> T:
        """What ``work(connection)`` gives, in one transaction that no other process comes between."""
        return self._done(lambda db: transaction(db, work), writing=True, patience=patience)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What ``work(connection)`` gives; from memory where the file is of no use. WanError where others hold it."""
        return self._done(work, writing=False)

    def tried(self) -> str:
        """Why nothing can be written into the file, once that was tried; empty where it can, or others hold it."""
        try:
            self.write(self._enter, patience=0.0)
        except WanError:
            if self.trouble:
                raise
        return self.trouble

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._pid == os.getpid():
                self._connection.close()
                self._connection = None

    def __del__(self) -> None:
        """Close what nobody closed."""
        self._part_with()

    def _part_with(
        self, getpid: Callable[[], int] = os.getpid, inherited: list[sqlite3.Connection] = _INHERITED
    ) -> None:
        """No more connections; at the end of the interpreter, when names of this file may be gone, too."""
        for db in (self._connection, self._memory):
            if db is not None and self._pid == getpid():
                db.close()
            elif db is not None:
                inherited.append(db)
        self._connection = self._memory = None

    def _done(self, work: Callable[[sqlite3.Connection], T], *, writing: bool, patience: float | None = None) -> T:
        patient_until = time.monotonic() + (_patience() if patience is None else patience)
        while True:
            with self._lock:
                if self._inside is not None:  # a part of what is under way, and so is what goes wrong with it
                    return work(self._inside)
                try:
                    self._inside = self._opened(writing=writing)
                    if writing and self._changed:
                        raise WanError(f"{self.trouble}: nothing is written from here.", hint=f"{UPDATE} {NOT_BILLED}")
                    return work(self._inside)
                except (sqlite3.Error, OSError) as error:
                    if _code(error) == ERROR and self._is_later():
                        continue
                    if _code(error) not in TAKEN:
                        self._give_up(error)
                        writing = False  # from here on in memory: it would break in the same way
                        continue
                    if time.monotonic() > patient_until:
                        raise WanError(f"another program holds the ledger {self.path.name}.", hint=LET_GO) from None
                finally:
                    self._inside = None
            time.sleep(random.uniform(0, MOST_BETWEEN_SECONDS))  # noqa: S311  so that all get their turn

    def _opened(self, *, writing: bool) -> sqlite3.Connection:
        if self._pid != os.getpid():  # no connection crosses a fork; it is not even closed here
            self._part_with()
            self._pid, self.trouble = os.getpid(), ""
            self._own = {}
            self.owner, self._begun = itself()
        if self._connection is not None and which(self.path)[:2] != self._file[:2]:
            self._hold(saved(self._connection))
            self._tried = 0.0
            self._say(OSError(0, MOVED))
        if self._memory is not None and (writing or time.monotonic() - self._tried > AGAIN_SECONDS):
            self._try_again()
        if self._memory is not None:
            return self._memory
        if self._connection is None:
            self._connection = connect(self.path)
            self._file = which(self.path)
            self._changed = is_changed(self._connection)
            if self._changed:
                self.trouble, self.remedy = LATER.format(self.path.name), UPDATE
        return self._connection

    def _is_later(self) -> bool:
        """Whether the file is opened anew, because a later version has changed it meanwhile."""
        if self._changed or self._connection is None or not is_changed(self._connection):
            return False
        self._connection.close()
        self._connection = None
        return True

    def _give_up(self, error: Exception) -> None:
        """Go on in memory, with what can still be read of the file."""
        if self._memory is not None:
            raise WanError(f"the ledger {self.path.name} cannot be used ({error}).", hint=self.remedy) from None
        self._hold(saved(self._connection, self.path))
        self._file, self._tried = which(self.path), time.monotonic()
        self._say(error)

    def _hold(self, rows: Iterable[tuple[Any, ...]]) -> None:
        found = {row[0]: row for row in rows}
        own = {run_id: tuple(map(values.get, COLUMNS)) for run_id, values in self._own.items()}
        self._memory = in_memory((own | found).values())
        atexit.register(self._part)
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None

    def _part(self) -> None:
        """The last try of a process that ends."""
        with contextlib.suppress(WanError):
            self.tried()

    def _say(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        if os.path.isdir(self.path):  # noqa: PTH112  asks quietly, where a folder may not be looked into
            reason = IN_ITS_PLACE
        elif _code(error) in DAMAGED:
            reason = f"it is damaged: {reason}"
        self._damaged = _code(error) in DAMAGED or reason in (EMPTY, LOG_ALONE, IN_ITS_PLACE)
        self.trouble = f"the ledger {self.path.name} cannot be used ({reason})"
        self.remedy = (KEEP if self._damaged else REPAIR).format(self.path)

    def _try_again(self) -> None:
        """Use the file again, if that is possible by now, and give it what was held."""
        assert self._memory is not None  # noqa: S101  asked for only then
        self._tried, found = time.monotonic(), which(self.path)
        if self._damaged and found == self._file:
            return
        try:
            with contextlib.ExitStack() as unless_used:
                db = connect(self.path)
                unless_used.callback(db.close)
                if self._damaged and (said := db.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
                    raise sqlite3.DatabaseError(said)
                if is_changed(db):
                    raise OSError(0, LATER.format("it"))
                transaction(db, lambda db: self._give_back(db, another=found[:2] != self._file[:2]))
                unless_used.pop_all()
        except (sqlite3.Error, OSError) as error:
            if _code(error) not in TAKEN:
                self._file = found
                self._say(error)
            return
        atexit.unregister(self._part)
        self._memory.close()
        self._memory, self._connection, self._file = None, db, which(self.path)
        self.trouble = self.remedy = ""
        self._changed = False

    def _give_back(self, db: sqlite3.Connection, *, another: bool) -> None:
        """Write what was held: what was changed meanwhile and, into ``another`` file, what it has not."""
        assert self._memory is not None  # noqa: S101  asked for only then
        noted = dict(self._memory.execute("SELECT run_id, owner FROM noted").fetchall())
        owner = COLUMNS.index("owner")
        for row in self._memory.execute(SELECT).fetchall():
            there = db.execute(f"{SELECT} WHERE run_id = ?", (row[0],)).fetchone()
            if row[0] in noted:
                if there is not None and there[owner] not in (noted[row[0]], row[owner]):  # taken over meanwhile
                    row = tuple(new if old is None else old for old, new in zip(there, row, strict=True))  # noqa: PLW2901
                db.execute(PUT_BACK, row)
            elif another and there is None:
                db.execute(PUT, row)
            noted.pop(row[0], None)
        db.executemany("DELETE FROM runs WHERE run_id = ?", [(run_id,) for run_id in noted])
        self._enter(db)

    def _enter(self, db: sqlite3.Connection) -> None:
        row = (self.owner, host(), os.getpid(), self._begun, time.time())
        db.execute("INSERT OR REPLACE INTO owners (owner, host, pid, begun, beat) VALUES (?, ?, ?, ?, ?)", row)


def _code(error: Exception) -> int:
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _patience() -> float:
    with contextlib.suppress(RuntimeError):
        asyncio.get_running_loop()
        return ON_A_LOOP_SECONDS
    return PATIENCE_SECONDS
