"""A request that is only told of: by a record, by the ledger, by the service."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wan_notebook.engine import pricing
from wan_notebook.errors import InvalidRequestError
from wan_notebook.media.preparation import prepare
from wan_notebook.record.provenance import build_record
from wan_notebook.request.declaration import I2VRequest
from wan_notebook.request.recalled import recalled
from wan_notebook.service.wire import encode
from wan_notebook.tasks import JobState, JobUpdate, Task
from wan_notebook.windows.rendering import bundle

PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from([*I2VRequest.model_fields, "input", "parameters", "img_url", "more"])


def update_of(request, **changes):
    update = JobUpdate(
        run_id="run-1", rev=1, name="cat", handle="cat", state=JobState.FOLLOWING, request=request, seed=7,
        region="singapore", endpoint="", simulated=False, created_at="", now=0.0, task=Task("t-1", "RUNNING"),
    )  # fmt: skip
    return replace(update, **changes)


def record_of(request):
    _, sent = encode(request, seed=7, media={"image": prepare(request.image_facts)})
    return json.loads(json.dumps(build_record(update_of(request, sent=sent), versions={})))


def test_a_record_gives_back_the_request_it_was_made_of_but_its_picture():
    request = I2VRequest(prompt="A cat.", negative_prompt="blur", image=PHOTO, audio=False, watermark=True)
    told = record_of(request)["request"]
    again = recalled(told["asked"], given=told["given"], sent=told["sent"])
    assert again.given == request.given
    assert {**again.effective(), "image": None, "seed": None} == {**request.effective(), "image": None}
    assert again.effective()["seed"] == 7  # the one drawn was sent, and was not asked for
    assert (again.seed, again.resolution, again.audio) == (None, None, False)
    assert again.media_facts["image"].name == "chelsea.png"
    assert pricing.estimate(again, "singapore") == pricing.estimate(request, "singapore")
    assert str(PHOTO.parent) not in repr(again)
    assert pickle.loads(pickle.dumps(again)) == again  # noqa: S301  our own
    made = build_record(update_of(again, sent=told["sent"]), versions={})["request"]
    assert made == told
    media = (prepare(request.image_facts),)  # what was sent tells the size, also of a picture that is gone
    cards = [bundle(update_of(one, sent=told["sent"], media=media))["text/html"] for one in (request, again)]
    assert cards[0] == cards[1]


def test_nothing_known_is_nothing_said():
    bare = recalled({})
    assert set(bare.effective().values()) == {None}
    assert bare.given == frozenset()
    assert bare.media_facts == {}
    cost = pricing.estimate(bare, "singapore")
    assert (cost.amount, cost.seconds, str(cost)) == (None, None, "price unknown")
    page = bundle(update_of(bare, seed=None, task=Task("t-1", "")))["text/html"]
    assert "None" not in page
    assert "asking the service for this task" in page
    learned = bare.learned(model="wan2.6-i2v", prompt=None)
    assert (learned.model, learned.prompt, learned.given) == ("wan2.6-i2v", None, {"model"})


def test_what_can_be_sent_again_is_checked_like_any_request():
    told = recalled({"model": "wan2.6-i2v-flash", "duration": 99, "prompt": "A cat."})
    with pytest.raises(InvalidRequestError) as caught:
        told.replace(image=PHOTO)
    assert [problem.field for problem in caught.value.problems] == ["duration"]
    assert told.replace(image=PHOTO, duration=3).duration == 3


@given(
    st.dictionaries(NAMES, JSON, max_size=5),
    st.none() | st.lists(NAMES, max_size=3),
    st.none() | st.dictionaries(NAMES, JSON, max_size=3),
)
def test_whatever_a_document_tells_is_taken_or_left_and_never_raises(asked, names, sent):
    request = recalled(asked, given=names, sent=sent)
    assert request.given <= set(I2VRequest.model_fields)
    for value in request.effective().values():
        assert value is None or isinstance(value, (str, int))
    pricing.estimate(request, "singapore")
    bundle(update_of(request))
    build_record(update_of(request), versions={})
