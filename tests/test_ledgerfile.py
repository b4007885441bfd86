"""The ledger's file when it is damaged, full, read-only or gone: said, left as it is, gone on without, used again."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import pytest

from wan_notebook.ledger import expenses
from wan_notebook.ledger.runs import FILE, Run
from wan_notebook.ledger.store import Ledger

ROWS = 120


def row(run_id: str, **more) -> Run:
    more = {"reuse_key": f"key of {run_id}", "record": "x" * 2000, **more}
    return Run(run_id, more.pop("state", "downloaded"), time.time(), **more)


def first(same):
    return same[0] if same else None


@pytest.fixture
def path(tmp_path):
    """A ledger with some rows that no process has open."""
    ledger = Ledger(tmp_path)
    ledger.add(*(row(f"run-{number}") for number in range(ROWS)))
    ledger.close()
    assert (tmp_path / FILE).stat().st_size > 200_000
    return tmp_path / FILE


def overwrite(path):
    with path.open("r+b") as file:
        for page in (20, 21, 40):
            file.seek(page * 4096)
            file.write(b"\xaa" * 4096)


def cut(path):
    with path.open("r+b") as file:
        file.truncate(100_000)


DAMAGES = {
    "somebody else's text": lambda path: path.write_bytes(b"this is no database, but somebody's poem" * 100),
    "overwritten pages": overwrite,
    "a truncated file": cut,
    "an empty file": lambda path: path.write_bytes(b""),
    "a folder in its place": lambda path: (path.unlink(), path.mkdir()),
}


def known(ledger: Ledger) -> int:
    return sum(run.run_id.startswith("run-") for run in ledger.runs())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_said_left_as_it_is_and_once_it_is_renamed_all_goes_into_a_new_one(path, damage):
    DAMAGES[damage](path)
    before = None if path.is_dir() else path.read_bytes()
    ledger = Ledger(path.parent)
    saved = known(ledger)
    assert saved >= {"overwritten pages": ROWS - 10}.get(damage, 0)
    assert ledger.claim(row("new"), first) is None
    assert ledger.claim(row("twice", reuse_key="key of new"), first).run_id == "new"
    assert FILE in ledger.trouble
    assert str(path) in ledger.remedy
    assert "rename it" in ledger.remedy
    assert before is None or path.read_bytes() == before
    path.rename(path.with_name("kept"))
    assert ledger.update("new", state="following", task_id="task-1")
    assert ledger.trouble == ledger.remedy == ""
    another = Ledger(path.parent)
    assert another.run("new").task_id == "task-1"
    assert known(another) == saved
    assert another.read(lambda db: db.execute("PRAGMA integrity_check").fetchone()) == ("ok",)
    assert before is None or path.with_name("kept").read_bytes() == before


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_while_a_process_uses_the_file_raises_nothing_and_loses_nothing_of_that_process(path, damage):
    ledger = Ledger(path.parent)
    ledger.claim(row("mine", state="following"), first)
    DAMAGES[damage](path)
    for number in range(3):
        ledger.claim(row(f"later-{number}"), first)
        ledger.runs()
        ledger.beat()
    assert ledger.claim(row("twice", reuse_key="key of mine"), first).run_id == "mine"
    ledger.update("mine", task_id="task-1")
    for left in (path, path.with_name(f"{FILE}-wal"), path.with_name(f"{FILE}-shm")):
        if left.exists():
            left.rename(left.with_name(f"kept{left.name.removeprefix(FILE)}"))
    ledger.beat()
    assert ledger.trouble == ""
    assert {"mine", "later-0", "later-2"} <= {run.run_id for run in Ledger(path.parent).runs()}
    assert Ledger(path.parent).run("mine").task_id == "task-1"


def test_a_file_that_was_put_back_gets_what_was_written_meanwhile_and_keeps_its_own(path):
    good = path.with_name("good")
    shutil.copy(path, good)
    overwrite(path)
    ledger = Ledger(path.parent)
    ledger.claim(row("new"), first)
    expenses.forget(ledger, ["run-0"])
    assert ledger.trouble
    good.replace(path)
    ledger.beat()
    assert ledger.trouble == ""
    assert ledger.run("new") is not None
    assert ledger.run("run-0") is None
    assert known(ledger) == ROWS - 1


def test_the_log_of_a_file_goes_into_no_other_one(path):
    ledger = Ledger(path.parent)
    ledger.claim(row("mine"), first)
    log = path.with_name(f"{FILE}-wal").read_bytes()
    ledger.close()
    for damage in (lambda: path.write_bytes(b"a poem" * 1000), path.unlink):
        damage()
        path.with_name(f"{FILE}-wal").write_bytes(log)
        another = Ledger(path.parent)
        another.claim(row("new"), first)
        assert "cannot be used" in another.trouble
        assert "the -wal beside it" in another.remedy
        assert not path.exists() or path.read_bytes() == b"a poem" * 1000


def test_what_another_process_took_over_meanwhile_stays_its_own(path):
    ledger = Ledger(path.parent)
    ledger.claim(row("mine", state="following"), first)
    ledger.close()
    kept = path.with_name("kept")
    path.rename(kept)
    path.mkdir()
    ledger.update("mine", state="following", task_id="task-1")
    assert ledger.trouble
    with closing(sqlite3.connect(kept)) as db, db:
        db.execute("UPDATE runs SET owner = 'another', state = 'downloaded' WHERE run_id = 'mine'")
    path.rmdir()
    kept.rename(path)
    ledger.beat()
    assert ledger.trouble == ""
    found = ledger.run("mine")
    assert (found.owner, found.state, found.task_id) == ("another", "downloaded", "task-1")


FULL = """
import resource, sys, time
from pathlib import Path
from wan_notebook.ledger.store import Ledger
from wan_notebook.ledger import expenses
from wan_notebook.ledger.runs import FILE, Run
home = Path(sys.argv[1])
ledger = Ledger(home)
ledger.add(Run("before", "following", time.time(), reuse_key="before"))
most = max(path.stat().st_size for path in home.iterdir()) + 10_000
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
for number in range(20):
    ledger.claim(Run(f"big-{number}", "waiting", time.time(), reuse_key="k", record="x" * 2000), lambda _: None)
assert "cannot be used" in ledger.trouble, ledger.trouble
assert ledger.update("before", state="downloaded")
assert len(ledger.runs()) == 21
assert ledger.claim(Run("again", "waiting", time.time(), reuse_key="before"), lambda same: same[0]).run_id == "before"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
ledger.beat()
assert ledger.trouble == ""
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_fills_up_is_said_and_once_there_is_room_the_file_gets_what_it_missed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    ledger = Ledger(tmp_path)
    assert len(ledger.runs()) == 21
    assert ledger.run("before").state == "downloaded"


@pytest.fixture
def open_folder():
    """Others may look into it: pytest's own folders are closed to them, and closed again whenever a pytest begins."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


READ_ONLY = """
import os, sys, time
import urllib.parse  # pathlib asks for it late, and the interpreter's files may be another's below
from pathlib import Path
from wan_notebook.ledger.store import Ledger
from wan_notebook.ledger import expenses
from wan_notebook.ledger.runs import Run
os.seteuid(65534)  # root may do everything
ledger = Ledger(Path(sys.argv[1]))
assert len(ledger.runs()) == 1
ledger.claim(Run("new", "waiting", time.time()), lambda _: None)
print(len(ledger.runs()), ledger.complaint)
"""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root makes files of another's")
@pytest.mark.parametrize("what", ["file", "folder", "nothing may be read"])
def test_a_file_without_permission_is_said_and_what_can_be_read_of_it_is_known(open_folder, what):
    home = open_folder / "home"
    ledger = Ledger(home)
    ledger.add(Run("before", "downloaded", time.time()))
    ledger.close()
    (home / FILE).chmod({"file": 0o644, "folder": 0o666}.get(what, 0o600))
    home.chmod(0o777 if what == "file" else 0o755)
    code = READ_ONLY.replace("== 1", "== 0") if what.startswith("nothing") else READ_ONLY
    done = subprocess.run([sys.executable, "-c", code, home], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be used" in done.stdout
    assert f"It is {home / FILE}" in done.stdout
    assert [run.run_id for run in Ledger(home).runs()] == ["before"]
