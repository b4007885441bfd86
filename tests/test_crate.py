"""An exported crate: valid by the community's validator, complete, the same every time, with nothing private in it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from saved import notebook, sealed

import wan_notebook as wan
from wan_notebook.errors import ConfigurationError, WanError
from wan_notebook.simulator import Simulator

JUDGE = Path(__file__).parent / "judge.py"
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
KEY = "sk-crate-0123456789abcdef"
SECRET = "%%wan_i2v x --private\nThe heliotrope umbrella pirouettes."
METADATA = "ro-crate-metadata.json"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A notebook of five runs: a clip, a failure, a private one, and as if under way, and as if real."""
    folder = tmp_path_factory.mktemp("crate")
    given = {"image": PHOTO, "duration": 2, "api_key": KEY, "output_dir": folder / "wan_outputs"}
    with Simulator(speed=500, render="shape") as sim:
        given["base_url"] = sim.base_url
        clip = told(wan.generate(prompt="The cat blinks.", name="cat", **given).record, folder)
        failed = wan.submit(prompt="[simulate: FAILED DataInspectionFailed]", **given)
        failed.wait()
        private = told(wan.generate(prompt=SECRET.partition("\n")[2], private=True, **given).record, folder)
    under_way = sealed({**clip, "run_id": "run-under-way", "state": "following", "clip": None, "finished_at": None})
    real = sealed({**clip, "run_id": "run-real", "simulated": False})
    notebook(folder, ("a", [clip, told(failed.record, folder)]), (SECRET, [private]), ("c", [under_way, real]))
    return folder


def told(record, folder):
    """A record whose paths are relative to ``folder``, where the notebook will be."""
    new = json.loads(json.dumps(record))
    for item in [*new["inputs"], *filter(None, [new["clip"]])]:
        found = next(folder.rglob(Path(item["path"]).name))
        item["path"] = found.relative_to(folder).as_posix()
    return sealed(new)


def graph(folder) -> dict[str, dict]:
    return {entity["@id"]: entity for entity in json.loads((folder / METADATA).read_text())["@graph"]}


def judged(crate, tmp_path) -> dict:
    done = subprocess.run(
        [sys.executable, JUDGE, crate, tmp_path / "cache"],
        capture_output=True, text=True, timeout=300, check=True, cwd=tmp_path,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.full
def test_a_crate_passes_every_required_check_of_the_validator(made, tmp_path):
    wan.export_crate(
        made / "n.ipynb", tmp_path / "crate", agent="A. Person", license="https://spdx.org/licenses/CC0-1.0"
    )
    found = judged(tmp_path / "crate", tmp_path)
    assert found["failed"] == []
    assert found["profiles"] == ["process-run-crate-0.5", "ro-crate-1.1"]
    assert found["checks"] > 40
    broken = json.loads((tmp_path / "crate" / METADATA).read_text().replace('"instrument"', '"name"'))
    (tmp_path / "crate" / METADATA).write_text(json.dumps(broken))
    assert any("instrument" in failure for failure in judged(tmp_path / "crate", tmp_path)["failed"]), "it can fail"


def test_each_run_is_an_action_with_its_model_inputs_clip_times_and_end(made, tmp_path):
    report = wan.export_crate(made / "n.ipynb", tmp_path / "crate", agent="A. Person")
    found = graph(tmp_path / "crate")
    actions = [found[one["@id"]] for one in found["./"]["mentions"]]
    assert report.runs == len(actions) == 5
    first, failed, private, under_way, real = actions
    assert first["actionStatus"].endswith("CompletedActionStatus")
    assert first["startTime"].endswith("+00:00")
    assert first["startTime"] <= first["endTime"]
    assert found[first["agent"]["@id"]]["name"] == "A. Person"
    objects = [found[one["@id"]] for one in first["object"]]
    assert {one["name"]: one["value"] for one in objects if one["@type"] == "PropertyValue"}["duration"] == 2
    for named in (*first["result"], *(one for one in objects if one["@type"] == "File")):
        entity = found[named["@id"]]
        assert hashlib.sha256((tmp_path / "crate" / entity["@id"]).read_bytes()).hexdigest() == entity["sha256"]
    assert failed["actionStatus"].endswith("FailedActionStatus")
    assert "DataInspectionFailed" in failed["error"]
    assert "result" not in failed
    assert "actionStatus" not in under_way
    assert "endTime" not in under_way
    assert first["description"].startswith("Simulated: made by a simulator")
    assert found[first["instrument"]["@id"]]["name"] == "wan2.6-i2v-flash, simulated"
    assert found[real["instrument"]["@id"]]["name"] == "wan2.6-i2v-flash"
    assert "Simulated" not in real["description"]
    assert "does not promise the identical video" in found["./"]["description"]
    assert "prompt is private" in private["description"]


def test_nothing_private_no_path_of_this_machine_and_no_key_is_in_a_crate(made, tmp_path):
    wan.export_crate(made / "n.ipynb", tmp_path / "crate")
    for path in (tmp_path / "crate").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            for word in (b"heliotrope", b"pirouettes", KEY.encode(), str(made).encode(), str(Path.home()).encode()):
                assert word not in data, path
    copied = json.loads((tmp_path / "crate" / "n.ipynb").read_text())
    assert [cell["source"] for cell in copied["cells"]][::2] == ["a", "c"]
    assert wan.verify(tmp_path / "crate" / "n.ipynb").findings, "it is still a notebook with its records"
    assert b"heliotrope" in (made / "n.ipynb").read_bytes(), "the notebook itself was not changed"


def test_a_private_prompt_is_left_out_of_cells_without_a_run_too(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "work"))
    held = json.loads((folder / "n.ipynb").read_text())
    dry = {**held["cells"][0], "source": SECRET.replace("--private", "--dry-run"), "metadata": {}}
    (folder / "n.ipynb").write_text(json.dumps({**held, "cells": [*held["cells"], dry]}))
    report = wan.export_crate(folder / "n.ipynb", tmp_path / "crate")
    assert "heliotrope" not in (tmp_path / "crate" / "n.ipynb").read_text()
    assert report.left_out[-2] == "texts of cell 2: they are private"
    assert report.left_out[-1].startswith("texts of cell 4: it asks for a clip and no run of it is recorded, so")
    found = wan.verify(tmp_path / "crate" / "n.ipynb").findings
    assert not [one for one in found if one.what == "source" and one.result == "differs"]


def test_the_record_beside_a_clip_comes_along_unless_it_was_changed(made, tmp_path):
    wan.export_crate(made / "n.ipynb", tmp_path / "crate")
    beside = [path.name for path in (tmp_path / "crate" / "wan_outputs").glob("*.mp4.json")]
    assert len(beside) == 2
    assert {f"wan_outputs/{name}" for name in beside} <= graph(tmp_path / "crate").keys()
    folder = Path(shutil.copytree(made, tmp_path / "work"))
    changed = folder / "wan_outputs" / beside[0]
    changed.write_text(changed.read_text().replace('"wan2.6-i2v-flash"', '"wan9"'))
    report = wan.export_crate(folder / "n.ipynb", tmp_path / "other")
    assert any("not the clip's own" in reason for reason in report.left_out)
    assert not (tmp_path / "other" / "wan_outputs" / beside[0]).exists()


def test_a_run_that_only_shows_an_earlier_clip_comes_with_the_run_that_made_it(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "work"))
    first = json.loads((made / "n.ipynb").read_text())["cells"][0]["metadata"]["wan_notebook"]["runs"][0]
    notebook(folder, ("a", [{**first, "run_id": "run-again", "from_run": first["run_id"]}]))
    assert wan.export_crate(folder / "n.ipynb", tmp_path / "crate").runs == 2
    found = graph(tmp_path / "crate")
    origin, again = (found[one["@id"]] for one in found["./"]["mentions"])
    assert (origin["@id"], again["@id"]) == (f"#{first['run_id']}", "#run-again")
    assert "Made in an earlier execution, shown in cell 1." in origin["description"]
    assert origin["result"] == again["result"]
    assert f"the clip is that of {first['run_id']}" in again["description"]


def test_two_exports_are_the_same_bytes_and_nothing_is_overwritten(made, tmp_path):
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    wan.export_crate(made / "n.ipynb", one)
    wan.export_crate(made / "n.ipynb", two)
    assert one.read_bytes() == two.read_bytes()
    assert METADATA in zipfile.ZipFile(one).namelist()
    before = one.read_bytes()
    with pytest.raises(ConfigurationError, match="exists already"):
        wan.export_crate(made / "n.ipynb", one)
    assert one.read_bytes() == before


def test_only_files_of_the_folder_with_the_recorded_digest_are_taken_along(made, tmp_path):
    folder = Path(shutil.copytree(made, tmp_path / "work"))
    secret = tmp_path / "secret.png"
    cells = json.loads((folder / "n.ipynb").read_text())["cells"]
    record = cells[0]["metadata"]["wan_notebook"]["runs"][0]
    shutil.copy(folder / record["inputs"][0]["path"], secret)
    planted = sealed({**record, "inputs": [{**record["inputs"][0], "path": "../secret.png"}]})
    named = sealed({**record, "run_id": "run-named", "clip": {**record["clip"], "path": METADATA}})
    shutil.copy(folder / record["clip"]["path"], folder / METADATA)
    changed = folder / record["clip"]["path"]
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    edited = {**record, "run_id": "run-edited", "model": "other"}
    notebook(folder, ("a", [planted, named]))
    held = json.loads((folder / "n.ipynb").read_text())
    held["cells"][0]["metadata"]["wan_notebook"]["runs"].append(edited)
    (folder / "n.ipynb").write_text(json.dumps(held))
    report = wan.export_crate(folder / "n.ipynb", tmp_path / "crate")
    files = sorted(p.relative_to(tmp_path / "crate").as_posix() for p in (tmp_path / "crate").rglob("*") if p.is_file())
    assert files == ["n.ipynb", METADATA, record["inputs"][0]["path"]]
    assert len(graph(tmp_path / "crate")) > 5
    said = str(report)
    assert "there is no such file in the notebook's folder" in said
    assert "its content was changed" in said
    assert "its name is taken" in said
    assert "run-edited: the record was edited" in said


def test_without_its_extra_two_lines_say_what_to_install(made, tmp_path):
    code = "import sys; sys.modules['rocrate'] = None; from wan_notebook.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", made / "n.ipynb", "--crate", tmp_path / "crate"],
        capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ConfigurationError: exporting a crate needs rocrate.",
        'Install it: python -m pip install "wan-notebook[crate]"',
    ]


def test_a_notebook_without_runs_makes_no_crate(tmp_path):
    path = notebook(tmp_path, ("1 + 1", []))
    with pytest.raises(WanError, match="tells of no run"):
        wan.export_crate(path, tmp_path / "crate")
    assert [path.name for path in tmp_path.iterdir()] == ["n.ipynb"]
