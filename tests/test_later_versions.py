"""A ledger that a later version wrote: read as far as that goes, never taken for "not paid", never a traceback."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest
from click.testing import CliRunner
from hostile import PENDING, Answer, Hostile
from processes import KEY, PHOTO, run
from test_faults import a_clip

import wan_notebook as wan
from wan_notebook.cli import cli
from wan_notebook.doors import bookkeeping, resumption
from wan_notebook.engine.revival import revived
from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.ledger.runs import FILE, Run
from wan_notebook.ledger.store import Ledger

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
WORD = "polishing"
ODD = {
    "created_at": "24 November", "rev": "second", "simulated": "no", "model": 26, "resolution": 720, "duration": "2 s",
    "folder": 4, "request": b"\x00packed", "task": '{"id": 1}', "record": '{"schema": 9, "inputs": 5, "cost": "low"}',
    "amount": "about 5", "currency": 978, "seed": "seven", "finished_at": 1.7e15, "run_seconds": "long",
    "sent_at": "now", "clip_bytes": "many", "owner": 5, "queue_seconds": b"", "clip_path": 3, "region": None,
    "base_url": 7,
}  # fmt: skip


@pytest.fixture
def server():
    with Hostile() as hostile:
        done = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{hostile.root}/clip.mp4"}
        hostile.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        hostile.on("GET", "/tasks/task-1", Answer(body={"output": done, "usage": {"duration": 2}}, headers=FAST))
        hostile.on("GET", "/clip.mp4", Answer(body=a_clip()))
        yield hostile


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A run in a ledger, and the environment of whoever asks for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    ledger = Ledger(tmp_path / "home")
    ledger.add(Run("run-1", "downloaded", time.time(), task_id="task-1", amount="0.05", currency="USD"))
    ledger.close()
    return ledger.path.parent


@pytest.fixture
def paid(home, server, tmp_path):
    """The run was paid for, and its clip is saved."""
    (home / FILE).unlink()
    run(server.base_url, tmp_path, home)
    assert server.count("POST") == 1
    return home


def change(home, *statements, version: int = 99) -> None:
    with closing(sqlite3.connect(home / FILE)) as db, db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")


def said(*command: str) -> str:
    done = CliRunner().invoke(cli, command)
    assert isinstance(done.exception, (SystemExit, WanError, type(None))), done.exception
    return f"{done.exit_code} {done.output} {done.exception or ''}"


def test_a_row_of_a_later_version_is_shown_and_counts_as_paid(paid, server, tmp_path):
    home = paid
    marks = ", ".join(f"{name} = ?" for name in ODD)
    change(home, (f"UPDATE runs SET state = ?, {marks}", (WORD, *ODD.values())))  # noqa: S608
    ledger = Ledger(home)
    (row,) = ledger.runs()
    assert (row.created_at, row.finished_at, row.price, row.seed) == (0.0, None, None, None)
    for found in (said("runs"), said("runs", "--open"), str(bookkeeping.jobs(ledger, ""))):
        assert f"{WORD}, a later version's word" in found
        assert "Update the package" in found
    assert f'"state": "{WORD}"' in said("runs", "--json")
    assert "1 of unknown price" in str(bookkeeping.spent(ledger, ""))
    assert "no saved clips" in str(bookkeeping.cached(ledger, ""))
    assert bookkeeping.cached(ledger, "--prune 0").startswith("forgotten: no runs")
    with pytest.raises(ConfigurationError, match="Update the package"):
        bookkeeping.forget(ledger, [row.run_id])
    collected = said("collect")
    assert collected.startswith("1 ")
    assert f"a later version of this package left it as '{WORD}'. Update the package." in collected
    assert "Update the package" in resumption.resume("all")
    (again,) = run(server.base_url, tmp_path, home)
    assert "update the package" in again["error"]
    assert server.count("POST") == 1
    assert revived(row, now=time.time()).run_id == row.run_id


@pytest.mark.full
def test_a_dry_run_says_that_a_later_version_left_it(paid, server):
    change(paid, ("UPDATE runs SET state = ?", (WORD,)))
    given = {"prompt": "A cat.", "image": PHOTO, "duration": 2, "audio": False}
    dry = wan.dry_run(**given, base_url=server.base_url)
    assert any("left by a later version" in note for note in dry.notes)


@pytest.mark.full
def test_odd_values_in_rows_of_our_own_words_stop_nothing(paid, server, tmp_path):
    home = paid
    odd = {name: ODD[name] for name in ("record", "task", "request", "amount", "run_seconds")}
    marks = ", ".join(f"{name} = ?" for name in odd)
    change(home, (f"UPDATE runs SET {marks}", (*odd.values(),)))  # noqa: S608
    (again,) = run(server.base_url, tmp_path, home)
    assert again["error"] is None
    assert again["from_run"]
    assert server.count("POST") == 1


LAYOUTS = {
    "a renamed column": ("ALTER TABLE runs RENAME COLUMN state TO status",),
    "a column less": ("ALTER TABLE runs DROP COLUMN record",),
    "no key of reuse": ("DROP INDEX runs_by_key", "ALTER TABLE runs DROP COLUMN reuse_key"),
    "another table": ("ALTER TABLE runs RENAME TO runs_of_version_99",),
    "other owners": ("ALTER TABLE owners RENAME TO people",),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_another_layout_is_read_as_far_as_it_goes_and_nothing_is_paid_before_the_update(home, server, layout):
    change(home, *LAYOUTS[layout])
    before = tables(home)
    listed = said("runs")
    assert listed.startswith("1 ")
    assert "was changed by a later version of this package. Update the package." in listed
    assert ("1 run\n" in listed) == (layout != "another table")
    assert said("collect").startswith("1 ")
    for yes in (False, True):
        with pytest.raises(WanError, match="Update the package"):
            wan.submit(prompt="New.", image=PHOTO, duration=2, base_url=server.base_url, yes=yes)
    assert server.count("POST") == 0
    assert tables(home) == before


def tables(home):
    with closing(sqlite3.connect(home / FILE)) as db:
        return db.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()


def test_a_layout_that_changes_while_it_is_in_use_is_noticed(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.add(Run("run-1", "following", time.time(), task_id="task-1"))
    change(tmp_path, "ALTER TABLE runs RENAME COLUMN state TO status")
    (row,) = ledger.runs("task_id = ?", ("task-1",))
    assert (row.run_id, row.state, row.strange) == ("run-1", "unknown", True)
    assert "later version" in ledger.trouble
    with pytest.raises(WanError, match="Update the package"):
        ledger.add(Run("run-2", "waiting", time.time()))
    with pytest.raises(WanError):
        ledger.tried()


def test_a_file_of_somebody_elses_tables_is_no_later_version(tmp_path):
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("CREATE TABLE recipes (name TEXT)")
        db.execute("PRAGMA user_version = 3")
    ledger = Ledger(tmp_path)
    assert ledger.runs() == []
    assert "no such table" in ledger.trouble
