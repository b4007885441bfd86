"""The product in a real JupyterLab and Notebook 7: a cell becomes a video that plays, and its record is saved."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

    from servers import Desk, NotebookPage

pytestmark = pytest.mark.browser

LOAD = '%load_ext wan_notebook\n%config WanMagics.region = "simulator"'
CAT = "%%wan_i2v cat --image images/chelsea.png --duration 3 --no-audio --seed 12345\nThe cat turns its head."
COFFEE = "%%wan_i2v coffee --image images/coffee.png --duration 2\nSteam rises."
STATE = "model.cells.get(argument).toJSON().metadata.wan_notebook?.runs[0]?.state"
PLAYS = """() => {
    const video = [...document.querySelectorAll("video")].at(-1);
    video.muted = true;
    return video.play().then(() => ({src: video.getAttribute("src"), width: video.videoWidth, length: video.duration}));
}"""


def _open(desk: Desk, photos: Path, cells: list[str], name: str = "cat é.ipynb") -> NotebookPage:
    shutil.copytree(photos, desk.folder / "images")
    return desk.open(desk.write(name, cells))


def _play(page: NotebookPage, index: int) -> dict[str, float]:
    """Play the last video of the page, which is in this cell, once it is drawn: that is after its record is there."""
    page.until("panel.content.widgets[argument].node.querySelector('video')", index)
    played: dict[str, float] = page.page.evaluate(PLAYS)
    return played


def _follow_to_the_end(page: NotebookPage, index: int) -> dict[str, object]:
    page.until(f'{STATE} === "downloaded"', index, timeout=200)
    runs = page.runs(index)
    assert runs is not None
    return runs[0]


def test_a_cell_becomes_a_playing_video_and_the_saved_notebook_holds_its_record(lab, photos, pictures):
    page = _open(lab, photos, [LOAD, CAT, "6 * 7"])
    page.run_cell(0)
    page.run_cell(1)
    page.screenshot(pictures / "lab-card.png")
    page.run_cell(2)  # the kernel is free while the job goes on
    assert page.cell(2)["outputs"][0]["data"]["text/plain"] == "42"

    run = _follow_to_the_end(page, 1)
    assert run["cell_id"] == page.cell(1)["id"]
    played = _play(page, 1)
    assert played["width"] > 0
    assert played["length"] == pytest.approx(3, abs=0.1)
    page.screenshot(pictures / "lab-video-light.png")
    page.screenshot(pictures / "lab-video-dark.png", theme="dark")
    page.screenshot(pictures / "lab-video-narrow.png", theme="dark", width=600)
    assert "Recorded in the output only" not in page.cell(1)["outputs"][0]["data"]["text/html"]

    page.save()
    saved = page.notebook()
    (kept,) = saved.cells[1].metadata["wan_notebook"]["runs"]
    assert len(saved.cells[1].outputs) == 1
    clip = lab.folder / kept["clip"]["path"]
    assert hashlib.sha256(clip.read_bytes()).hexdigest() == kept["clip"]["sha256"]
    assert kept["versions"]["front_end"] == "jupyterlab/notebook"
    assert page.complaints == []


@pytest.mark.full
def test_a_mistake_is_one_box_without_a_traceback(lab, photos, pictures):
    page = _open(lab, photos, [LOAD, CAT.replace("--duration 3", "--duration 99").replace("chelsea", "chelse")])
    page.run_cell(0)
    page.run_cell(1)
    page.screenshot(pictures / "lab-error-light.png")
    page.screenshot(pictures / "lab-error-dark.png", theme="dark")
    (output,) = page.cell(1)["outputs"]
    said = "\n".join(output["traceback"])
    assert "Did you mean chelsea.png?" in said
    assert "Traceback" not in said


@pytest.mark.full
def test_an_untrusted_copy_still_plays(lab, photos):
    page = _open(lab, photos, [LOAD, CAT])
    page.run_cell(0)
    page.run_cell(1)
    _follow_to_the_end(page, 1)
    page.save()
    copy = lab.folder / "from somebody else.ipynb"
    changed = page.path.read_text(encoding="utf-8").replace("turns its head.", "turns its head slowly.")
    copy.write_text(changed, encoding="utf-8")  # another text, so Jupyter's signature of it is not known
    stranger = lab.open(copy)
    assert stranger.js("return model.cells.get(1).trusted;") is False
    assert _play(stranger, 1)["width"] > 0


@pytest.mark.full
def test_the_same_in_notebook_7(notebook7, photos, pictures):
    page = _open(notebook7, photos, [LOAD, CAT, COFFEE])
    page.run_all()
    assert _follow_to_the_end(page, 1)["name"] == "cat"
    assert _follow_to_the_end(page, 2)["clip"]["audio"] is True
    assert _play(page, 2)["length"] == pytest.approx(2, abs=0.1)
    page.screenshot(pictures / "notebook7.png")
    page.save()
    assert [len(cell.metadata.get("wan_notebook", {}).get("runs", [])) for cell in page.notebook().cells] == [0, 1, 1]


@pytest.mark.full
def test_the_job_ends_in_its_cell_although_the_page_was_reloaded_and_the_cell_moved(lab, photos):
    page = _open(lab, photos, [LOAD, CAT, "6 * 7"])
    page.run_cell(0)
    page.run_cell(1, wait=False)
    page.until(f"{STATE} !== undefined", 1)
    page.move(1, 2)
    page.save()
    page.load()
    run = _follow_to_the_end(page, 2)
    assert run["name"] == "cat"
    assert _play(page, 2)["width"] > 0


@pytest.mark.full
def test_after_a_restart_of_the_kernel_the_video_comes_to_its_old_cell(lab, photos):
    with Simulator(speed=0.01, render="shape") as service:
        key = f'os.environ.update(DASHSCOPE_HTTP_BASE_URL="{service.base_url}", DASHSCOPE_API_KEY="sk-typed-fedcba987")'
        page = _open(lab, photos, [f"import os\n{key}\n%load_ext wan_notebook", CAT])
        page.run_cell(0)
        page.run_cell(1)
        page.until(f'{STATE} === "following"', 1)
        page.restart()
        page.wait_idle()
        page.command("notebook:insert-cell-below", 1)  # the plugin looks at its cells before the extension is loaded
        page.wait_idle()
        service.speed = 5  # a client counts its next look in the service's time as it is when it looks
        page.run_cell(0)
        assert "1 job of this notebook followed again (cat)" in page.cell(0)["outputs"][0]["text"]
        service.clock.advance(3600)
        run = _follow_to_the_end(page, 1)
    assert "<video" in page.cell(1)["outputs"][0]["data"]["text/html"]
    assert run["cell_id"] == page.cell(1)["id"]
    assert _play(page, 1)["width"] > 0
    page.save()
    assert page.notebook().cells[1].metadata["wan_notebook"]["runs"][0]["state"] == "downloaded"
    assert page.complaints == []


@pytest.mark.full
def test_a_sweep_has_one_card_and_its_cell_a_summary_and_an_entry_for_each_run(lab, photos, pictures):
    sweep = "%%wan_i2v grid --image images/chelsea.png --duration 2 --no-audio --sweep seed=1..12\nThe cat looks up."
    page = _open(lab, photos, [LOAD, sweep, "len(grid), grid.done()"])
    page.run_cell(0)
    page.run_cell(1)
    page.screenshot(pictures / "sweep-running-light.png")
    page.run_cell(2)  # the kernel is free meanwhile
    _follow_to_the_end(page, 1)
    page.screenshot(pictures / "sweep-done-light.png")
    page.screenshot(pictures / "sweep-done-dark.png", theme="dark")
    page.screenshot(pictures / "sweep-done-narrow.png", width=600)
    page.save()
    saved = page.notebook()
    summary, *entries = saved.cells[1].metadata["wan_notebook"]["runs"]
    assert len(saved.cells[1].outputs) == 1
    assert (summary["kind"], summary["runs"], summary["done"]) == ("sweep", 12, 12)
    assert [(entry["place"], entry["state"]) for entry in entries] == [(place, "downloaded") for place in range(12)]
    for entry in entries:
        clip = lab.folder / entry["clip"]["path"]
        assert hashlib.sha256(clip.read_bytes()).hexdigest() == entry["clip"]["sha256"]
    assert page.complaints == []
