"""The record of a sweep: a summary and short entries, valid, small, checked against the records beside the clips."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import jsonschema
import nbformat
import pytest
from processes import KEY, PHOTO

import wan_notebook as wan
from wan_notebook.record.model import json_schema
from wan_notebook.record.provenance import MIME, canonical_json, digest, parts
from wan_notebook.record.recorder import sync
from wan_notebook.record.swept import record_of_sweep
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["It looks up, " + "slowly, " * 40, "[simulate: FAILED] It looks down."]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a notebook whose only cell ran a sweep of four, of which two failed; and its jobs."""
    folder = tmp_path_factory.mktemp("made")
    with Simulator(speed=1000, render="shape") as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WAN_NOTEBOOK_HOME", str(folder / "home"))
        patch.chdir(folder)
        how = {"base_url": service.base_url, "api_key": KEY, "yes": True, "audio": False, "duration": 2}
        grid = wan.sweep(image=PHOTO, prompt=PROMPTS, seed=[1, 2], **how)
        assert grid.wait(120)
    return folder, grid


@pytest.fixture
def notebook(made, tmp_path):
    folder, grid = made
    record = record_of_sweep(
        grid.id,
        [(values, job.update) for values, job in zip(grid.values, grid, strict=True)],
        rev=7,
        name="grid",
        idle=False,
        source_sha256=None,
        created_at="2026-11-24T23:00:00.000Z",
        versions={"wan_notebook": "0.1.0"},
    )
    cell = nbformat.v4.new_code_cell("%%wan_i2v grid --sweep seed=1,2")
    cell.outputs = [nbformat.v4.new_output("display_data", {"text/plain": "grid", MIME: record})]
    path = folder / f"{tmp_path.name}.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    sync(path)
    return path


def runs(path: Path) -> list[dict]:
    return nbformat.read(path, as_version=4).cells[0].metadata["wan_notebook"]["runs"]


def rewritten(path: Path, change) -> None:
    document = json.loads(path.read_text())
    for held in (document["cells"][0]["metadata"]["wan_notebook"]["runs"],):
        change(held)
    document["cells"][0]["outputs"] = []
    path.write_text(json.dumps(document))


def test_the_cell_holds_a_summary_and_one_short_entry_for_each_run_and_all_are_valid(made, notebook):
    summary, *entries = runs(notebook)
    assert (summary["kind"], summary["runs"], summary["done"], summary["without_clip"]) == ("sweep", 4, 2, 2)
    assert (summary["state"], summary["varies"]) == ("failed", {"prompt": 2, "seed": 2})
    assert "prompt" not in summary["asked"]
    assert [entry["run_id"] for entry in entries] == [job.run_id for job in made[1]]
    assert [entry["state"] for entry in entries] == ["downloaded", "downloaded", "failed", "failed"]
    assert [entry["values"]["seed"] for entry in entries] == [1, 2, 1, 2]
    validator = jsonschema.Draft202012Validator(json_schema())
    for record in (summary, *entries):
        validator.validate(record)
        assert len(canonical_json(record).encode()) < 2 * 1024
    assert not validator.is_valid({**summary, "more": 1})


def test_verify_is_silent_on_it_and_finds_what_was_changed(notebook):
    report = wan.verify(notebook)
    assert report.ok, str(report)
    rewritten(notebook, lambda held: held[1]["values"].update(seed=9))
    assert not wan.verify(notebook).ok


def resealed(record):
    record["record_sha256"] = digest({name: value for name, value in record.items() if name != "record_sha256"})


SUMMARY = {
    "a prompt": lambda head: head["asked"].update(prompt="It dances."),
    "a resolution": lambda head: head["asked"].update(resolution="1080P"),
    "the duration": lambda head: head["asked"].update(duration=5),
    "the duration taken away": lambda head: head["asked"].update(duration=None),
    "the picture": lambda head: head["asked"]["image"].update(name="mona_lisa.png"),
    "the region": lambda head: head.update(region="beijing"),
}


@pytest.mark.parametrize("name", SUMMARY)
def test_a_summary_that_says_otherwise_than_the_records_beside_the_clips_is_found(notebook, name):
    rewritten(notebook, lambda held: (SUMMARY[name](held[0]), resealed(held[0])))
    found = [finding for finding in wan.verify(notebook).findings if finding.result == "differs"]
    assert [finding.what for finding in found] == ["sweep"]
    assert "beside the clip" in found[0].words


def test_a_simulator_that_was_started_again_meanwhile_is_no_tampering(notebook):
    rewritten(notebook, lambda held: (held[0].update(endpoint="http://127.0.0.1:1/api/v1"), resealed(held[0])))
    assert wan.verify(notebook).ok


def test_a_prompt_that_varies_is_compared_too(notebook):
    rewritten(notebook, lambda held: (held[1]["values"].update(prompt="It dances."), resealed(held[1])))
    assert [f.what for f in wan.verify(notebook).findings if f.result == "differs"] == ["side file"]


def test_a_member_whose_clip_was_exchanged_for_its_sisters_is_found(notebook):
    rewritten(notebook, lambda held: held[1].update(clip=held[2]["clip"]))
    report = wan.verify(notebook)
    assert any("is the record of another run" in str(finding) for finding in report.findings)


def test_methods_and_replay_know_the_runs_by_the_records_beside_their_clips(made, notebook):
    _, grid = made
    lines = wan.methods(notebook).csv.strip().splitlines()
    for job, line in zip(grid, lines[1:], strict=True):
        assert job.run_id in line
        assert job.task_id in line
    with pytest.raises(wan.ConfigurationError, match=grid[1].run_id):
        wan.replay(notebook, cell="1")


def test_methods_tells_of_the_runs_that_gave_no_clip_what_the_sweep_does(made, notebook):
    told = wan.methods(notebook)
    assert "2 clips were made by a simulator of wan2.6-i2v-flash" in told.text
    assert "2 requests of wan2.6-i2v-flash gave no clip (failed: 2)." in told.text
    assert "to repeat 2 of 4 exactly, something" in told.text
    assert "a run of a sweep that gave no clip, of which only a summary is kept: 2" in told.text
    failed = [row for row in csv.DictReader(io.StringIO(told.csv)) if row["state"] == "failed"]
    assert [(row["run_id"], row["seed"]) for row in failed] == [(made[1][2].run_id, "1"), (made[1][3].run_id, "2")]
    assert {(row["prompt"], row["duration"], row["audio"], row["amount"], row["simulated"]) for row in failed} == {
        (PROMPTS[1], "2", "false", "0", "true")
    }
    rewritten(notebook, lambda held: held.__setitem__(slice(1, 3), []))
    assert "1 of 1" not in wan.methods(notebook).text, "told of where no run of a sweep has a clip, too"
    rewritten(notebook, lambda held: held[1].update(seed=9))
    assert "the record was edited" in wan.methods(notebook).left_out[0]
    rewritten(notebook, lambda held: held[0].update(region="beijing"))
    with pytest.raises(wan.WanError, match="the summary of its sweep is not there, or was edited"):
        wan.methods(notebook)


def test_a_record_without_members_is_one_part():
    assert parts({"run_id": "a"}) == [{"run_id": "a"}]
    assert parts(None) == [None]
