"""The life of the simulator's tasks: its clock, its limits, its list."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from caller import PATIENCE, Caller, data_uri, picture

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FLASH = "wan2.6-i2v-flash"
SMALL = {"resolution": "720P", "duration": 2, "audio": False}
DOOMED = "[simulate: FAILED DataInspectionFailed]"
DAY = 24 * 3600


@pytest.fixture
def slow() -> Iterator[Caller]:
    """A simulator whose clock all but stands still: it moves when the test says so."""
    with Simulator(speed=1e-6, render="shape") as running, Caller(running) as one:
        yield one


def test_a_task_can_be_asked_to_fail_with_and_without_a_reason(slow: Caller) -> None:
    output = slow.finish(slow.accepted(f"A cat. {DOOMED}"))["output"]
    assert output["task_status"] == "FAILED"
    assert (output["code"], output["message"]) == (
        "DataInspectionFailed",
        "Input data may contain inappropriate content.",
    )
    silent = slow.finish(slow.accepted("[simulate: FAILED]"))
    assert silent["output"]["task_status"] == "FAILED"
    assert not {"code", "message", "video_url"} & set(silent["output"])
    assert "usage" not in silent
    slow.sim.fail_next("InternalError.Algo", "out of luck")
    output = slow.finish(slow.accepted())["output"]
    assert (output["code"], output["message"]) == ("InternalError.Algo", "out of luck")


def test_only_a_pending_task_can_be_cancelled(slow: Caller) -> None:
    first, second = slow.accepted(), slow.accepted(DOOMED)
    assert slow.sim.tasks_at_work == 2  # while there are any, the user's simulator does not end for being idle
    assert set(slow.http.post(f"/tasks/{first}/cancel/").json()) == {"request_id"}
    assert slow.state(first) == "CANCELED"
    slow.sim.clock.advance(2.5)
    assert slow.state(second) == "RUNNING"
    assert slow.http.post(f"/tasks/{second}/cancel").status_code == 400
    assert slow.sim.tasks_at_work == 1
    slow.sim.clock.advance(10)
    assert slow.sim.tasks_at_work == 0
    for task_id in (first, second, "unknown"):
        answer = slow.http.post(f"/tasks/{task_id}/cancel")
        assert (answer.status_code, answer.json()["code"]) == (400, "UnsupportedOperation")


def test_the_list_filters_and_turns_pages(slow: Caller) -> None:
    ids = []
    for model in (FLASH, FLASH, "wan2.6-i2v"):
        ids.append(slow.accepted(DOOMED, model=model))
        slow.sim.clock.advance(10)
    everything = slow.http.get("/tasks/").json()
    assert [row["task_id"] for row in everything["data"]] == ids[::-1]
    assert (everything["total"], everything["total_page"], everything["page_no"], everything["page_size"]) == (
        3,
        1,
        1,
        10,
    )
    row = everything["data"][0]
    assert row["status"] == "FAILED"
    assert row["end_time"] > row["start_time"] > row["gmt_create"] > 1e12
    assert not {"video_url", "prompt", "task_status"} & set(row)

    def listed(**query: Any) -> list[str]:
        return [row["task_id"] for row in slow.http.get("/tasks", params=query).json()["data"]]

    assert listed(page_size=2, page_no=2) == ids[:1]
    assert listed(model_name=FLASH) == ids[1::-1]
    assert listed(status="SUCCEEDED") == []
    assert listed(task_id=ids[1]) == ids[1:2]
    assert listed(api_key_id=row["api_key_id"]) == ids[::-1]
    assert listed(start_time="20200101000000") == []
    for query in ({"start_time": "yesterday"}, {"page_no": 0}, {"page_size": "ten"}):
        assert slow.http.get("/tasks", params=query).status_code == 400
    far = {"start_time": "20200101000000", "end_time": "20200103000000"}
    assert slow.http.get("/tasks", params=far).status_code == 400


def test_submits_beyond_the_rate_are_refused_until_a_second_has_passed(slow: Caller) -> None:
    for _ in range(5):
        slow.accepted(DOOMED)
    refused = slow.submit(DOOMED)
    assert (refused.status_code, refused.json()["code"]) == (429, "Throttling.RateQuota")
    slow.accepted(DOOMED, model="wan2.6-i2v")
    with Caller(slow.sim, "sk-other") as other:
        other.accepted(DOOMED)
    slow.sim.clock.advance(1)
    slow.accepted(DOOMED)
    for _ in range(2):
        slow.accepted(DOOMED, model="wan2.2-i2v-plus")
    assert slow.submit(DOOMED, model="wan2.2-i2v-plus").status_code == 429


def test_queries_beyond_twenty_a_second_are_refused(slow: Caller) -> None:
    answers = [slow.http.get("/tasks/x") for _ in range(21)]
    assert [answer.status_code for answer in answers] == [200] * 20 + [429]
    assert slow.http.get("/tasks").status_code == 200
    slow.sim.clock.advance(1)
    assert slow.state("x") == "UNKNOWN"


def test_more_tasks_than_may_run_at_once_wait_their_turn(slow: Caller) -> None:
    first = [slow.accepted(DOOMED) for _ in range(5)]
    slow.sim.clock.advance(1)
    late = slow.accepted(DOOMED)
    slow.sim.clock.advance(2.5)
    assert {slow.state(task_id) for task_id in first} == {"RUNNING"}
    assert slow.state(late) == "PENDING"
    slow.sim.clock.advance(2)
    assert slow.state(late) == "RUNNING"
    ended = slow.query(first[0])["output"]["end_time"]
    assert slow.query(late)["output"]["scheduled_time"] == ended


@pytest.mark.full
def test_a_full_queue_refuses_the_next_submit(slow: Caller) -> None:
    refused = None
    for number in range(1500):
        answer = slow.submit(DOOMED, model="wan2.2-i2v-flash", image=data_uri(picture((240, 240))))
        if answer.status_code == 429:
            refused = number
            break
        if number % 2:
            slow.sim.clock.advance(1)
    assert refused is not None
    rows = slow.http.get("/tasks", params={"status": "PENDING"}).json()
    assert rows["total"] == 500


def test_a_task_takes_as_long_as_documented_however_fast_it_was_rendered(tmp_path: Path) -> None:
    with Simulator(speed=1e-6, render="shape", folder=tmp_path) as sim, Caller(sim) as caller:
        task_id = caller.accepted(**SMALL)
        wait_for(lambda: any((tmp_path / "clips").glob("*.mp4")))
        sim.clock.advance(2 + 25 + 4 * 2 - 0.1)
        assert caller.state(task_id) == "RUNNING"
        sim.clock.advance(0.2)
        # The file is there a moment before its task knows it.
        wait_for(lambda: sim.clock.advance(0.1) or caller.state(task_id) == "SUCCEEDED")


def test_a_day_later_the_task_is_unknown_its_address_closed_and_its_clip_gone(tmp_path: Path) -> None:
    with Simulator(speed=1, render="shape", folder=tmp_path) as sim, Caller(sim) as caller:
        task_id = caller.accepted(**SMALL)
        url = caller.finish(task_id)["output"]["video_url"]
        assert httpx.get(url, trust_env=False, timeout=PATIENCE).status_code == 200
        forged = httpx.get(url.replace("Expires=1", "Expires=2"), trust_env=False, timeout=PATIENCE)
        assert (forged.status_code, "SignatureDoesNotMatch" in forged.text) == (403, True)
        sim.clock.advance(DAY - 2 * 3600)
        assert httpx.get(url, trust_env=False, timeout=PATIENCE).status_code == 200
        sim.clock.advance(3 * 3600)
        assert caller.query(task_id)["output"] == {"task_id": task_id, "task_status": "UNKNOWN"}
        late = httpx.get(url, trust_env=False, timeout=PATIENCE)
        assert late.status_code == 403
        assert late.text.startswith("<?xml")
        assert "<Code>AccessDenied</Code>" in late.text
        assert "expired" in late.text
        assert list((tmp_path / "clips").iterdir())
        caller.accepted(DOOMED)  # swept when something new comes
        assert not list((tmp_path / "clips").iterdir())


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
