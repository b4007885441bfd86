"""The plugin alone: cells that show well-formed records by plain means, in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from records import CASES, kept, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser
    from servers import Desk, NotebookPage

pytestmark = pytest.mark.browser

PLUGIN = Path(__file__).parent.parent.parent / "wan_notebook" / "labextension" / "plugin.js"

# What the kernel knows of a run, without any of the product: a bundle with a record, shown under a display id.
BUNDLE = """
from IPython.display import publish_display_data

def bundle(run, rev, state, clock=0):
    record = {"schema": 1, "run_id": run, "rev": rev, "state": state, "cell_id": None, "prompt": "a café 🎞️"}
    line = f"{run} {state} {clock}"
    return {"application/vnd.wan-notebook.v1+json": record, "text/html": f"<b>{line}</b>", "text/plain": line}
"""
PLAIN = (
    BUNDLE
    + """
def begin(run):
    publish_display_data(bundle(run, 1, "following"), {}, transient={"display_id": run})

def tell(run, rev, state, clock=0):
    publish_display_data(bundle(run, rev, state, clock), {}, transient={"display_id": run}, update=True)
"""
)
# The same through the kernel's end of the line.
LINE = (
    BUNDLE
    + """
from wan_notebook.notebook import frontend

bundles, displays = {}, {}

def begin(run):
    bundles[run] = bundle(run, 1, "following")
    frontend.listen(bundles.get)
    displays[run] = frontend.Display.open(bundles[run], run)

def tell(run, rev, state, clock=0):
    bundles[run] = bundle(run, rev, state, clock)
    displays[run].update(bundles[run])
    frontend.push(run, bundles[run])
"""
)


@pytest.fixture(params=["lab", "notebook7"])
def desk(request: pytest.FixtureRequest) -> Any:
    """JupyterLab and Notebook 7 in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def running(desk: Desk) -> Iterator[NotebookPage]:
    """A notebook whose second cell shows a run that goes on; the page must stay without complaints."""
    opened = desk.open(desk.write("running.ipynb", [LINE, 'begin("a")', "'another cell'"]))
    opened.run_all()
    opened.until("model.cells.get(1).getMetadata('wan_notebook')?.runs[0].rev === 1")
    answered(opened)
    yield opened
    assert opened.complaints == []


def answered(notebook: NotebookPage) -> None:
    """Wait until kernel and plugin have met."""
    notebook.execute("import asyncio, time\nend = time.monotonic() + 20")
    notebook.execute("while not frontend.plugin_present() and time.monotonic() < end: await asyncio.sleep(0.05)")
    notebook.execute("assert frontend.plugin_present()")


def shows(notebook: NotebookPage, index: int, text: str) -> None:
    """Wait until an output of the cell says ``text``."""
    condition = "JSON.stringify(model.cells.get(argument[0]).outputs.toJSON()).includes(argument[1])"
    notebook.until(condition, [index, text])


def remembers(notebook: NotebookPage, index: int, run_id: str, rev: int) -> None:
    """Wait until the cell's metadata hold that revision of the run."""
    condition = (
        "model.cells.get(argument[0]).getMetadata('wan_notebook')?.runs"
        ".some((run) => run.run_id === argument[1] && run.rev === argument[2])"
    )
    notebook.until(condition, [index, run_id, rev])


def test_the_rule_of_merging_is_the_same_in_javascript(browser: Browser) -> None:
    page = browser.new_page()
    page.add_script_tag(path=PLUGIN)
    found = page.evaluate(
        """async (cases) => {
            const { merge } = (await window._JUPYTERLAB["wan-notebook"].get("./records"))();
            return cases.map(([outputs, metadata]) => merge(outputs, metadata));
        }""",
        [[outputs, metadata] for outputs, metadata, _ in CASES.values()],
    )
    page.close()
    assert dict(zip(CASES, found, strict=True)) == {name: expected for name, (_, _, expected) in CASES.items()}


@pytest.mark.full
def test_records_reach_the_metadata_of_their_cells_and_again_when_they_end_after_the_cell(lab: Desk) -> None:
    notebook = lab.open(lab.write("plain.ipynb", [PLAIN, 'begin("a"); begin("b")', 'begin("c")', "'no run here'"]))
    notebook.run_all()
    remembers(notebook, 1, "b", 1)
    remembers(notebook, 2, "c", 1)
    notebook.execute('tell("b", 2, "downloaded"); tell("c", 2, "failed"); tell("a", 5, "following")')
    remembers(notebook, 1, "a", 5)
    remembers(notebook, 2, "c", 2)
    notebook.save()
    saved = notebook.notebook().cells
    assert [(run["run_id"], run["rev"], run["state"]) for run in saved[1].metadata.wan_notebook.runs] == [
        ("a", 5, "following"),
        ("b", 2, "downloaded"),
    ]
    assert saved[1].metadata.wan_notebook.schema == 1
    assert saved[2].metadata.wan_notebook.runs[0].prompt == "a café 🎞️"
    assert [dict(cell.metadata) for cell in (saved[0], saved[3])] == [{}, {}]
    assert notebook.complaints == []


@pytest.mark.full
class TestARunThatGoesOn:
    """However its cell is treated meanwhile, the run ends right on the page and in the metadata."""

    def test_nothing_special(self, running: NotebookPage) -> None:
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        shows(running, 1, "a downloaded")

    def test_the_cell_is_moved(self, running: NotebookPage) -> None:
        running.move(1, 2)
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 2, "a", 2)
        shows(running, 2, "a downloaded")
        assert running.runs(1) is None

    def test_the_cell_is_duplicated(self, running: NotebookPage) -> None:
        running.command("notebook:duplicate-below", 1)
        running.until("model.cells.length === 4")
        running.execute('tell("a", 2, "downloaded")')
        for index in (1, 2):
            remembers(running, index, "a", 2)
            shows(running, index, "a downloaded")

    def test_the_cell_is_cut_and_pasted(self, running: NotebookPage) -> None:
        running.command("notebook:cut-cell", 1)
        running.execute('tell("a", 2, "downloading")')
        running.command("notebook:paste-cell-below", 1)
        running.until("model.cells.length === 3")
        shows(running, 2, "a downloading")
        running.execute('tell("a", 3, "downloaded")')
        remembers(running, 2, "a", 3)
        shows(running, 2, "a downloaded")

    def test_the_cell_is_deleted_and_brought_back(self, running: NotebookPage) -> None:
        running.command("notebook:delete-cell", 1)
        running.command("notebook:undo-cell-action", 1)
        running.until("model.cells.length === 3")
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        shows(running, 1, "a downloaded")

    def test_the_page_is_reloaded(self, running: NotebookPage) -> None:
        running.save()
        running.load()
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        shows(running, 1, "a downloaded")

    def test_it_ends_while_no_page_is_open(self, running: NotebookPage) -> None:
        running.save()
        running.execute('import threading; threading.Timer(1, tell, ("a", 2, "downloaded")).start()')
        running.page.goto("about:blank")
        running.page.wait_for_timeout(2000)
        running.load()
        remembers(running, 1, "a", 2)
        shows(running, 1, "a downloaded")

    def test_the_output_is_cleared(self, running: NotebookPage) -> None:
        running.command("notebook:clear-cell-output", 1)
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        assert running.cell(1)["outputs"] == []

    def test_the_output_is_cleared_and_the_page_reloaded(self, running: NotebookPage) -> None:
        running.command("notebook:clear-cell-output", 1)
        running.save()
        running.load()
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        assert running.cell(1)["outputs"] == []

    def test_the_cell_is_run_again(self, running: NotebookPage) -> None:
        running.js("model.cells.get(1).sharedModel.setSource('begin(\"z\")');")
        running.run_cell(1)
        remembers(running, 1, "z", 1)
        running.execute('tell("a", 2, "downloaded"); tell("z", 2, "refused")')
        remembers(running, 1, "z", 2)
        assert [run["run_id"] for run in running.runs(1) or []] == ["z"]

    def test_the_kernel_is_restarted(self, running: NotebookPage) -> None:
        before, said = running.runs(1), len(running.server.log())
        running.restart()
        running.wait_idle()
        running.run_cell(0)
        assert running.runs(1) == before
        running.js("model.cells.get(2).sharedModel.setSource('begin(\"new\")');")
        running.run_cell(2)
        answered(running)
        running.move(2, 0)
        running.execute('tell("new", 2, "downloaded")')
        remembers(running, 0, "new", 2)
        shows(running, 0, "new downloaded")
        assert "No such comm target registered: wan_notebook" not in running.server.log()[said:]

    def test_the_document_is_undone_and_redone(self, running: NotebookPage) -> None:
        running.execute('tell("a", 2, "downloaded")')
        remembers(running, 1, "a", 2)
        for _ in range(3):
            running.command("notebook:undo-cell-action", 1)
        remembers(running, 1, "a", 2)


@pytest.mark.full
def test_a_clock_that_goes_on_is_shown_but_is_nothing_to_save(running: NotebookPage) -> None:
    running.save()
    running.load()  # now only the comm reaches the output
    running.execute('tell("a", 1, "following", clock=41)')
    shows(running, 1, "a following 41")
    assert not running.dirty
    running.execute('tell("a", 2, "downloaded", clock=42)')
    shows(running, 1, "a downloaded 42")
    assert running.dirty


@pytest.mark.full
def test_a_clock_that_goes_on_does_not_touch_the_metadata(running: NotebookPage) -> None:
    running.js(
        "window.touched = 0; model.cells.get(1).metadataChanged.connect(() => { window.touched += 1; });",
    )
    for clock in range(3):
        running.execute(f'import time; time.sleep(0.6); tell("a", 1, "following", clock={clock})')
        shows(running, 1, f"a following {clock}")
    assert running.js("return window.touched;") == 0
    running.execute('tell("a", 2, "downloaded")')
    remembers(running, 1, "a", 2)
    assert running.js("return window.touched;") == 1


@pytest.mark.full
def test_a_saved_notebook_opens_without_anything_to_save(running: NotebookPage) -> None:
    running.execute('tell("a", 2, "downloaded")')
    remembers(running, 1, "a", 2)
    running.save()
    before = running.path.read_bytes()
    running.load()
    running.wait_idle()
    assert not running.dirty
    running.save()
    assert running.path.read_bytes() == before


@pytest.mark.full
def test_a_notebook_executed_elsewhere_gets_its_metadata_when_it_is_opened(desk: Desk) -> None:
    path = desk.write("elsewhere.ipynb", ["'nothing'", "'one run'"])
    give_outputs(path, 1, [record("a", 3, "downloaded")])
    notebook = desk.open(path)
    remembers(notebook, 1, "a", 3)
    notebook.save()
    assert notebook.notebook().cells[1].metadata.wan_notebook == kept(record("a", 3, "downloaded"))
    assert notebook.complaints == []


@pytest.mark.full
def test_what_only_looks_like_a_record_is_left_alone(desk: Desk) -> None:
    bad = [{"run_id": "../a", "rev": 1, "state": "following"}, "text", [1], {**record("a"), "note": "x" * 20_000}]
    path = desk.write("hostile.ipynb", ["'one'", "'two'"])
    give_outputs(path, 0, bad)
    give_outputs(path, 1, [record("good", 1, "downloaded")])
    notebook = desk.open(path)
    remembers(notebook, 1, "good", 1)
    assert notebook.runs(0) is None
    assert notebook.complaints == []


@pytest.mark.full
def test_a_run_of_yesterday_asks_the_new_kernel_once_and_in_peace(desk: Desk) -> None:
    path = desk.write("yesterday.ipynb", ["'one'", "'two'"])
    give_outputs(path, 0, [record("old", 4, "following")])
    said = len(desk.server.log())
    notebook = desk.open(path)
    remembers(notebook, 0, "old", 4)
    for _ in range(3):
        notebook.command("notebook:insert-cell-below", 0)
    notebook.run_all()
    assert desk.server.log()[said:].count("No such comm target registered: wan_notebook") <= 1
    assert notebook.complaints == []


@pytest.mark.full
def test_two_views_of_one_notebook_stamp_it_once(lab: Desk) -> None:
    notebook = lab.open(lab.write("views.ipynb", [LINE, 'begin("a")']))
    notebook.run_all()
    answered(notebook)
    notebook.js('await app.commands.execute("docmanager:clone"); app.shell.activateById(panel.id);')
    notebook.execute('tell("a", 2, "downloaded")')
    remembers(notebook, 1, "a", 2)
    assert notebook.complaints == []


@pytest.mark.full
def test_a_cell_that_is_running_is_not_disturbed(desk: Desk) -> None:
    busy = """begin("a")
import time
disturbed = []
get_ipython().events.register("post_execute", lambda: disturbed.append(1))
time.sleep(3)
begin("b")
time.sleep(3)
print("disturbed", len(disturbed), "missing", frontend.plugin_missing())"""
    threads = 'import threading; print("subshells", [t.name for t in threading.enumerate() if "subshell-" in t.name])'
    notebook = desk.open(desk.write("busy.ipynb", [LINE, busy, threads]))
    for index in (0, 1):
        notebook.run_cell(index)
    shows(notebook, 1, "disturbed 0 missing False")
    answered(notebook)
    notebook.run_cell(2)
    shows(notebook, 2, "subshells []")
    assert notebook.complaints == []


def give_outputs(path: Path, index: int, found: list[object]) -> None:
    """Put outputs with these records into a saved notebook."""
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    notebook.cells[index].outputs = [
        nbformat.v4.new_output("display_data", {"text/plain": "a run", "application/vnd.wan-notebook.v1+json": one})
        for one in found
    ]
    nbformat.write(notebook, path)
