"""Whose run it is: a run of another key is neither closed, nor polled for ever, nor paid again silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from accounts import Account
from click.testing import CliRunner
from hostile import PENDING, Answer, Hostile
from processes import KEY, run, start, until

from wan_notebook.cli import cli
from wan_notebook.hall.accounts import fingerprint
from wan_notebook.keys import Secret
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

OTHER = "sk-other-0123456789abcdef"
SUBMIT = "/services/aigc/video-generation/video-synthesis"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def collect(key: str, monkeypatch, *words: str):
    monkeypatch.setenv("DASHSCOPE_API_KEY", key)
    return CliRunner().invoke(cli, ["collect", *words])


def killed(base_url: str, folder: Path, home: Path, state: str) -> str:
    """A script was killed after its run came so far; its run id."""
    process = start(base_url, folder, home)
    until(lambda: Ledger(home).runs(state))
    process.kill()
    process.communicate()
    return Ledger(home).runs(state)[0].run_id


def said(status: str) -> Answer:
    return Answer(body={"output": {"task_id": "task-1", "task_status": status}})


def test_a_fingerprint_tells_keys_apart_and_is_of_no_use_elsewhere(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    mark = fingerprint(Secret(KEY), here)
    assert mark == fingerprint(Secret(KEY), here)
    assert len({mark, fingerprint(Secret(OTHER), here), fingerprint(Secret(KEY), there)}) == 3
    assert len(mark) == 16, "too short to be made into a key again"
    (salt,) = here.iterdir()
    assert salt.stat().st_mode & 0o777 == 0o600
    assert KEY.encode() not in salt.read_bytes()
    salt.write_bytes(b"cut")
    assert fingerprint(Secret(KEY), here) is None


@pytest.mark.full
def test_a_run_of_another_key_is_said_stays_open_and_is_had_with_its_own(tmp_path, home, monkeypatch):
    with Hostile() as server:
        server.on("POST", SUBMIT, Answer(body=PENDING))
        server.on("GET", "/tasks/task-1", said("RUNNING"))
        run_id = killed(server.base_url, tmp_path, home, "task_id IS NOT NULL")
        row = Ledger(home).run(run_id)
        assert row.account == fingerprint(Secret(KEY), home)
        assert KEY not in str(row)
        server.on("GET", "/tasks/task-1", said("UNKNOWN"))
        for words in ((), ("--wait",)):
            told = collect(OTHER, monkeypatch, *words)
            assert "this run belongs to another key than the one that is set now" in told.output
            assert told.exit_code == 1
        (again,) = run(server.base_url, tmp_path, home, api_key=OTHER)
        assert "under way since" in again["error"]
        assert "belongs to another key" in again["error"]
        assert "--force" in again["error"]
        assert (again["state"], server.count("POST")) == ("refused", 1)
        assert "does not know it under this key" in collect(KEY, monkeypatch).output, "its own key is given time"
        server.on("GET", "/tasks/task-1", said("FAILED"))
        assert "belongs to another" not in collect(OTHER, monkeypatch).output, "another key of the same account will do"
        assert Ledger(home).run(run_id).state == "failed"


@pytest.mark.full
def test_the_simulator_knows_a_task_under_its_own_key_alone(tmp_path, home, monkeypatch):
    with Simulator(speed=0.01, render="shape") as sim:  # so that its clip is not there before the script is killed
        run_id = killed(sim.base_url, tmp_path, home, "task_id IS NOT NULL")
        sim.speed = 50
        assert "belongs to another key" in collect(OTHER, monkeypatch, "--wait").output
        assert Ledger(home).run(run_id).state == "detached"
        told = collect(KEY, monkeypatch, "--wait")
        assert (told.exit_code, Ledger(home).run(run_id).state) == (0, "downloaded")


@pytest.mark.full
def test_another_keys_list_does_not_show_that_a_submit_was_not_accepted(tmp_path, home):
    with Account(speed=600) as account:
        account.lose, account.accept = True, False
        account.let.clear()
        killed(account.base_url, tmp_path, home, "state = 'submitting'")
        account.let.set()
        account.lose = False
        (again,) = run(account.base_url, tmp_path, home, api_key=OTHER)
        assert "AmbiguousSubmitError" in again["error"]
        assert "sent with another key" in again["error"]
        assert len(account.prompts) <= 1
