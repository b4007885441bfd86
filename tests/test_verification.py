"""Does a notebook show what its records say? The player, the poster and the words of each card."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import nbformat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from records import MIME
from saved import sealed
from windows import COST, NASTY, PROMPT, TASK_ID, clip_at, film_at, following, request, told

import wan_notebook as wan
from wan_notebook.record.footage import probe_clip
from wan_notebook.record.provenance import build_record
from wan_notebook.tasks import JobState, JobUpdate, Task
from wan_notebook.windows.player import NOT_REAL, Film
from wan_notebook.windows.rendering import bundle

if TYPE_CHECKING:
    from pathlib import Path

MINE = {"wan_notebook": version("wan-notebook"), "python": "3.11.7"}
PARTS = {"input": {"prompt": PROMPT}, "parameters": {"resolution": "720P", "duration": 5, "audio": False, "seed": 7}}
SENT = {"model": "wan2.6-i2v-flash", **PARTS}


def outputs_of(update: JobUpdate, *, versions: dict[str, str] | None = None, **how: Any) -> dict[str, Any]:
    return {**bundle(update, **how), MIME: build_record(update, versions=versions or MINE)}


def found(folder: Path, *shown: dict[str, Any], what: str = "card") -> list[tuple[str, str]]:
    cell = nbformat.v4.new_code_cell("cat", execution_count=1)
    held = [[{"output_type": "display_data", "metadata": {}, "data": data}] for data in shown]
    cells = [{**cell, "id": f"cell-{place}", "outputs": outputs} for place, outputs in enumerate(held)]
    (folder / "n.ipynb").write_text(json.dumps(nbformat.v4.new_notebook(cells=cells)))
    return [(f.result, f.words) for f in wan.verify(folder / "n.ipynb").findings if f.what == what]


def made(folder: Path, **changes: Any) -> JobUpdate:
    clip = clip_at(folder / "wan_outputs" / "a b.mp4", poster=None)
    how = {"state": JobState.DOWNLOADED, "clip": clip, "folder": folder, "sent": SENT, "seed": 7}
    times = {
        "finished_at": "2026-11-23T19:27:01Z",
        "cost": dataclasses.replace(COST, estimated=False),
        "queue_seconds": 3,
    }
    return told(**{**how, **times, **changes})


MARKUP = "</div><script>alert(1)</script> &amp; \" '\n\n  שלום\tcat"
SAID = {"error": "The service said no.", "hint": "Try again."}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"simulated": True},
        {"private": True},
        {"cost": None, "task": None, "name": None},
        {"cost": dataclasses.replace(COST, amount=None), "endpoint": "https://dashscope-intl.aliyuncs.com/api/v1"},
        {"request": request(prompt=None, template="squish"), "sent": {**SENT, "input": {"template": "squish"}}},
        {**SAID, "notes": ("waited for its turn",)},
        {
            "request": request(prompt=MARKUP),
            "sent": {**SENT, "input": {"prompt": MARKUP}},
            "error": NASTY.replace("\ud800", ""),
            "name": "a_b",
        },
    ],
)
def test_a_card_that_was_not_touched_says_what_its_record_says(tmp_path: Path, changes: Any) -> None:
    shown = []
    for state in JobState:
        clip = {} if state is JobState.DOWNLOADED else {"clip": None}
        update = made(tmp_path, state=state, **clip, **changes)
        shown.append(outputs_of(update, remarks=("half the price without sound",)))
    assert found(tmp_path, *shown) == [("ok", "")] * len(shown)


def test_a_replay_shows_an_earlier_clip_first(tmp_path: Path) -> None:
    update = made(tmp_path, replay_of="run-0", simulated=True)
    then = Film(clip_at(tmp_path / "wan_outputs" / "old.mp4"), COST, None, "old", tmp_path, simulated=False)
    assert found(tmp_path, outputs_of(update, beside=then)) == [("ok", "")]
    data = outputs_of(update, beside=then)
    data["text/html"] = (
        NOT_REAL.join(data["text/html"].split(NOT_REAL)[:-1]) + "real" + data["text/html"].split(NOT_REAL)[-1]
    )
    assert found(tmp_path, data)[0][0] == "differs"


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    prompt=st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], include_characters="\n"), max_size=300),
    error=st.text(max_size=300),
)
def test_no_words_whatever_are_taken_for_a_change(tmp_path: Path, prompt: str, error: str) -> None:
    asked = request(prompt=f"A{prompt}")
    sent = {**SENT, "input": {"prompt": asked.prompt}}
    for state in (JobState.DOWNLOADED, JobState.FAILED):
        clip = {} if state is JobState.DOWNLOADED else {"clip": None}
        update = made(tmp_path, state=state, request=asked, sent=sent, error=error or None, **clip)
        assert found(tmp_path, outputs_of(update)) == [("ok", "")]


CHANGES = {
    "real or not": (NOT_REAL, "a real Wan clip"),
    "the price": ("0.125 USD", "0.001 USD"),
    "the task": (TASK_ID, "another"),
    "the seed": ("<bdi>7</bdi>", "<bdi>8</bdi>"),
    "the run": ("run-1", "run-2"),
    "the model": ("wan2.6-i2v-flash", "wan2.6-i2v"),
    "the size": ("960×640", "1920×1080"),
    "the prompt": (PROMPT, "The dog barks."),
    "the file": ("a b.mp4", "c.mp4"),
    "the region": ("<bdi>singapore</bdi>", "<bdi>beijing</bdi>"),
    "the end": ("2026-11-23 19:27 UTC", "2026-11-24 19:27 UTC"),
    "words before it": ("<figcaption", "<div>This is a real clip.</div><figcaption"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_another_word_on_a_card_is_found(tmp_path: Path, name: str) -> None:
    data = outputs_of(made(tmp_path, simulated=True))
    old, new = CHANGES[name]
    assert old in data["text/html"]
    data["text/html"] = data["text/html"].replace(old, new)
    ((result, words),) = found(tmp_path, data)
    assert (result, words[:44]) == ("differs", "it does not say what the record says: "[:44] + words[38:44])


PARAMETERS = '<details style="margin-top:6px"><summary style="cursor:pointer">Parameters'
EVIL = '<video controls src="wan_outputs/evil.mp4"></video>'
PIXEL = "data:image/jpeg;base64,AAAA"
ADDED = {
    "the card hidden, and another video below": lambda page: f'<div style="display: none">{page}</div>{EVIL}',
    "the card folded away": lambda page: f"<details><summary>x</summary>{page}</details>{EVIL}",
    "the card made small": lambda page: page.replace('<figure style="', '<figure style="height:0;'),
    "a second video": lambda page: page.replace("<video", f"{EVIL}<video", 1),
    "a second video from elsewhere": lambda page: page.replace(
        "<video", "<VIDEO SRC=https://e.org/x></VIDEO><video", 1
    ),
    "a second video with a source of its own": lambda page: f'{page}<video><source src="x.mp4"></source></video>',
    "a script": lambda page: f"{page}<script>alert(1)</script>",
    "something that happens": lambda page: page.replace("<figcaption", '<figcaption onclick="alert(1)"'),
    "a picture from elsewhere": lambda page: f'<img src="https://e.org/x.gif"></img>{page}',
    "a picture before it": lambda page: f'<img src="{PIXEL}" alt="x"></img>{page}',
    "a picture below the player": lambda page: page.replace(
        "<figcaption", f'<img src="{PIXEL}" alt="x"></img><figcaption'
    ),
    "a frame": lambda page: f'<iframe src="x.html"></iframe>{page}',
    "a style sheet": lambda page: f"<style>figure {{display:none}}</style>{page}",
    "a form": lambda page: f"{page}<form></form>",
    "a drawing": lambda page: f"{page}<svg></svg>",
    "a sentence below": lambda page: f"{page}<div>A real Wan clip.</div>",
    "a sentence in the card": lambda page: page.replace(PARAMETERS, f"<div>A real Wan clip.</div>{PARAMETERS}"),
    "a sentence like a clock": lambda page: page.replace("in all ", "in truth real: in all "),
    "bare words": lambda page: f"{page}A real Wan clip.",
    "a second list of remarks": lambda page: page.replace(
        "<ul", '<ul style="margin:6px 0 0 0;padding-left:1.3em;opacity:0.75;font-size:0.9em"><li>real</li></ul><ul', 1
    ),
    "a comment around it": lambda page: f"<!-- {page} -->{EVIL}",
    "another row of parameters": lambda page: page.replace("<tbody>", "<tbody><tr><td>mode</td><td>real</td></tr>", 1),
    "a row taken away": lambda page: re.sub(r"<tr><td[^>]*>resolution.*?</tr>", "", page, count=1),
    "another link to save it": lambda page: page.replace('<a href="wan_outputs/', '<a href="wan_outputs/evil/'),
    "another colour": lambda page: page.replace('<strong style="', '<strong style="color:white;'),
    "an element without an end": lambda page: f"{page}<div>",
}


@pytest.mark.parametrize("name", ADDED)
def test_what_a_card_does_not_have_is_found(tmp_path: Path, name: str) -> None:
    update = made(tmp_path, simulated=True, notes=("0 spent",))
    data = outputs_of(update, remarks=("half the price without sound",))
    page = ADDED[name](data["text/html"])
    assert page != data["text/html"]
    findings = [found(tmp_path, {**data, "text/html": page}, what=what) for what in ("card", "player")]
    assert "differs" in [result for one in findings for result, _ in one]
    failed = outputs_of(made(tmp_path, state=JobState.FAILED, clip=None, simulated=True, **SAID))
    page = ADDED[name](failed["text/html"])
    assert page == failed["text/html"] or found(tmp_path, {**failed, "text/html": page})[0][0] == "differs"


def test_a_failed_record_that_holds_another_reason_is_found(tmp_path: Path) -> None:
    task = Task(TASK_ID, "FAILED", code="DataInspectionFailed", message="Not this. ")
    error = f"task {TASK_ID} failed; the service said DataInspectionFailed: Not this."
    data = outputs_of(made(tmp_path, state=JobState.FAILED, clip=None, task=task, error=error))
    assert found(tmp_path, data) == [("ok", "")]
    assert "differs" not in [result for result, _ in found(tmp_path, data, what="record")]
    for name, value in {"code": "Arrearage", "message": "Nope"}.items():
        forged = sealed(data[MIME], **{name: value})
        assert "differs" in [result for result, _ in found(tmp_path, {**data, MIME: forged}, what="record")]


def test_what_is_beside_a_card_is_found(tmp_path: Path) -> None:
    data = outputs_of(made(tmp_path))
    assert found(tmp_path, {**data, "text/markdown": "A real clip."})[0][0] == "differs"
    then = Film(clip_at(tmp_path / "wan_outputs" / "old.mp4"), COST, None, "old", tmp_path, simulated=False)
    both = outputs_of(made(tmp_path, replay_of="run-0"), beside=then)
    for old, new in (("<figure", f"{EVIL}<figure"), ('"wan_outputs/a%20b', '"wan_outputs/c'), ('src="w', 'src="//w')):
        page = both["text/html"].replace(old, new)
        what = "player" if old.startswith(('"', "src")) else "card"
        assert found(tmp_path, {**both, "text/html": page}, what=what)[0][0] == "differs"


def test_a_clip_that_was_embedded_linked_or_taken_out_is_the_same_clip(tmp_path: Path) -> None:
    path = film_at(tmp_path / "wan_outputs" / "real.mp4", frames=10)
    data = outputs_of(made(tmp_path, clip=probe_clip(path)), embed_limit=10**6)
    assert "data:video" in data["text/html"]
    out = re.sub(r' src="data:video[^"]*"', "", data["text/html"])
    linked = data["text/html"].replace(re.findall(r'data:video[^"]*', data["text/html"])[0], "wan_outputs/real.mp4")
    for page in (data["text/html"], out, linked):
        assert found(tmp_path, {**data, "text/html": page}) == [("ok", "")]
    assert found(tmp_path, {**data, "text/html": linked}, what="player") == [("ok", "")]


def test_another_line_of_text_and_another_end_are_found(tmp_path: Path) -> None:
    data = outputs_of(made(tmp_path, simulated=True))
    assert found(tmp_path, {**data, "text/plain": data["text/plain"].replace("simulated, ", "")})[0][0] == "differs"
    failed = outputs_of(made(tmp_path, state=JobState.FAILED, clip=None, **SAID))
    assert found(tmp_path, failed) == [("ok", "")]
    for kind, old, new in (("text/html", "Failed", "Done"), ("text/plain", "said no", "said yes")):
        assert old in failed[kind]
        assert found(tmp_path, {**failed, kind: failed[kind].replace(old, new)})[0][0] == "differs"
    working = outputs_of(following("PENDING", sent=SENT, seed=7))
    assert found(tmp_path, working) == [("ok", "")]
    video = working["text/html"] + '<video src="x.mp4"></video>'
    for page in (working["text/html"].replace("PENDING", "RUNNING"), video):
        assert found(tmp_path, {**working, "text/html": page})[0][0] == "differs"


def test_a_card_of_another_version_is_not_judged(tmp_path: Path) -> None:
    data = outputs_of(made(tmp_path), versions={**MINE, "wan_notebook": "0.0.9"})
    ((result, words),) = found(tmp_path, data)
    assert (result, "0.0.9" in words) == ("not verifiable", True)


def test_a_poster_of_another_clip_is_found(tmp_path: Path) -> None:
    path = film_at(tmp_path / "wan_outputs" / "real.mp4", frames=10)
    update = made(tmp_path, clip=probe_clip(path), task=Task(TASK_ID, "SUCCEEDED"))
    data = outputs_of(update)
    assert found(tmp_path, data, what="poster") == [("ok", "")]
    file = io.BytesIO()
    Image.new("RGB", (320, 240), "orange").save(file, "JPEG")
    other = base64.b64encode(file.getvalue()).decode()
    assert found(tmp_path, {**data, "image/jpeg": other}, what="poster")[0][0] == "differs"
    page = data["text/html"].replace(data["image/jpeg"], other)
    assert found(tmp_path, {**data, "text/html": page}, what="poster")[0][0] == "differs"
