"""One job's way over the simulator: every medium is kept, uploaded or embedded, placed and recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import wan_notebook as wan
from wan_notebook.simulator import Simulator

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
STORED = ("upload", 200)
KEY = "sk-lifecycle-0123456789abcdef"
FIRST, LAST, VERSE = NOTEBOOKS / "images" / "chelsea.png", NOTEBOOKS / "images" / "rocket.jpg", NOTEBOOKS / "audio"


@pytest.fixture(scope="module")
def service():
    with Simulator(speed=1000, render="shape") as simulator:
        yield simulator


def made(service, folder, **given):
    """A clip, what was asked for it, and how many files were put into the store for it."""
    seen, stored = len(service.requests), service.answers.get(STORED, 0)
    common = {"base_url": service.base_url, "api_key": KEY, "region": "simulator", "output_dir": folder / "clips"}
    result = wan.generate(**given, **common)
    return result, service.requests[seen:], service.answers.get(STORED, 0) - stored


@pytest.mark.parametrize(
    ("given", "kinds"),
    [
        ({}, ["first_frame"]),
        ({"last_frame": LAST}, ["first_frame", "last_frame"]),
        ({"audio_url": VERSE / "verse.mp3"}, ["first_frame", "driving_audio"]),
        (
            {"last_frame": LAST.read_bytes(), "audio_url": f"file://{VERSE}/verse.wav"},
            ["first_frame", "last_frame", "driving_audio"],
        ),
    ],
    ids="+".join,
)
def test_the_next_generation_takes_every_combination_of_media(service, tmp_path, given, kinds):
    result, asked, stored = made(service, tmp_path, image=FIRST, model="wan2.7-i2v", duration=2, **given)
    body = next(r.json for r in asked if r.path.endswith("/video-synthesis"))
    assert [item["type"] for item in body["input"]["media"]] == kinds
    assert "img_url" not in body["input"]
    assert "audio_url" not in body["input"]
    assert stored == ("driving_audio" in kinds)  # pictures of this size go as base64, a sound never does
    assert result.clip.audio

    roles = [item["role"] for item in result.record["inputs"]]
    assert roles == ["image", *given]
    for item in result.record["inputs"]:
        kept = tmp_path / "clips" / "inputs" / Path(item["path"]).name
        assert kept.stat().st_size == item["bytes"]
        assert item["sha256"] == kept.stem
        assert item["how"] == ("oss" if item["role"] == "audio_url" else "base64")
    assert json.dumps(result.record["request"]["sent"]).count('"sha256"') == len(kinds)


def test_a_sound_of_ones_own_is_uploaded_for_the_older_models_too(service, tmp_path):
    with (VERSE / "verse.mp3").open("rb") as sound:
        result, asked, _ = made(service, tmp_path, image=FIRST, model="wan2.5-i2v-preview", audio_url=sound)
    body = next(r.json for r in asked if r.path.endswith("/video-synthesis"))
    assert body["input"]["audio_url"].startswith("oss://")
    assert body["input"]["img_url"].startswith("data:image/png;base64,")
    assert result.clip.audio
    assert [item["role"] for item in result.record["inputs"]] == ["image", "audio_url"]
    cut = "sound: 13.4 s, the clip has 5 s: the rest is cut"
    assert cut in result.record["notes"]
    assert cut in wan.jobs()[-1]._repr_mimebundle_()["text/html"]


def test_a_region_without_uploads_refuses_a_sound_of_ones_own_before_anything_is_sent(tmp_path):
    with pytest.raises(wan.InvalidRequestError, match="not documented for virginia"):
        wan.submit(image=FIRST, audio_url=VERSE / "verse.wav", model="wan2.6-i2v", region="virginia", api_key=KEY)


def test_a_sound_that_breaks_off_is_found_out_before_anything_is_sent(service, tmp_path):
    data = bytearray((VERSE / "verse.mp3").read_bytes())
    data[30_000:] = bytes(len(data) - 30_000)
    seen = len(service.requests)
    with pytest.raises(wan.InvalidRequestError, match="its sound is damaged") as caught:
        made(service, tmp_path, image=FIRST, audio_url=bytes(data))
    assert caught.value.problems[0].field == "audio_url"
    assert len(service.requests) == seen
