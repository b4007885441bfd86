"""``papermill --engine wan``: the records stand in the cells' metadata without another step."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import nbformat
import pytest

import wan_notebook as wan

CELLS = [
    "%load_ext wan_notebook",
    '%config WanMagics.region = "simulator"',
    "%%wan_i2v cat --image images/chelsea.png --duration 2 --no-audio --seed 1\nThe cat blinks.",
]


def executed(folder, photos, cells):
    shutil.copytree(photos, folder / "images")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, folder / "in.ipynb")
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "--engine", "wan", "in.ipynb", "out.ipynb"],
        cwd=folder,
        env={**os.environ, "WAN_NOTEBOOK_SIMULATOR_SPEED": "60", "WAN_NOTEBOOK_HOME": f"{folder}-home"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done, nbformat.read(folder / "out.ipynb", as_version=4)


@pytest.mark.full
def test_an_executed_notebook_is_stamped(tmp_path, photos):
    done, notebook = executed(tmp_path, photos, CELLS)
    assert done.returncode == 0, done.stderr
    nbformat.validate(notebook)
    (run,) = notebook.cells[2].metadata["wan_notebook"]["runs"]
    assert (run["state"], run["simulated"]) == ("downloaded", True)
    assert (tmp_path / run["clip"]["path"]).is_file()


@pytest.mark.full
def test_a_notebook_that_changes_its_folder_is_still_recorded_and_linked_from_where_it_lies(tmp_path, photos):
    moves = [
        "import os; os.makedirs('sub'); os.chdir('sub')",
        CELLS[2].replace("seed 1", "seed 2"),
        CELLS[2].replace("seed 1", "seed 3 --output-dir sub/kept").replace("images", "../images"),
    ]
    done, notebook = executed(tmp_path, photos, [*CELLS, *moves])
    assert done.returncode == 0, done.stderr
    after = notebook.cells[-2:]
    paths = [cell.metadata["wan_notebook"]["runs"][0]["clip"]["path"] for cell in after]
    assert [path.rpartition("/")[0] for path in paths] == ["wan_outputs", "sub/kept"]
    for path, cell in zip(paths, after, strict=True):
        assert (tmp_path / path).is_file()
        assert f'src="{path}"' in cell.outputs[0]["data"]["text/html"]
    findings = wan.verify(tmp_path / "out.ipynb").findings
    assert {finding.result for finding in findings} == {"ok"}, findings
    wan.export_crate(tmp_path / "out.ipynb", tmp_path / "crate")
    assert all((tmp_path / "crate" / path).is_file() for path in paths)


@pytest.mark.full
def test_a_notebook_that_fails_later_on_is_stamped_too(tmp_path, photos):
    done, notebook = executed(tmp_path, photos, [*CELLS, "1 / 0"])
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    stamped = [cell for cell in notebook.cells if "wan_notebook" in cell.metadata]
    assert [run["state"] for cell in stamped for run in cell.metadata["wan_notebook"]["runs"]] == ["downloaded"]


@pytest.mark.full
def test_the_engine_is_there_whichever_is_imported_first():
    for first in ("import papermill", "from wan_notebook.papermill import WanEngine", "import wan_notebook.papermill"):
        code = f"{first}\nfrom papermill.engines import papermill_engines as e\nprint(e.get_engine('wan').__name__)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
        assert done.stdout.strip() == "WanEngine"
