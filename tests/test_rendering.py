"""The card people see while a job works and when it ended badly."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from windows import (
    COST,
    KEY,
    NASTY,
    TASK_ID,
    UPDATE,
    Page,
    assert_harmless,
    clip_at,
    every_state,
    finished,
    following,
    request,
    told,
)

from wan_notebook.errors import InvalidRequestError
from wan_notebook.media.medium import SentMedia
from wan_notebook.tasks import Clip, JobState, Task
from wan_notebook.windows.rendering import bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    return clip_at(tmp_path / "wan_outputs" / "cat-20261123-192501.mp4")


def test_every_state_is_told_in_a_page_and_in_one_line(clip: Clip, tmp_path: Path) -> None:
    lines = set()
    for update in every_state(clip, tmp_path):
        shown = bundle(update)
        assert "cat" in assert_harmless(shown).text
        assert shown["text/plain"].startswith("cat: ")
        lines.add(shown["text/plain"])
    assert len(lines) == len(JobState)


@pytest.mark.parametrize("where", ["error", "hint", "name", "notes", "remarks", "task", "prompt", "file"])
def test_text_from_outside_never_becomes_markup(where: str, clip: Clip, tmp_path: Path) -> None:
    update, remarks = told(), ()
    if where in ("error", "hint"):
        update = told(state=JobState.FAILED, **{where: NASTY})
    elif where == "name":
        update = told(name=NASTY)
    elif where == "notes":
        update = told(notes=(NASTY,))
    elif where == "remarks":
        remarks = (NASTY,)
    elif where == "task":
        task = Task(NASTY, NASTY, request_id=NASTY, code=NASTY, message=NASTY, actual_prompt=NASTY, video_url=NASTY)
        for state in (JobState.FOLLOWING, JobState.UNDELIVERED, JobState.EXPIRED):
            assert_harmless(bundle(told(state=state, task=task)))
        update = dataclasses.replace(finished(clip, tmp_path), task=task)
    elif where == "prompt":
        update = told(request=request(prompt="".join(c for c in NASTY if c.isprintable())))
    else:
        update = finished(clip_at(tmp_path / "<b onmouseover='x'>\"&\u202e.mp4"), tmp_path)
    page = assert_harmless(bundle(update, remarks=remarks))
    if where != "file":
        assert "<script>alert(1)</script>" in page.text


@settings(max_examples=60, deadline=None)
@given(prompt=st.text(max_size=300), note=st.text(max_size=80), error=st.text(max_size=80), word=st.text(max_size=40))
def test_no_words_whatever_add_an_element_or_a_line(prompt: str, note: str, error: str, word: str) -> None:
    asked = UPDATE.request
    with contextlib.suppress(InvalidRequestError):  # then the words of the others must do
        asked = asked.replace(prompt=prompt)
    task = Task(TASK_ID, word or "RUNNING", actual_prompt=prompt, video_url=word)
    for state in (JobState.FOLLOWING, JobState.UNDELIVERED):
        assert_harmless(bundle(told(state=state, request=asked, task=task, notes=(note,), error=error, hint=note)))


def test_each_value_says_whether_it_was_given_or_is_a_default() -> None:
    text = Page(bundle(UPDATE)).text
    assert re.search(r"Model wan2.6-i2v-flash default .*Resolution 720P default .*Duration 5 s given", text)
    assert re.search(r"Audio off given .*Seed 1788421 drawn here", text)
    assert "Seed 7 given" in Page(bundle(told(request=request(seed=7), seed=7))).text


@pytest.mark.parametrize(
    ("model", "words"), [("wan2.5-i2v-preview", "always on for this model"), ("wan2.2-i2v-plus", "none for this model")]
)
def test_a_model_without_a_sound_switch_says_what_it_does(model: str, words: str) -> None:
    assert f"Audio {words}" in Page(bundle(told(request=request(model=model, audio=None)))).text


def test_the_services_word_stands_beside_ours() -> None:
    shown = bundle(following("RUNNING", queue_seconds=12, run_seconds=30))
    text = Page(shown).text
    assert "cat RUNNING at the service 0:42" in text
    assert "✓ Send ✓ Queue 0:12 Run 0:30 Save" in text
    assert shown["text/plain"] == (
        f"cat: RUNNING 0:42 (queue 0:12, run 0:30) · wan2.6-i2v-flash 720P 5 s · about 0.125 USD · task {TASK_ID}"
    )


def test_a_pending_task_can_be_canceled_and_a_running_one_will_be_billed() -> None:
    assert "cat.cancel() stops it while it is PENDING" in Page(bundle(following("PENDING"))).text
    running = Page(bundle(following("RUNNING"))).text
    assert "A RUNNING task cannot be stopped and will be billed" in running
    assert "cat.cancel()" not in running
    assert "cat.result()" in running


def test_an_unknown_word_of_the_service_is_shown_as_it_is() -> None:
    text = Page(bundle(following("REVIEWING"))).text
    assert "REVIEWING at the service (a word not known here; still followed)" in text
    assert "A RUNNING task" not in text


def test_a_clip_of_an_effect_names_the_effect_and_no_empty_prompt() -> None:
    asked = request(model="wanx2.1-i2v-turbo", prompt="", template="flying", audio=None)
    for task in (None, Task("task-1", "RUNNING", actual_prompt="It flies.")):
        text = Page(bundle(told(request=asked, task=task))).text
        assert "Video effect: flying" in text
        assert "Prompt: " not in text.replace("Prompt: It", "")


def test_a_simulated_job_says_so_everywhere_and_bills_nothing(clip: Clip, tmp_path: Path) -> None:
    for update in every_state(clip, tmp_path):
        shown = bundle(dataclasses.replace(update, simulated=True, region="simulator"))
        text = Page(shown).text
        assert "simulated — not a real Wan clip" in text
        assert "will be billed" not in text
        assert "simulated" in shown["text/plain"]
        assert "simulated" not in Page(bundle(update)).text


def test_an_unknown_price_is_never_0() -> None:
    for cost in (None, dataclasses.replace(COST, amount=None)):
        shown = bundle(told(cost=cost))
        assert "price unknown" in Page(shown).text
        assert "price unknown" in shown["text/plain"]


def test_the_price_names_its_region_its_date_and_the_free_quota() -> None:
    text = Page(bundle(UPDATE)).text
    assert "about 0.125 USD · Singapore · price table of 2026-05-26" in text
    assert "free quota: 50 s in the 90 days after activation" in text


def test_notes_and_remarks_stand_in_the_card_once(clip: Clip, tmp_path: Path) -> None:
    for update in (told(notes=("flattened",)), finished(clip, tmp_path, notes=("flattened",))):
        assert Page(bundle(update, remarks=("half price", "flattened"))).words.count("flattened") == 1
        assert "half price" in Page(bundle(update, remarks=("half price", "flattened"))).words


def test_what_ended_badly_says_what_happened_what_to_do_and_the_ids() -> None:
    task = Task(TASK_ID, "FAILED", request_id="7574ee8f-38a3", code="DataInspectionFailed")
    shown = bundle(told(state=JobState.FAILED, task=task, error="The picture was refused.", hint="It is not billed."))
    for words in ("Failed at the service", "The picture was refused.", "It is not billed.", TASK_ID, "7574ee8f-38a3"):
        assert words in Page(shown).text
        assert words in shown["text/plain"]
    assert "DataInspectionFailed" in Page(shown).text


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://example.com/a.mp4?Expires=1795548301&Signature=x", "(until 2026-11-24 19:25 UTC)"),
        ("https://example.com/a.mp4", "(for 24 hours after it was made)"),
        ("https://example.com/a.mp4?Expires=" + "9" * 400, "(for 24 hours after it was made)"),
    ],
)
def test_an_unsaved_clip_is_linked_while_it_lives(url: str, words: str) -> None:
    page = Page(bundle(told(state=JobState.UNDELIVERED, task=Task(TASK_ID, "SUCCEEDED", video_url=url))))
    assert page.first("a")["href"] == url
    assert words in page.text


@pytest.mark.parametrize("url", [None, "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://[x"])
def test_only_web_addresses_are_linked(url: str | None) -> None:
    assert not Page(bundle(told(state=JobState.UNDELIVERED, task=Task(TASK_ID, "SUCCEEDED", video_url=url)))).has("a")


def test_a_long_prompt_is_shortened_and_kept_whole_in_a_fold() -> None:
    prompt = "A slow dolly shot. " * 60 + "The end."
    page = Page(bundle(told(request=request(prompt=prompt))))
    assert page.has("details")
    assert re.search(r"Prompt: (A slow dolly shot\. )+A slo… ", page.text)
    assert " ".join(prompt.split()) in page.text
    assert not Page(bundle(UPDATE)).has("details")


def test_what_was_sent_is_listed_by_digest_and_an_address_without_its_query(clip: Clip, tmp_path: Path) -> None:
    sent = (
        SentMedia("image", "base64", "chelsea.png", "image/png", "cd" * 32, 240_512, 451, 300),
        SentMedia("audio", "url", "rain.mp3", "", None, 0, None, None, url="https://example.com/rain.mp3?Signature=s"),
    )
    asked = request(audio=None, audio_url="https://me:secret@example.com/rain.mp3?Signature=s")
    shown = bundle(finished(clip, tmp_path, media=sent, request=asked))
    text = Page(shown).text
    assert "chelsea.png, 451×300 sha256 cdcdcdcdcdcd…" in text
    assert "not verifiable" in text
    assert "https://example.com/rain.mp3 given" in text
    assert not re.search("Signature|secret", shown["text/html"])


def test_a_frame_that_was_prepared_is_shown_as_it_is_sent_while_the_job_works_and_folded_after(
    clip: Clip, tmp_path: Path
) -> None:
    item = SentMedia("image", "base64", "a.png", "image/png", "cd" * 32, 9, 300, 300, preview=b"\xff\xd8 a picture")
    working = Page(bundle(told(media=(item,))))
    assert "image as it is sent: 300 × 300 pixels" in working.text
    for page in (bundle(told(media=(item,))), bundle(finished(clip, tmp_path, media=(item,)))):
        assert page["text/html"].count('<img src="data:image/jpeg;base64,/9gg') == 1
    assert "<img" not in bundle(told(media=(dataclasses.replace(item, preview=None),)))["text/html"]


def test_what_is_done_to_a_frame_is_listed_only_where_it_was_asked_for() -> None:
    assert not {"fit", "crop", "upload", "pin"} & set(Page(bundle(told())).text.split())
    ended = bundle(told(state=JobState.FAILED, request=request(pad="16:9", pin=True)))
    assert "pad 16:9 given" in Page(ended).text


def test_no_key_is_shown_wherever_it_came_in() -> None:
    task = Task(TASK_ID, f"RUNNING {KEY}", message=KEY, actual_prompt=f"a {KEY}", code=KEY)
    for state in JobState:
        shown = bundle(told(state=state, task=task, error=f"Bearer {KEY}", hint=KEY, notes=(f"({KEY})",), name=KEY))
        assert KEY not in shown["text/html"] + shown["text/plain"]


@pytest.mark.parametrize(
    ("asked", "sent", "words"),
    [
        ({}, (), "about 1104×816 · 30 fps · silent"),
        ({"audio": True}, (), "about 1104×816 · 30 fps · sound"),
        ({"pad": "3:4"}, (), "about 816×1104 · 30 fps · silent"),
        ({"image": "https://example.com/cat.png"}, (), "size unknown · 30 fps · silent"),
        ({"image": "https://example.com/cat.png", "pin": True}, (750, 1000), "about 816×1104 · 30 fps · silent"),
        ({"model": "wan2.2-i2v-plus", "audio": None}, (), "about 720×544 · 30 fps · silent"),
        ({"model": "wan2.6-i2v", "audio": None, "resolution": "1080P"}, (), "about 1648×1232 · 30 fps · sound"),
    ],
)
def test_a_card_at_work_says_what_clip_to_expect(
    asked: dict[str, Any], sent: tuple[int, ...], words: str, clip: Clip, tmp_path: Path
) -> None:
    media = [SentMedia("image", "url", "cat.png", "image/png", "0" * 64, 9, *sent)] if sent else []
    update = told(request=request(**asked), media=tuple(media))
    assert f"Clip {words}" in Page(bundle(update)).text
    done = finished(clip, tmp_path, request=request(**asked), media=tuple(media))
    assert words not in Page(bundle(done)).text  # then the file itself says it
