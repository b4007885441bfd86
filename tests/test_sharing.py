"""What all processes share: places at the service, run times, money."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from wan_notebook.errors import WanError
from wan_notebook.ledger import expenses
from wan_notebook.ledger.runs import Run
from wan_notebook.ledger.sharing import processes, run_times, slot
from wan_notebook.ledger.store import Ledger

PLACE = {"model": "m1", "region": "singapore", "endpoint": "https://example.com"}
SUBMITTER = """
import random, sys, time
from pathlib import Path
from wan_notebook.ledger.store import Ledger
from wan_notebook.ledger.runs import Run
from wan_notebook.ledger.sharing import slot
ledger = Ledger(Path(sys.argv[1]))
for n in range(4):
    run_id = f"run-{sys.argv[2]}-{n}"
    ledger.claim(Run(run_id, "waiting", time.time(), model="m1", region="r", endpoint="e"), lambda _: None)
    while wait := slot(ledger, run_id, per_second=2, most=None, speed=8):
        time.sleep(wait)
    time.sleep(random.random() / 3)  # on its way
    ledger.update(run_id, state="following", task_id=run_id, submitted_at=time.time())
print(ledger.trouble)
"""


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path)


def waiting(ledger: Ledger, *names: str, **more) -> None:
    for name in names:
        ledger.add(Run(name, "waiting", time.time(), **{**PLACE, **more}))


def test_no_more_are_sent_in_a_second_than_the_model_takes_and_each_model_for_itself(ledger, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)  # no second passes while it is asked
    waiting(ledger, "a", "b", "c")
    waiting(ledger, "other", model="m2")
    waiting(ledger, "elsewhere", endpoint="https://elsewhere.example")
    assert [slot(ledger, name, per_second=2, most=None, speed=1) for name in ("a", "b")] == [0, 0]
    assert 0 < slot(ledger, "c", per_second=2, most=None, speed=1) <= 1.1
    assert ledger.run("c").state == "waiting"
    assert ledger.run("a").state == "submitting"
    for name in ("other", "elsewhere"):
        assert slot(ledger, name, per_second=2, most=None, speed=1) == 0
    ledger.update("a", sent_at=now - 9)
    assert slot(ledger, "c", per_second=2, most=None, speed=1) > 0, "it may arrive now"
    ledger.update("a", state="following", task_id="1", submitted_at=now - 0.5)
    assert slot(ledger, "c", per_second=2, most=None, speed=1) > 0, "it may have arrived half a second ago"
    ledger.update("a", submitted_at=now - 1.1)
    assert slot(ledger, "c", per_second=2, most=None, speed=1) == 0
    for name in ("a", "b", "c"):
        ledger.update(name, sent_at=now + 3600)
    waiting(ledger, "after a clock was set back")
    assert slot(ledger, "after a clock was set back", per_second=2, most=None, speed=1) == 0


def test_no_more_are_open_than_the_service_keeps_in_its_queue(ledger):
    waiting(ledger, "a", "b", "c")
    for name in ("a", "b"):
        assert slot(ledger, name, per_second=99, most=2, speed=1) == 0
        ledger.update(name, state="following")
    assert slot(ledger, "c", per_second=99, most=2, speed=1) > 0
    ledger.update("a", state="downloaded")
    assert slot(ledger, "c", per_second=99, most=2, speed=1) == 0


def test_what_the_service_keeps_no_longer_takes_no_place(ledger):
    waiting(ledger, "a")
    day = 24 * 3600
    ledger.add(*(Run(f"old-{n}", "following", time.time() - day - 60, **PLACE) for n in range(505)))
    assert slot(ledger, "a", per_second=None, most=2, speed=1) == 0
    waiting(ledger, "b")
    ledger.add(*(Run(f"young-{n}", "following", time.time() - day + 60, **PLACE) for n in range(2)))
    assert slot(ledger, "b", per_second=None, most=2, speed=1) > 0


def test_a_run_that_was_given_up_taken_over_or_forgotten_meanwhile_may_not_be_sent(ledger, tmp_path):
    waiting(ledger, "given up", "forgotten")
    waiting(Ledger(tmp_path), "another's")
    ledger.update("given up", state="canceled")
    expenses.forget(ledger, ["forgotten"])
    for name in ("given up", "forgotten", "another's"):
        for per_second in (5, None):
            with pytest.raises(WanError, match="not sent from here"):
                slot(ledger, name, per_second=per_second, most=None, speed=1)
    assert {run.run_id: run.state for run in ledger.runs()} == {"given up": "canceled", "another's": "waiting"}
    waiting(ledger, "no rate is known")
    assert slot(ledger, "no rate is known", per_second=None, most=None, speed=1) == 0


def test_the_rate_holds_over_several_processes(tmp_path):
    begun = [
        subprocess.Popen([sys.executable, "-c", SUBMITTER, str(tmp_path), who], stdout=subprocess.PIPE, text=True)
        for who in "ab"
    ]
    assert [process.communicate(timeout=120)[0].strip() for process in begun] == ["", ""]
    runs = Ledger(tmp_path).runs()
    assert len(runs) == 8
    for run in runs:  # whenever between leaving and answer each arrives: never three within a second of its clock
        near = [one for one in runs if one.sent_at < run.sent_at and one.submitted_at > run.sent_at - 1 / 8]
        assert len(near) < 2


def test_run_times_are_those_of_the_same_kind_and_never_mix_simulated_with_real(ledger):
    kind = {"model": "m1", "resolution": "720P", "duration": 5}
    for n, more in enumerate(({}, {"simulated": True}, {"duration": 10}, {"from_run": "run-0"}, {"resolution": None})):
        told = {"simulated": False, "run_seconds": 60.0 + n, **kind, **more}
        ledger.add(Run(f"run-{n}", "downloaded", time.time(), **told))
    assert run_times(ledger, "m1", "720P", 5, False) == [60.0]
    assert run_times(ledger, "m1", "720P", 5, True) == [61.0]
    assert run_times(ledger, "m1", None, 5, False) == [64.0]


def test_processes_that_live_are_counted(ledger, tmp_path):
    assert processes(ledger) == 1
    Ledger(tmp_path).beat()
    assert processes(ledger) == 2
