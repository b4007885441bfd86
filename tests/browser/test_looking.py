"""Clips looked at in a real JupyterLab: players that run together, and what is left where nobody trusts the page."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from wan_notebook.simulator import Simulator
from wan_notebook.windows.gallery import Gallery, Tile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext
    from servers import Desk, NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.full]

TYPED_KEY = "sk-typed-fedcba9876543210"
MAKE = """import wan_notebook as wan
%load_ext wan_notebook
jobs = [
    wan.submit(prompt="It turns slowly towards the window.", image=f"images/{image}.png", duration=4, audio=False,
               seed=seed, name=image)
    for image in ("chelsea", "coffee") for seed in (1, 2, 3, 4)
]"""
MORE = """more = [
    wan.submit(prompt="It turns.", image=f"images/{image}", duration=2, audio=False, seed=seed,
               name=image.split(".")[0])
    for image in ("astronaut.png", "rocket.jpg") for seed in (1, 2)
] + [wan.submit(prompt="It turns.", image="images/hubble_deep_field.jpg", duration=2, audio=False, seed=1)]
all(job.wait(120) for job in more)"""
DONE = "all(job.wait(120) for job in jobs)"
PLAYERS = "[...document.querySelectorAll('.wan-together video')]"
READY = f"{PLAYERS}.length === argument && {PLAYERS}.every(v => v.readyState >= 2)"
TIMES = f"{PLAYERS}.map(v => v.currentTime)"
TALL = 2400


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(speed=100, render="shape") as simulator:
        yield simulator


@pytest.fixture
def opened(request: pytest.FixtureRequest, service: Simulator, photos: Path) -> NotebookPage:
    """A notebook in which eight clips were made."""
    lab = request.getfixturevalue(getattr(request, "param", "lab"))
    shutil.copytree(photos, lab.folder / "images")
    cells = [MAKE, DONE, "wan.compare(jobs)", MORE, "%wan_gallery --notebook .", "%wan_gallery --notebook . --page 2"]
    notebook = lab.open(lab.write("looking.ipynb", cells), width=1100)
    notebook.execute(
        f"import os; os.environ.update(DASHSCOPE_HTTP_BASE_URL={service.base_url!r}, DASHSCOPE_API_KEY={TYPED_KEY!r})"
    )
    notebook.run_cell(0)
    notebook.run_cell(1)
    assert notebook.cell(1)["outputs"][0]["data"]["text/plain"] == "True"
    notebook.command("notebook:clear-cell-output", 0)
    return notebook


def shoot(page: NotebookPage, pictures: Path, name: str, cell: int) -> None:
    """Pictures of a cell's output as people see it: light, dark, narrow."""
    for how, theme, width in (("light", "light", 1100), ("dark", "dark", 1100), ("narrow", "light", 600)):
        page.page.set_viewport_size({"width": width, "height": TALL})
        page.theme(theme)
        output = page.page.locator(".jp-Cell").nth(cell).locator(".jp-OutputArea-output").first
        output.scroll_into_view_if_needed()
        page.page.wait_for_load_state("networkidle")
        output.screenshot(path=pictures / f"{name}-{how}.png")


def sticks_out(page: NotebookPage, cell: int) -> list[str]:
    """What is wider than the output it stands in."""
    output = page.page.locator(".jp-Cell").nth(cell).locator(".jp-OutputArea-output").first
    found: list[str] = output.evaluate(
        "o => [...o.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right >"
        " o.getBoundingClientRect().right + 1).map(e => e.outerHTML.slice(0, 100))"
    )
    return found


@pytest.mark.parametrize("opened", ["lab", "notebook7"], indirect=True)
def test_players_of_a_comparison_start_pause_and_seek_together(opened: NotebookPage, pictures: Path) -> None:
    page = opened.page
    opened.run_cell(2)
    opened.until(READY, 8)
    shoot(opened, pictures, f"compare-{opened.server.kind}", 2)
    assert sticks_out(opened, 2) == []
    page.set_viewport_size({"width": 1100, "height": TALL})
    rows = f"new Set({PLAYERS}.map(v => Math.round(v.getBoundingClientRect().top))).size"
    opened.until(f"{rows} === 2")  # of four

    page.get_by_label("Loop").check()  # a slow machine has several tries
    page.evaluate(f"{PLAYERS}[3].play()")  # any one of them
    spread = f"(t => Math.max(...t) - Math.min(...t))({TIMES})"
    under_way = f"{PLAYERS}.every(v => !v.paused && v.currentTime > 0.5)"
    opened.until(f"{under_way} && {spread} < 0.25", timeout=150)
    page.evaluate(f"{PLAYERS}[6].pause()")
    opened.until(f"{PLAYERS}.every(v => v.paused && !v.seeking) && {spread} < 0.1")  # all show the same moment
    page.evaluate(f"{PLAYERS}[1].currentTime = 1.5")
    opened.until(f"{PLAYERS}.every(v => Math.abs(v.currentTime - 1.5) < 0.1 && !v.seeking)")

    page.get_by_label("Loop").uncheck()
    page.get_by_role("button", name="Play all").click()
    opened.until(f"{PLAYERS}.every(v => v.ended)")
    page.evaluate(f"{PLAYERS}.forEach(v => v.playbackRate = 0.25)")  # the beginning lasts
    page.get_by_role("button", name="Play all").click()  # from the beginning again
    opened.until(f"{PLAYERS}.every(v => !v.paused && v.currentTime < 3.5)")
    page.get_by_role("button", name="Pause").click()
    opened.until(f"{PLAYERS}.every(v => v.paused)")
    page.get_by_label("Time of all players").fill("250")
    opened.until(f"{PLAYERS}.every(v => Math.abs(v.currentTime - 1) < 0.1)")
    assert opened.complaints == []


def test_nothing_but_the_script_is_missing_where_nobody_trusts_the_notebook(
    opened: NotebookPage, lab: Desk, pictures: Path
) -> None:
    opened.run_cell(2)
    opened.until(READY, 8)
    opened.save()
    copy = lab.folder / "from somebody else.ipynb"
    copy.write_text(opened.path.read_text(encoding="utf-8").replace("all(job", " all(job"))
    stranger = lab.open(copy)
    assert stranger.js("return model.cells.get(2).trusted;") is False
    stranger.until(READY, 8)
    stranger.page.get_by_text("Each player works by itself here").wait_for()
    assert stranger.page.locator(".jp-OutputArea-output button, .jp-OutputArea-output input").count() == 0
    shoot(stranger, pictures, "compare-untrusted", 2)
    inside = ".wan-together > div:nth-child(2)"
    grid = f"[...document.querySelectorAll('{inside}, {inside} *')].map(e => e.style.cssText)"
    assert stranger.page.evaluate(grid) == opened.page.evaluate(grid)
    stranger.page.evaluate(f"{PLAYERS}[3].loop = true")  # its end would stop it, too
    stranger.page.evaluate(f"{PLAYERS}[3].play()")
    stranger.until(f"{PLAYERS}[3].currentTime > 0.3")
    assert stranger.page.evaluate(f"{PLAYERS}.filter(v => v.paused).length") == 7


def test_a_gallery_shows_twelve_posters_that_lead_to_their_clips(opened: NotebookPage, pictures: Path) -> None:
    opened.run_cell(3)
    opened.command("notebook:clear-cell-output", 3)
    opened.page.wait_for_load_state("networkidle")  # no player asks any more for the file that goes now
    opened.execute("more[0].result().path.unlink()")
    for cell in (4, 5):
        opened.run_cell(cell)
    page = opened.page
    output = page.locator(".jp-Cell").nth(4).locator(".jp-OutputArea-output")
    last = page.locator(".jp-Cell").nth(5).locator(".jp-OutputArea-output img")
    for image in (output.locator("img").first, last.first):
        image.wait_for(state="attached")
    assert output.locator("img").count() == 11
    assert output.get_by_text("its file is gone: astronaut-").count() == 1
    assert output.locator("video").count() == 0
    assert output.get_by_text("There are more: --page 2").count() == 1
    assert last.count() == 1
    shoot(opened, pictures, "gallery", 4)
    assert sticks_out(opened, 4) == []
    call = output.locator("code").first.inner_text()
    opened.execute(f"found = {call}; open('said.txt', 'w').write(found.path.name)")
    assert (opened.path.parent / "said.txt").read_text().startswith("clip-")
    output.locator("a").first.click()
    page.locator("video[src*='clip-']:not([title])").wait_for()  # JupyterLab's own viewer of videos
    assert opened.complaints == []


@pytest.mark.parametrize("font", [10.5, 14])
def test_the_line_that_gives_a_clip_stays_in_its_column_at_every_width(window: BrowserContext, font: float) -> None:
    tiles = tuple(Tile(f"run-c250c1101f8d18d{n}", f"grid-{n}", (), True, None, "", "") for n in range(8))
    markup = Gallery(tiles, "8 saved clips")._repr_mimebundle_()["text/html"].replace("10.5px", f"{font}px")
    page = window.new_page()
    page.set_content(f"<style>code {{ padding: 1px 5px }}</style>{markup}")
    beyond = (
        "[...document.querySelectorAll('code')].filter(c => c.getClientRects().length > 1 || "
        "c.getBoundingClientRect().right > c.parentElement.getBoundingClientRect().right).length"
    )
    for width in (300, 600, 700, 800, 900, 1000, 1100, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        sticking = beyond if font < 14 else beyond.replace("c.getClientRects().length > 1 || ", "")
        assert page.evaluate(sticking) == 0, width
    page.close()
