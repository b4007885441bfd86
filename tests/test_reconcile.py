"""A submit whose answer never came: found in the account's list, shown not to be there, or put to the person."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from accounts import Account, Made
from processes import KEY, PHOTO, outcomes, run, start, until

import wan_notebook as wan
from wan_notebook.ledger.runs import FILE
from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

SPEED, PACE = 300, 60  # of a scripted account's clock: a minute is a second


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
    clip = followed.result(60).path
    assert any(f"this task answers {job.run_id}" in note for note in followed.update.notes)
    own, theirs = Ledger(home).run(job.run_id), Ledger(home).run(followed.run_id)
    assert (own.state, own.task_id, own.price) == ("downloaded", found.task_id, Decimal("0.05"))
    assert (theirs.from_run, theirs.price) == (job.run_id, 0)
    again = submit(sim, tmp_path, "A cat.")
    assert (again.result(60).path, again.update.from_run, posts(sim)) == (clip, job.run_id, 1)


def lost(account, tmp_path: Path, *asked: dict, arrive: int | None = None) -> list:
    """Submits that are lost at once, once the account knows the key; so many of them arrive."""
    submit(account, tmp_path, "The one that tells which key is ours.").wait(60)
    account.lose, account.arrive = True, arrive
    account.let.clear()
    jobs = [submit(account, tmp_path, **{"prompt": "A cat.", **one}) for one in asked]
    until(lambda: len(account.prompts) == 1 + len(asked))  # none is given up before all are there
    account.let.set()
    return jobs


def test_of_several_that_were_lost_at_once_each_gets_the_task_that_shows_its_prompt(tmp_path, home):
    with Account(speed=PACE) as account:
        jobs = lost(account, tmp_path, *({"prompt": f"Cat number {n}."} for n in range(3)))
        for job in jobs:
            assert isinstance(job.exception(60), wan.TaskFailedError)  # as all tasks of this account end
            assert account.prompts[int(job.task_id[5:]) - 1] == job.request.prompt
        assert len(account.prompts) == 4


def test_as_many_tasks_as_identical_submits_were_lost_are_given_out_one_to_one(tmp_path, home):
    with Account(speed=PACE) as account:
        jobs = lost(account, tmp_path, {}, {}, {})
        assert {type(job.exception(60)) for job in jobs} == {wan.TaskFailedError}, [job.exception() for job in jobs]
        assert {job.task_id for job in jobs} == {"task-2", "task-3", "task-4"}
        assert any(
            "3 submits of the same request were lost at once" in note for job in jobs for note in job.update.notes
        )
        assert len(account.prompts) == 4


@pytest.mark.full
def test_where_there_are_fewer_tasks_than_submits_the_rest_stays_open_and_is_not_paid_again(tmp_path, home):
    with Account(speed=PACE) as account:
        jobs = lost(account, tmp_path, {}, {}, {}, arrive=2)
        errors = [job.exception(60) for job in jobs]
        assert {job.task_id for job in jobs} - {None} == {"task-2", "task-3"}
        (left,) = [job for job in jobs if job.task_id is None]
        assert "fewer tasks than submits" in errors[jobs.index(left)].message
        assert left.state == "ambiguous"
        account.lose = False
        again = [submit(account, tmp_path, "A cat.") for _ in range(3)]
        assert sum(isinstance(job.exception(60), wan.AmbiguousSubmitError) for job in again) == 1
        assert len(account.prompts) == 4 + 2  # of the two that failed there are new ones


@pytest.mark.full
def test_the_same_prompt_of_other_requests_is_put_to_the_person(tmp_path, home):
    with Account(speed=PACE) as account:
        jobs = lost(account, tmp_path, {"seed": 1}, {"seed": 2})
        for job in jobs:
            assert names(job.exception(60), "task-2")
            assert job.state == "ambiguous"
        assert len(account.prompts) == 3


@pytest.mark.full
def test_one_that_is_still_under_way_keeps_its_task_from_one_that_was_lost(tmp_path, home):
    with Account(speed=PACE) as account:
        submit(account, tmp_path, "The one that tells which key is ours.").wait(60)
        account.let.clear()
        slow = submit(account, tmp_path, "A cat.")
        until(lambda: len(account.prompts) == 2)
        account.lose, account.arrive = True, 0
        account.hold = 0.0
        job = submit(account, tmp_path, "A cat.", force=True)
        until(lambda: len(account.prompts) == 3)
        account.let.set()
        job.wait(60)
        assert slow.task_id == "task-2"
        assert job.task_id is None
        assert len(account.prompts) == 3


@pytest.mark.full
def test_a_list_that_is_slow_to_answer_is_asked_again(tmp_path, home):
    with Account(speed=PACE) as account:
        submit(account, tmp_path, "The one that tells which key is ours.").wait(60)
        account.lose, account.refuse = True, 6
        job = submit(account, tmp_path, "A cat.")
        assert isinstance(job.exception(60), wan.TaskFailedError)
        assert (job.task_id, len(account.prompts)) == ("task-2", 2)


def test_a_task_that_seems_older_than_its_submit_is_named_and_not_said_to_be_none(tmp_path, home):
    with Account(speed=PACE) as account:
        account.lose, account.late = True, -7200.0  # the clock here was ahead, and was set
        error = submit(account, tmp_path, "A cat.").exception(60)
        assert names(error, "task-1")
        assert "was a clock set meanwhile" in error.message
        assert submit(account, tmp_path, "A cat.").exception(60).message
        assert account.prompts == ["A cat."]


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
    assert (paid.state, paid.simulated) == ("downloaded", True)
    assert [one["record"]["simulated"] for one in made] == [True, True]


def killed_while_sending(account, tmp_path: Path, home: Path, *, ago: float = 0.0, **given) -> None:
    """A process whose submit never ends is killed, and so many seconds pass."""
    account.lose = True
    account.let.clear()
    process = start(account.base_url, tmp_path, home, **given)
    assert account.arrived.wait(60)
    process.kill()
    process.communicate()
    account.let.set()
    account.lose = False
    with closing(sqlite3.connect(home / FILE)) as db:
        db.execute("UPDATE runs SET sent_at = sent_at - ?, created_at = created_at - ?", (ago, ago))
        db.commit()
    for task in account.tasks:
        task.at -= ago * (account.speed or 1)


def names(error, task_id: str) -> bool:
    """Whether an error leaves it to the person, and says how."""
    assert isinstance(error, wan.AmbiguousSubmitError), error
    assert all(word in error.hint for word in ("not sent again", "--force", "--forget"))
    return f'wan_notebook.attach("{task_id}")' in error.hint


@pytest.mark.full
@pytest.mark.parametrize("newest_first", [True, False])
def test_hours_later_and_among_many_newer_tasks_a_lost_submit_is_found_in_a_list_of_any_order(
    newest_first, tmp_path, home
):
    with Account(newest_first=newest_first) as account:
        killed_while_sending(account, tmp_path, home, ago=7200)
        account.crowd(250, time.time() - 3600)
        for _ in range(2):
            (made,) = run(account.base_url, tmp_path, home)
            assert made["state"] == "ambiguous"
            assert 'wan_notebook.attach("task-1")' in made["error"]
            assert "a task of that time could be it: task-1." in made["error"]
        assert account.prompts == ["A cat."]


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_list_that_cannot_be_read_to_its_end_proves_nothing(newest_first, tmp_path, home):
    with Account(newest_first=newest_first, speed=PACE) as account:
        killed_while_sending(account, tmp_path, home, ago=60)
        account.crowd(1200, time.time() - (1800 if newest_first else 36000))
        (made,) = run(account.base_url, tmp_path, home)
        assert made["state"] == "ambiguous"
        assert "--force" in made["error"]
        assert account.prompts == ["A cat."]


def test_a_list_that_gives_the_same_page_again_and_again_proves_nothing(tmp_path, home):
    class Repeating(Account):
        def listed(self, query):
            page = super().listed({**query, "page_no": ["1"]})
            return {"data": page["data"]}

    with Repeating(newest_first=False, speed=PACE) as account:
        account.crowd(100, time.time() - 36000)
        account.lose = True
        error = submit(account, tmp_path, "A cat.").exception(60)
        assert not names(error, "task-1")
        assert "could not be read to its end" in error.message


@pytest.mark.full
def test_another_key_of_the_account_rules_no_task_out(tmp_path, home):
    with Account() as account:
        submit(account, tmp_path, "Earlier today.", api_key="sk-old-0123456789abcdef").wait(60)
        account.lose = True
        for _ in range(3):  # a script that tries again does not say that it may be paid twice
            job = submit(account, tmp_path, "A cat.", api_key="sk-new-0123456789abcdef")
            assert names(job.exception(60), "task-2")
            assert job.state == "ambiguous"
        (made,) = run(account.base_url, tmp_path, home, api_key="sk-new-0123456789abcdef")
        assert made["state"] == "ambiguous"
        assert account.prompts == ["Earlier today.", "A cat."]
        account.lose = False
        forced = submit(account, tmp_path, "A cat.", api_key="sk-new-0123456789abcdef", force=True)
        forced.wait(60)
        assert (forced.task_id, len(account.prompts)) == ("task-3", 3)


def test_the_minute_begins_when_the_submit_is_lost_not_when_it_was_sent(tmp_path, home):
    with Account(speed=PACE) as account:
        account.lose, account.hold, account.shown_after = True, 1.5, 1
        assert names(submit(account, tmp_path, "A cat.").exception(60), "task-1")
        assert account.looks > 1
        assert account.prompts == ["A cat."]


def test_a_task_noted_up_to_a_minute_after_the_loss_is_of_that_time(tmp_path, home):
    with Account(speed=PACE) as account:
        account.lose, account.hold = True, 2.0  # two minutes of its clock
        account.late = 59 * PACE
        error = submit(account, tmp_path, "A cat.").exception(60)
        assert names(error, "task-1")
        assert "a task of that time" in error.message


def test_a_task_of_an_even_later_time_is_not_said_to_be_none(tmp_path, home):
    with Account(speed=PACE) as account:
        account.lose, account.late = True, 600 * PACE
        error = submit(account, tmp_path, "A cat.").exception(60)
        assert names(error, "task-1")
        assert "a task of a later or unknown time" in error.message


@pytest.mark.full
def test_what_a_killed_process_sent_in_vain_is_not_sent_again_by_the_next_one_unasked(tmp_path, home):
    with Account(speed=PACE) as account:
        account.accept = False
        killed_while_sending(account, tmp_path, home, ago=30)
        (said,) = run(account.base_url, tmp_path, home)
        assert said["state"] == "refused"
        assert "it was not accepted" in said["error"]
        assert "Nothing is billed. Run the cell again." in said["error"]
        assert account.prompts == ["A cat."]
        (made,) = run(account.base_url, tmp_path, home)
        assert (made["task"], account.prompts) == ("task-2", ["A cat."] * 2)


def test_what_is_older_than_the_list_goes_back_is_not_said_to_be_nowhere(tmp_path, home):
    with Account(speed=PACE) as account:
        killed_while_sending(account, tmp_path, home, ago=25 * 3600 / PACE)
        (made,) = run(account.base_url, tmp_path, home)
        assert made["state"] == "ambiguous"
        assert "does not go back to it" in made["error"]
        assert account.prompts == ["A cat."]


def test_a_task_the_person_attached_to_may_still_be_the_lost_one(tmp_path, home):
    with Account(speed=PACE) as account:
        account.lose = True
        jobs = [submit(account, tmp_path, "A cat.", seed=seed) for seed in (1, 2)]
        assert all(names(job.exception(60), "task-1") for job in jobs)
        wan.attach("task-1", base_url=account.base_url, api_key=KEY, output_dir=tmp_path / "clips").wait(60)
        assert names(submit(account, tmp_path, "A cat.", seed=2).exception(60), "task-1")
        assert account.prompts == ["A cat."] * 2


@pytest.mark.full
def test_a_long_wait_for_a_prompt_outlasts_a_fault(tmp_path, home):
    with Account(speed=300) as account:
        submit(account, tmp_path, "The one that tells which key is ours.").wait(60)
        account.lose = account.quiet = True
        begun = time.monotonic()
        job = submit(account, tmp_path, "A cat.")
        until(lambda: any("probably it is task task-2" in note for note in job.update.notes))
        until(lambda: time.monotonic() - begun > 2000 / 300)  # beyond what an outage of the list may last
        account.refuse = 3
        until(lambda: account.refuse == 0)
        account.quiet = False
        assert isinstance(job.exception(60), wan.TaskFailedError)
        assert (job.task_id, len(account.prompts)) == ("task-2", 2)


@pytest.mark.full
def test_a_list_whose_filter_hides_a_task_does_not_make_it_paid_again(tmp_path, home):
    class Filtering(Account):
        def listed(self, query):
            page = super().listed(query)
            return {"data": [], "total_page": 0} if "model_name" in query else page

    with Filtering(speed=PACE) as account:
        account.lose = True
        for _ in range(2):
            assert names(submit(account, tmp_path, "A cat.").exception(60), "task-1")
        assert account.prompts == ["A cat."]


@pytest.mark.full
def test_the_prompt_of_a_private_run_is_known_by_its_digest(tmp_path, home):
    with Account(speed=PACE) as account:
        run(account.base_url, tmp_path, home, prompt="The one that tells which key is ours.")
        account.arrived.clear()
        killed_while_sending(account, tmp_path, home, private=True)
        (made,) = run(account.base_url, tmp_path, home, private=True)
        assert (made["task"], len(account.prompts)) == ("task-2", 2)
        assert "A cat." not in (home / FILE).read_bytes().decode("latin-1")


@pytest.mark.full
def test_among_many_tasks_of_the_same_key_a_few_are_looked_at_each_time(tmp_path, home):
    with Account(speed=PACE) as account:
        submit(account, tmp_path, "The one that tells which key is ours.").wait(60)
        account.tasks += [Made(f"elsewhere-{n}", "hostile", time.time(), "Theirs.") for n in range(60)]
        account.lose, account.quiet = True, True
        job = submit(account, tmp_path, "A cat.")
        until(lambda: account.looks >= 3)
        assert len(account.asked) <= 10 * (account.looks + 1) + 5
        account.quiet = False
        assert isinstance(job.exception(60), wan.TaskFailedError)
        assert (job.task_id, len(account.prompts)) == ("task-2", 2)
