"""A job's record and video come to the right cell, whatever was done with the cell meanwhile, and are saved there.

The real thing from end to end: the magic, a job at the simulator, the plugin in JupyterLab, in Notebook 7 and in a
JupyterLab whose documents are shared; what is judged is the saved file.
"""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import nbformat
import pytest
from hostile import Hostile
from records import record

import wan_notebook
from wan_notebook.hall.verification import verify
from wan_notebook.record.recorder import sync
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from servers import Desk, NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.full]

MIME = "application/vnd.wan-notebook.v1+json"
TYPED_KEY = "sk-typed-fedcba9876543210"
SCHEMA = json.loads((Path(wan_notebook.__file__).parent / "schema" / "record-1.json").read_text(encoding="utf-8"))
LOAD = "%load_ext wan_notebook"
CAT = "%%wan_i2v cat --image images/chelsea.png --model wan2.1-i2v-plus --seed {}\nThe cat turns its head."
OTHER = "6 * 7"
JOB = 1  # the cell with the job, before anything is done with it
STATE = "model.cells.get(argument).getMetadata('wan_notebook')?.runs[0]?.state"
TEXT = "JSON.stringify(model.cells.get(argument).outputs.toJSON())"
SHOWN = f"{TEXT}.includes('<video')"
seeds = itertools.count(1)  # no two tests make the same request


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    """A service whose jobs go on until its clock is moved on: of this model for 50 s at least."""
    with Simulator(speed=4, render="shape") as simulator:
        yield simulator


@pytest.fixture(params=["lab", "notebook7", "shared"])
def desk(request: pytest.FixtureRequest) -> Any:
    """JupyterLab, Notebook 7, and JupyterLab with jupyter-collaboration in turn."""
    return request.getfixturevalue(request.param)


@dataclass
class Work:
    """An open notebook whose job is under way."""

    page: NotebookPage
    service: Simulator

    def key(self) -> None:
        """What somebody has set before the kernel is started."""
        settings = {"DASHSCOPE_HTTP_BASE_URL": self.service.base_url, "DASHSCOPE_API_KEY": TYPED_KEY}
        self.page.execute(f"import os; os.environ.update({settings!r})")

    def ends(self) -> None:
        """The service finishes the job."""
        self.service.clock.advance(600)

    def ended(self) -> None:
        """The service finishes the job, and the kernel knows it."""
        self.ends()
        self.page.execute("import asyncio\nwhile cat.running(): await asyncio.sleep(0.05)")
        self.page.execute("assert cat.done() and cat.result()")

    def saved(self, *places: int, shown: bool = True) -> list[dict[str, Any]]:
        """The records of these cells in the saved file, which must be there, final, and nowhere else."""
        for place in places:
            self.page.until(f'{STATE} === "downloaded"', place, timeout=200)
            if shown:
                self.page.until(SHOWN, place)
        notebook = self.page.saved(lambda read: all(_state(read.cells[place]) == "downloaded" for place in places))
        runs = []
        for place, cell in enumerate(notebook.cells):
            if place not in places:
                assert "wan_notebook" not in cell.metadata
                continue
            (run,) = cell.metadata["wan_notebook"]["runs"]
            jsonschema.validate(run, SCHEMA)
            records = [output.data[MIME] for output in cell.outputs if MIME in output.get("data", {})]
            assert records == ([run] if shown else [])
            assert not shown or "<video" in cell.outputs[0].data["text/html"]
            assert (self.page.path.parent / run["clip"]["path"]).stat().st_size == run["clip"]["bytes"]
            runs.append(run)
        assert len({run["run_id"] for run in runs}) == 1
        assert all(run["source_sha256"] for run in runs)
        found = verify(self.page.path)
        assert found.ok, str(found)
        assert TYPED_KEY not in self.page.path.read_text(encoding="utf-8")
        return runs


def _state(cell: Any) -> str | None:
    return next((run["state"] for run in cell.metadata.get("wan_notebook", {}).get("runs", [])), None)


def begun(desk: Desk, service: Simulator, photos: Path) -> Work:
    """Open a notebook at a desk and run its cells; the job goes on."""
    shutil.copytree(photos, desk.folder / "images")
    page = desk.open(desk.write("places.ipynb", [LOAD, CAT.format(next(seeds)), OTHER]))
    work = Work(page, service)
    work.key()
    for index in (0, JOB):
        page.run_cell(index)
    return work


@pytest.fixture
def work(desk: Desk, service: Simulator, photos: Path) -> Iterator[Work]:
    """A notebook with a job that goes on; the page must stay without complaints."""
    at_work = begun(desk, service, photos)
    at_work.page.until(f'{STATE} === "following"', JOB)
    yield at_work
    assert at_work.page.complaints == []


def test_the_job_ends_while_another_cell_runs(work: Work) -> None:
    work.page.js(
        "model.cells.get(2).sharedModel.setSource(argument);", "import time\nwhile cat.running(): time.sleep(0.1)"
    )
    work.page.run_cell(2, wait=False)
    work.ends()
    assert work.saved(JOB)
    work.page.wait_idle()


def test_the_cell_is_moved(work: Work) -> None:
    work.page.move(JOB, 2)
    work.ends()
    assert work.saved(2)


def test_the_cell_is_duplicated(work: Work) -> None:
    work.page.command("notebook:duplicate-below", JOB)
    work.page.until("model.cells.length === 4")
    work.ends()
    assert work.saved(JOB, JOB + 1)


def test_the_cell_is_cut_and_pasted(work: Work) -> None:
    work.page.command("notebook:cut-cell", JOB)
    work.page.command("notebook:paste-cell-below", 1)
    work.page.until("model.cells.length === 3")
    work.ends()
    assert work.saved(2)


def test_the_cell_is_deleted_and_brought_back(work: Work) -> None:
    work.page.command("notebook:delete-cell", JOB)
    work.page.until("model.cells.length === 2")
    work.page.command("notebook:undo-cell-action", JOB)
    work.page.until("model.cells.length === 3")
    work.ends()
    assert work.saved(JOB)


def test_the_job_ends_between_cut_and_paste(work: Work) -> None:
    work.page.command("notebook:cut-cell", JOB)
    work.page.until("model.cells.length === 2")
    work.ended()
    work.page.command("notebook:paste-cell-below", 1)
    work.page.until("model.cells.length === 3")
    assert work.saved(2)


def test_the_job_ends_while_the_cell_is_deleted(work: Work) -> None:
    work.page.command("notebook:delete-cell", JOB)
    work.page.until("model.cells.length === 2")
    work.ended()
    work.page.command("notebook:undo-cell-action", JOB)
    work.page.until("model.cells.length === 3")
    assert work.saved(JOB)


def test_the_job_ends_while_the_cell_is_text(work: Work) -> None:
    work.page.command("notebook:change-cell-to-markdown", JOB)
    work.page.until("model.cells.get(1).type === 'markdown'")
    work.ended()
    work.page.command("notebook:change-cell-to-code", JOB)
    work.page.until("model.cells.get(1).type === 'code'")
    assert work.saved(JOB, shown=False)  # JupyterLab drops the outputs of what is no code any more


def test_the_output_is_cleared(work: Work) -> None:
    work.page.command("notebook:clear-cell-output", JOB)
    work.ends()
    assert work.saved(JOB, shown=False)


def test_the_page_is_reloaded(work: Work) -> None:
    work.page.save()
    work.page.load()
    work.ends()
    assert work.saved(JOB)


def test_the_page_is_reloaded_without_having_been_saved(work: Work) -> None:
    work.page.page.on("dialog", lambda asked: asked.accept())  # "Leave site? Changes may not be saved"
    work.page.load()
    work.ends()
    assert work.saved(JOB)


def test_the_page_is_reloaded_without_having_been_saved_once_the_job_ended(work: Work) -> None:
    work.ended()
    work.page.page.on("dialog", lambda asked: asked.accept())
    work.page.load()
    assert work.saved(JOB)


def test_the_kernel_is_restarted_and_the_extension_loaded_again(work: Work) -> None:
    work.page.restart()
    work.page.wait_idle()
    work.key()
    work.page.run_cell(0)
    work.ends()
    assert work.saved(JOB)


@pytest.fixture
def two(shared: Desk, service: Simulator, photos: Path) -> Iterator[tuple[Work, NotebookPage]]:
    """A shared notebook with a job that goes on, and another person's window on it."""
    mine = begun(shared, service, photos)
    mine.page.saved(lambda read: _state(read.cells[JOB]) == "following")
    theirs = shared.open(mine.page.path)
    theirs.until(f'{STATE} === "following"', JOB)
    yield mine, theirs
    said = mine.page.complaints + theirs.complaints
    assert [line for line in said if "Comm not found" not in line] == []  # JupyterLab: of the other page's


def test_two_people_have_the_shared_notebook_open(two: tuple[Work, NotebookPage]) -> None:
    mine, theirs = two
    mine.ends()
    mine.saved(JOB)
    theirs.until(f'{STATE} === "downloaded"', JOB)
    theirs.until(SHOWN, JOB)
    for page in (mine.page, theirs):
        assert len(page.cell(JOB)["outputs"]) == 1


def test_somebody_else_moves_the_cell_of_a_shared_notebook(two: tuple[Work, NotebookPage]) -> None:
    mine, theirs = two
    theirs.move(JOB, 2)
    mine.page.until(f"{STATE} !== undefined", 2)
    mine.ends()
    mine.saved(2)
    theirs.until(SHOWN, 2)
    assert len(theirs.cell(2)["outputs"]) == 1


def test_whoever_ran_the_cell_of_a_shared_notebook_leaves(two: tuple[Work, NotebookPage]) -> None:
    mine, theirs = two
    mine.page.page.close()
    mine.ends()
    Work(theirs, mine.service).saved(JOB)


@pytest.mark.parametrize("front_end", ["lab", "notebook7"])
def test_without_the_plugin_the_video_is_shown_and_sync_brings_the_records(
    request: pytest.FixtureRequest, front_end: str, service: Simulator, photos: Path
) -> None:
    desk = request.getfixturevalue(front_end)
    desk.context.route("**/extensions/wan-notebook/**", lambda route: route.abort())
    try:
        work = begun(desk, service, photos)
        work.page.until(f"{TEXT}.includes('Recorded in the output only')", JOB)
        work.ends()
        work.page.until(SHOWN, JOB, timeout=200)
    finally:
        desk.context.unroute_all()
    work.page.save()
    assert [dict(cell.metadata) for cell in work.page.notebook().cells] == [{}, {}, {}]
    assert sync(work.page.path).cells == 1
    saved = work.page.notebook()
    (run,) = saved.cells[JOB].metadata["wan_notebook"]["runs"]
    assert run == saved.cells[JOB].outputs[0].data[MIME]
    assert run["state"] == "downloaded"
    assert verify(work.page.path).ok


def test_nothing_but_the_id_of_a_planted_record_is_used(desk: Desk, service: Simulator) -> None:
    (desk.folder.parent / "secret.mp4").write_text("the secret")
    evil = "<img src=x onerror='window.planted = 1'><script>window.planted = 1</script>"
    with Hostile() as counter:
        planted = record(
            *("run-fedcba9876543210", 4, "following"),
            endpoint=counter.base_url,
            base_url=counter.base_url,
            region="simulator",
            api_key="sk-planted",
            task_id="0" * 32,
            name=evil,
            clip={"path": "../secret.mp4", "sha256": "0" * 64},
            error=evil,
        )
        path = desk.write(
            "planted.ipynb", [LOAD, "'planted'", "%wan_resume run-fedcba9876543210", "%wan_jobs --all", "%wan_verify"]
        )
        notebook = nbformat.read(path, as_version=4)
        notebook.cells[JOB].metadata["wan_notebook"] = {"schema": 1, "runs": [planted]}
        notebook.cells[JOB].outputs = [
            nbformat.v4.new_output("display_data", {"text/html": evil, "text/plain": "a run", MIME: planted})
        ]
        nbformat.write(notebook, path)
        page = desk.open(path)
        Work(page, service).key()
        for index in (0, 2, 3, 4):
            page.run_cell(index)
        page.until(f"{TEXT}.includes('differs')", 4)
        assert page.js("return window.planted ?? null;") is None
        assert page.runs(JOB) == [planted]  # as it was: no kernel knows this run
        page.save()
        assert counter.asked == []
    said = page.notebook().cells
    assert "the secret" not in str(said)
    assert "<script>" not in str([cell.outputs for cell in said[2:]])
    assert TYPED_KEY not in path.read_text(encoding="utf-8")
