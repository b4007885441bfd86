"""What was renamed or moved is found again: notebooks by their ids, folders and clips by their bytes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest
from hostile import PENDING, Answer, Gate, Hostile
from processes import KEY, PHOTO, run, start, until

import wan_notebook as wan
from wan_notebook.hall.session import session
from wan_notebook.ledger.expenses import Purse
from wan_notebook.ledger.moves import follow_moves, moved_notebook, places
from wan_notebook.ledger.runs import Run
from wan_notebook.ledger.store import Ledger
from wan_notebook.notebook.leftovers import of_this_notebook
from wan_notebook.simulator import Simulator

CLIP = b"a clip"
SAVED = {"clip_sha256": hashlib.sha256(CLIP).hexdigest(), "clip_bytes": len(CLIP)}
SUBMIT = "/services/aigc/video-generation/video-synthesis"


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(tmp_path / "home")


def saved(ledger: Ledger, folder: Path, run_id: str = "run-1", **more) -> Path:
    """A run whose clip was saved in ``folder``."""
    clip = folder / "wan_outputs" / f"{run_id}.mp4"
    clip.parent.mkdir(parents=True, exist_ok=True)
    clip.write_bytes(CLIP)
    told = {"folder": str(folder), "project": str(folder), "outputs": str(clip.parent), "notebook": f"{folder}/a.ipynb"}
    paid = {"asked_key": "k", "amount": "0.1", "currency": "USD", "simulated": False}
    ledger.add(Run(run_id, "downloaded", 1.0, clip_path=str(clip), **SAVED, **told, **paid, **more))
    return clip


def test_a_folder_that_was_renamed_is_followed_with_its_money_and_all_below_it(ledger, tmp_path):
    saved(ledger, tmp_path / "old")
    saved(ledger, tmp_path / "old" / "deep", "run-2")
    saved(ledger, tmp_path / "older", "run-3")
    (tmp_path / "old").rename(tmp_path / "new")
    follow_moves(ledger, str(tmp_path / "new"))
    one, two = ledger.run("run-1"), ledger.run("run-2")
    assert Path(one.clip_path).read_bytes() == CLIP
    assert (one.folder, one.notebook) == (str(tmp_path / "new"), str(tmp_path / "new" / "a.ipynb"))
    assert two.outputs == str(tmp_path / "new" / "deep" / "wan_outputs")
    assert ledger.run("run-3").folder == str(tmp_path / "older")
    assert str(Purse(ledger, str(tmp_path / "new"), simulated=False).in_project().sums["USD"]) == "0.2"


def test_only_the_clips_own_bytes_prove_a_move_and_a_copy_is_none(ledger, tmp_path):
    clip = saved(ledger, tmp_path / "old")
    shutil.copytree(tmp_path / "old", tmp_path / "copy")
    follow_moves(ledger, str(tmp_path / "copy"))
    assert ledger.run("run-1").folder == str(tmp_path / "old")
    (tmp_path / "old").rename(tmp_path / "away")  # a disk that is not mounted
    (tmp_path / "copy" / "wan_outputs" / clip.name).write_bytes(b"A CLIP")
    follow_moves(ledger, str(tmp_path / "copy"), None)
    assert ledger.run("run-1").folder == str(tmp_path / "old")


def test_a_folder_that_a_running_job_made_anew_hides_no_move(ledger, tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for name in ("run-1", "run-2"):
        saved(ledger, old, name)
    (old / "a.ipynb").touch()
    old.rename(new)
    for number in range(4):  # were under way meanwhile: their clips are saved where the folder was
        saved(ledger, old, f"late-{number}")
    (old / "a.ipynb").touch()
    follow_moves(ledger, str(new))
    assert ledger.run("run-1").folder == str(old), "the notebook is there: only its clips were moved"
    (old / "a.ipynb").unlink()
    follow_moves(ledger, str(new))
    assert str(Purse(ledger, str(new), simulated=False).in_project().sums["USD"]) == "0.6"
    assert ledger.run("run-1").clip_path == str(new / "wan_outputs" / "run-1.mp4")
    assert Path(ledger.run("late-0").clip_path).read_bytes() == CLIP, "it is where it is"


def test_a_clip_is_looked_for_where_clips_are_kept_now(tmp_path):
    run = Run("run-1", "downloaded", 1.0, clip_path="/gone/cat.mp4", clip_bytes=len(CLIP))
    (tmp_path / "tom.mp4").write_bytes(CLIP)
    (tmp_path / "large.mp4").write_bytes(CLIP * 2)
    assert list(places(run, tmp_path)) == [Path("/gone/cat.mp4"), tmp_path / "cat.mp4", tmp_path / "tom.mp4"]
    assert len(list(places(run, tmp_path / "nowhere"))) == 2


def written(path: Path, *ids: str, runs: tuple[str, ...] = ()) -> Path:
    cells = [{"cell_type": "code", "id": one, "metadata": {}} for one in ids]
    cells += [{"id": "x", "metadata": {"wan_notebook": {"runs": [{"run_id": one}]}}} for one in runs]
    path.write_text(json.dumps({"cells": cells}))
    return path


def test_a_renamed_notebook_has_its_open_runs_by_the_ids_it_holds(ledger, tmp_path):
    told = {"notebook": str(tmp_path / "old.ipynb"), "folder": str(tmp_path)}
    ledger.add(Run("by-cell", "following", 1.0, cell_id="cell-1", **told))
    ledger.add(Run("by-run", "following", 2.0, cell_id="cell-2", **told))
    ledger.add(Run("another", "following", 3.0, cell_id="cell-3", **told))
    ledger.add(Run("no-cell", "following", 4.0, **told))
    ledger.add(Run("over", "downloaded", 5.0, cell_id="cell-1", **told))
    new = written(tmp_path / "new.ipynb", "cell-1", runs=("by-run",))
    assert [run.run_id for run in of_this_notebook(ledger, new)] == ["no-cell", "by-run", "by-cell"]
    (tmp_path / "sub").mkdir()
    elsewhere = written(tmp_path / "sub" / "new.ipynb", "cell-1")
    assert [run.run_id for run in of_this_notebook(ledger, elsewhere)] == ["by-cell"]
    written(tmp_path / "old.ipynb", "cell-1")
    assert of_this_notebook(ledger, new) == [], "it is a copy: they belong to the notebook that is there"
    for text in ("", "[]", '{"cells": 7}', '{"cells": [{"id": ["cell-1"]}]}', "[" * 100_000):
        new.write_text(text)
        (tmp_path / "old.ipynb").unlink(missing_ok=True)
        assert [run.run_id for run in of_this_notebook(ledger, new)] == ["no-cell"]


def test_a_moved_notebooks_run_is_saved_where_the_notebook_is_now(tmp_path):
    (tmp_path / "new").mkdir()
    run = Run("r", "following", 1.0, folder=str(tmp_path / "old"), outputs=str(tmp_path / "old/clips"))
    now = moved_notebook(run, tmp_path / "new" / "a.ipynb")
    assert (now.folder, now.outputs) == (str(tmp_path / "new"), str(tmp_path / "new/clips"))
    (tmp_path / "old" / "clips").mkdir(parents=True)
    now = moved_notebook(run, tmp_path / "new" / "a.ipynb")
    assert now.outputs == str(tmp_path / "old/clips"), "only the notebook was moved"


def test_a_folder_that_is_renamed_while_a_job_runs_is_said_on_its_card(tmp_path, clip):
    old, quick = tmp_path / "old", {"X-Wan-Simulator": "speed=100"}
    (old / "clips").mkdir(parents=True)
    with Hostile() as server:
        gate = Gate(body=PENDING, headers=quick)
        output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
        server.on("POST", SUBMIT, gate)
        server.on("GET", "/tasks/task-1", Answer(body={"output": output}, headers=quick))
        server.on("GET", "/clip.mp4", Answer(body=clip))
        given = {"duration": 2, "audio": False, "base_url": server.base_url, "api_key": KEY}
        job = wan.submit(prompt="Away.", image=PHOTO, output_dir=old / "clips", **given)
        assert gate.arrived.wait(60)
        old.rename(tmp_path / "new")
        gate.let.set()
        assert job.result(60).path.parent == old / "clips"
        assert any("old/clips was made anew for the clip" in note for note in job.update.notes)


@pytest.mark.skipif(os.name == "nt", reason="Windows renames no folder that a process works in")
def test_a_clip_comes_into_the_folder_its_notebook_is_in_now(tmp_path, clip, monkeypatch):
    old, new, quick = tmp_path / "old" / "project", tmp_path / "new" / "project", {"X-Wan-Simulator": "speed=100"}
    old.mkdir(parents=True)
    monkeypatch.chdir(old)  # as a kernel does
    with Hostile() as server:
        gate = Gate(body=PENDING, headers=quick)
        output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
        server.on("POST", SUBMIT, gate)
        server.on("GET", "/tasks/task-1", Answer(body={"output": output}, headers=quick))
        server.on("GET", "/clip.mp4", Answer(body=clip))
        given = {"duration": 2, "audio": False, "base_url": server.base_url, "api_key": KEY}
        job = wan.submit(prompt="Away.", image=PHOTO, **given)
        assert gate.arrived.wait(60)
        old.parent.rename(new.parent)
        gate.let.set()
        assert job.result(60).path.parent == new / "wan_outputs"
    assert not old.parent.exists()
    assert any("the clip goes to project/wan_outputs" in note for note in job.update.notes)
    row = session().ledger.run(job.run_id)
    assert (row.folder, row.clip_path) == (str(new), str(job.result().path))
    told = job.record
    assert all((new / item["path"]).is_file() for item in (told["clip"], *told["inputs"]))


@pytest.mark.skipif(os.name == "nt", reason="Windows renames no folder that a process works in")
def test_members_of_a_sweep_that_wait_go_along_with_their_folder(tmp_path, monkeypatch):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    monkeypatch.chdir(old)
    with Simulator(speed=1000, render="shape") as service:
        given = {"duration": 2, "audio": False, "base_url": service.base_url, "api_key": KEY, "yes": True}
        with service.hold_submits() as held:
            grid = wan.sweep(prompt="Away.", image=PHOTO, seed=[1, 2, 3], **given)
            held.wait(60)
            until(lambda: all(job.update.media for job in grid))
            old.rename(new)
        clips = grid.result(60)
    assert {clip.path.parent for clip in clips} == {new / "wan_outputs"}
    assert not old.exists()
    assert all(f'href="wan_outputs/{clip.path.name}"' in grid._repr_mimebundle_()["text/html"] for clip in clips)


@pytest.mark.full
def test_after_a_move_the_clip_is_had_again_and_the_money_stays_spent(tmp_path, clip, monkeypatch):
    with Hostile() as server:
        server.on("POST", SUBMIT, Answer(body=PENDING))
        output = {"task_id": "task-1", "task_status": "SUCCEEDED", "video_url": f"{server.root}/clip.mp4"}
        server.on("GET", "/tasks/task-1", Answer(body={"output": output, "usage": {"duration": 2}}))
        server.on("GET", "/clip.mp4", Answer(body=clip))
        old, new, home = tmp_path / "old", tmp_path / "new", tmp_path / "home"
        old.mkdir()
        (first,) = run(server.base_url, old, home)
        old.rename(new)
        (again,) = run(server.base_url, new, home)
        assert again["from_run"] == first["run"]
        assert Path(again["path"]) == new / "clips" / Path(first["path"]).name
        assert not old.exists()
        (new / "clips").rename(new / "films")
        (third,) = run(server.base_url, new, home, output_dir=str(new / "films"))
        assert Path(third["path"]).parent == new / "films"
        assert Ledger(home).run(first["run"]).clip_path == third["path"]
        monkeypatch.setenv("WAN_NOTEBOOK_PROJECT_BUDGET", "0.07")
        refused = start(server.base_url, new, home, prompt="Another.")
        until(lambda: refused.poll() is not None)
        assert "0.05 USD of it spent" in refused.communicate()[1]
        assert server.count("POST") == 1
