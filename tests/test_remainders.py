"""A sweep whose kernel ended half way: gathered by the next one, and what was not sent waits for a person."""

from __future__ import annotations

import time
from collections import Counter

import psutil
import pytest
from kernels import MIME, LiveKernel
from processes import KEY

from wan_notebook.ledger.statements import count
from wan_notebook.ledger.store import Ledger
from wan_notebook.record.model import faults
from wan_notebook.simulator import Simulator

pytestmark = pytest.mark.full

SWEEP = "%%wan_i2v grid --image images/chelsea.png --duration 2 --no-audio --yes --sweep {}\nThe cat looks up."


@pytest.fixture
def service():
    with Simulator(speed=60, render="shape") as simulator:
        yield simulator


def lab(service, folder):
    """A kernel of ``lab.ipynb`` in ``folder``."""
    environment = {
        "DASHSCOPE_HTTP_BASE_URL": service.base_url,
        "DASHSCOPE_API_KEY": KEY,
        "WAN_NOTEBOOK_HOME": str(folder / "home"),
        "JPY_SESSION_NAME": str(folder / "lab.ipynb"),
    }
    return LiveKernel(folder, environment)


def submitted(service) -> Counter:
    """How often each seed was submitted."""
    whole = [asked.json for asked in service.requests if asked.method == "POST" and asked.json]
    return Counter(body["parameters"]["seed"] for body in whole)


def kill(kernel, folder, *, while_sending: bool = False) -> None:
    """End the kernel at once; not in the middle of a submit, unless that is meant."""
    process = psutil.Process(kernel.manager.provisioner.pid)
    kernel.until(lambda: stopped(process, folder, "submitting" if while_sending else None))
    process.kill()


def stopped(process, folder, state: str | None) -> bool:
    """Whether the process stands still, with or without a member that is being sent."""
    process.suspend()
    if bool(Ledger(folder / "home").runs("state = 'submitting'", limit=1)) is (state is not None):
        return True
    process.resume()
    return False


@pytest.mark.parametrize("end", ["killed", "restarted"])
def test_64_clips_are_finished_after_a_restart_half_way_and_none_is_submitted_twice(service, in_folder, end):
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        cell = kernel.run(SWEEP.format("seed=1..64"), cell_id="the-cell")
        assert cell.error is None
        kernel.until(lambda: service.answers.get(("result", 200), 0) >= 16, 120)  # what is shown may come later
        service.speed = 1  # what is half way stays so
        if end == "killed":
            kill(kernel, in_folder)
        else:
            kernel.manager.shutdown_kernel(now=False)
        left = cell.record
    before = submitted(service)
    service.speed = 60
    unsent = len(Ledger(in_folder / "home").runs("state IN ('planned', 'waiting')"))
    assert 64 - len(before) - 1 <= unsent <= 64 - len(before), "but for one that was just being sent"
    with lab(service, in_folder) as kernel:
        said = kernel.run("%load_ext wan_notebook")
        assert said.error is None
        assert f"{unsent} clips of the sweep grid were never sent: %wan_resume shows what they cost" in said.text
        assert submitted(service) == before, "loading sends nothing"
        resumed = kernel.run("%wan_resume", cell_id="other")
        due = 64 - len(before)  # with the one that was just being sent, once it is known that it was not accepted
        assert f"{due} clips of the sweep grid sent on, for nothing (simulated; real ones: about" in resumed.text
        kernel.until(lambda: resumed.record["done"] == 64, 120, "the sweep did not end")
        record = resumed.record
        assert (record["run_id"], record["cell_id"], record["state"]) == (left["run_id"], "the-cell", "downloaded")
        assert record["rev"] > left["rev"]
        revs = {member["run_id"]: member["rev"] for member in left["members"]}
        assert all(member["rev"] >= revs.get(member["run_id"], 0) for member in record["members"])
        assert not [fault for member in record["members"] for fault in faults(member)]
        assert submitted(service) == Counter(range(1, 65))
        told = kernel.run("print(len(grid.results()), len(grid.failed), sorted(grid.to_frame().seed)[-1])")
        assert told.text.split() == ["64", "0", "64"]
        again = kernel.run(SWEEP.format("seed=1..64"), cell_id="the-cell")
        kernel.until(lambda: again.record["state"] == "downloaded", 120)
        assert again.record["reused"] == 64
        assert submitted(service) == Counter(range(1, 65))


def test_members_without_a_seed_keep_theirs_and_are_found_by_their_cell(service, in_folder):
    service.speed = 1
    prompts = "'prompt=It looks up.|It looks down.|It runs.|It sits.|It sleeps.|It jumps.|It eats.|It hides.'"
    sweep = f"%%wan_i2v grid --image images/chelsea.png --no-audio --yes --sweep {prompts} --sweep duration=2,3\n"
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        cell = kernel.run(sweep, cell_id="the-cell")
        assert cell.error is None
        kernel.until(lambda: len(submitted(service)) >= 8)
        kill(kernel, in_folder)
        seeds = {member["run_id"]: member["seed"] for member in cell.record["members"]}
    service.speed = 200
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        resumed = kernel.run("%wan_resume grid")
        kernel.until(lambda: resumed.record["state"] == "downloaded", 120)
        assert {member["run_id"]: member["seed"] for member in resumed.record["members"]} == seeds
        assert submitted(service) == Counter(seeds.values())
        again = kernel.run(sweep, cell_id="the-cell")
        kernel.until(lambda: again.record["state"] == "downloaded", 120)
        assert again.record["reused"] == 16
        assert submitted(service) == Counter(seeds.values())


def test_a_member_whose_submit_was_cut_off_is_looked_for_and_not_sent_again(service, in_folder):
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        with service.hold_submits() as held:
            kernel.run(SWEEP.format("seed=1..8"), cell_id="the-cell")
            held.wait()
            kill(kernel, in_folder, while_sending=True)
    assert submitted(service) == Counter([1])
    with lab(service, in_folder) as kernel:
        said = kernel.run("%load_ext wan_notebook").text
        assert "1 submit without an answer looked for (grid-0)" in said
        assert "7 clips of the sweep grid were never sent" in said
        resumed = kernel.run("%wan_resume --yes")
        kernel.until(lambda: resumed.record["state"] in ("downloaded", "failed"), 120)
        assert submitted(service) == Counter(range(1, 9))
        lost, *others = resumed.record["members"]
        assert {member["state"] for member in others} == {"downloaded"}
        assert lost["state"] == "downloaded" or "a task of that time could be it" in lost["error"]


@pytest.mark.parametrize("at_once", [True, False])
def test_a_member_whose_submit_never_arrived_is_sent_on_with_the_rest(service, in_folder, at_once):
    service.speed = 1  # as many are sent as may run and wait at once, and nothing ends before the kernel does
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        kernel.run(SWEEP.format("seed=1..24"), cell_id="the-cell")
        kernel.until(lambda: len(submitted(service)) >= 8)
        kill(kernel, in_folder)
    service.speed = 60
    ledger, before = Ledger(in_folder / "home"), submitted(service)
    lost = ledger.runs("state IN ('planned', 'waiting')")[-1]
    ledger.update(lost.run_id, state="submitting", sent_at=time.time())  # as if it had died before the POST arrived
    with lab(service, in_folder) as kernel:
        said = kernel.run("%load_ext wan_notebook").text
        assert f"1 submit without an answer looked for ({lost.name})" in said
        if not at_once:
            kernel.until(lambda: ledger.run(lost.run_id).state == "refused", 60)
        assert submitted(service) == before, "loading sends nothing"
        resumed = kernel.run("%wan_resume")
        left = count(24 - len(before), "clip")
        assert f"{left} of the sweep grid sent on" in resumed.text
        kernel.until(lambda: resumed.record["done"] == 24, 120, "the sweep did not end")
        assert kernel.run("print(len(grid.results()), len(grid.failed))").text.split() == ["24", "0"]
        assert submitted(service) == Counter(range(1, 25))


def test_real_money_is_asked_about_and_a_no_leaves_everything_planned(service, in_folder):
    service.speed = 1
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        kernel.run(SWEEP.format("seed=1..12"))
        kernel.until(lambda: len(submitted(service)) >= 10)
        kill(kernel, in_folder)
    service.speed = 60
    ledger = Ledger(in_folder / "home")
    sent = ledger.runs("task_id IS NOT NULL")
    assert len(sent) <= 10, "as many as run at once, and as many that wait"
    left, posts = 12 - len(sent), submitted(service)
    for run in sent:
        ledger.update(run.run_id, simulated=False)  # as if the address were not known to be a simulator's
    with lab(service, in_folder) as kernel:
        kernel.run("%load_ext wan_notebook")
        cell = kernel.send("%wan_resume")
        question = kernel.answer("n")
        assert question.startswith(f"Send {left} clips of the sweep grid, which were not sent yet, for about 0.")
        kernel.until(lambda: cell.idle)
        assert "BudgetError" in "".join(cell.error)
        assert submitted(service) == posts
        assert MIME in cell.bundles[0]
        assert f"{left} not sent: %wan_resume asks" in cell.bundles[0]["text/plain"]
        told = kernel.run("%wan_resume --yes")
        assert f"{left} clips of the sweep grid sent on" in told.text
        kernel.until(lambda: len(submitted(service)) == 12)
