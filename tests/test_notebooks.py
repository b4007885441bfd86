"""The notebooks: checked in clean, on the simulator whatever the machine has set, a record at the end of each cell."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
import pytest
from hostile import Answer, Hostile

ROOT = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(ROOT.glob("*.ipynb"))
EXECUTE = """
import sys
import nbformat
from nbclient import NotebookClient
from wan_notebook.record.recorder import sync
notebook = nbformat.read("notebook.ipynb", as_version=4)
NotebookClient(notebook, timeout=240, extra_arguments=["--log-level=ERROR"]).execute()
nbformat.write(notebook, "notebook.ipynb")
sync("notebook.ipynb")
"""


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


@pytest.mark.full
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_an_executed_notebook_holds_a_record_in_every_wan_cell_and_asks_the_real_service_nothing(path, tmp_path):
    from wan_notebook.simulator import stop

    shutil.copytree(ROOT / "images", tmp_path / "images")
    shutil.copytree(ROOT / "audio", tmp_path / "audio")
    shutil.copy(ROOT / "quickstart.ipynb", tmp_path)  # which another one reproduces
    executed = tmp_path / "notebook.ipynb"
    shutil.copy(path, executed)
    home = Path(tempfile.mkdtemp(dir=tmp_path))
    with Hostile() as counter:
        counter.on("POST", "/", Answer(500))
        environment = {
            **os.environ,
            "DASHSCOPE_API_KEY": "sk-real-0123456789abcdef",
            "DASHSCOPE_HTTP_BASE_URL": counter.base_url,
            "WAN_NOTEBOOK_REGION": "beijing",
            "WAN_NOTEBOOK_HOME": str(home),
            "WAN_NOTEBOOK_SIMULATOR_SPEED": "60",
        }
        done = subprocess.run(
            [sys.executable, "-c", EXECUTE],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        stop(home)
        assert counter.asked == []
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = nbformat.read(executed, as_version=4)
    nbformat.validate(notebook)
    assert "0123456789abcdef" not in executed.read_text(encoding="utf-8")
    wanted = [cell for cell in notebook.cells if cell.source.startswith("%%wan_i2v") and "--dry-run" not in cell.source]
    for cell in wanted:
        (run,) = cell.metadata["wan_notebook"]["runs"]
        assert (run["state"], run["simulated"]) == ("downloaded", True), json.dumps(run)[:2000]
        assert (tmp_path / run["clip"]["path"]).stat().st_size == run["clip"]["bytes"]
