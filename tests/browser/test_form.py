"""The form as a person uses it, in a real JupyterLab: type, choose, click, and the card is in the form's own cell."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Desk, NotebookPage

pytestmark = pytest.mark.browser

MIME = "application/vnd.wan-notebook.v1+json"
KEY = "sk-form-0123456789abcdef"
FORM = 1  # the cell with %wan_form
FOCUSED = "document.activeElement.closest('.jupyter-widgets')?.querySelector('label')?.textContent.trim()"
FOCUSED = f"{FOCUSED} || document.activeElement.textContent.trim()"


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(speed=100, render="shape") as simulator:
        yield simulator


@pytest.fixture
def opened(lab: Desk, service: Simulator, photos: Path) -> NotebookPage:
    """A notebook that shows a form."""
    shutil.copytree(photos, lab.folder / "images")
    notebook = lab.open(lab.write("form.ipynb", ["%load_ext wan_notebook", "%wan_form", "6 * 7"]), width=1000)
    notebook.execute(
        f"import os; os.environ.update(DASHSCOPE_HTTP_BASE_URL={service.base_url!r}, DASHSCOPE_API_KEY={KEY!r})"
    )
    for cell in range(3):  # another cell is the latest one when somebody uses the form
        notebook.run_cell(cell)
    notebook.page.get_by_role("button", name="Generate").wait_for()
    return notebook


def states(notebook: NotebookPage) -> list[str]:
    """The states of the records in the outputs of the form's cell."""
    data = [output.get("data", {}) for output in notebook.cell(FORM)["outputs"]]
    return [one[MIME]["state"] for one in data if MIME in one]


def all_downloaded(notebook: NotebookPage, count: int) -> None:
    seen = f"(o => o.get ? [...Array(o.length).keys()].map(i => o.get(i).data['{MIME}']?.state) : [])"
    notebook.until(
        f"{seen}(model.cells.get(argument[0]).outputs).filter(s => s === 'downloaded').length === argument[1]",
        [FORM, count],
        timeout=60,
    )


@pytest.mark.full
def test_a_form_is_filled_in_and_each_click_adds_a_card_to_its_own_cell(opened: NotebookPage) -> None:
    page = opened.page
    generate = page.get_by_role("button", name="Generate")
    assert generate.is_disabled()
    page.get_by_label("Prompt", exact=True).press_sequentially("The cat slowly turns its head.")
    page.get_by_label("Image", exact=True).fill("images/chelse.png")
    page.get_by_text("Did you mean chelsea.png?").wait_for()
    assert generate.is_disabled()
    page.get_by_label("Image", exact=True).fill("images/chelsea.png")
    page.get_by_text("451 × 300 pixels").wait_for()
    page.get_by_label("Duration", exact=True).fill("2")
    page.get_by_label("Duration", exact=True).press("Tab")
    page.get_by_label("Audio", exact=True).uncheck()
    page.get_by_text("about 0.05 USD").wait_for()

    generate.click()
    clicked = time.monotonic()
    page.get_by_text("Clip 1: saved as wan_outputs/").wait_for()
    while time.monotonic() - clicked < 1.0:  # until then a second click counts as a double click
        page.wait_for_timeout(50)
    generate.click()
    all_downloaded(opened, 2)
    video = page.locator(".jp-Cell").nth(FORM).locator("video")
    assert video.count() == 2
    video.first.evaluate("v => v.readyState >= 1 || new Promise(done => v.onloadedmetadata = done)")

    opened.save()
    saved = opened.notebook()
    runs = saved.cells[FORM].metadata.wan_notebook.runs
    assert [run.state for run in runs] == ["downloaded", "downloaded"]
    assert {run.cell_id for run in runs} == {saved.cells[FORM].id}
    assert runs[0].request.given == ["audio", "duration", "image", "prompt"]
    assert "wan_notebook" not in saved.cells[2].metadata
    assert KEY not in opened.path.read_text()
    assert opened.complaints == []


@pytest.mark.full
def test_a_picture_of_this_computer_is_uploaded(opened: NotebookPage, photos: Path) -> None:
    page = opened.page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose image").click()
    chooser.value.set_files(photos / "coffee.png")
    page.get_by_text("coffee.png: 600 × 400 pixels").wait_for()


@pytest.mark.full
def test_the_keyboard_goes_through_the_fields_in_their_order_and_each_has_a_name(opened: NotebookPage) -> None:
    page = opened.page
    page.get_by_label("Model", exact=True).focus()
    names = []
    while not names or names[-1] != "Draw one":
        names.append(page.evaluate(FOCUSED))
        page.keyboard.press("Tab")
        assert len(names) < 30
    order = [
        "Model",
        "Region",
        "Prompt",
        "Image",
        "Resolution",
        "Duration",
        "Sound to follow",
        "Shot type",
        "Negative prompt",
    ]
    assert [name for name in names if name in order] == order
    assert names.index("Seed") > names.index("Negative prompt")


@pytest.mark.full
@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.5-i2v-preview"])
def test_nothing_sticks_out_of_a_narrow_window(opened: NotebookPage, model: str) -> None:
    page = opened.page
    page.set_viewport_size({"width": 600, "height": 900})
    page.get_by_label("Model", exact=True).select_option(model)
    page.get_by_label("Shot type" if "2.6" in model else "Shot type (not offered)", exact=True).wait_for()
    wide = page.locator(".jp-OutputArea-output .widget-vbox").first.evaluate(
        "form => [form, ...form.querySelectorAll('*')]"
        ".filter(e => e.getBoundingClientRect().right > form.getBoundingClientRect().right + 1)"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert wide == []
