"""The form as a person uses it, in a real JupyterLab: type, choose, click, and the card is in the form's own cell."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from wan_notebook.forms.panel import AGAIN_SECONDS
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from servers import Desk, NotebookPage

pytestmark = pytest.mark.browser

MIME = "application/vnd.wan-notebook.v1+json"
TYPED_KEY = "sk-typed-fedcba9876543210"
FORM = 1  # the cell with %wan_form
TURN_MS = 10_500  # after which the second of two pages has written what the first could not
SMALL = "img[alt='Image, as it will be sent']"
FOCUSED = "(document.activeElement.labels?.[0] ?? document.activeElement).textContent.trim()"


# matplotlib shows and closes all figures at `post_execute`: what is done with a form must not end a cell in its middle.
BUSY = """
import time
ends = []
get_ipython().events.register("post_execute", lambda: ends.append(1))
try:
    while True: time.sleep(0.05)
except KeyboardInterrupt:
    print("ended", len(ends), "times meanwhile")
"""


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(speed=100, render="shape") as simulator:
        yield simulator


@pytest.fixture
def opened(lab: Desk, service: Simulator, photos: Path) -> NotebookPage:
    """A notebook that shows a form."""
    return form_at(lab, service, photos)


def form_at(desk: Desk, service: Simulator, photos: Path) -> NotebookPage:
    """Open a notebook and show a form in it."""
    shutil.copytree(photos, desk.folder / "images")
    notebook = desk.open(desk.write("form.ipynb", ["%load_ext wan_notebook", "%wan_form", "6 * 7"]), width=1000)
    notebook.execute(
        f"import os; os.environ.update(DASHSCOPE_HTTP_BASE_URL={service.base_url!r}, DASHSCOPE_API_KEY={TYPED_KEY!r})"
    )
    for cell in range(3):  # another cell is the latest one when somebody uses the form
        notebook.run_cell(cell)
    notebook.page.get_by_role("button", name="Generate", exact=True).wait_for()
    return notebook


def press_again(notebook: NotebookPage) -> None:
    """Press *Generate* as somebody who means it: a press within a second of the one before is a double click."""
    notebook.page.wait_for_timeout(AGAIN_SECONDS * 1000)
    notebook.page.get_by_role("button", name="Generate", exact=True).click()


def states(notebook: NotebookPage) -> list[str]:
    """The states of the records in the outputs of the form's cell."""
    data = [output.get("data", {}) for output in notebook.cell(FORM)["outputs"]]
    return [one[MIME]["state"] for one in data if MIME in one]


def all_downloaded(notebook: NotebookPage, count: int) -> None:
    seen = f"(o => o.get ? [...Array(o.length).keys()].map(i => o.get(i).data['{MIME}']?.state) : [])"
    notebook.until(
        f"{seen}(model.cells.get(argument[0]).outputs).filter(s => s === 'downloaded').length === argument[1]",
        [FORM, count],
    )


@pytest.mark.full
def test_a_form_is_filled_in_and_each_click_adds_a_card_to_its_own_cell(opened: NotebookPage) -> None:
    page = opened.page
    generate = page.get_by_role("button", name="Generate", exact=True)
    assert generate.is_disabled()
    page.get_by_label("Prompt", exact=True).press_sequentially("The cat slowly turns its head.")
    page.get_by_label("Image", exact=True).fill("images/chelse.png")
    page.get_by_text("Did you mean chelsea.png?").wait_for()
    assert generate.is_disabled()
    page.get_by_label("Image", exact=True).fill("images/chelsea.png")
    page.get_by_text("451 × 300 pixels").wait_for()
    page.get_by_label("Duration", exact=True).select_option("2")
    page.get_by_label("Audio", exact=True).uncheck()
    page.get_by_text("about 0.05 USD").wait_for()

    generate.click()
    page.get_by_text("Clip 1: saved as wan_outputs/").wait_for()
    press_again(opened)
    all_downloaded(opened, 2)
    video = page.locator(".jp-Cell").nth(FORM).locator("video")
    video.nth(1).wait_for(state="attached")
    assert video.count() == 2
    video.first.evaluate("v => v.readyState >= 1 || new Promise(done => v.onloadedmetadata = done)")

    opened.save()
    saved = opened.notebook()
    runs = saved.cells[FORM].metadata.wan_notebook.runs
    assert [run.state for run in runs] == ["downloaded", "downloaded"]
    assert {run.cell_id for run in runs} == {saved.cells[FORM].id}
    assert runs[0].request.given == ["audio", "duration", "image", "prompt"]
    assert "wan_notebook" not in saved.cells[2].metadata
    assert TYPED_KEY not in opened.path.read_text()
    assert opened.complaints == []


@pytest.mark.full
def test_a_picture_of_this_computer_is_uploaded(opened: NotebookPage, photos: Path) -> None:
    page = opened.page
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Choose image").click()
    chooser.value.set_files(photos / "coffee.png")
    page.get_by_text("coffee.png: 600 × 400 pixels").wait_for()


@pytest.mark.full
def test_the_keyboard_alone_goes_through_the_fields_in_their_order_and_makes_a_clip(opened: NotebookPage) -> None:
    page = opened.page
    page.get_by_label("Model", exact=True).focus()
    typed = {"Prompt": "The cat sneezes.", "Image": "images/chelsea.png"}
    names: list[str] = []
    while not names or names[-1] != "Generate":
        names.append(page.evaluate(FOCUSED))
        if names[-1] in typed and names.count(names[-1]) == 1:
            page.keyboard.type(typed[names[-1]])
        if names[-1] == "Audio":
            page.get_by_text("451 × 300 pixels").wait_for()
            page.keyboard.press("Space")  # no sound
        if names[-1] == "Roll":
            page.keyboard.press("Enter")
            seed = page.get_by_label("Seed", exact=True)
            page.wait_for_function("e => /^[0-9]+$/.test(e.value)", arg=seed.element_handle())
        if names[-1] != "Generate":
            page.keyboard.press("Tab")
        assert len(names) < 40
    order = ["Model", "Region", "Prompt", "Negative prompt", "Image", "Resolution", "Duration", "Audio", "Seed", "Roll"]
    assert list(dict.fromkeys(name for name in names if name in order)) == order
    assert names.index("More settings") > names.index("Roll")
    page.keyboard.press("Enter")
    page.get_by_text("Clip 1: saved as wan_outputs/").wait_for()
    asked = opened.runs(FORM)[0]["request"]["asked"]
    assert (asked["audio"], asked["seed"]) == (False, int(page.get_by_label("Seed", exact=True).input_value()))


@pytest.mark.full
@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.5-i2v-preview", "wan2.7-i2v"])
def test_nothing_sticks_out_of_a_narrow_window(opened: NotebookPage, model: str) -> None:
    page = opened.page
    page.set_viewport_size({"width": 600, "height": 900})
    page.get_by_label("Model", exact=True).select_option(model)
    page.get_by_role("button", name="More settings").click()
    page.get_by_role("button", name="Load record").click()
    page.get_by_label("Shot type" if "2.6" in model else "Shot type (not offered)", exact=True).wait_for()
    wide = page.locator(".jp-OutputArea-output .widget-vbox").first.evaluate(
        "form => [form, ...form.querySelectorAll('*')]"
        ".filter(e => e.getBoundingClientRect().right > form.getBoundingClientRect().right + 1)"
        ".map(e => e.outerHTML.slice(0, 120))"
    )
    assert wide == []
    assert scrolling(opened) == []


def filled(notebook: NotebookPage, prompt: str = "The cat slowly turns its head.") -> None:
    """Give what a request needs."""
    notebook.page.get_by_label("Prompt", exact=True).fill(prompt)
    notebook.page.get_by_label("Image", exact=True).fill("images/chelsea.png")
    notebook.page.get_by_text("451 × 300 pixels").wait_for()


def looked_at(notebook: NotebookPage) -> None:
    """Wait for the small picture, which comes a moment after the words about it and takes its place."""
    small = notebook.page.locator(SMALL)
    small.wait_for()
    notebook.page.wait_for_function("e => e.complete && e.naturalHeight > 0", arg=small.element_handle())


def scrolling(notebook: NotebookPage) -> list[str]:
    """What of the form has a scroll bar, texts to write aside."""
    found: list[str] = notebook.page.locator(".jp-OutputArea-output .widget-vbox").first.evaluate(
        "form => [form, ...form.querySelectorAll('*')].filter(e => e.tagName !== 'TEXTAREA' && "
        "/auto|scroll/.test(getComputedStyle(e).overflowX + getComputedStyle(e).overflowY) && "
        "(e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1))"
        ".map(e => e.outerHTML.slice(0, 200))"
    )
    return found


@pytest.mark.full
def test_a_click_reaches_the_cell_of_the_form_after_the_page_was_reloaded_and_the_cell_moved(
    opened: NotebookPage,
) -> None:
    page = opened.page
    opened.save()
    opened.load()
    page.get_by_role("button", name="Generate", exact=True).wait_for()
    filled(opened, "The cat yawns.")
    page.get_by_role("button", name="Generate", exact=True).click()
    all_downloaded(opened, 1)
    page.get_by_role("button", name="Dry run").click()
    seen = (
        "model.cells.get(argument).outputs.toJSON().filter(o => o.data?.['text/plain']?.startsWith('Dry run')).length"
    )
    opened.until(f"{seen} === 1", FORM)
    opened.move(FORM, 2)
    opened.until("JSON.stringify(model.cells.get(2).outputs.toJSON()).includes('downloaded')")
    filled(opened, "The cat yawns twice.")
    press_again(opened)
    downloaded = f"model.cells.get(2).outputs.toJSON().filter(o => o.data?.['{MIME}']?.state === 'downloaded').length"
    opened.until(f"{downloaded} === 2")
    page.get_by_role("button", name="Dry run").click()
    dry = seen.replace(".length", ".map(o => JSON.stringify(o.data))")
    opened.until(f"{dry}.some(told => told.includes('The cat yawns twice'))", 2)
    assert opened.js(f"return {seen}", 2) == 1, "a dry run takes the place of the earlier one"
    opened.save()
    assert [run.state for run in opened.notebook().cells[2].metadata.wan_notebook.runs] == ["downloaded", "downloaded"]
    assert opened.complaints == []


@pytest.mark.full
def test_a_cell_is_inserted_below_and_makes_the_same_request(opened: NotebookPage) -> None:
    page = opened.page
    filled(opened, 'The cat says "meow" & <b>jumps</b>.\n... twice')
    page.get_by_label("Audio", exact=True).uncheck()
    page.get_by_text("about 0.125 USD").wait_for()
    page.get_by_role("button", name="Insert as cell").click()
    page.get_by_text("Inserted below as a cell.").wait_for()
    assert opened.cell(FORM + 1)["source"].startswith("%%wan_i2v --image images/chelsea.png --no-audio\n")
    assert opened.cell(FORM + 2)["source"] == "6 * 7"
    page.get_by_role("button", name="Generate", exact=True).click()
    all_downloaded(opened, 1)
    opened.run_cell(FORM + 1)
    opened.until("model.cells.get(argument).getMetadata('wan_notebook')?.runs[0].state === 'downloaded'", FORM + 1)
    (form, cell) = opened.runs(FORM)[0], opened.runs(FORM + 1)[0]
    assert cell["from_run"] == form["run_id"], "it is the very same request, which costs nothing more"
    assert opened.complaints == []


@pytest.mark.full
def test_a_form_is_filled_from_a_run_of_this_notebook(opened: NotebookPage) -> None:
    page = opened.page
    filled(opened, "The cat remembers.")
    page.get_by_label("Duration", exact=True).select_option("3")
    page.get_by_role("button", name="Generate", exact=True).click()
    all_downloaded(opened, 1)
    page.get_by_text("0 spent: made before").wait_for()
    press_again(opened)
    all_downloaded(opened, 2)
    opened.save()
    assert opened.runs(FORM)[1]["from_run"] == opened.runs(FORM)[0]["run_id"]
    seed = opened.runs(FORM)[0]["request"]["sent"]["parameters"]["seed"]
    filled(opened, "Something else.")
    page.get_by_role("button", name="Load record").click()
    run = page.get_by_label("Recorded run", exact=True)
    run.wait_for()
    page.wait_for_function("e => e.options.length > 1", arg=run.element_handle())
    titles = run.evaluate("e => [...e.options].map(o => o.textContent.replaceAll('\\u00a0', ' '))")
    assert ["The cat remembers." in title for title in titles].count(True) == 1, "what only shows it is no line"
    run.select_option(index=1)
    page.get_by_role("button", name="Fill the form").click()
    page.get_by_text("Filled from run-").wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == "The cat remembers."
    assert page.get_by_label("Duration", exact=True).input_value() == "3"
    assert page.get_by_label("Seed", exact=True).input_value() == str(seed)
    assert page.get_by_label("Image", exact=True).input_value().startswith("wan_outputs/inputs/")
    page.get_by_text("451 × 300 pixels").wait_for()
    assert opened.complaints == []


@pytest.mark.full
def test_a_variable_of_the_notebook_is_suggested_and_taken_as_the_picture(opened: NotebookPage) -> None:
    page = opened.page
    opened.execute("from PIL import Image; photo = Image.new('RGB', (800, 600), 'teal')")
    page.get_by_label("Prompt", exact=True).fill("It shines.")
    image = page.get_by_label("Image", exact=True)
    image.fill("$phot")
    page.get_by_text("There is no variable phot in this notebook.").wait_for()
    offered = "e => [...e.list?.options ?? []].some(o => o.value === '$photo')"
    page.wait_for_function(offered, arg=image.element_handle())
    image.fill("$photo")
    page.get_by_text("$photo: 800 × 600 pixels").wait_for()
    page.get_by_role("button", name="Insert as cell").click()
    page.get_by_text("Inserted below as a cell.").wait_for()
    assert opened.cell(FORM + 1)["source"] == "%%wan_i2v --image $photo\nIt shines."


@pytest.mark.full
def test_the_form_is_used_while_a_cell_runs(opened: NotebookPage) -> None:
    page = opened.page
    filled(opened, "The cat waits.")
    opened.js("model.cells.get(2).sharedModel.setSource(argument)", BUSY)
    opened.run_cell(2, wait=False)
    prompt = page.locator(".jp-Cell").nth(2).locator(".jp-InputPrompt")
    page.wait_for_function("e => e.textContent.includes('*')", arg=prompt.element_handle())
    page.get_by_label("Seed", exact=True).fill("a dozen")
    page.get_by_text("not a whole number").wait_for()
    page.get_by_label("Seed", exact=True).fill("12")
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text("Clip 1: saved as wan_outputs/").wait_for()
    assert "*" in prompt.inner_text(), "the cell still runs"
    opened.js("await panel.sessionContext.session.kernel.interrupt();")
    opened.until("JSON.stringify(model.cells.get(2).outputs.toJSON()).includes('ended 0 times meanwhile')")
    all_downloaded(opened, 1)


@pytest.mark.full
def test_a_form_without_its_kernel_leaves_a_line_that_says_what_to_do(opened: NotebookPage) -> None:
    opened.save()
    opened.restart()
    opened.load()
    opened.page.get_by_text("a form; where it is not shown below, run this cell").wait_for()
    data = [output["data"] for output in opened.notebook().cells[FORM].outputs]
    assert any("live kernel" in "".join(one["text/plain"]) for one in data)
    opened.wait_idle()
    assert opened.complaints == []


GONE = "getComputedStyle(document.querySelector('.wan-form'), '::before').content"


@pytest.mark.full
def test_a_form_whose_kernel_was_restarted_can_be_read_as_before_and_answers_once_its_cell_is_run_again(
    opened: NotebookPage, pictures: Path
) -> None:
    page = opened.page
    filled(opened, "The cat sneezes.")
    page.get_by_role("button", name="More settings").click()
    page.get_by_label("Shot type", exact=True).wait_for()
    looked_at(opened)
    tops = "[...document.querySelectorAll('.wan-field')].map(e => [e.offsetLeft, e.offsetWidth, e.offsetHeight])"
    before = page.evaluate(tops)
    opened.restart()
    page.wait_for_function(f"{GONE}.includes('run this cell again')")
    for loaded in (False, True):  # the extension alone brings no form back, and does not take away what was typed
        if loaded:
            opened.run_cell(0)
            opened.wait_idle()
        assert page.evaluate(tops) == before
        chained = "[...document.querySelectorAll('.jupyter-widgets-disconnected')]"
        icons = f"{chained}.filter(e => !['none', {GONE}].includes(getComputedStyle(e, '::before').content)).length"
        assert page.evaluate(f"[{chained}.length > 50, {icons}]") == [True, 0]
        assert page.get_by_label("Prompt", exact=True).input_value() == "The cat sneezes."
        assert page.locator(".wan-form button:visible").count() == 0, "nothing to press that does nothing"
    opened.screenshot(pictures / "form-gone.png", width=1000)
    opened.screenshot(pictures / "form-gone-dark-narrow.png", theme="dark", width=600)
    assert scrolling(opened) == []

    opened.run_cell(FORM)
    page.get_by_role("button", name="Generate", exact=True).wait_for()
    assert page.evaluate(GONE) == "none"
    page.get_by_label("Region", exact=True).select_option("simulator")
    filled(opened, "The cat sneezes again.")
    page.get_by_role("button", name="Generate", exact=True).click()
    all_downloaded(opened, 1)
    assert opened.complaints == []


STOPS = "input, textarea, select, button, a, summary, video, [tabindex], [contenteditable]"


def heard(notebook: NotebookPage) -> dict[str, dict[str, Any]]:
    """What a screen reader is told of each tab stop of the form, by their names: role, description, invalid."""
    session = notebook.page.context.new_cdp_session(notebook.page)
    at = session.send("DOM.getDocument")["root"]
    at = session.send("DOM.querySelector", {"nodeId": at["nodeId"], "selector": ".jp-OutputArea-output .widget-vbox"})
    stops: dict[str, dict[str, Any]] = {}
    for node in session.send("DOM.querySelectorAll", {**at, "selector": STOPS})["nodeIds"]:
        (one,) = session.send("Accessibility.getPartialAXTree", {"nodeId": node, "fetchRelatives": False})["nodes"]
        said = {prop["name"]: prop["value"].get("value") for prop in one.get("properties", [])}
        if one["ignored"] or not said.get("focusable"):
            continue
        name, description = (one.get(what, {}).get("value", "") for what in ("name", "description"))
        assert name, one
        assert name not in stops, one
        stops[name] = {"role": one["role"]["value"], "description": description, "invalid": said.get("invalid")}
    session.detach()
    return stops


@pytest.mark.full
def test_a_screen_reader_is_told_what_every_field_is_for_and_what_is_wrong_with_it(opened: NotebookPage) -> None:
    page = opened.page
    page.get_by_role("button", name="More settings").click()
    page.get_by_role("button", name="Load record").click()
    page.get_by_label("Recorded run", exact=True).wait_for()
    stops = heard(opened)
    assert len(stops) > 20
    fields = {name: one for name, one in stops.items() if one["role"] != "button"}
    said_by_themselves = {"Recorded run", "or the clip it lies beside"}
    assert {name for name, one in fields.items() if not one["description"]} == said_by_themselves
    assert "0 / 1500 characters" in stops["Prompt"]["description"]
    assert {one["invalid"] for one in fields.values()} <= {"false", None}

    page.get_by_label("Image", exact=True).fill("images/chelse.png")
    page.get_by_label("Seed", exact=True).fill("a dozen")
    page.get_by_role("alert").filter(has_text="Did you mean chelsea.png?").wait_for()
    page.wait_for_function("document.querySelectorAll('[aria-invalid=true]').length === 2")
    stops = heard(opened)
    assert sorted(name for name, one in stops.items() if one["invalid"] == "true") == ["Image", "Seed"]
    assert "Did you mean chelsea.png?" in stops["Image"]["description"]
    assert "whole number" in stops["Seed"]["description"]
    page.get_by_label("Seed", exact=True).fill("12")
    page.wait_for_function("document.querySelectorAll('[aria-invalid=true]').length === 1")
    assert opened.complaints == []


@pytest.mark.full
def test_two_people_have_a_shared_form_and_each_card_and_cell_is_there_once(
    shared: Desk, service: Simulator, photos: Path
) -> None:
    mine = form_at(shared, service, photos)
    theirs = shared.open(mine.path, width=1000)
    # Of the document, not of what a page shows: JupyterLab puts at the end what another page replaced among several.
    held = "model.cells.get(argument[0]).sharedModel.getOutputs().map(o => o.data ?? {})"
    cards = f"{held}.map(d => d['{MIME}']?.state).filter(Boolean).join()"
    dry = f"{held}.filter(d => d['text/plain']?.startsWith('Dry run')).length"
    for number, page in enumerate((theirs, mine), 1):
        filled(page, f"The cat yawns {number} times.")
        press_again(page)
        page.page.get_by_role("button", name="Dry run").click()
        for each in (mine, theirs):
            done = ",".join(["downloaded"] * number)
            each.until(f"{cards} === argument[1] && {dry} === 1", [FORM, done])
    theirs.page.get_by_role("button", name="Insert as cell").click()
    for each in (mine, theirs):
        each.until("model.cells.length === 4")
    theirs.page.wait_for_timeout(TURN_MS)  # whoever comes second looks only then
    for each in (mine, theirs):
        there = each.js(f"return [{cards}, {dry}, model.cells.length];", [FORM])
        assert there == ["downloaded,downloaded", 1, 4]


@pytest.mark.full
def test_how_the_form_looks(
    opened: NotebookPage, service: Simulator, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Light, dark, narrow, with errors, running, finished: kept to be looked at, and measured here."""
    page = opened.page
    monkeypatch.setattr("servers.HEIGHT", 1500)  # the whole form in one picture
    small = page.locator(SMALL)
    opened.screenshot(pictures / "form-empty.png")
    filled(opened)
    small.wait_for()
    opened.screenshot(pictures / "form-light.png")
    page.get_by_label("Negative prompt", exact=True).fill("x" * 501)
    page.get_by_label("Image", exact=True).fill("images/chelse.png")
    page.get_by_text("Did you mean chelsea.png?").wait_for()
    small.wait_for(state="hidden")
    opened.screenshot(pictures / "form-errors.png")
    opened.screenshot(pictures / "form-errors-dark.png", theme="dark")
    page.get_by_label("Negative prompt", exact=True).fill("")
    filled(opened)
    small.wait_for()
    page.get_by_role("button", name="More settings").click()
    page.get_by_role("button", name="Load record").click()
    page.get_by_label("Recorded run", exact=True).wait_for()
    page.get_by_label("Crop", exact=True).wait_for()
    monkeypatch.setattr("servers.HEIGHT", 2400)
    opened.screenshot(pictures / "form-dark.png", theme="dark")
    opened.screenshot(pictures / "form-narrow.png", width=600)
    assert scrolling(opened) == []
    page.get_by_role("button", name="Fewer settings").click()
    page.get_by_role("button", name="Load record").click()
    page.get_by_label("Crop", exact=True).wait_for(state="hidden")
    monkeypatch.setattr(service, "speed", 2)  # it is at the service until there is a picture of that
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_text(re.compile("Clip 1: .* at the service")).wait_for()
    opened.screenshot(pictures / "form-running.png")
    service.speed = 100
    all_downloaded(opened, 1)
    page.get_by_text("0 spent: made before").wait_for()
    opened.screenshot(pictures / "form-finished.png")
    opened.screenshot(pictures / "form-finished-dark-narrow.png", theme="dark", width=600)
    assert scrolling(opened) == []
