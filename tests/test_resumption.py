"""Never lose a clip: what an earlier kernel left behind is followed by the next one, by a line, or by a cron job."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
from accounts import Account
from click.testing import CliRunner
from hostile import PENDING, Answer, HalfWay, Hostile
from kernels import MIME, LiveKernel
from processes import KEY, run, start

import wan_notebook as wan
from wan_notebook.cli import cli
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
MAGIC = "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio --seed 7\nThe cat looks up."
HEAVY = ("httpx", "pydantic", "PIL", "av", "ipywidgets", "nbformat", "nest_asyncio", "asyncio.sslproto")


@pytest.fixture
def server():
    """A service whose task runs until :func:`finish`."""
    with Hostile() as hostile:
        hostile.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
        running = {"output": {"task_id": "task-1", "task_status": "RUNNING"}}
        hostile.on("GET", "/tasks/task-1", Answer(body=running, headers=FAST))
        yield hostile


def finish(server, clip: bytes) -> None:
    output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
    server.on("GET", "/tasks/task-1", Answer(body={"output": output, "usage": {"duration": 2}}, headers=FAST))
    server.on("GET", "/clip.mp4", Answer(body=clip))


class Page(LiveKernel):
    """A kernel with a page of JupyterLab that shows ``lab.ipynb``; what the plugin hears is kept."""

    def __init__(self, server, folder: Path, notebook: str = "lab.ipynb") -> None:
        environment = {
            "DASHSCOPE_HTTP_BASE_URL": server.base_url, "DASHSCOPE_API_KEY": KEY,
            "WAN_NOTEBOOK_HOME": str(folder / "home"), "JPY_SESSION_NAME": str(folder / notebook),
        }  # fmt: skip
        super().__init__(folder, environment)
        self.heard: list[dict[str, Any]] = []
        self.called = 0  # by comms that the kernel opened

    def _take(self, message: dict[str, Any]) -> None:
        if message["msg_type"] == "comm_msg":
            self.heard.append(message["content"]["data"])
        self.called += message["msg_type"] == "comm_open"
        super()._take(message)

    def ask(self, run_id: str) -> None:
        """What the plugin does for a cell whose run is not over."""
        comm_id = uuid.uuid4().hex
        for kind, data in (("comm_open", {}), ("comm_msg", {"type": "attach", "runs": [run_id]})):
            content = {"comm_id": comm_id, "data": data, "target_name": "wan_notebook"}
            self.client.shell_channel.send(self.client.session.msg(kind, content))

    def told(self, run_id: str) -> list[dict[str, Any]]:
        """The records it was sent of a run."""
        return [said["data"][MIME] for said in self.heard if said.get("run_id") == run_id]


@pytest.fixture
def left(server, in_folder):
    """A kernel was killed while its task was running; the record its cell shows."""
    with Page(server, in_folder) as page:
        page.run("%load_ext wan_notebook")
        cell = page.run(MAGIC, cell_id="the-cell")
        page.until(lambda: cell.record["task_status"] == "RUNNING")
        page.manager.signal_kernel(9)
        return cell.record


def test_loading_again_follows_what_was_left_and_the_video_comes_to_its_old_cell(server, in_folder, left, clip):
    with Page(server, in_folder) as page:
        said = page.run("%load_ext wan_notebook", cell_id="other")
        assert said.text == "wan_notebook: 1 job of this notebook followed again (cat). %wan_jobs shows them.\n"
        assert page.called == 1
        page.ask(left["run_id"])
        page.until(lambda: page.told(left["run_id"]))
        finish(server, clip)
        page.until(lambda: page.told(left["run_id"])[-1]["state"] == "downloaded")
        record = page.told(left["run_id"])[-1]
        assert "<video" in page.heard[-1]["data"]["text/html"]
        assert record["rev"] > left["rev"]
        same = ("run_id", "cell_id", "task_id", "name", "request", "inputs", "created_at", "submitted_at", "region")
        assert {key: record[key] for key in same} == {key: left[key] for key in same}
        assert (in_folder / record["clip"]["path"]).read_bytes() == clip
        assert record["cost"]["amount"] == "0.05"
        job = page.run(
            "import wan_notebook as wan\njob = wan.jobs()[0]\nprint(job.result(60).path.name, job.request.seed)"
        )
        assert job.text.split() == [Path(record["clip"]["path"]).name, "7"]
        assert server.count("POST") == 1
    with Page(server, in_folder) as page:
        assert page.run("%load_ext wan_notebook").text == ""
        again = page.run(MAGIC, cell_id="the-cell")
        page.until(lambda: again.record["state"] == "downloaded")
        assert again.record["from_run"] == left["run_id"]
        assert server.count("POST") == 1


def test_another_notebook_is_not_told_of_it_and_imports_nothing_heavy(server, in_folder, left):
    with Page(server, in_folder, "another.ipynb") as page:
        page.run(
            "import sys; sockets = []; loaded = set(sys.modules)\n"
            "sys.addaudithook(lambda event, _: sockets.append(event) if event.startswith('socket.') else None)"
        )
        before = len(server.asked)
        assert page.run("%load_ext wan_notebook").outputs == []
        assert page.run("print(sockets)").text.strip() == "[]"
        assert page.called == 0
        heavy = page.run(f"print([name for name in {HEAVY!r} if name in sys.modules and name not in loaded])").text
        assert heavy.strip() == "[]"
        assert int(page.run("print(len(set(sys.modules) - loaded))").text) <= 40
        assert len(server.asked) == before
        assert "left alone" in page.run("%wan_jobs").bundles[0]["text/plain"]


@pytest.mark.full
@pytest.mark.parametrize("moved", ["renamed", "folder"])
def test_a_renamed_notebook_or_folder_finds_its_open_jobs(server, in_folder, left, clip, moved):
    here = in_folder if moved == "renamed" else in_folder.rename(in_folder.with_name("moved"))
    (here / "new.ipynb").write_text(json.dumps({"cells": [{"id": "the-cell"}]}))
    with Page(server, here, "new.ipynb") as page:
        assert "1 job of this notebook followed again (cat)" in page.run("%load_ext wan_notebook").text
        finish(server, clip)
        page.ask(left["run_id"])
        page.until(lambda: page.told(left["run_id"]) and page.told(left["run_id"])[-1]["state"] == "downloaded")
        record = page.told(left["run_id"])[-1]
        assert (here / record["clip"]["path"]).read_bytes() == clip
        assert server.count("POST") == 1
    assert here == in_folder or not in_folder.exists()


def test_wan_resume_shows_its_card_here_by_task_id_or_all(server, in_folder, left, clip):
    with Page(server, in_folder, "another.ipynb") as page:
        page.run("%load_ext wan_notebook")
        assert "nothing to follow" in page.run("%wan_resume nobody").text
        finish(server, clip)
        cell = page.run(f"%wan_resume {left['task_id']}")
        page.until(lambda: cell.record["state"] == "downloaded")
        assert cell.record["run_id"] == left["run_id"]
        assert "<video" in cell.bundles[0]["text/html"]
        assert "nothing to follow" in page.run("%wan_resume all").text
    assert server.count("POST") == 1


def test_a_kernel_that_lives_keeps_its_jobs(server, in_folder, clip):
    with Page(server, in_folder) as page:
        page.run("%load_ext wan_notebook")
        cell = page.run(MAGIC)
        page.until(lambda: cell.record["task_status"] == "RUNNING")
        with Page(server, in_folder) as second:
            assert second.run("%load_ext wan_notebook").outputs == []
            assert "followed already" in second.run("%wan_resume").text
        finish(server, clip)
        page.until(lambda: cell.record["state"] == "downloaded")


def test_without_a_key_the_line_says_why_nothing_can_be_followed(server, in_folder, left):
    with Page(server, in_folder) as page:
        page.run("import os\ndel os.environ['DASHSCOPE_API_KEY']")
        said = page.run("%load_ext wan_notebook")
        assert said.error is None
        assert "cannot be followed: no API key is set" in said.text


def killed(server, tmp_path: Path, state: str = "task_id IS NOT NULL") -> str:
    """A script was killed while its task was running; its run id."""
    process = start(server.base_url, tmp_path, tmp_path / "home")
    end = time.monotonic() + 60
    while not (found := Ledger(tmp_path / "home").runs(state)):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.communicate()
    return found[0].run_id


@pytest.fixture
def cron(tmp_path, monkeypatch):
    """The command line, as a cron job has it."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_collect_saves_what_is_finished_and_leaves_the_rest(server, tmp_path, cron, clip):
    run_id = killed(server, tmp_path)
    said = cron("collect")
    assert (said.exit_code, said.output) == (0, f"{run_id}: still under way (task task-1)\n")
    assert Ledger(tmp_path / "home").run(run_id).state == "following"
    finish(server, clip)
    said = cron("collect")
    saved = Ledger(tmp_path / "home").run(run_id)
    assert (said.exit_code, said.output) == (0, f"{run_id}: {saved.clip_path}\n")
    assert Path(saved.clip_path).parent == tmp_path / "clips"
    assert Path(saved.clip_path).read_bytes() == clip
    assert cron("collect").output == ""
    (again,) = run(server.base_url, tmp_path, tmp_path / "home")
    assert (again["from_run"], again["path"], server.count("POST")) == (run_id, saved.clip_path, 1)


def test_two_collects_at_once_fetch_a_clip_once(server, tmp_path, clip):
    killed(server, tmp_path)
    finish(server, clip)
    code = "import sys; from wan_notebook.cli import main; sys.argv[1:] = ['collect']; main()"
    environment = {**os.environ, "WAN_NOTEBOOK_HOME": str(tmp_path / "home"), "DASHSCOPE_API_KEY": KEY}
    command = [sys.executable, "-c", code]
    both = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for process in both:
        process.communicate(timeout=60)
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    assert server.count("GET", "/clip.mp4") == 1


def test_collect_says_what_it_could_not_have(server, tmp_path, cron):
    run_id = killed(server, tmp_path)
    unknown = {"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}
    server.on("GET", "/tasks/task-1", Answer(body=unknown, headers=FAST))
    said = cron("collect")
    assert "does not know task task-1 any more" in said.output
    assert Ledger(tmp_path / "home").run(run_id).state == "expired"
    assert cron("collect").output == ""


def test_a_task_the_service_does_not_know_within_the_day_stays_open(server, tmp_path, cron, clip):
    server.on("POST", SUBMIT, Answer(body=PENDING))
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}))
    run_id = killed(server, tmp_path)
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}))
    said = cron("collect")
    assert "does not know it under this key" in said.output
    assert said.exit_code
    assert Ledger(tmp_path / "home").run(run_id).state == "following"
    output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
    server.on("GET", "/tasks/task-1", Answer(body={"output": output, "usage": {"duration": 2}}))
    server.on("GET", "/clip.mp4", Answer(body=clip))
    assert cron("collect").exit_code == 0
    assert Path(Ledger(tmp_path / "home").run(run_id).clip_path).read_bytes() == clip


def test_a_clip_that_was_collected_is_told_to_its_notebook_when_it_is_opened_again(server, in_folder, left, clip, cron):
    finish(server, clip)
    assert cron("collect").exit_code == 0
    with Page(server, in_folder) as page:
        said = page.run("%load_ext wan_notebook").text
        assert said == "wan_notebook: 1 clip of this notebook came while no kernel was there. %wan_jobs shows them.\n"
        page.ask(left["run_id"])
        page.until(lambda: page.told(left["run_id"]))
        record = page.told(left["run_id"])[-1]
        assert (record["state"], record["cell_id"]) == ("downloaded", "the-cell")
        assert record["rev"] > left["rev"]
        assert "<video" in page.heard[-1]["data"]["text/html"]
        json.dumps(record)
    with Page(server, in_folder) as page:
        assert page.run("%load_ext wan_notebook").text == ""


# A submit whose process was killed before the answer came:


@pytest.fixture
def sim():
    with Simulator(speed=300, render="shape") as simulator:
        yield simulator


def posts(sim) -> int:
    return sum(asked.method == "POST" for asked in sim.requests)


def killed_in_flight(sim, folder: Path, *, known: bool = True, **given) -> str:
    """A script was killed between its POST and the answer; its run id."""
    home = folder / "home"
    if known:
        run(sim.base_url, folder, home, prompt="The one that tells which key is ours.")
    with sim.hold_submits() as held:
        process = start(sim.base_url, folder, home, **given)
        held.wait()
        process.kill()
        process.communicate()
    (left,) = Ledger(home).runs("state = 'submitting'")
    return left.run_id


@pytest.mark.full
def test_collect_looks_for_a_submit_that_was_killed_in_flight_and_saves_its_clip(sim, tmp_path, cron):
    run_id = killed_in_flight(sim, tmp_path)
    said = cron("collect", "--wait")
    saved = Ledger(tmp_path / "home").run(run_id)
    assert (said.exit_code, said.output) == (0, f"{run_id}: {saved.clip_path}\n")
    assert (saved.state, saved.simulated, Path(saved.clip_path).exists()) == ("downloaded", True, True)
    assert saved.request_id is not None
    assert cron("collect").output == ""
    assert posts(sim) == 2


@pytest.mark.full
def test_collect_that_does_not_wait_says_which_task_it_probably_is_and_saves_it_the_next_time(sim, tmp_path, cron):
    sim.clock.speed = 1
    run_id = killed_in_flight(sim, tmp_path, known=False)
    (task,) = wan.list_tasks(base_url=sim.base_url, api_key=KEY)
    run_known = cron("collect")
    assert run_known.exit_code == 1
    assert f"a task of that time could be it: {task.task_id}" in run_known.output
    assert f'wan_notebook.attach("{task.task_id}")' in run_known.output
    assert Ledger(tmp_path / "home").run(run_id).state == "ambiguous"
    sim.clock.speed = 300
    run(sim.base_url, tmp_path, tmp_path / "home", prompt="The one that tells which key is ours.")
    assert cron("collect").exit_code == 0
    assert Ledger(tmp_path / "home").run(run_id).state == "downloaded"
    assert posts(sim) == 2


@pytest.mark.full
def test_collect_says_that_a_submit_was_not_accepted_and_sends_nothing(sim, tmp_path, cron):
    with Account(speed=60) as account:
        account.accept, account.lose = False, True
        account.let.clear()
        process = start(account.base_url, tmp_path, tmp_path / "home")
        assert account.arrived.wait(60)
        process.kill()
        process.communicate()
        account.let.set()
        said = cron("collect")
        assert "was not accepted" in said.output
        assert "Nothing is billed" in said.output
        assert said.exit_code == 0
        assert cron("collect").output == ""
        assert len(account.prompts) == 1


@pytest.mark.full
def test_collect_says_of_a_submit_of_the_day_before_yesterday_that_nobody_knows(sim, tmp_path, cron):
    run_id = killed_in_flight(sim, tmp_path)
    before = posts(sim)
    Ledger(tmp_path / "home").update(run_id, sent_at=time.time() - 2 * 86400, created_at=time.time() - 2 * 86400)
    for _ in range(2):
        said = cron("collect")
        assert said.exit_code == 1
        assert "no longer goes back to it" in said.output
        assert f"--forget {run_id}" in said.output
    again = run(sim.base_url, tmp_path, tmp_path / "home")
    assert again[0]["state"] == "ambiguous"
    assert posts(sim) == before


@pytest.fixture
def cut_off(sim, in_folder):
    """A kernel was killed between its POST and the answer; its run id."""
    with Page(sim, in_folder) as page:
        page.run("%load_ext wan_notebook")
        first = page.run(MAGIC.replace("cat ", "first ").replace("looks up", "is asleep"), cell_id="first-cell")
        page.until(lambda: first.record["state"] == "downloaded")
        with sim.hold_submits() as held:
            page.run(MAGIC, cell_id="the-cell")
            held.wait()
            page.manager.signal_kernel(9)
    (left,) = Ledger(in_folder / "home").runs("state = 'submitting'")
    return left.run_id


@pytest.mark.full
def test_loading_again_looks_for_a_submit_that_was_killed_in_flight_and_follows_it(sim, in_folder, cut_off):
    with Page(sim, in_folder) as page:
        said = page.run("%load_ext wan_notebook", cell_id="other")
        line = "wan_notebook: 1 submit without an answer looked for (cat). %wan_jobs shows them.\n"
        assert said.text == line
        page.ask(cut_off)
        page.until(lambda: page.told(cut_off) and page.told(cut_off)[-1]["state"] == "downloaded")
        record = page.told(cut_off)[-1]
        assert (record["cell_id"], record["simulated"], record["clip"] is not None) == ("the-cell", True, True)
        assert "<video" in page.heard[-1]["data"]["text/html"]
        assert posts(sim) == 2
    with Page(sim, in_folder) as page:
        assert page.run("%load_ext wan_notebook").text == ""
        again = page.run(MAGIC, cell_id="the-cell")
        page.until(lambda: again.record["state"] == "downloaded")
        assert (again.record["from_run"], posts(sim)) == (cut_off, 2)


@pytest.mark.full
def test_wan_resume_looks_for_a_submit_that_was_killed_in_flight_with_a_card_here(sim, in_folder, cut_off):
    with Page(sim, in_folder, "another.ipynb") as page:
        assert page.run("%load_ext wan_notebook").text == ""
        cell = page.run(f"%wan_resume {cut_off}")
        page.until(lambda: cell.record["state"] == "downloaded")
        assert (cell.record["run_id"], posts(sim)) == (cut_off, 2)
        assert "<video" in cell.bundles[0]["text/html"]


@pytest.mark.full
def test_what_a_killed_process_left_of_a_clip_is_gone_once_it_is_collected(server, tmp_path, cron, clip):
    finish(server, clip)
    gate = HalfWay(body=clip)
    server.on("GET", "/clip.mp4", gate)
    process = start(server.base_url, tmp_path, tmp_path / "home")
    assert gate.arrived.wait(60)
    process.kill()
    process.communicate()
    gate.let.set()
    folder = tmp_path / "clips"
    (left,) = folder.glob("*.part")
    theirs = folder / "theirs.mp4.part"
    theirs.write_bytes(b"half")
    server.on("GET", "/clip.mp4", Answer(body=clip))
    assert cron("collect").exit_code == 0
    (saved,) = Ledger(tmp_path / "home").runs()
    assert Path(saved.clip_path).read_bytes() == clip
    assert Path(saved.clip_path).name == f"{saved.stem}.mp4"
    assert not left.exists()
    assert theirs.exists()


@pytest.mark.full
def test_what_was_left_of_a_clip_that_will_not_come_any_more_is_gone_too(server, tmp_path, cron, clip):
    finish(server, clip)
    gate = HalfWay(body=clip)
    server.on("GET", "/clip.mp4", gate)
    process = start(server.base_url, tmp_path, tmp_path / "home")
    assert gate.arrived.wait(60)
    process.kill()
    process.communicate()
    gate.let.set()
    unknown = {"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}
    server.on("GET", "/tasks/task-1", Answer(body=unknown, headers=FAST))
    cron("collect")
    assert Ledger(tmp_path / "home").runs()[0].state == "expired"
    assert not list((tmp_path / "clips").glob("*.part"))
