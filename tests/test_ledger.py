"""The ledger: no row lost between many processes, kills, full disks and versions, and never a key in it."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path

import pytest

from wan_notebook.errors import WanError
from wan_notebook.ledger.runs import FILE, Run
from wan_notebook.ledger.store import Ledger

HAMMER = """
import sys, time
from pathlib import Path
from wan_notebook.ledger.store import Ledger
from wan_notebook.ledger.runs import Run
home, who = Path(sys.argv[1]), sys.argv[2]
ledger, won = Ledger(home), 0
for n in range(60):
    one = Run(f"run-{who}-{n}", "submitting", time.time(), reuse_key=f"key-{n}")
    won += ledger.claim(one, lambda same: same[0] if same else None) is None
    ledger.update(one.run_id, state="following", task_id=f"task-{who}-{n}")
    ledger.add(Run(f"shown-{who}-{n}", "downloaded", time.time(), from_run=one.run_id))
    ledger.beat()
print(won, ledger.trouble)
"""


def row(run_id: str = "run-1", state: str = "submitting", **more) -> Run:
    return Run(run_id, state, more.pop("created_at", time.time()), reuse_key=more.pop("reuse_key", "key"), **more)


def first(same):
    return same[0] if same else None


def python(code: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_a_run_once_written_is_there_for_every_other_process_and_only_for_this_user(tmp_path):
    home = tmp_path / "home"
    ledger = Ledger(home)
    assert ledger.claim(row(simulated=False, amount="0.125", currency="USD"), first) is None
    assert ledger.update("run-1", state="following", task_id="task-1")
    found = Ledger(home).run("run-1")
    assert (found.state, found.task_id, found.simulated, found.amount) == ("following", "task-1", False, "0.125")
    assert home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}
    assert ledger.update("nobody", state="failed") is False


def test_the_same_request_is_claimed_by_one_process_however_many_ask_at_once(tmp_path):
    processes = [python(HAMMER, tmp_path, who) for who in "abc"]
    said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [words[1:] for words in said] == [[], [], []], "no trouble with the file"
    assert sum(int(words[0]) for words in said) == 60
    assert len(Ledger(tmp_path).runs("from_run IS NULL")) == 60
    assert len(Ledger(tmp_path).runs("from_run IS NOT NULL")) == 180


def test_what_a_judge_refuses_leaves_no_trace(tmp_path):
    ledger = Ledger(tmp_path)

    def refuse(_):
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  the judge's own error comes through
        ledger.claim(row(), refuse)
    assert ledger.runs() == []
    assert ledger.claim(row(), first) is None


def test_a_process_killed_in_the_middle_of_writing_loses_nothing_it_had_written(tmp_path):
    endless = HAMMER.replace("range(60)", "range(10**9)").replace("ledger.beat()", "print(n, flush=True)")
    process = python(endless, tmp_path, "a")
    while (line := process.stdout.readline()) and int(line) < 20:
        pass
    process.send_signal(signal.SIGKILL)
    rest = process.communicate(timeout=60)[0].split()
    ledger = Ledger(tmp_path)
    written = ledger.runs("task_id IS NOT NULL")
    assert len(written) >= max([20, *(int(n) for n in rest if n.isdigit())]) + 1
    assert ledger.claim(row("another", reuse_key="another"), first) is None
    assert not ledger.trouble


def test_a_run_is_taken_over_once_its_process_has_ended_and_not_before(tmp_path):
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom wan_notebook.ledger.store import Ledger\n"
        "from wan_notebook.ledger.runs import Run\n"
        "Ledger(Path(sys.argv[1])).claim(Run('run-1', 'following', time.time(), reuse_key='k'), lambda _: None)\n"
        "print('written', flush=True); time.sleep(60)"
    )
    process = python(code, tmp_path)
    assert process.stdout.readline() == "written\n"
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE owners SET beat = beat + 3600")  # a lease that lasts until it has ended
    ledger = Ledger(tmp_path)
    assert ledger.driven(ledger.run("run-1"))
    assert ledger.take_over("run-1") is False
    process.kill()
    process.communicate()
    assert not ledger.driven(ledger.run("run-1"))
    assert ledger.take_over("run-1") is True
    assert ledger.run("run-1").owner == ledger.owner
    assert Ledger(tmp_path).take_over("run-1") is False


def test_a_process_that_has_been_silent_for_15_seconds_is_taken_for_dead(tmp_path, monkeypatch):
    silent, other = Ledger(tmp_path), Ledger(tmp_path)
    silent.claim(row(), first)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # it may take a while to ask
    for seconds, driven in ((14, True), (16, False)):
        with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
            db.execute("UPDATE owners SET beat = ?", (now - seconds,))
        assert other.driven(other.run("run-1")) is driven
    silent.beat()
    assert other.driven(other.run("run-1"))


def test_a_waiting_run_is_given_up_for_good_once_its_process_is_gone_and_not_while_it_lives(tmp_path):
    ledger, other = Ledger(tmp_path), Ledger(tmp_path)
    ledger.claim(row(state="waiting"), first)
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE owners SET beat = 0")
    assert other.may_be_sent("run-1") is (sys.platform == "linux")
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("UPDATE owners SET begun = 'long ago'")  # its number is another process's by now
    assert other.may_be_sent("run-1") is False
    assert (other.run("run-1").state, other.run("run-1").owner) == ("canceled", other.owner)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_is_another_owner_and_breaks_nothing(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(row(), first)
    owner = ledger.owner
    child = os.fork()
    if child == 0:
        ledger.claim(row("child", reuse_key="child"), first)
        os._exit(0 if ledger.owner != owner and not ledger.trouble else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert ledger.claim(row("parent", reuse_key="parent"), first) is None
    assert {run.run_id for run in ledger.runs()} == {"run-1", "child", "parent"}


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no list of open files here")
def test_what_a_forked_child_does_never_closes_its_parents_connections(tmp_path):
    def opened(folder):
        count = 0
        for link in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one this list is read through, or another thread's
                count += link.readlink() == folder / FILE
        return count

    used, dropped = Ledger(tmp_path / "used"), Ledger(tmp_path / "dropped")
    for ledger in (used, dropped):
        ledger.claim(row(), first)
    child = os.fork()
    if child == 0:
        used.claim(row("child", reuse_key="child"), first)  # through a connection of its own
        used.close()
        del ledger, dropped
        gc.collect()  # a connection stands in a circle with its statements
        os._exit(0 if opened(tmp_path / "used") and opened(tmp_path / "dropped") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    del ledger, dropped
    assert opened(tmp_path / "dropped") == 0, "in the process that opened it, it is closed when it goes"


FORKS = """
import os, sys, threading, time
from pathlib import Path
from wan_notebook.ledger.store import Ledger
from wan_notebook.ledger.runs import Run
ledger = Ledger(Path(sys.argv[1]))
ledger.add(Run("run-1", "following", time.time()))
def write():
    while True:
        ledger.write(lambda db: time.sleep(0.01))
        time.sleep(0.001)
threading.Thread(target=write, daemon=True).start()
for n in range(8):
    child = os.fork()
    if child == 0:
        ledger.update("run-1", state="downloaded")
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_while_another_thread_writes_does_not_wait_for_it_for_ever(tmp_path):
    process = python(FORKS, tmp_path)
    try:
        assert process.wait(120) == 0
    finally:
        process.kill()
        process.communicate()


def test_a_ledger_that_a_later_version_wrote_is_read_written_and_left_as_it_is(tmp_path):
    Ledger(tmp_path).claim(row(), first)
    with closing(sqlite3.connect(tmp_path / FILE)) as db, db:
        db.execute("ALTER TABLE runs ADD COLUMN mood TEXT DEFAULT 'good'")
        db.execute("UPDATE runs SET mood = 'better'")
        db.execute("PRAGMA user_version = 99")
    later = Ledger(tmp_path)
    assert later.run("run-1").state == "submitting"
    later.update("run-1", state="following")
    later.claim(row("run-2", reuse_key="other"), first)
    assert not later.trouble
    with closing(sqlite3.connect(tmp_path / FILE)) as db:
        assert db.execute("SELECT run_id, state, mood FROM runs ORDER BY run_id").fetchall() == [
            ("run-1", "following", "better"),
            ("run-2", "submitting", "good"),
        ]
        assert db.execute("PRAGMA user_version").fetchone() == (99,)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="file modes do not bind root")
def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    tmp_path.chmod(0o500)
    ledger = Ledger(tmp_path / "home")
    ledger.claim(row(), first)
    assert "ledger" in ledger.trouble


def test_a_second_ledger_in_one_process_does_not_let_go_of_the_files_locks(tmp_path):
    mine = Ledger(tmp_path)
    mine.add(Run("run-1", "following", time.time()))
    Ledger(tmp_path).runs("state = ?", ("following",))  # as %load_ext and a dry run do
    others = (
        "import sys, time\nfrom pathlib import Path\nfrom wan_notebook.ledger.store import Ledger\n"
        "from wan_notebook.ledger.runs import Run\nledger = Ledger(Path(sys.argv[1]))\n"
        "ledger.add(Run(sys.argv[2], 'following', time.time()))\nledger.close()"
    )
    for number in range(2, 5):  # the last to close tidies up, if it believes to be the last
        python(others, tmp_path, f"run-{number}").communicate(timeout=60)
        mine.add(Run(f"run-{number}-here", "following", time.time()))
    assert mine.trouble == ""
    again = Ledger(tmp_path)
    assert {run.run_id for run in again.runs("1")} >= {"run-1", "run-2", "run-2-here", "run-4", "run-4-here"}
    assert again.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == ("ok",)


@pytest.mark.full
def test_a_ledger_that_another_program_holds_is_waited_for_and_never_gone_on_without(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.claim(row(), first)

    async def claim():
        return ledger.claim(row("run-2", reuse_key="another"), first)

    with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None, check_same_thread=False)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        with pytest.raises(WanError, match="another program holds the ledger"):  # a loop does not wait for long
            asyncio.run(claim())
        later = threading.Timer(6, browser.execute, ["ROLLBACK"])
        later.start()
        assert ledger.claim(row("run-3", reuse_key="another"), first) is None
        later.join()
    assert ledger.trouble == ""
    assert {run.run_id for run in Ledger(tmp_path).runs()} == {"run-1", "run-3"}
