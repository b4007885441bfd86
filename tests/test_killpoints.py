"""kill -9 at every point of a run's way, then the same request again: nothing is lost, and nothing is paid twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from hostile import PENDING, Answer, Gate, Hostile
from processes import outcomes, run, start, until

from wan_notebook.ledger.store import Ledger

SUBMIT = "/services/aigc/video-generation/video-synthesis"
FAST = {"X-Wan-Simulator": "speed=100"}  # 24 h of such a clock are a quarter of an hour
LATER = {"Retry-After": "300"}  # no simulator: who is told so waits so long
RUNNING = Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}, headers=FAST)
THROTTLED = {"code": "Throttling.RateQuota", "message": "slow down"}
UPLOAD = {"upload": "oss"}

# where: (method, beginning of the path, how many such requests are answered before, what was given)
ARRIVED = {
    "the upload policy is asked for": ("GET", "/uploads", 0, UPLOAD),
    "the picture is uploaded": ("POST", "/store", 0, UPLOAD),
    "a submit was told to wait": ("POST", SUBMIT, 1, {}),
    "the submit has arrived": ("POST", SUBMIT, 0, {}),
    "the task is looked at first": ("GET", "/tasks/task-1", 0, {}),
    "the task is looked at again": ("GET", "/tasks/task-1", 2, {}),
    "the clip is asked for": ("GET", "/clip.mp4", 0, {}),
}
UNPAID = ("the upload policy is asked for", "the picture is uploaded", "a submit was told to wait")

pytestmark = pytest.mark.full


def answers(server: Hostile, clip: bytes) -> dict[tuple[str, str], Answer]:
    """What a good service says, by method and path."""
    policy = {
        "policy": "P", "signature": "S", "upload_dir": "dashscope-instant/x", "upload_host": f"{server.root}/store",
        "oss_access_key_id": "LTA", "max_file_size_mb": 100,
    }  # fmt: skip
    done = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
    return {
        ("GET", "/uploads"): Answer(body={"data": policy}, headers=FAST),
        ("POST", "/store"): Answer(200, b""),
        ("POST", SUBMIT): Answer(body=PENDING, headers=FAST),
        ("GET", "/tasks/task-1"): Answer(body={"output": done, "usage": {"duration": 2}}, headers=FAST),
        ("GET", "/clip.mp4"): Answer(body=clip),
    }


@pytest.mark.parametrize("point", ARRIVED)
def test_killed_when(point, tmp_path, clip):
    method, path, before, given = ARRIVED[point]
    home = tmp_path / "home"
    with Hostile() as server:
        good = answers(server, clip)
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        earlier = [Answer(429, THROTTLED, FAST) if path == SUBMIT else RUNNING] * before
        gate = Gate(body=good[method, path].body, headers=good[method, path].headers)
        server.on(method, path, *earlier, gate)
        process = start(server.base_url, tmp_path, home, **given)
        assert gate.arrived.wait(60)
        process.kill()
        process.communicate()
        gate.let.set()
        server.on(method, path, good[method, path])
        sent = server.count("POST", SUBMIT)
        (again,) = run(server.base_url, tmp_path, home, **given)
        if path == SUBMIT:  # it may have been accepted, and this server has no list to look into
            assert again["error"].startswith("AmbiguousSubmitError")
            assert server.count("POST", SUBMIT) == sent
            return
        assert Path(again["path"]).read_bytes() == clip
        assert server.count("POST", SUBMIT) == 1
        assert (again["from_run"] is None) == (point in UNPAID)
        assert len(Ledger(home).runs("state NOT IN ('downloaded', 'canceled')")) == 0


@pytest.mark.parametrize("state", ["waiting", "following", "downloaded"])
def test_killed_as_soon_as_the_ledger_says(state, tmp_path, clip):
    home = tmp_path / "home"
    with Hostile() as server:
        good = answers(server, clip)
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        if state == "waiting":
            server.on("POST", SUBMIT, Answer(429, THROTTLED, LATER))
        if state == "following":
            server.on("GET", "/tasks/task-1", RUNNING)
        process = start(server.base_url, tmp_path, home)
        if state == "waiting":
            until(lambda: server.count("POST", SUBMIT))  # it waits before, too
        until(lambda: Ledger(home).runs("state = ?", (state,)))
        process.kill()
        process.communicate()
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        refused = server.count("POST", SUBMIT) if state == "waiting" else 0
        (again,) = run(server.base_url, tmp_path, home)
        assert Path(again["path"]).read_bytes() == clip
        assert server.count("POST", SUBMIT) == 1 + refused


def test_a_process_that_only_went_along_is_killed_and_the_one_that_paid_is_not_disturbed(tmp_path, clip):
    home = tmp_path / "home"
    with Hostile() as server:
        good = answers(server, clip)
        for (verb, beginning), answer in good.items():
            server.on(verb, beginning, answer)
        server.on("GET", "/tasks/task-1", RUNNING)
        first = start(server.base_url, tmp_path, home)
        until(lambda: Ledger(home).runs("task_id IS NOT NULL"))
        second = start(server.base_url, tmp_path, home)
        until(lambda: Ledger(home).runs("from_run IS NOT NULL"))
        second.kill()
        second.communicate()
        server.on("GET", "/tasks/task-1", good["GET", "/tasks/task-1"])
        (one,) = outcomes(first)
        assert Path(one["path"]).read_bytes() == clip
        assert server.count("POST", SUBMIT) == 1
