"""The notebooks: checked in clean, on the simulator whatever the machine has set, a record at the end of each cell."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import nbformat
import pytest
from hostile import Answer, Hostile

from wan_notebook.hall.verification import verify

ROOT = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))
RUN = """
import nbformat
from nbclient import NotebookClient
notebook = nbformat.read("notebook.ipynb", as_version=4)
NotebookClient(notebook, timeout=240, iopub_timeout=100).execute()
nbformat.write(notebook, "notebook.ipynb")
"""
HEADLESS = {  # "sync": what README says has to be run afterwards
    "nbclient": ("-c", RUN, "sync"),
    "jupyter execute": ("-m", "jupyter", "execute", "--inplace", "--timeout=240", "notebook.ipynb", "sync"),
    "nbconvert": ("-m", "jupyter", "nbconvert", "--to=notebook", "--inplace", "--execute", "notebook.ipynb", "sync"),
    "papermill": ("-m", "papermill", "--engine", "wan", "notebook.ipynb", "notebook.ipynb"),
}
SCHEMA = json.loads((ROOT.parent / "wan_notebook" / "schema" / "record-1.json").read_text(encoding="utf-8"))


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_checked_in_without_outputs(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in code_cells(path):
        assert (cell.outputs, cell.execution_count, dict(cell.metadata)) == ([], None, {})


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_selects_the_simulator_before_anything_else(path):
    first = next(cell.source for cell in code_cells(path) if "%load_ext" in cell.source or "import" in cell.source)
    assert '%config WanMagics.region = "simulator"' in first or "Simulator(" in first


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_file_a_notebook_names_is_there(path):
    for name in re.findall(r"\b(?:images|audio)/[\w.-]+\.\w+", path.read_text(encoding="utf-8")):
        assert (ROOT / name).is_file() or name in ("images/chelsea.jpg", "images/coffe.png", "audio/vers.mp3")


def test_the_readme_lists_every_notebook_and_no_other():
    listed = re.findall(r"\(notebooks/([\w-]+\.ipynb)\)", (ROOT.parent / "README.md").read_text(encoding="utf-8"))
    assert set(listed) == {path.name for path in NOTEBOOKS}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """One ledger and one simulator for all: a notebook that is executed again finds its clips."""
    from wan_notebook.simulator import stop

    folder = tmp_path_factory.mktemp("home")
    yield folder
    stop(folder)


def run(arguments, folder, environment):
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.full
@pytest.mark.parametrize("way", HEADLESS)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_executed_notebook_holds_a_valid_record_in_every_wan_cell_and_asks_the_real_service_nothing(
    path, way, home, tmp_path
):
    shutil.copytree(ROOT / "images", tmp_path / "images")
    shutil.copytree(ROOT / "audio", tmp_path / "audio")
    shutil.copy(ROOT / "quickstart.ipynb", tmp_path)  # which another one reproduces
    executed = tmp_path / "notebook.ipynb"
    shutil.copy(path, executed)
    *execute, last = HEADLESS[way]
    with Hostile() as counter:
        counter.on("POST", "/", Answer(500))
        environment = {
            "DASHSCOPE_API_KEY": "sk-real-0123456789abcdef",
            "DASHSCOPE_HTTP_BASE_URL": counter.base_url,
            "WAN_NOTEBOOK_REGION": "beijing",
            "WAN_NOTEBOOK_HOME": str(home),
            "WAN_NOTEBOOK_SIMULATOR_SPEED": "60",
        }
        if last == "sync":
            run(execute, tmp_path, environment)
            run(("-c", "from wan_notebook.cli import main; main()", "sync", "notebook.ipynb"), tmp_path, environment)
        else:
            run((*execute, last), tmp_path, environment)
        assert counter.asked == []
    notebook = nbformat.read(executed, as_version=4)
    nbformat.validate(notebook)
    assert "0123456789abcdef" not in executed.read_text(encoding="utf-8")
    wanted = [cell for cell in notebook.cells if cell.source.startswith("%%wan_i2v") and "--dry-run" not in cell.source]
    for cell in wanted:
        records = cell.metadata["wan_notebook"]["runs"]
        for record in records:
            jsonschema.validate(record, SCHEMA)
            assert (record["state"], record["simulated"]) == ("downloaded", True), json.dumps(record)[:2000]
        clips = [record["clip"] for record in records if record.get("kind") != "sweep"]
        assert len(clips) == (records[0]["runs"] if "--sweep" in cell.source else len(records) == 1)
        for clip in clips:
            assert hashlib.sha256((tmp_path / clip["path"]).read_bytes()).hexdigest() == clip["sha256"]
    found = verify(executed)
    assert found.ok, str(found)
