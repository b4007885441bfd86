"""Rules where the fields of a request meet: sounds against models and clips, frames, effects, regions."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from wan_notebook.errors import InvalidRequestError
from wan_notebook.facts.catalog import catalog
from wan_notebook.request.declaration import I2VRequest, region_problems

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
PICTURE = "https://example.com/cat.png"
SOUNDING = [spec.name for spec in catalog().models.values() if spec.audio_url]
SILENT = [spec.name for spec in catalog().models.values() if not spec.audio_url]
NEXT = ["wan2.7-i2v", "wan2.7-i2v-2026-04-25"]


def wav(seconds, rate=8000):
    data = bytes(int(seconds * rate))
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, rate, rate, 1, 8, b"data", len(data)
    )
    return head + data


def picture(width, height):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


def request(**changes):
    return I2VRequest(**{"image": PICTURE, **changes})


def only(**changes):
    with pytest.raises(InvalidRequestError) as caught:
        request(**changes)
    (problem,) = caught.value.problems
    return problem


@pytest.mark.parametrize("model", SOUNDING)
def test_a_sound_has_the_length_the_model_takes(model):
    shortest = 2 if model in NEXT else 3
    for fine in (shortest, 30):
        request(model=model, audio_url=wav(fine))
    assert f"Lengthen it to {shortest} s" in only(model=model, audio_url=wav(shortest - 0.5)).fix
    problem = only(model=model, audio_url=wav(31))
    assert (problem.field, problem.problem, problem.fix) == ("audio_url", "it is 31 s long", "Cut it to 30 s")
    assert only(model=model, audio_url=wav(shortest - 0.11)).problem == f"it is {shortest - 0.11:g} s long"
    assert f"{shortest} to 30 s, up to 15 MB" in problem.allowed


def test_a_sound_has_the_size_the_service_takes():
    large = wav(29, rate=15 * 1024 * 1024 // 28)
    assert "15.5 MB" in only(audio_url=large).problem


@pytest.mark.parametrize("model", SILENT)
def test_a_silent_model_takes_no_sound_of_ones_own_either(model):
    assert "takes no sound track" in only(model=model, audio_url=wav(5)).problem


@pytest.mark.parametrize("seconds", [8.2, 4.1, 5.0, 5.05])
@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.6-i2v", "wan2.5-i2v-preview", "wan2.7-i2v"])
def test_it_is_said_when_a_sound_does_not_fit_the_clip(model, seconds):
    said = [note for note in request(model=model, audio_url=wav(seconds), duration=5).notes if "sound" in note]
    assert said == {
        8.2: ["sound: 8.2 s, the clip has 5 s: the rest is cut"],
        4.1: ["sound: 4.1 s, the clip has 5 s: silent after 4.1 s"],
    }.get(seconds, [])


def test_the_length_of_the_clip_is_the_default_where_none_is_given():
    assert "the clip has 5 s" in request(audio_url=NOTEBOOKS / "audio" / "verse.mp3").notes[0]


def test_nothing_is_said_of_the_length_of_a_sound_given_by_its_address():
    assert request(audio_url="https://example.com/verse.mp3").notes == ()


def test_a_sound_that_is_not_heard_neither_ends_nor_is_cut():
    notes = request(audio_url=wav(8), audio=False).notes
    assert notes == ("audio_url is sent but not heard: with audio off the clip is silent",)


@pytest.mark.parametrize("region", catalog().regions)
def test_a_sound_of_ones_own_needs_a_region_with_uploads(region):
    able = region in ("singapore", "beijing", "simulator")
    for own in (wav(5), NOTEBOOKS / "audio" / "verse.wav"):
        found = [p for p in region_problems(request(model="wan2.6-i2v", audio_url=own), region) if p.field != "model"]
        assert [p.field for p in found] == ([] if able else ["audio_url"])
        assert all("https://" in p.fix and "singapore, beijing" in p.allowed for p in found)
    for elsewhere in ("https://example.com/a.mp3", "oss://dashscope-instant/a/b.mp3"):
        assert region_problems(request(model="wan2.6-i2v", audio_url=elsewhere), "virginia") == []


@pytest.mark.parametrize("model", NEXT)
@pytest.mark.parametrize("field", ["image", "last_frame"])
def test_the_next_generation_bounds_the_shape_of_both_frames(model, field):
    for fine in ((240, 1920), (1920, 240)):
        request(model=model, **{field: picture(*fine)})
    problem = only(model=model, **{field: picture(240, 1921)})
    assert (problem.field, "8:1" in problem.fix, "1:8 to 8:1" in problem.allowed) == (field, True, True)
    assert problem.value
    request(image=picture(240, 1921))  # for the models before it no such limit is documented


def test_a_last_frame_is_looked_at_like_a_first_one():
    assert only(model="wan2.7-i2v", last_frame="nowhere.png").field == "last_frame"
    assert only(model="wan2.7-i2v", last_frame=3).field == "last_frame"
    assert only(model="wan2.7-i2v", last_frame=b"GIF89a").field == "last_frame"
    assert only(model="wan2.7-i2v", last_frame=picture(200, 300)).field == "last_frame"
    clear = io.BytesIO()
    Image.new("RGBA", (300, 300)).save(clear, "PNG")
    assert "transparent" in request(model="wan2.7-i2v", last_frame=clear.getvalue()).notes[0]


@pytest.mark.parametrize("model", [name for name in catalog().models if name not in NEXT])
def test_a_last_frame_is_for_the_next_generation_only(model):
    problem = only(model=model, last_frame=PICTURE)
    assert (problem.field, "wan2.7-i2v" in problem.fix) == ("last_frame", True)


@pytest.mark.parametrize(
    ("model", "said", "nearest"),
    [
        ("wan2.6-i2v-flash", "480P", "Use 720P"),
        ("wan2.6-i2v-flash", "2160P", "Use 1080P"),
        ("wan2.2-i2v-plus", "360P", "Use 480P"),
        ("wan2.1-i2v-turbo", "1080P", "Use 720P"),
        ("wan2.6-i2v-flash", "4K", "Use 720P or 1080P"),
    ],
)
def test_a_resolution_the_model_does_not_make_names_the_nearest(model, said, nearest):
    assert only(model=model, resolution=said).fix == nearest


@pytest.mark.parametrize("model", NEXT)
@pytest.mark.parametrize("lacking", [{"audio": False}, {"shot_type": "multi"}, {"template": "flying"}])
def test_what_the_next_generation_no_longer_has_is_refused(model, lacking):
    assert only(model=model, **lacking).field == next(iter(lacking))


def test_a_model_of_the_next_generation_that_is_not_known_yet_gets_its_shape_too():
    with pytest.warns(UserWarning, match="not in the catalogue"):
        asked = request(model="wan2.7-i2v-2027-01-01", last_frame=PICTURE)
    assert asked.spec.wire.listed == "media"


def test_continuing_a_clip_is_named_as_what_it_is():
    for name in ("first_clip", "video_url"):
        assert "not supported here" in only(model="wan2.7-i2v", **{name: "https://example.com/a.mp4"}).fix


@pytest.mark.parametrize("name", ["squish", "rotation", "poke", "inflate", "dissolve", "flying"])
def test_a_documented_effect_of_a_documented_model_needs_no_remark(name):
    assert request(model="wanx2.1-i2v-turbo", template=name).notes == ()


def test_an_effect_nobody_knows_is_a_remark_and_no_refusal():
    (note,) = request(model="wanx2.1-i2v-plus", template="sqish").notes
    assert "did you mean squish?" in note
    assert "the page lists more" in note
    (note,) = request(model="wanx2.1-i2v-plus", template="magic_carpet").notes
    assert "did you mean" not in note


@pytest.mark.parametrize("model", ["wan2.6-i2v-flash", "wan2.5-i2v-preview", "wan2.2-i2v-plus"])
def test_an_effect_for_a_model_without_documented_effects_is_a_remark(model):
    (note,) = request(model=model, template="flying").notes
    assert note == (
        f"no video effect is documented for {model}, only for "
        "wan2.1-i2v-plus, wan2.1-i2v-turbo, wanx2.1-i2v-plus or wanx2.1-i2v-turbo"
    )
