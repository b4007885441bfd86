"""``%wan_tasks``, ``%wan_cancel`` and ``%wan_attach`` in a real kernel."""

from __future__ import annotations

import re

import pytest
from caller import Caller
from kernels import MIME, LiveKernel
from processes import PHOTO
from windows import Page

from wan_notebook.simulator import Simulator

KEY = "sk-magics-0123456789abcdef"
SHORT = {"resolution": "720P", "duration": 2, "audio": False}


@pytest.fixture(scope="module")
def curl():
    with Simulator(speed=1e-6, render="shape") as sim, Caller(sim, KEY) as caller:
        yield caller


@pytest.fixture(scope="module")
def notebook(curl, tmp_path_factory):
    environment = {"DASHSCOPE_HTTP_BASE_URL": curl.sim.base_url, "DASHSCOPE_API_KEY": KEY}
    with LiveKernel(tmp_path_factory.mktemp("notebook"), environment) as live:
        assert live.run("%load_ext wan_notebook").error is None
        yield live


def test_the_list_is_a_table(notebook, curl):
    task_id = curl.accepted("A cat.", **SHORT)
    cell = notebook.run("%wan_tasks --status pending --hours 2 --limit 3")
    assert cell.error is None
    (shown,) = cell.bundles
    assert task_id in shown["text/plain"]
    assert "<table" in shown["text/html"]
    assert notebook.run(f"%wan_cancel {task_id}").error is None
    assert "no task in singapore" in notebook.run("%wan_tasks --status pending").bundles[0]["text/plain"]


def test_an_attached_task_has_its_card_its_variable_and_its_record(notebook, curl):
    task_id = curl.accepted("A cat.", **SHORT)
    cell = notebook.run(f"%wan_attach {task_id} cat", cell_id="attached")
    assert cell.error is None
    assert len(cell.bundles) == 1
    notebook.until(lambda: cell.record["model"])
    assert (cell.record["task_id"], cell.record["task_status"], cell.record["cell_id"]) == (
        task_id,
        "PENDING",
        "attached",
    )
    notebook.until(lambda: "cat.cancel()" in cell.bundles[0]["text/html"])
    again = notebook.run(f"%wan_attach {task_id} dog", cell_id="another")
    assert again.error is None
    assert notebook.run("print(dog is cat)").text == "True\n"
    told = notebook.run("%wan_cancel cat")
    assert "nothing is billed" in told.bundles[0]["text/plain"]
    notebook.until(lambda: cell.record["state"] == "canceled")
    assert curl.state(task_id) == "CANCELED"


def test_the_card_of_a_job_whose_variable_is_another_jobs_now_names_it_by_its_place(notebook, curl):
    first, second = (notebook.run(f"%wan_attach {curl.accepted(what, **SHORT)} pet") for what in ("One.", "Two."))
    notebook.until(lambda: ".cancel()" in str(first.bundles) and "pet.cancel()" not in first.bundles[0]["text/html"])
    place = notebook.run(
        "import wan_notebook; print([job is pet for job in wan_notebook.jobs()].index(True))", cell_id="place"
    ).text
    notebook.until(lambda: f"jobs()[{int(place) - 1}].cancel()" in first.bundles[0]["text/html"])
    notebook.until(lambda: "pet.cancel()" in second.bundles[0]["text/html"])
    assert notebook.run("del pet").error is None
    notebook.until(lambda: f"jobs()[{int(place)}].cancel()" in second.bundles[0]["text/html"])
    notebook.run("for job in wan_notebook.jobs(): job.cancel()")


def test_the_card_of_a_sweep_always_says_words_that_reach_it(notebook, curl):
    sweep = "%%wan_i2v {} --image {} --sweep seed={} --duration 2 --yes --no-audio\nIt looks up."
    cell = notebook.run(sweep.format("grid", PHOTO, "1,2"), cell_id="grid")
    assert cell.error is None
    notebook.until(lambda: "grid.cancel()" in cell.bundles[0]["text/html"])
    assert notebook.run("mine, grid = grid, None; import wan_notebook").error is None
    notebook.until(lambda: "grid.cancel()" not in cell.bundles[0]["text/html"])
    again = notebook.run(sweep.format("", PHOTO, "3,4"), cell_id="grid")
    (words,) = re.findall(r"(wan_notebook\.sweeps\(\)\[\d\])\.cancel\(\) cancels", Page(again.bundles[0]).text)
    for card, told in ((cell, words), (again, "wan_notebook.sweeps()[-1]")):
        (place,) = re.findall(r"(\S+)\.cancel\(\) stops", Page(card.bundles[0]).text)
        member = f"'{place}[1].result()' in {place}[1]._repr_mimebundle_()['text/html']"
        assert notebook.run(f"print({place} is {told}, {member})").text == "True True\n"
    assert notebook.run(f"print({words} is mine)").text == "True\n"
    assert notebook.run(f"print(len({words}.cancel() + {place}.cancel()))").text == "4\n"


def test_an_id_may_stand_in_a_variable_and_a_row_of_the_list_too(notebook, curl):
    first, second = curl.accepted("A cat.", **SHORT), curl.accepted("A dog.", **SHORT)
    notebook.run(f"import wan_notebook as wan; mine = {first!r}")
    assert "nothing is billed" in notebook.run("%wan_cancel $mine").bundles[0]["text/plain"]
    notebook.run(f"row = wan.list_tasks(task_id={second!r})[0]")
    assert "nothing is billed" in notebook.run("%wan_cancel row").bundles[0]["text/plain"]
    cell = notebook.run("wan.fetch(mine)")  # blocks no longer than its answer, in a kernel whose own loop is running
    assert "task_status='CANCELED'" in cell.bundles[0]["text/plain"]


@pytest.mark.parametrize(("line", "how"), [("--wait", {}), ("", {"cell_id": None, "allow_stdin": False})])
def test_where_nobody_looks_later_the_cell_waits_and_raises_what_went_wrong(notebook, curl, line, how):
    task_id = curl.accepted("[simulate: FAILED DataInspectionFailed]")
    curl.sim.clock.advance(3600)
    cell = notebook.run(f"%wan_attach {task_id} {line}", **how)
    assert "DataInspectionFailed" in "\n".join(cell.error)
    notebook.until(lambda: cell.record["state"] == "failed")


WRONG = {
    "no task": ("%wan_cancel", "it is missing"),
    "a number": ("taken = 3\n%wan_cancel taken", "no task id"),
    "a path": ("%wan_attach ../tasks", "no task id"),
    "a misspelt option": ("%wan_tasks --staus RUNNING", "Did you mean --status?"),
    "a misspelt status": ("%wan_tasks --status RUNING", "Did you mean RUNNING?"),
    "an abbreviation": ("%wan_tasks --stat RUNNING", "no such option"),
    "a word too many": ("%wan_attach a b c", "one word too many"),
    "a keyword as a name": ("%wan_attach task-1 class", "keyword"),
    "a name that is taken": ("taken = 3\n%wan_attach task-1 taken", "already holds"),
    "too many hours": ("%wan_tasks --hours 48", "at most 24"),
    "no number": ("%wan_tasks --limit many", "1 to 1000"),
    "a key": ("%wan_attach task-1 --api-key sk-0123456789abcdef01", "revoke it"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_lines_get_one_clear_box(notebook, name):
    code, said = WRONG[name]
    cell = notebook.run(code)
    assert cell.error is not None
    assert said in "\n".join(cell.error)
    assert "Traceback" not in "\n".join(cell.error)
    assert not any(MIME in data for data in cell.bundles)
    assert notebook.run("print(globals().get('taken', 3))").text == "3\n"
