"""A ledger that cannot be used: every door says so, and nothing is paid unless somebody was asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from hostile import PENDING, Answer, Hostile
from kernels import MIME, LiveKernel
from processes import KEY, PHOTO
from test_faults import a_clip

import wan_notebook as wan
from wan_notebook.cli import cli
from wan_notebook.errors import BudgetError
from wan_notebook.ledger.runs import FILE, Run
from wan_notebook.ledger.store import Ledger

if TYPE_CHECKING:
    from pathlib import Path

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
POEM = b"this is no database, but somebody's poem" * 100
REQUEST = {"prompt": "The cat looks up.", "image": PHOTO, "duration": 2, "audio": False}
MAGIC = "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio {}\nThe cat looks up."
MAIN = "from wan_notebook.cli import main; main()"


@pytest.fixture
def server():
    with Hostile() as hostile:
        done = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{hostile.root}/clip.mp4"}
        hostile.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        hostile.on("GET", "/tasks/task-1", Answer(body={"output": done, "usage": {"duration": 2}}, headers=FAST))
        hostile.on("GET", "/clip.mp4", Answer(body=a_clip()))
        yield hostile


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    (folder / FILE).write_bytes(POEM)
    return folder


@pytest.fixture
def environment(home, server) -> dict[str, str]:
    return {"WAN_NOTEBOOK_HOME": str(home), "DASHSCOPE_API_KEY": KEY, "DASHSCOPE_HTTP_BASE_URL": server.base_url}


@pytest.fixture
def here(environment, in_folder, monkeypatch) -> Path:
    """The environment is this process's, too."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return in_folder


def test_python_is_refused_until_it_says_yes_and_the_clip_comes_with_a_remark(here, home, server):
    with pytest.raises(BudgetError) as refused:
        wan.submit(**REQUEST)
    said = " ".join(refused.value.lines())
    assert "--yes (yes=True)" in said
    assert "file is not a database" in said
    assert str(home / FILE) in said
    assert "rename it" in said
    assert server.count("POST") == 0
    job = wan.submit(**REQUEST, yes=True)
    assert job.result(60).path.is_file()
    assert any(FILE in note and "this job goes on" in note for note in job.update.notes)
    assert str(home) not in str(job.record), "a path of this machine is no part of a record"
    assert (home / FILE).read_bytes() == POEM
    (home / FILE).rename(home / "kept")
    assert wan.submit(**REQUEST).result(60).path.is_file()
    assert Ledger(home).run(job.run_id).clip_path == str(job.result().path)


def test_a_dry_run_and_a_replay_know_it_too(here, home, server):
    job = wan.submit(**REQUEST, yes=True)
    job.result(60)
    with pytest.raises(BudgetError, match="Nobody can be asked"):
        wan.replay(job.result().record)
    assert server.count("POST") == 1
    assert wan.dry_run(**REQUEST).body


def test_the_command_line_says_it_with_exit_code_1(here, home):
    for command in (["runs"], ["runs", "--json"], ["runs", "--open"], ["collect"]):
        said = CliRunner().invoke(cli, command)
        assert said.exit_code == 1, command
        assert "cannot be used (it is damaged: file is not a database)" in said.output
        assert f"It is {home / FILE}" in said.output
    said = CliRunner().invoke(cli, ["generate", "Up.", "--image", str(PHOTO), "--duration", "2"])
    assert isinstance(said.exception, BudgetError)
    assert (home / FILE).read_bytes() == POEM


def test_the_doctor_says_it(here, home):
    report = CliRunner().invoke(cli, ["doctor", "--region", "simulator"]).output
    assert "cannot be used (it is damaged: file is not a database)" in report
    assert f"It is {home / FILE}" in report


def test_collect_still_saves_the_clips_it_can_read_of(here, home, server):
    (home / FILE).unlink()
    ledger = Ledger(home)
    given = {"region": "singapore", "base_url": server.base_url, "model": "wan2.6-i2v-flash", "stem": "clip"}
    where = {"folder": str(here), "outputs": str(here / "clips"), "simulated": False}
    for number in range(100):
        ledger.add(Run(f"old-{number}", "downloaded", time.time(), record="x" * 2000))
    ledger.add(Run("open", "following", time.time(), task_id="task-1", **given, **where))
    ledger.update("open", owner="somebody who is gone")
    ledger.close()
    with (home / FILE).open("r+b") as file:
        file.seek(4096 * 20)
        file.write(b"\xaa" * 4096 * 5)
    said = CliRunner().invoke(cli, ["collect"])
    assert len(list((here / "clips").glob("*.mp4"))) == 1
    assert said.exit_code == 1
    assert "malformed" in said.output


def test_the_form_says_it_and_asks_with_its_box(here, home, server):
    form = wan.form(**REQUEST)
    form.generate.click()
    assert form.jobs == []
    assert "cannot be used" in form.remarks.value
    assert str(home / FILE) in form.remarks.value
    assert "The ledger" in form.price.confirmed.description
    assert form.generate.disabled
    assert server.count("POST") == 0
    form.price.confirmed.value = True
    form.generate.click()
    assert form.jobs[0].result(60).path.is_file()
    assert server.count("POST") == 1


@pytest.mark.full
def test_in_a_notebook_the_person_is_asked_and_every_magic_says_it(environment, home, server, in_folder):
    environment["JPY_SESSION_NAME"] = str(in_folder / "lab.ipynb")
    with LiveKernel(in_folder, environment) as live:
        assert "cannot be used" in live.run("%load_ext wan_notebook").text
        for line in ("%wan_jobs", "%wan_costs", "%wan_cache", "%wan_resume"):
            assert f"It is {home / FILE}" in live.run(line).text, line
        assert "--yes" in "\n".join(live.run(MAGIC.format(""), allow_stdin=False).error)
        for answer in ("n", "y"):
            cell = live.send(MAGIC.format(""))
            assert "Submit it all the same?" in live.answer(answer)
            live.until(lambda cell=cell: cell.idle)
            assert (cell.error is None) == (answer == "y")
            assert answer == "y" or "Nothing was sent" in "\n".join(cell.error)
            assert not any("Traceback" in line for line in cell.error or ())
        live.until(lambda: cell.record["state"] == "downloaded")
        assert any("this job goes on" in note for note in cell.record["notes"])
        assert "this job goes on" in cell.bundles[0]["text/html"]
        assert server.count("POST") == 1


@pytest.mark.full
def test_damage_while_the_kernel_runs_shows_no_traceback_and_what_it_knew_goes_into_a_new_file(
    environment, home, server, in_folder
):
    (home / FILE).unlink()
    running = {"output": {"task_id": "task-1", "task_status": "RUNNING"}}
    done = server._find("GET", "/tasks/task-1")
    server.on("GET", "/tasks/task-1", Answer(body=running, headers=FAST))
    with LiveKernel(in_folder, environment) as live:
        live.run("%load_ext wan_notebook")
        cell = live.run(MAGIC.format("--seed 7"), cell_id="the-cell")
        live.until(lambda: cell.record["task_status"] == "RUNNING")
        (home / "poem").write_bytes(POEM)
        (home / "poem").replace(home / FILE)
        again = live.run(MAGIC.format("--seed 7 --no-wait"), allow_stdin=False, cell_id="other")
        asked = live.run("%wan_jobs")
        assert "Traceback" not in repr(live.cells)
        assert "DatabaseError" not in repr(live.cells)
        assert "cannot be used" in repr((again.error, asked.outputs))
        server.on("GET", "/tasks/task-1", done)
        live.until(lambda: cell.record["state"] == "downloaded")
        for left in list(home.glob(f"{FILE}*")):
            left.rename(home / f"kept{left.name.removeprefix(FILE)}")
        assert cell.record["run_id"] in repr(live.run("%wan_jobs --all").bundles)
        assert server.count("POST") == 1
    assert Ledger(home).run(cell.record["run_id"]).clip_path
    assert (home / "kept").read_bytes() == POEM
    assert MIME in cell.bundles[0]


@pytest.mark.full
@pytest.mark.skipif(os.name != "posix", reason="needs a terminal that can be made")
@pytest.mark.parametrize(("answer", "posts"), [("n", 0), ("y", 1)])
def test_on_a_terminal_it_is_a_yes_or_a_no(environment, server, tmp_path, answer, posts):
    master, slave = pty.openpty()
    command = [sys.executable, "-c", MAIN, "generate", "Up.", "--image", str(PHOTO), "--duration", "2", "--no-audio"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, **environment}, stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    said = b""
    while b"[y/N]" not in said:
        said += os.read(master, 4096)
    os.write(master, f"{answer}\n".encode())
    while process.poll() is None:
        try:
            said += os.read(master, 4096)
        except OSError:  # the other end is closed
            break
    process.wait(60)
    os.close(master)
    assert process.returncode == (answer == "n"), said
    assert server.count("POST") == posts
    assert b"Traceback" not in said
