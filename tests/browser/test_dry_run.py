"""A dry run in a real JupyterLab: its texts come out of the page as they are, also where nobody trusts the notebook."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from servers import Desk

pytestmark = [pytest.mark.browser, pytest.mark.full]

PROMPT = 'The cat\'s "tail" costs $5 at 100% \\n `ls` 猫\n  and   stays.'
LOOK = f"%%wan_i2v cat --image images/chelsea.png --duration 3 --crop 4:3 --dry-run\n{PROMPT}"
REFUSED = "%wan_i2v --image images/chelsea.png --region virginia -n"
DETAILS = ".jp-OutputArea details pre"
COPY = """() => [...document.querySelectorAll(".jp-OutputArea details pre")].map(pre => {
    pre.closest("details").open = true;
    getSelection().selectAllChildren(pre);
    return getSelection().toString();
})"""


def test_what_is_copied_from_the_page_is_the_command_itself(lab: Desk, photos: Path, request) -> None:
    shutil.copytree(photos, lab.folder / "images")
    cells = ["%load_ext wan_notebook", LOOK, REFUSED, "print(cat.curl + '\\0' + cat.sdk)"]
    page = lab.open(lab.write("dry.ipynb", cells))
    page.run_all()
    page.wait_idle()
    curl, sdk = page.cell(3)["outputs"][0]["text"].rstrip("\n").split("\0")
    page.page.wait_for_selector(DETAILS, state="attached")
    copied = page.page.evaluate(COPY)
    assert curl in copied
    assert sdk in copied
    assert page.complaints == []
    folder = request.config.rootpath / "test-output"
    folder.mkdir(exist_ok=True)
    page.screenshot(folder / "dry-run.png")
    page.screenshot(folder / "dry-run-dark-narrow.png", theme="dark", width=600)
    page.theme("light")

    page.save()
    changed = page.path.read_text(encoding="utf-8").replace("--region virginia -n", "--region  virginia -n")
    stranger = lab.folder / "from somebody else.ipynb"
    stranger.write_text(changed, encoding="utf-8")  # another text, so Jupyter's signature of it is not known
    again = lab.open(stranger)
    assert again.js("return model.cells.get(1).trusted;") is False
    again.page.wait_for_selector(DETAILS, state="attached")
    copied = again.page.evaluate(COPY)
    assert curl in copied
    assert sdk in copied
    again.screenshot(folder / "dry-run-untrusted.png")
