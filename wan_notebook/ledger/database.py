"""One SQLite file of runs: begun whole, brought up to date, opened; and what can still be read of a broken one."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.ledger.owners import is_shared
from wan_notebook.ledger.runs import COLUMNS, MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["EMPTY", "LOG_ALONE", "PUT", "SELECT", "connect", "in_memory", "is_changed", "saved", "transaction", "which"]

TRY_SECONDS = 0.1  # that SQLite itself waits for a lock
EMPTY, LOG_ALONE = "it is damaged: it is empty", "it is gone, and its log is there"
NO_DATABASE = 26  # SQLite's word for it

OWNERS = ("owner", "host", "pid", "begun", "beat")
NO_BYTES = (), (0,)

T = TypeVar("T")

LIST = ", ".join(COLUMNS)
SELECT = f"SELECT {LIST} FROM runs"  # noqa: S608  our own column names, here and below
PUT = f"INSERT INTO runs ({LIST}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
NOTE = "CREATE TRIGGER noted_{0} AFTER {0} ON runs BEGIN INSERT OR IGNORE INTO noted VALUES ({1}); END;"
CHANGES = {"INSERT": "NEW.run_id, NULL", "UPDATE": "OLD.run_id, OLD.owner", "DELETE": "OLD.run_id, OLD.owner"}
NOTED = ("CREATE TABLE noted (run_id TEXT PRIMARY KEY, owner TEXT);", *(NOTE.format(*one) for one in CHANGES.items()))


def transaction(db: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
    """What ``work(connection)`` gives, in one transaction."""
    db.execute("BEGIN IMMEDIATE")
    try:
        result = work(db)
        db.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            db.execute("ROLLBACK")
        raise
    return result


def which(path: Path) -> tuple[int, ...]:
    """Which file lies there, and in which state; nothing where there is none."""
    try:
        found = path.stat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, which is begun where there is none.

    Raises
    ------
    sqlite3.Error, OSError
        It cannot be used.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(OSError):  # somebody else's folder keeps its mode
        path.parent.chmod(0o700)
    if not path.exists():
        if which(path.with_name(f"{path.name}-wal"))[2:3] not in NO_BYTES:
            raise OSError(0, LOG_ALONE)  # it would go into the new file
        _begin(path)
    elif path.stat().st_size == 0:
        raise OSError(0, EMPTY)
    _look(path)
    with contextlib.suppress(OSError):
        path.chmod(0o600)
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


def _look(path: Path) -> None:
    """Refuse what is no database: with a log beside it, it would be written over."""
    with contextlib.closing(_reading(path, "immutable=1")) as db:
        try:
            db.execute("PRAGMA schema_version").fetchone()
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode == NO_DATABASE:
                raise


def _reading(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, timeout=TRY_SECONDS)


def _begin(path: Path) -> None:
    """A new file, put in its place with its tables: an empty one there has lost what it held."""
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    os.close(os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with contextlib.closing(sqlite3.connect(new, isolation_level=None)) as db:
            _migrate(db)
        try:
            os.link(new, path)
        except FileExistsError:  # another process was quicker
            return
        except OSError:  # no links on this file system
            if not path.exists():
                new.rename(path)
        with contextlib.suppress(OSError):  # its name outlives a power cut, too
            folder = os.open(path.parent, os.O_RDONLY)
            os.fsync(folder)
            os.close(folder)
    finally:
        new.unlink(missing_ok=True)


def is_changed(db: sqlite3.Connection) -> bool:
    """Whether a later version changed what we know of the tables.

    Then what is missing is empty for whoever reads, and nothing can be written.
    """
    if db.execute("PRAGMA user_version").fetchone()[0] <= len(MIGRATIONS):
        return False
    changed = False
    for table, columns in (("runs", COLUMNS), ("owners", OWNERS)):
        there = {name for _, name, *_ in db.execute(f"PRAGMA main.table_info({table})")}
        if not set(columns) <= there:
            changed = True
            names = ", ".join(name if name in there else f"NULL AS {name}" for name in columns)
            source = f"FROM main.{table}" if there else "WHERE 0"
            db.execute(f"CREATE TEMP VIEW IF NOT EXISTS {table} AS SELECT {names}, 0 AS rowid {source}")
    return changed


def _migrate(db: sqlite3.Connection) -> None:
    """Bring an older ledger up to date; one that a later version wrote is used as it is."""

    def steps(db: sqlite3.Connection) -> None:
        version = db.execute("PRAGMA user_version").fetchone()[0]  # another process may have been quicker
        for step in MIGRATIONS[version:]:
            for statement in filter(str.strip, step.split(";")):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {max(version, len(MIGRATIONS))}")

    if db.execute("PRAGMA user_version").fetchone()[0] < len(MIGRATIONS):
        transaction(db, steps)


def in_memory(rows: Iterable[tuple[Any, ...]]) -> sqlite3.Connection:
    """A database of these rows, which notes in its table ``noted`` what is changed from now on, and whose it was."""
    memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(memory)
    memory.executemany(PUT, rows)
    for statement in NOTED:
        memory.execute(statement)
    return memory


def saved(connection: sqlite3.Connection | None, path: Path | None = None) -> list[tuple[Any, ...]]:
    """The rows that can still be read: through an open connection, and of a file with its log and without it."""
    found: list[tuple[Any, ...]] = []
    for how in ("immutable=1", "mode=ro") if path is not None and which(path)[2:3] not in NO_BYTES else ():
        with contextlib.suppress(sqlite3.Error, OSError), contextlib.closing(_reading(path, how)) as db:  # type: ignore[arg-type]
            found += _readable(db)
    if connection is not None:
        with contextlib.suppress(sqlite3.Error):
            found += _readable(connection)
    return list({row[0]: row for row in found}.values())  # the surest were read last


def _readable(db: sqlite3.Connection) -> list[tuple[Any, ...]]:
    """The rows that can be read, stepping over those that cannot."""
    there = {column for _, column, *_ in db.execute("PRAGMA table_info(runs)")}
    names = ", ".join(name if name in there else "NULL" for name in COLUMNS)
    rows: list[tuple[Any, ...]] = []
    last, step = 0, 1
    while there and step < 2**40:
        try:
            sql = f"SELECT rowid, {names} FROM runs WHERE rowid > ? ORDER BY rowid"  # noqa: S608
            for rowid, *row in db.execute(sql, (last,)):
                last, step = rowid, 1
                rows.append(tuple(row))
            break
        except sqlite3.DatabaseError:
            last, step = last + step, step * 2
    return rows
