"""A submit whose answer never came: found in the account's list, shown not to be there, or put to the person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from processes import KEY, PHOTO, outcomes, run, start

import wan_notebook as wan
from wan_notebook.ledger import Ledger
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

SPEED = 300


@pytest.fixture
def sim():
    with Simulator(speed=SPEED, render="shape") as simulator:
        yield simulator


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("WAN_NOTEBOOK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def submit(sim, tmp_path: Path, prompt: str, **more):
    given = {"image": PHOTO, "duration": 2, "audio": False, "api_key": KEY, "output_dir": tmp_path / "clips", **more}
    return wan.submit(prompt=prompt, base_url=sim.base_url, **given)


def posts(sim) -> int:
    return sum(asked.method == "POST" for asked in sim.requests)


def test_a_lost_submit_is_found_by_its_model_time_key_and_prompt_and_followed(sim, tmp_path, home):
    submit(sim, tmp_path, "The one that tells which key is ours.").result(60)
    sim.drop_next("submit", handled=True)
    job = submit(sim, tmp_path, "A cat.")
    assert job.result(60).path.exists()
    assert (posts(sim), job.record["task_status"], job.record["orig_prompt"]) == (2, "SUCCEEDED", None)
    assert not any("no answer came" in note for note in job.update.notes)
    assert Ledger(home).runs("task_id = ?", (job.task_id,))[0].state == "downloaded"


def test_a_submit_that_never_arrived_is_not_there_after_a_minute_and_nothing_is_billed(sim, tmp_path, home):
    submit(sim, tmp_path, "The one that tells which key is ours.").result(60)
    sim.drop_next("submit")
    job = submit(sim, tmp_path, "A cat.")
    error = job.exception(60)
    assert "it was not accepted" in error.message
    assert "Nothing is billed" in error.hint
    assert not isinstance(error, wan.AmbiguousSubmitError)
    assert job.state == "refused"
    assert submit(sim, tmp_path, "A cat.").result(60).path.exists()
    assert posts(sim) == 3


def test_a_task_that_cannot_be_told_to_be_of_this_key_is_named_and_left_to_the_person(sim, tmp_path, home):
    sim.drop_next("submit", handled=True)
    job = submit(sim, tmp_path, "A cat.")
    error = job.exception(60)
    assert isinstance(error, wan.AmbiguousSubmitError)
    assert "a task of that time could be it" in error.message
    (found,) = wan.list_tasks(base_url=sim.base_url, api_key=KEY)
    assert f'wan_notebook.attach("{found.task_id}")' in error.hint
    assert "--force" in error.hint
    assert f"runs --forget {job.run_id}" in error.hint
    assert posts(sim) == 1
    followed = wan.attach(found.task_id, base_url=sim.base_url, api_key=KEY, output_dir=tmp_path / "clips")
    assert followed.result(60).path.exists()


def test_of_two_that_could_be_it_none_is_taken(sim, tmp_path, home):
    submit(sim, tmp_path, "The one that tells which key is ours.").result(60)
    sim.drop_next("submit", handled=True, times=2)
    jobs = [submit(sim, tmp_path, f"Cat number {n}.") for n in range(2)]
    errors = [job.exception(60) for job in jobs]
    assert any(isinstance(error, wan.AmbiguousSubmitError) and "several tasks" in error.message for error in errors)
    assert posts(sim) == 3


def test_tasks_of_another_prompt_are_not_ours(sim, tmp_path, home):
    submit(sim, tmp_path, "The one that tells which key is ours.").result(60)
    run(sim.base_url, tmp_path, tmp_path / "elsewhere", prompt="A dog.")  # the same key on another machine
    sim.drop_next("submit")
    job = submit(sim, tmp_path, "A cat.")
    error = job.exception(60)
    assert isinstance(error, wan.AmbiguousSubmitError)
    assert "has another prompt" in error.message
    assert job.task_id is None


def test_what_a_killed_process_sent_is_found_by_the_next_one_and_not_sent_again(sim, tmp_path, home):
    run(sim.base_url, tmp_path, home, prompt="The one that tells which key is ours.")
    with sim.hold_submits() as held:
        killed = start(sim.base_url, tmp_path, home)
        held.wait()
        killed.kill()
        killed.communicate()
    first, second = (start(sim.base_url, tmp_path, home) for _ in range(2))
    made = outcomes(first) + outcomes(second)
    assert {one["state"] for one in made} == {"downloaded"}
    assert len({one["task"] for one in made}) == 1
    assert posts(sim) == 2
    (paid,) = Ledger(home).runs("from_run IS NULL AND task_id = ?", (made[0]["task"],))
    assert {one["from_run"] for one in made} == {paid.run_id}
    assert paid.state == "downloaded"
