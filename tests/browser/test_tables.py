"""Tables in a narrow page: everything in them can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from wan_notebook.hall.doctor import Report
from wan_notebook.hall.premises import Finding
from wan_notebook.service.listing import TaskRow
from wan_notebook.windows.tasktable import TaskList
from wan_notebook.words.markup import columns, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PATH = "/home/somebody/projects/a-project-with-a-long-name/notebooks/wan_outputs/clip-20261123-192501.mp4"
ID = "a0b1c2d3-e4f5-4678-9abc-def012345678"
WHEN = {"gmt_create": "2026-11-23T19:25:01Z", "end_time": "2026-11-23T19:26:01Z"}
ROW = TaskRow(ID, "SUCCEEDED", "wan2.7-i2v-2026-04-25", **WHEN, api_key_id="1234567890123456789")
DOCTOR = Report(
    (
        Finding("singapore, workspace's host (in use)", "problem", f"https://{'a' * 90} cannot be reached", "Look."),
        Finding("clips", "ok", f"{PATH} can be made, 75.9 GB free"),
        Finding("clock", "info", "not compared: no host told the time"),
    )
)
TABLES = {
    "doctor": DOCTOR._repr_mimebundle_()["text/html"],
    "tasks": TaskList([ROW], region="singapore")._repr_mimebundle_()["text/html"],
    "parameters": str(table([("negative_prompt", "x" * 300, "(default)")])),
    "ledger": str(columns(("Run", "Where", "When", "Cost"), [(ID, PATH, "2026-11-23 19:25 UTC", "0.25 USD")])),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_not_cut_off_at_the_edge(browser: Browser, name: str) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 600})
    page.set_content(f"<div id=output style='width:530px;font:13px sans-serif'>{TABLES[name]}</div>")
    widths = page.evaluate("[...document.querySelectorAll('td,th,table')].map(e => e.getBoundingClientRect().right)")
    edge = page.evaluate("document.querySelector('#output').getBoundingClientRect().right")
    page.close()
    assert max(widths) <= edge + 1
