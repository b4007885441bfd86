"""``wan-notebook tasks | fetch | cancel | attach``, as a shell runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from caller import Caller
from hostile import Answer, Hostile

from wan_notebook.cli import main
from wan_notebook.simulator import Simulator

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"
KEY = "sk-shell-0123456789abcdef"
SHORT = {"resolution": "720P", "duration": 2, "audio": False}


@dataclass
class Ended:
    """How the command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def shell(tmp_path, monkeypatch, capsys):
    """``wan-notebook`` in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)

    def call(*words: str, at: object = None) -> Ended:
        if at is not None:
            monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", at.base_url)
        monkeypatch.setattr(sys, "argv", ["wan-notebook", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return call


@pytest.fixture
def slow():
    """A service whose clock moves only when the test says so."""
    with Simulator(speed=1e-6, render="shape") as running, Caller(running, KEY) as caller:
        yield caller


@pytest.fixture
def server():
    with Hostile() as hostile:
        yield hostile


def test_the_list_goes_to_standard_output_and_what_to_know_of_it_to_the_other(shell, slow):
    first = slow.accepted("[simulate: FAILED]")
    slow.sim.clock.advance(0.5)
    second = slow.accepted("A cat.", model="wan2.6-i2v")
    table = shell("tasks", at=slow.sim)
    assert table.code == 0
    assert [line.split()[0] for line in table.out.splitlines()[2:]] == [second, first]
    assert "all tasks of the account" in table.err
    assert "all tasks" not in table.out
    only = shell("tasks", "--model", "wan2.6-i2v", "--status", "pending", "--hours", "1", "--limit", "5", "--json")
    said = json.loads(only.out)
    assert (said["region"], said["more"], [row["task_id"] for row in said["tasks"]]) == ("singapore", False, [second])
    assert "inferred, not documented" in only.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["tasks", "--status", "RUNING"], 1, "Did you mean RUNNING?"),
        (["tasks", "--hours", "25"], 1, "at most 24"),
        (["tasks", "--hours", "1", "--since", "2026-11-24"], 2, "exclude each other"),
        (["tasks", "--limit", "0"], 2, "range"),
        (["fetch"], 2, "TASK_ID"),
        (["fetch", "../uploads"], 1, "task_id"),
        (["cancel", "a/b"], 1, "task_id"),
        (["attach", "a?b"], 1, "task_id"),
        (["attach", "task-1", "--region", "singapur"], 1, "Did you mean singapore?"),
    ],
)
def test_wrong_words_are_explained_and_nothing_is_asked(shell, server, words, code, said):
    told = shell(*words, at=server)
    assert (told.code, told.out) == (code, "")
    assert said in told.err
    assert "Traceback" not in told.err
    assert server.asked == []


def test_fetch_shows_a_task_and_fails_for_one_nobody_knows(shell, slow):
    task_id = slow.accepted("A cat.", **SHORT)
    assert f"task_id: {task_id}\ntask_status: PENDING\n" in shell("fetch", task_id, at=slow.sim).out
    slow.finish(task_id)
    said = json.loads(shell("fetch", task_id, "--json").out)
    assert f"end_time: {said['end_time']} (UTC+8, inferred)\n" in shell("fetch", task_id).out
    assert (said["task_status"], said["usage"]["duration"]) == ("SUCCEEDED", 2)
    assert said["video_url"].startswith("http")
    unknown = shell("fetch", "nobody-knows-this")
    assert (unknown.code, "task_status: UNKNOWN" in unknown.out) == (1, True)
    assert "another account or region" in unknown.err


def test_cancel_says_what_became_of_it_and_its_exit_code_too(shell, slow):
    task_id = slow.accepted("A cat.", **SHORT)
    done = shell("cancel", task_id, at=slow.sim)
    assert (done.code, done.out) == (0, "")
    assert "CANCELED; nothing is billed" in done.err
    running = slow.accepted("A cat.", **SHORT)
    slow.sim.clock.advance(2.5)
    late = shell("cancel", running, "--json")
    assert late.code == 1
    assert (json.loads(late.out)["canceled"], json.loads(late.out)["task_status"]) == (False, "RUNNING")
    assert "cannot be stopped and will be billed" in late.err


def test_what_the_service_writes_does_not_forge_lines(shell, server):
    forged = {"task_id": "task-1", "task_status": "FAILED", "message": "no\nvideo_url: http://x/\x1b[2K"}
    server.on("GET", "/tasks/task-1", Answer(body={"output": forged}))
    told = shell("fetch", "task-1", at=server)
    assert [line.partition(":")[0] for line in told.out.splitlines()] == ["task_id", "task_status", "message"]
    assert "\x1b" not in told.out


def test_attach_follows_to_the_clip_and_prints_its_path(tmp_path):
    with Simulator(speed=500, render="shape") as sim, Caller(sim, KEY) as caller:
        task_id = caller.accepted("A cat.", **SHORT)
        environment = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": sim.base_url, "DASHSCOPE_API_KEY": KEY}
        done = subprocess.run(
            [SCRIPT, "attach", task_id, "--name", "found", "--output-dir", "clips"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=180, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (path,) = done.stdout.splitlines()
    assert Path(path).parent == tmp_path / "clips"
    assert Path(path).name.startswith("found-")
    assert Path(path).stat().st_size > 1000
    assert task_id in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_attach_that_ends_without_a_clip_says_why_and_an_interrupt_how_to_go_on(tmp_path, shell, server):
    row = {"task_id": "task-1", "model_name": "wan2.6-i2v-flash"}
    server.on("GET", "/tasks/?", Answer(body={"data": [row]}))
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}))
    ended = shell("attach", "task-1", at=server)
    assert (ended.code, ended.out) == (1, "")
    assert "does not know task task-1" in ended.err
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}))
    environment = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": server.base_url, "DASHSCOPE_API_KEY": KEY}
    process = subprocess.Popen(
        [SCRIPT, "attach", "task-1"], cwd=tmp_path, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    for line in process.stderr:
        if "RUNNING" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=90)
    assert (process.returncode, out) == (1, "")
    assert "interrupted" in err
    assert "Run the same command again" in err
    assert "Traceback" not in err
