"""Never pay twice: an earlier run of the same request, from another process, instead of a new payment."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from hostile import PENDING, Answer, Gate, Hostile
from processes import KEY, PHOTO, outcomes, run, start, until

import wan_notebook as wan
from wan_notebook.ledger.runs import FILE
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=1000"}
SLOW = {"X-Wan-Simulator": "speed=1"}
RUNNING = Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}, headers=FAST)


@pytest.fixture
def server():
    with Hostile() as hostile:
        yield hostile


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


def ready(server, clip, headers=FAST, task_id="task-1"):
    """A service that has accepted a task and finished it."""
    output = {"task_id": task_id, "task_status": "SUCCEEDED", "video_url": f"{server.root}/{task_id}.mp4"}
    done = Answer(body={"output": output, "usage": {"duration": 2}, "request_id": "request-1"}, headers=headers)
    server.on("GET", f"/tasks/{task_id}", done)
    accepted = {"output": {"task_id": task_id, "task_status": "PENDING"}, "request_id": "request-1"}
    server.on(
        "POST", SUBMIT, Answer(body=accepted, headers=headers) if headers else done
    )  # no 5 s until the first look
    server.on("GET", f"/{task_id}.mp4", Answer(body=clip))


def test_a_request_that_was_paid_for_gives_its_saved_clip_and_spends_nothing(server, tmp_path, home, clip):
    ready(server, clip)
    (first,) = run(server.base_url, tmp_path, home)
    queries = server.count("GET", "/tasks")
    (again,) = run(server.base_url, tmp_path, home)
    assert server.count("POST") == 1
    assert server.count("GET", "/tasks") == queries + 1, "one look whether this machine's server is still a simulator"
    assert (again["path"], again["task"], again["state"]) == (first["path"], "task-1", "downloaded")
    assert again["from_run"] == first["run"] == again["record"]["from_run"]
    assert again["cost"] == "0 USD"
    assert again["record"]["request"]["sent"]["parameters"] == first["record"]["request"]["sent"]["parameters"]
    assert any(f"0 spent, from {first['run']} of 20" in note for note in again["notes"])
    (forced,) = run(server.base_url, tmp_path, home, force=True)
    assert server.count("POST") == 2
    assert forced["path"] != first["path"]
    assert KEY.encode() not in (home / FILE).read_bytes()


def test_a_saved_clip_of_unknown_price_is_had_again_without_a_question(server, tmp_path, home, clip):
    ready(server, clip, headers={})  # no simulator: money
    told = {"model": "wan9-i2v", "resolution": "720P", "audio": None}
    (first,) = run(server.base_url, tmp_path, home, yes=True, **told)
    (again,) = run(server.base_url, tmp_path, home, **told)
    assert (again["path"], again["from_run"]) == (first["path"], first["run"])
    (other,) = run(server.base_url, tmp_path, home, **told, image=str(PHOTO.with_name("coffee.png")))
    assert "the price of this clip in singapore is unknown. Say it in advance: --yes" in other["error"]
    assert (other["state"], server.count("POST")) == ("refused", 1)


@pytest.mark.full
def test_identical_requests_of_one_script_are_as_many_clips_and_the_same_ones_next_time(tmp_path, home):
    with Simulator(speed=500, render="shape") as sim:
        four = [made["path"] for made in run(sim.base_url, tmp_path, home, count=4)]
        assert len(set(four)) == 4
        assert [made["path"] for made in run(sim.base_url, tmp_path, home, count=4)] == four
        five = run(sim.base_url, tmp_path, home, count=5)
        assert [made["path"] for made in five][:4] == four
        assert [made["from_run"] is None for made in five] == [False] * 4 + [True]
        other = run(sim.base_url, tmp_path, home, duration=3)
        assert other[0]["from_run"] is None


@pytest.mark.full
def test_a_clip_kept_for_another_notebook_is_put_beside_this_one_too(server, tmp_path, home, clip):
    ready(server, clip)
    (first,) = run(server.base_url, tmp_path, home)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for _ in range(2):
        (again,) = run(server.base_url, elsewhere, home)
        assert Path(again["path"]).parent == elsewhere / "clips"
        assert Path(again["path"]).read_bytes() == clip
        assert again["record"]["clip"]["path"] == f"clips/{Path(first['path']).name}"
    assert len(list((elsewhere / "clips").glob("*.mp4"))) == 1
    assert server.count("POST") == 1


def test_a_clip_whose_file_is_gone_is_fetched_again_while_the_service_has_it(server, tmp_path, home, clip):
    ready(server, clip)
    (first,) = run(server.base_url, tmp_path, home)
    Path(first["path"]).unlink()
    (again,) = run(server.base_url, tmp_path, home)
    assert any("is not there any more" in note and "downloaded again, 0 spent" in note for note in again["notes"])
    assert Path(again["path"]).read_bytes() == clip
    Path(again["path"]).write_bytes(clip[:-1] + b"?")
    (third,) = run(server.base_url, tmp_path, home)
    assert any("has changed" in note for note in third["notes"])
    assert Path(third["path"]).read_bytes() == clip
    assert server.count("POST") == 1


def test_a_paid_clip_that_is_gone_for_good_is_said_and_not_silently_paid_again(server, tmp_path, home, clip):
    ready(server, clip, headers={})  # no simulator: money
    (first,) = run(server.base_url, tmp_path, home)
    Path(first["path"]).unlink()
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "UNKNOWN"}}))
    (again,) = run(server.base_url, tmp_path, home)
    assert again["error"].startswith("BudgetError: this request was paid for already, and the clip")
    assert "--force" in again["error"]
    assert again["state"] == "refused"
    assert server.count("POST") == 1


def test_a_paid_run_is_not_paid_again_because_the_look_at_its_task_failed(server, tmp_path, home, clip):
    ready(server, clip, headers={})  # no simulator: money
    (first,) = run(server.base_url, tmp_path, home)
    server.on("GET", "/tasks/task-1", Answer(drop=True), Answer(body={"output": {"task_id": "task-1"}}))
    (again,) = run(server.base_url, tmp_path, home)
    assert (again["path"], again["from_run"]) == (first["path"], first["run"])
    assert server.count("POST") == 1


def test_a_simulated_run_is_never_taken_for_a_real_one_nor_the_reverse(server, tmp_path, home, clip):
    ready(server, clip, headers=FAST)
    run(server.base_url, tmp_path, home)
    ready(server, clip, headers={}, task_id="task-real")
    server.on("GET", "/tasks/task-1", Answer(404, {"code": "NotFound", "message": "no such task"}))
    (real,) = run(server.base_url, tmp_path, home)
    assert (real["task"], real["from_run"], real["record"]["simulated"]) == ("task-real", None, False)
    ready(server, clip, headers=FAST)
    server.on("GET", "/tasks/task-real", Answer(404, headers=FAST))
    (simulated,) = run(server.base_url, tmp_path, home)
    assert (simulated["task"], simulated["record"]["simulated"]) == ("task-1", True)


def test_a_second_process_follows_the_job_of_the_first_instead_of_paying(server, tmp_path, home, clip):
    ready(server, clip)
    server.on("GET", "/tasks/task-1", RUNNING)
    first = start(server.base_url, tmp_path, home)
    until(lambda: server.count("POST"))
    second = start(server.base_url, tmp_path, home)
    until(lambda: Ledger(home).runs("from_run IS NOT NULL AND state = 'following'"))
    ready(server, clip)
    (one,), (two,) = outcomes(first), outcomes(second)
    assert server.count("POST") == 1
    assert (one["path"], one["task"]) == (two["path"], two["task"])
    assert two["from_run"] == one["run"]
    assert any("the same request is under way" in note and "0 spent" in note for note in two["notes"])


def test_when_the_process_that_paid_is_killed_the_other_one_drives_the_job_on(server, tmp_path, home, clip):
    ready(server, clip)
    server.on("GET", "/tasks/task-1", RUNNING)
    first = start(server.base_url, tmp_path, home)
    until(lambda: Ledger(home).runs("task_id = 'task-1'"))
    second = start(server.base_url, tmp_path, home)
    until(lambda: Ledger(home).runs("from_run IS NOT NULL"))
    first.kill()
    first.communicate()
    ready(server, clip)
    (two,) = outcomes(second)
    assert server.count("POST") == 1
    assert Path(two["path"]).read_bytes() == clip
    (paid,) = Ledger(home).runs("from_run IS NULL")
    assert (paid.state, paid.clip_path, paid.amount) == ("downloaded", two["path"], "0.05")


def test_a_job_that_is_canceled_while_it_takes_over_leaves_the_paid_run_open(server, tmp_path, home, monkeypatch):
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(home))
    server.on("POST", SUBMIT, Answer(body=PENDING, headers=FAST))
    server.on("GET", "/tasks/", RUNNING)
    first = start(server.base_url, tmp_path, home)
    until(lambda: Ledger(home).runs("task_id IS NOT NULL"))
    first.kill()
    first.communicate()
    (paid,) = Ledger(home).runs()
    gate = Gate(body=RUNNING.body, headers=FAST)
    server.on("GET", "/tasks/task-1", RUNNING, gate)  # the first look is whether it is a simulator
    given = {"prompt": "A cat.", "image": PHOTO, "duration": 2, "audio": False}
    second = wan.submit(**given, base_url=server.base_url, api_key=KEY, output_dir=tmp_path / "clips")
    until(lambda: any("already paid as" in note for note in second.update.notes) and gate.arrived.is_set())
    assert not second.cancel()
    assert Ledger(home).run(paid.run_id).state == "following"
    ended = Answer(body={"output": {"task_id": "task-1", "task_status": "FAILED"}}, headers=FAST)
    server.on("GET", "/tasks/task-1", ended)
    gate.let.set()
    assert isinstance(second.exception(60), wan.TaskFailedError)
    assert server.count("POST", SUBMIT) == 1


def test_killed_between_the_submit_and_its_answer_nothing_is_paid_twice_and_it_is_said(server, tmp_path, home, clip):
    ready(server, clip)
    gate = Gate(body=PENDING, headers=FAST)
    server.on("POST", SUBMIT, gate)
    first = start(server.base_url, tmp_path, home)
    assert gate.arrived.wait(60)
    first.kill()
    first.communicate()
    gate.let.set()
    (again,) = run(server.base_url, tmp_path, home)
    assert server.count("POST") == 1
    assert again["error"].startswith("AmbiguousSubmitError: sent on 20")
    assert "--force" in again["error"]
    assert "runs --forget" in again["error"]
    ready(server, clip)
    (forced,) = run(server.base_url, tmp_path, home, force=True)
    assert (forced["state"], server.count("POST")) == ("downloaded", 2)


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it cannot be told that a silent process lives")
def test_a_process_that_stands_still_before_its_submit_is_waited_for_and_the_request_is_paid_once(
    server, tmp_path, home, clip
):
    ready(server, clip)
    policy = {
        "policy": "P", "signature": "S", "upload_dir": "dashscope-instant/x", "upload_host": f"{server.root}/store",
        "oss_access_key_id": "LTA", "max_file_size_mb": 100,
    }  # fmt: skip
    gate = Gate(body={"data": policy}, headers=FAST)
    server.on("GET", "/uploads", gate)
    server.on("POST", "/store", Answer(200, b""))
    first = start(server.base_url, tmp_path, home, upload="oss")
    assert gate.arrived.wait(60)
    until(lambda: Ledger(home).runs("state = 'waiting'"))
    first.send_signal(signal.SIGSTOP)  # as a long call in the kernel does
    with closing(sqlite3.connect(home / FILE)) as db, db:
        db.execute("UPDATE owners SET beat = beat - 60")
    second = start(server.base_url, tmp_path, home, upload="oss")
    until(lambda: Ledger(home).runs("from_run IS NOT NULL AND state = 'submitting'"))
    first.send_signal(signal.SIGCONT)
    gate.let.set()
    (one,), (two,) = outcomes(first), outcomes(second)
    assert server.count("POST", SUBMIT) == 1
    assert (one["state"], two["state"], two["from_run"]) == ("downloaded", "downloaded", one["run"])


def test_a_run_in_a_state_of_a_later_version_is_not_paid_again(server, tmp_path, home, clip):
    ready(server, clip)
    (first,) = run(server.base_url, tmp_path, home)
    Ledger(home).update(first["run"], state="polishing")
    (again,) = run(server.base_url, tmp_path, home)
    assert server.count("POST") == 1
    assert "a later version of this package left as 'polishing'" in again["error"]
    assert "update the package" in again["error"]
    (forced,) = run(server.base_url, tmp_path, home, force=True)
    assert (forced["state"], server.count("POST")) == ("downloaded", 2)


def test_killed_while_its_clip_was_on_its_way_the_clip_is_fetched_by_the_next(server, tmp_path, home, clip):
    ready(server, clip)
    gate = Gate(body=clip)
    server.on("GET", "/task-1.mp4", gate)
    first = start(server.base_url, tmp_path, home)
    assert gate.arrived.wait(60)
    first.kill()
    first.communicate()
    gate.let.set()
    ready(server, clip)
    (again,) = run(server.base_url, tmp_path, home)
    assert server.count("POST") == 1
    assert Path(again["path"]).read_bytes() == clip


def test_a_double_click_in_one_process_is_paid_once_where_the_cell_is_executed_anew(kernel, server, clip):
    ready(server, clip)
    server.on("GET", "/tasks/task-1", RUNNING)
    code = (
        f"import wan_notebook as wan\njob = wan.submit(prompt='A cat.', image='images/chelsea.png', duration=2, "
        f"audio=False, base_url={server.base_url!r}, api_key={KEY[:8]!r} + {KEY[8:]!r})"  # typed whole it is refused
    )
    first = kernel.run(code)
    kernel.until(lambda: first.record["task_status"] == "RUNNING")
    second = kernel.run(code)
    kernel.until(lambda: second.record["task_status"] == "RUNNING")
    ready(server, clip)
    kernel.until(lambda: second.record["state"] == first.record["state"] == "downloaded")
    assert server.count("POST") == 1
    assert second.record["from_run"] == first.record["run_id"]
    assert second.record["clip"]["sha256"] == first.record["clip"]["sha256"]
    assert "0 spent" in second.bundles[0]["text/html"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full")
def test_a_ledger_that_cannot_be_written_is_asked_about_said_on_the_card_and_the_job_goes_on(server, tmp_path, clip):
    ready(server, clip)
    blocked = tmp_path / "home is a file"
    blocked.write_text("not a folder")
    refused = start(server.base_url, tmp_path, blocked)
    assert "--yes (yes=True)" in refused.communicate(timeout=60)[1]
    assert server.count("POST") == 0
    first, second = run(server.base_url, tmp_path, blocked, count=2, yes=True)
    for made in (first, second):
        assert made["state"] == "downloaded"
        assert any("the ledger" in note and "this job goes on" in note for note in made["notes"])
    assert server.count("POST") == 2


def test_a_dry_run_says_that_the_clip_is_there_already(server, tmp_path, home, clip, monkeypatch):
    ready(server, clip)
    (first,) = run(server.base_url, tmp_path, home)
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(home))
    given = {"prompt": "A cat.", "image": PHOTO, "duration": 2, "base_url": server.base_url, "max_cost": 0.01}
    dry = wan.dry_run(**given, audio=False)
    assert any(first["run"] in note and "spends 0" in note for note in dry.notes)
    assert not dry.problems
    other = wan.dry_run(**given, audio=True)
    assert not any("spends 0" in note for note in other.notes)
    assert other.problems
    assert server.count("POST") == 1


def test_a_ledger_that_is_opened_by_nobody_costs_a_script_nothing():
    code = "import sys, wan_notebook as wan; print('sqlite3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
