"""The record of a run, from literal values."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from wan_notebook.media.preparation import prepare
from wan_notebook.record.provenance import MAX_BYTES, build_record, canonical_json, digest, relative
from wan_notebook.request.declaration import I2VRequest
from wan_notebook.service.wire import encode
from wan_notebook.tasks import JobState, JobUpdate, Task

PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
VERSIONS = {"wan_notebook": "0", "python": "3"}


def update_of(request: I2VRequest, **changes) -> JobUpdate:
    item = prepare(request.image_facts)
    _, sent = encode(request, seed=5, media={"image": item})
    update = JobUpdate(
        run_id="run-1", rev=3, name="cat", handle="cat", state=JobState.FOLLOWING, request=request, seed=5,
        region="singapore",
        endpoint="https://dashscope-intl.aliyuncs.com/api/v1", simulated=False, created_at="2026-11-23T00:00:00.000Z",
        now=0.0, sent=sent, media=(item,),
    )  # fmt: skip
    return replace(update, **changes)


def test_the_record_has_all_its_keys_from_the_first_moment():
    request = I2VRequest(prompt="A cat.", image=PHOTO)
    first = JobUpdate(
        run_id="run-1", rev=0, name=None, handle="x", state=JobState.WAITING, request=request, seed=5,
        region="singapore",
        endpoint="", simulated=False, created_at="", now=0.0,
    )  # fmt: skip
    later = update_of(request, task=Task("t-1", "RUNNING"))
    assert build_record(first, versions=VERSIONS).keys() == build_record(later, versions=VERSIONS).keys()


def test_an_undrawn_seed_is_null_as_asked_and_there_as_sent():
    record = build_record(update_of(I2VRequest(prompt="A cat.", image=PHOTO)), versions=VERSIONS)
    assert record["request"]["asked"]["seed"] is None
    assert record["request"]["sent"]["parameters"]["seed"] == 5
    assert record["request"]["sent_sha256"] == digest(record["request"]["sent"])


def test_neither_pixels_nor_folders_nor_queries_are_in_it():
    remote = I2VRequest(prompt="A cat.", image="https://me:pw@example.com/cat.png?Signature=secret")
    update = update_of(remote, folder=Path("/home/jo/work"))
    text = canonical_json(build_record(update, versions=VERSIONS))
    for hidden in ("secret", "pw", "/home/jo"):
        assert hidden not in text
    local = update_of(I2VRequest(prompt="A cat.", image=PHOTO))
    assert str(PHOTO.parent) not in canonical_json(build_record(local, versions=VERSIONS))


@given(st.text("猫 a", min_size=1, max_size=1500), st.text("犬", max_size=500), st.text("猫", max_size=3000))
def test_it_stays_below_its_limit_and_names_what_gave_way(prompt, negative, actual):
    request = I2VRequest(prompt=f"x{prompt}", negative_prompt=negative or None, image=PHOTO)
    update = update_of(request, task=Task("t-1", "SUCCEEDED", orig_prompt=prompt[::-1], actual_prompt=actual or None))
    record = build_record(update, versions=VERSIONS)
    assert len(canonical_json(record).encode()) <= MAX_BYTES
    assert record["request"]["sent_sha256"] == digest(update.sent)
    whole = record["request"]["sent"]["input"]["prompt"] == request.prompt
    assert whole or "sent.prompt" in record["shortened"]
    json.dumps(record, allow_nan=False)


def test_paths_are_relative_with_forward_slashes_and_never_lead_out():
    folder = Path("/home/jo/work")
    assert relative(folder / "wan_outputs" / "a b.mp4", folder) == "wan_outputs/a b.mp4"
    assert relative(Path("/mnt/clips/a.mp4"), folder) == "a.mp4"
