"""A request to JSON and an answer from it."""

from __future__ import annotations

import base64
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_notebook.errors import TransportError
from wan_notebook.media.medium import SentMedia
from wan_notebook.media.preparation import prepare
from wan_notebook.request.declaration import I2VRequest
from wan_notebook.service.wire import chunks, decode_error, decode_task, encode, submit_headers
from wan_notebook.tasks import TaskStatus
from wan_notebook.words.answers import json_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("task_id", "task_status", "submit_time", "video_url", "orig_prompt", "code", "message", "usage")


def medium(data: bytes) -> SentMedia:
    return SentMedia(
        role="image", how="base64", name="a.png", mime="image/png", sha256="0" * 64, bytes=len(data), width=1, height=1,
        data=data, url=None,
    )  # fmt: skip


@given(st.binary(max_size=600_000), st.text())
def test_streaming_gives_the_very_json_and_its_length(data, prompt):
    prompt = prompt.encode("utf-8", "replace").decode()
    body = {"model": "m", "input": {"prompt": prompt, "img_url": medium(data)}, "parameters": {}}
    length, pieces = chunks(body)
    text = b"".join(pieces)
    assert len(text) == length
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    assert json.loads(text) == {"model": "m", "input": {"prompt": prompt, "img_url": uri}, "parameters": {}}


def test_what_is_recorded_of_a_medium_is_its_digest_and_no_query(photos):
    local = I2VRequest(prompt="A cat.", image=photos / "chelsea.png")
    item = prepare(local.image_facts)
    _, sent = encode(local, seed=1, media={"image": item})
    assert sent["input"]["img_url"] == {
        "sha256": item.sha256, "bytes": 240512, "mime": "image/png", "how": "base64",
    }  # fmt: skip
    url = "https://example.com/cat.png?Signature=secret"
    remote = I2VRequest(prompt="A cat.", image=url)
    body, sent = encode(remote, seed=1, media={"image": prepare(remote.image_facts)})
    assert body["input"]["img_url"] == url
    assert "secret" not in json.dumps(sent)


@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.6-i2v", "wan2.2-i2v-plus"])
def test_only_what_was_given_and_our_four_go_out(photos, model):
    request = I2VRequest(prompt="A cat.", image=photos / "chelsea.png", model=model)
    body, _ = encode(request, seed=9, media={"image": prepare(request.image_facts)})
    assert set(body["input"]) == {"prompt", "img_url"}
    audio = {"audio"} if model == "wan2.6-i2v-flash" else set()
    assert set(body["parameters"]) == {"resolution", "duration", "seed"} | audio


def test_the_media_of_the_next_generation_stand_in_a_list_and_nowhere_else(photos):
    request = I2VRequest(
        image=photos / "chelsea.png",
        last_frame="https://example.com/end.png?Signature=secret",
        audio_url="oss://dashscope-instant/a/verse.mp3",
        model="wan2.7-i2v",
        negative_prompt="rain",
    )
    media = {name: prepare(facts) for name, facts in request.media_facts.items()}
    body, sent = encode(request, seed=9, media=media)
    assert set(body["input"]) == {"negative_prompt", "media"}
    assert [item["type"] for item in body["input"]["media"]] == ["first_frame", "last_frame", "driving_audio"]
    assert [item["url"] for item in body["input"]["media"]] == [media["image"], request.last_frame, request.audio_url]
    assert set(body["parameters"]) == {"resolution", "duration", "seed"}
    first, last, _ = sent["input"]["media"]
    assert first == {"type": "first_frame", "url": {
        "sha256": media["image"].sha256, "bytes": 240512, "mime": "image/png", "how": "base64",
    }}  # fmt: skip
    assert last["url"]["url"] == "https://example.com/end.png"
    assert submit_headers(body)["X-DashScope-OssResourceResolve"] == "enable"
    elsewhere = {"input": {"media": [{"type": "first_frame", "url": "https://example.com/oss://a"}]}}
    assert set(submit_headers(elsewhere)) == {"Content-Type", "X-DashScope-Async"}
    data = json.loads(b"".join(chunks(body)[1]))
    assert data["input"]["media"][0]["url"].startswith("data:image/png;base64,")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, JSON)), JSON)
def test_any_answer_is_a_task_or_a_clear_error(output, usage):
    try:
        task = decode_task({"output": output, "usage": usage, "request_id": usage})
    except TransportError:
        return
    assert isinstance(task.status, TaskStatus)
    assert task.video_url is None or task.video_url.startswith(("http://", "https://"))
    for said in (task.code, task.message, task.request_id, task.task_status, task.end_time):
        assert said is None or (said.isprintable() and len(said) <= 2000)
    seconds = task.usage.billed_seconds if task.usage else None
    assert seconds is None or math.isfinite(seconds)


@pytest.mark.parametrize(
    ("usage", "seconds"),
    [
        ({"duration": 5, "SR": 720}, 5),
        ({"duration": "5.0", "SR": "720"}, 5),
        ({"video_duration": 4, "video_ratio": "standard"}, 4),
        ({"duration": 10, "output_video_duration": 10, "input_video_duration": 0}, 10),
        ({}, None),
        ({"duration": -3}, None),
        ({"duration": True}, None),
    ],
)
def test_billed_seconds_are_read_from_every_familys_usage(usage, seconds):
    task = decode_task({"output": {"task_id": "a", "task_status": "SUCCEEDED"}, "usage": usage})
    assert task.usage.billed_seconds == seconds


def test_codes_and_messages_are_told_on_one_line_without_what_a_terminal_obeys():
    told = "\x1b]0;PWN\x07\r\nFAKE: clip saved\u202e\x9b31m"
    output = {"task_id": "a", "task_status": "FAILED", "code": f"C{told}", "message": f"M{told}"}
    said = "�]0;PWN� FAKE: clip saved" + 2 * "�" + "31m"
    task = decode_task({"output": output})
    assert (task.code, task.message) == (f"C{said}", f"M{said}")
    assert decode_error(json.dumps(output).encode())[:2] == (f"C{said}", f"M{said}")


@pytest.mark.parametrize("word", ["Succeeded", " SUCCEEDED ", "succeeded"])
def test_case_and_blanks_of_a_status_do_not_matter(word):
    assert decode_task({"output": {"task_id": "a", "task_status": word}}).status is TaskStatus.SUCCEEDED


@pytest.mark.parametrize("task_id", ["../../uploads", "a/b", "a?b=c", "", None, 7, "a" * 200, "a\nb"])
def test_an_id_that_could_change_an_address_is_refused(task_id):
    with pytest.raises(TransportError):
        decode_task({"output": {"task_id": task_id, "task_status": "PENDING"}})


@pytest.mark.parametrize("data", [b"", b"<html>", b"[1]", b'{"a":', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json_object_is_said_to_be_none(data):
    with pytest.raises(TransportError):
        json_object(data)
