"""The other buttons of a form: dry run, insert as cell, load record."""

from __future__ import annotations

import json
import os
import re
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wan_notebook as wan
from wan_notebook.doors.options import parse
from wan_notebook.hall.session import session
from wan_notebook.ledger.runs import Run
from wan_notebook.notebook import frontend
from wan_notebook.record.provenance import digest
from wan_notebook.simulator import Simulator

KEY = "sk-form-0123456789abcdef"
PROMPT = "The cat <b>looks</b> up, & jumps."
GOOD = {"prompt": PROMPT, "image": "images/chelsea.png"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A clip that a form made: its record and its folder."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(Path(__file__).parent.parent / "notebooks" / "images", folder / "images")
    here = Path.cwd()
    os.chdir(folder)
    try:
        with Simulator(speed=200, render="shape") as service, pytest.MonkeyPatch.context() as patch:
            patch.setenv("DASHSCOPE_API_KEY", KEY)
            patch.setenv("DASHSCOPE_HTTP_BASE_URL", service.base_url)
            form = wan.form(**GOOD, duration=2, negative_prompt="rain", shot_type="multi")
            form.generate.click()
            result = form.jobs[0].result(60)
    finally:
        os.chdir(here)
    return result.record, folder, Path(result.path)


@pytest.fixture
def desk(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    return in_folder


def news(form: Any) -> str:
    return re.sub(r"<[^>]*>", " ", form.errands.news.value)


def block(form: Any) -> str:
    """The cell that is shown to be copied, as a browser shows it."""
    import html

    return html.unescape(form.errands.news.value.partition("<pre")[2].partition(">")[2].partition("</pre>")[0])


# Insert as cell, where no plugin answers


def test_without_the_plugin_the_cell_is_shown_to_be_copied(desk: Path) -> None:
    form = wan.form(**GOOD, seed=7, audio=False, region="beijing")
    form.errands.insert.click()
    assert "&lt;b&gt;" in form.errands.news.value
    line, _, body = block(form).partition("\n")
    assert body == PROMPT
    said = parse(line.removeprefix("%%wan_i2v"), str)
    assert said.fields == {"image": "images/chelsea.png", "seed": "7", "audio": False}
    assert said.region == "beijing"


def test_a_picture_that_stands_nowhere_is_kept_for_the_cell(desk: Path) -> None:
    form = wan.form(prompt="x", image=np.zeros((300, 400, 3), dtype="uint8"))
    form.errands.insert.click()
    named = parse(block(form).splitlines()[0].removeprefix("%%wan_i2v"), str).fields["image"]
    assert named.startswith("wan_outputs/inputs/")
    assert wan.I2VRequest(prompt="x", image=named).image_facts.size == (400, 300)


def test_nothing_is_inserted_or_tried_while_the_request_cannot_work(desk: Path) -> None:
    form = wan.form(prompt="x")
    assert (form.errands.insert.disabled, form.errands.dry_run.disabled) == (True, True)
    form.fields["image"].control.value = "images/chelsea.png"
    assert (form.errands.insert.disabled, form.errands.dry_run.disabled) == (False, False)


def test_a_dry_run_needs_no_key_and_says_where_it_is(in_folder: Path) -> None:
    form = wan.form(**GOOD)
    assert form.generate.disabled
    form.errands.dry_run.click()
    assert "nothing was sent" in news(form)


def test_a_double_click_inserts_one_cell(desk: Path) -> None:
    form, sent = wan.form(**GOOD), []
    comm = types.SimpleNamespace(comm_id="page", send=sent.append)
    pages = frontend.form_pages()
    pages.asked(comm, [form.model_id])
    form.errands.insert.click()
    form.errands.insert.click()
    assert [one["type"] for one in sent] == ["insert"]
    form.fields["seed"].control.value = "5"
    form.errands.insert.click()
    assert len(sent) == 2
    for one in sent:
        pages.inserted(one["insertion"])
    assert "Inserted below" in news(form)


@pytest.mark.full
def test_a_double_click_inserts_one_cell_also_where_its_picture_takes_long_to_keep(desk: Path) -> None:
    noise = np.random.default_rng(7).integers(0, 255, (2000, 1600, 3), dtype="uint8")
    form, sent = wan.form(prompt="x", image=noise), []
    frontend.form_pages().asked(types.SimpleNamespace(comm_id="slow", send=sent.append), [form.model_id])
    form.errands.insert.click()
    form.errands.insert.click()
    assert [one["type"] for one in sent] == ["insert"]


# Load record


def loaded(form: Any, path: Path) -> Any:
    form.errands.load.click()
    form.errands.clip.value = str(path)
    form.errands.panel.children[1].children[1].click()
    return form


def test_a_form_is_filled_from_the_ledger_with_what_was_sent(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    record, folder, _ = made
    monkeypatch.chdir(folder)
    form = wan.form(region="beijing")
    form.errands.load.click()
    assert form.errands.panel.layout.display == ""
    form.errands.panel.children[1].children[1].click()
    assert "Choose a recorded run" in news(form)
    (choice,) = [value for _, value in form.errands.run.options if value and value[0]["run_id"] == record["run_id"]]
    form.errands.run.value = choice
    form.errands.panel.children[1].children[1].click()
    assert f"Filled from {record['run_id']}" in news(form)
    again = form.request
    assert (again.prompt, again.negative_prompt, again.duration, again.shot_type) == (PROMPT, "rain", 2, "multi")
    assert again.seed == record["request"]["sent"]["parameters"]["seed"]
    assert again.image == record["inputs"][0]["path"]
    assert form.fields["region"].control.value == "beijing"
    assert form.errands.panel.layout.display == "none"
    assert f"as {record['run_id']}, whose seed was drawn" in form.price.earlier.value
    assert "would be paid again" in form.price.earlier.value
    assert form.price.earlier.layout.display == ""
    assert f"as {record['run_id']}, whose seed was drawn" in tried(form, monkeypatch)
    form.fields["seed"].control.value = "5"
    assert "paid again" not in form.price.earlier.value
    assert "whose seed was drawn" not in tried(form, monkeypatch)


def tried(form: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the form shows as its dry run."""
    shown: dict[str, Any] = {}
    comm = types.SimpleNamespace(comm_id="page", send=lambda said: shown.update(said["data"]))
    frontend.form_pages().asked(comm, [form.model_id])
    form.errands.dry_run.click()
    frontend.form_pages().closed(comm)
    return str(shown["text/plain"])


def test_a_run_that_only_showed_an_earlier_clip_is_no_line_of_its_own_and_no_two_lines_are_the_same(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record, folder, _ = made
    monkeypatch.chdir(folder)
    twins = [f"run-{number}23456789abcdef" for number in range(2)]
    for run_id, source in [*((twin, None) for twin in twins), ("run-again", twins[0])]:
        told = {**record, "run_id": run_id, "name": "twin", "from_run": source}
        told["record_sha256"] = digest({k: v for k, v in told.items() if k != "record_sha256"})
        held = {"folder": str(folder), "record": json.dumps(told), "from_run": source}
        session().ledger.add(Run(run_id, "downloaded", 2e9, **held))
    form = wan.form()
    form.errands.load.click()
    lines = [title for title, _ in form.errands.run.options if "twin" in title]
    assert [line.rpartition(" · ")[2] for line in lines] == ["run-12345678", "run-02345678"]
    assert len({line.rpartition(" · ")[0] for line in lines}) == 1


def test_a_form_is_filled_from_the_record_beside_a_clip(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, folder, clip = made
    monkeypatch.chdir(folder)
    assert loaded(wan.form(), clip.relative_to(folder)).request.prompt == PROMPT


def forged(made: Any, target: Path, *, sealed: bool, **changes: Any) -> Path:
    """The side file of a clip, changed by somebody."""
    record = json.loads(made[2].with_name(f"{made[2].name}.json").read_text())
    for place, value in changes.items():
        holder: Any = record
        *way, last = place.split("__")
        for step in way:
            holder = holder[int(step) if step.isdigit() else step]
        holder[last] = value
    if sealed:  # whoever edits a record can write its digest, too
        record["request"]["sent_sha256"] = digest(record["request"]["sent"])
        record["record_sha256"] = digest({k: v for k, v in record.items() if k != "record_sha256"})
    target.parent.mkdir(exist_ok=True)
    target.with_name(f"{target.name}.json").write_text(json.dumps(record))
    return target


def test_an_edited_record_fills_nothing(made: Any, desk: Path) -> None:
    form = loaded(wan.form(prompt="mine"), forged(made, desk / "a.mp4", sealed=False, model="wan2.6-i2v"))
    assert "the record was edited" in news(form)
    assert form.fields["prompt"].value == "mine"
    assert "no record" in news(loaded(form, desk / "nowhere.mp4")) or "cannot be read" in news(form)


@pytest.mark.parametrize("path", ["../secret.png", "/etc/hostname", "images/coffee.png", "file:///etc/hostname"])
def test_no_file_is_taken_that_is_not_the_recorded_one_in_the_notebooks_folder(
    made: Any, desk: Path, path: str
) -> None:
    (desk.parent / "secret.png").write_bytes((desk / "images" / "coffee.png").read_bytes())
    form = loaded(wan.form(), forged(made, desk / "a.mp4", sealed=True, inputs__0__path=path))
    assert form.fields["image"].value is None
    assert "To be given again: image (" in news(form)
    assert form.fields["prompt"].value == PROMPT


def test_what_a_forged_record_says_is_text_and_never_markup_or_an_impossible_value(made: Any, desk: Path) -> None:
    evil = "<script>alert(1)</script>"
    path = forged(
        made,
        desk / "a.mp4",
        sealed=True,
        request__sent__input__prompt=evil,
        request__asked__duration=99,
        name=evil,
    )
    form = loaded(wan.form(), path)
    assert form.fields["prompt"].value == evil
    assert form.fields["duration"].value is None
    assert "duration (" in news(form)
    state = "".join(repr(field.line.value) for field in form.fields.values()) + form.errands.news.value
    assert "<script" not in state
