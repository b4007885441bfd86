"""A job at work: its clocks in the queue and running, and how long it is likely to take still."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from windows import TASK_ID, Page, assert_harmless, told

import wan_notebook as wan
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import Run
from wan_notebook.simulator import Simulator
from wan_notebook.tasks import JobState, JobUpdate, Task, iso_utc
from wan_notebook.windows.rendering import bundle
from wan_notebook.words.forecast import Forecast

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1795462201.0
KIND = Forecast.of([50, 60, 70, 80, 90])


def at_work(word: str, since: float, queued: float | None = None, **more: Any) -> JobUpdate:
    """A job whose submit was answered ``since`` seconds ago."""
    known = {"now": NOW, "submitted_at": iso_utc(NOW - since), "queue_seconds": queued, "forecast": KIND}
    return told(task=Task(TASK_ID, word), **{**known, **more})


def said(update: JobUpdate) -> str:
    return assert_harmless(bundle(update)).text


def test_the_clocks_of_queue_and_run_go_on_apart() -> None:
    assert "Queue 0:20 Run Save" in said(at_work("PENDING", 20))
    assert "Queue 0:12 Run 0:30 Save" in said(at_work("RUNNING", 42, 12))
    assert "Queue Run Save" in said(at_work("RUNNING", 42))  # the service did not tell when it began
    assert (
        "cat: RUNNING 0:42 (queue 0:12, run 0:30) · about 0:40 left" in bundle(at_work("RUNNING", 42, 12))["text/plain"]
    )


@pytest.mark.parametrize(
    ("word", "since", "words"),
    [
        ("PENDING", 500, "usually runs 1:10 (estimate, from 5 runs here)"),
        ("RUNNING", 40, "about 0:40 left (estimate, from 5 runs here)"),
        ("RUNNING", 85, "about to end (estimate, from 5 runs here)"),
        ("RUNNING", 101, "taking longer than usual: 9 of 10 runs here needed at most 1:30"),
    ],
)
def test_what_is_left_is_an_estimate_until_it_takes_longer_than_usual(word: str, since: float, words: str) -> None:
    update = at_work(word, since, None if word == "PENDING" else 10)
    assert words in said(update)
    assert words in bundle(update)["text/plain"]
    for quiet in ({"forecast": None}, {"state": JobState.DOWNLOADING}, {"task": Task(TASK_ID, "SUCCEEDED")}):
        text = said(at_work(word, since, 10, **quiet) if "task" not in quiet else told(**quiet, forecast=KIND))
        assert "estimate" not in text
        assert "longer than usual" not in text


def test_a_simulators_fast_clock_is_told_in_its_own_time_and_what_is_left_in_ours() -> None:
    fast = Forecast.of([50, 60, 70, 80, 90], speed=10)
    text = said(at_work("RUNNING", 4, 10, forecast=fast, simulated=True))
    assert "Queue 0:10 Run 0:30" in text
    assert "about 0:04 left" in text


def test_real_and_simulated_run_times_are_never_mixed(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(in_folder / "home"))
    kind = {"model": "wan2.6-i2v-flash", "resolution": "720P", "duration": 2}
    for number in range(6):
        ran = {"simulated": number >= 4, "run_seconds": 1000.0 if number < 4 else 40.0}
        session().ledger.add(Run(f"run-{number}", "downloaded", time.time(), **kind, **ran))
    with Simulator(speed=1000, render="shape") as service:
        where = {"base_url": service.base_url, "api_key": "sk-progress-0123456789"}
        job = wan.submit(prompt="It turns.", image="images/chelsea.png", duration=2, audio=False, **where)
        job.result(60)
    forecast = job.update.forecast
    assert forecast is not None
    assert (forecast.runs, forecast.usual, forecast.speed) == (2, 40.0, 1000)
    assert "estimate" not in Page(bundle(job.update)).text
