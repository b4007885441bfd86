"""Sweeps: one price, one question, one card; a few at a time, and what is paid for is found."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from processes import KEY, PHOTO
from windows import Page, assert_harmless

import wan_notebook as wan
from wan_notebook.config import home
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

CLIP = {"prompt": "It looks up.", "image": PHOTO, "duration": 2, "audio": False, "api_key": KEY}


@pytest.fixture
def service():
    with Simulator(speed=1000, render="shape") as simulator:
        yield simulator


@pytest.fixture
def at(service, tmp_path, monkeypatch):
    """How to get to the service, with a ledger of one's own."""
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return {**CLIP, "base_url": service.base_url}


def posts(service) -> int:
    return sum(asked.method == "POST" for asked in service.requests)


def test_a_sweep_is_a_list_of_jobs_and_the_same_one_again_spends_nothing(service, at):
    grid = wan.sweep(**at, seed=[5, 6, 7], name="grid", yes=True)
    assert isinstance(grid, wan.JobSet)
    assert [job.request.seed for job in grid] == [5, 6, 7]
    clips = grid.result(60)
    assert [clip.path.name[:6] for clip in clips] == ["grid-0", "grid-1", "grid-2"]
    assert (grid.done(), len(grid), len(grid.failed), grid[-1].update.place) == (True, 3, 0, 2)
    assert isinstance(grid[1:], wan.JobSet)
    assert [values["seed"] for values in grid[1:].values] == [6, 7]
    assert grid.where(seed=6)[0] is grid.where(seed="6")[0] is grid[1]
    with pytest.raises(wan.InvalidRequestError, match=r"sed: it does not vary here.*seed"):
        grid.where(sed=6)
    side_by_side = wan.compare(grid)
    assert side_by_side.differing == {"seed": ("5", "6", "7")}
    assert [exhibit.film.clip.path for exhibit in side_by_side.exhibits] == [clip.path for clip in clips]
    assert posts(service) == 3
    with service.hold_submits():
        again = wan.sweep(**at, seed=range(5, 9), name="grid", max_cost=0.05)  # one of the four is new
        due = Page(again._repr_mimebundle_()).text
    assert "3 of 4 are paid for already and cost 0: about 0.05 USD, about 1:00 to 5:00 at the service (estimate)" in due
    assert len(again.result(60)) == 4
    assert [job.update.from_run for job in again] == [*(job.run_id for job in grid), None]
    assert [clip.path for clip in again.results()][:3] == [clip.path for clip in clips]
    assert posts(service) == 4
    assert "3 from earlier runs, 0 spent" in repr(again)
    over = assert_harmless(again._repr_mimebundle_()).text
    assert "estimate" not in over
    assert "for the rest" not in over, "what is over was expected once"
    Ledger(home()).update(grid[0].run_id, state="waiting", task_id=None, owner="a process that was killed")
    with pytest.raises(wan.BudgetError, match="it would cost"):  # it was never sent: it has to be paid
        wan.sweep(**at, seed=range(5, 9), name="grid", max_cost=0.01)
    assert posts(service) == 4


def test_failures_are_kept_apart(service, at):
    prompts = ["It looks up.", "[simulate: FAILED DataInspectionFailed] It looks down.", "It <b>runs</b>."]
    grid = wan.sweep(**{**at, "prompt": prompts}, yes=True)
    assert len(grid.results(60)) == 2
    (failed,) = grid.failed
    assert failed is grid[1]
    assert "DataInspectionFailed" in str(failed.exception())
    with pytest.raises(wan.TaskFailedError):
        grid.result()
    page = assert_harmless(grid._repr_mimebundle_())
    assert "1 failed" in page.text
    assert "#1 (prompt [simulate: FAILED DataInspectionFailed]" in page.text
    rows = grid.rows()
    assert [row["state"] for row in rows] == ["downloaded", "failed", "downloaded"]
    assert [row["cost"] for row in rows] == [0.05, 0, 0.05], "what failed is not billed"
    frame = grid.to_frame()
    assert list(frame["prompt"]) == prompts
    assert frame["run_seconds"].notna().sum() == 3


def test_the_whole_is_held_against_the_limit_and_nothing_is_sent_beyond_it(service, at):
    with pytest.raises(wan.BudgetError, match=r"about 0\.2 USD for 4 clips, and --max-cost \(max_cost=\) is 0\.15 USD"):
        wan.sweep(**at, seed=range(4), max_cost=0.15)
    with pytest.raises(
        wan.BudgetError, match=r"Submit 4 clips \(4 seed\) in Singapore for about 0\.2 USD, about .* --yes"
    ):
        wan.sweep(**at, seed=range(4))
    assert service.requests == []
    assert Ledger(home()).runs() == []


def test_invalid_combinations_are_named_before_anything_is_sent(service, at):
    with pytest.raises(wan.InvalidRequestError, match="in 1 of 2 combinations"):
        wan.sweep(**{**at, "duration": [2, 99]}, yes=True)
    assert service.requests == []


def test_a_dry_run_shows_every_combination_and_the_price_of_all(service, at):
    common = {name: at[name] for name in ("prompt", "image", "audio")}
    plan = wan.dry_sweep(**common, duration=[2, 4], seed=[1, 2], region="singapore")
    assert str(plan).startswith(
        "dry run: 4 clips (2 duration × 2 seed) in singapore: about 0.3 USD, about 1:00 to 5:00"
    )
    assert [row[-1] for row in plan.rows] == ["about 0.05 USD"] * 2 + ["about 0.1 USD"] * 2
    assert service.requests == []


def test_members_are_in_the_ledger_from_the_beginning_and_are_no_open_jobs(service, at):
    service.speed = 1
    with service.hold_submits():
        grid = wan.sweep(**at, seed=range(8), yes=True)
        rows = Ledger(home()).runs("sweep = ?", (grid.id,))
        assert sorted(run.place for run in rows) == list(range(8))
        assert sum(run.state == "planned" for run in rows) >= 5
        grid.cancel()
    service.speed = 1000
    assert grid.wait(60)
    assert {job.state.value for job in grid} <= {"canceled", "downloaded"}
    assert sum(job.state.value == "canceled" for job in grid) >= 5


def test_without_pandas_the_error_says_how_to_have_it():
    code = (
        "import sys; sys.modules['pandas'] = None\n"
        "from wan_notebook.engine.jobset import JobSet\n"
        "JobSet([], [], None, sweep_id='s', name=None).to_frame()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "pandas is not installed" in done.stderr


@pytest.mark.full
def test_no_more_are_at_the_service_than_run_at_once_and_as_many_that_wait(service, at):
    service.speed = 1
    grid = wan.sweep(**at, seed=range(14), yes=True)
    end = time.monotonic() + 60
    while not any("waiting for a free place" in note for job in grid for note in job.update.notes):
        assert time.monotonic() < end
        time.sleep(0.05)
    assert service.tasks_at_work == 10
    grid.cancel()
    service.speed = 1000
    assert grid.wait(120)
    assert service.answers["submit", 200] == 10
