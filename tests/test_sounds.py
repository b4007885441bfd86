"""Sounds: what they are and how long, by their bytes; and that they play, before they are sent."""

from __future__ import annotations

import io
import random
from pathlib import Path

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

import wan_notebook as wan
from wan_notebook.media.preparation import prepare
from wan_notebook.media.sounds import load_sound, measure_sound

AUDIO = Path(__file__).parent.parent / "notebooks" / "audio"
VERSE_SECONDS = 13.361


def sound(seconds, *, codec="libmp3lame", rate=22050, container="mp3", **options):
    """A made sound of that length."""
    samples = int(seconds * rate)
    data = random.Random(5).randbytes(2 * samples)  # noqa: S311  the same noise each time
    file = io.BytesIO()
    with av.open(file, "w", format=container, options=options) as target:
        stream = target.add_stream(codec, rate=rate, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=samples)
        frame.planes[0].update(data.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts = rate, 0
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=rate)
        for piece in (*resampler.resample(frame), *resampler.resample(None), None):
            for packet in stream.encode(piece):
                target.mux(packet)
    return file.getvalue()


def refused(source, **options):
    with pytest.raises(wan.InvalidRequestError) as caught:
        measure_sound(source, **options)
    (problem,) = caught.value.problems
    assert problem.field == options.get("role", "audio_url")
    return problem


@pytest.mark.parametrize("name", ["verse.mp3", "verse.wav"])
def test_a_sound_is_measured_by_its_bytes_however_it_is_given(name, monkeypatch):
    path = AUDIO / name
    monkeypatch.chdir(AUDIO.parent)
    monkeypatch.setenv("HOME", str(AUDIO))
    with path.open("rb") as file:
        facts = [
            measure_sound(one)
            for one in (path, str(path), f"audio/{name}", f"~/{name}", f"file://{path}", path.read_bytes(), file)
        ]
    assert {(f.format, f.bytes, f.seconds) for f in facts} == {(path.suffix[1:], path.stat().st_size, VERSE_SECONDS)}
    assert [f.kind for f in facts] == ["file"] * 5 + ["bytes"] * 2
    assert load_sound(facts[0]) == path.read_bytes()


def test_the_name_does_not_matter(tmp_path):
    (tmp_path / "verse.txt").write_bytes((AUDIO / "verse.mp3").read_bytes())
    facts = measure_sound(tmp_path / "verse.txt")
    assert (facts.format, prepare(facts).name) == ("mp3", "verse.mp3")


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("seconds", [2.0, 3.3])
def test_an_mp3_is_as_long_as_it_plays_to_a_fiftieth_of_a_second(rate, seconds):
    facts = measure_sound(sound(seconds, rate=rate))
    assert facts.seconds == pytest.approx(seconds, abs=0.02)
    load_sound(facts)
    bare = measure_sound(sound(seconds, rate=rate, write_xing="0"))
    assert bare.seconds == pytest.approx(seconds, abs=0.3)  # nothing in it tells of its padding


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le", "pcm_mulaw", "adpcm_ms"])
def test_every_kind_of_wav_has_its_length(codec):
    facts = measure_sound(sound(2.5, codec=codec, container="wav"))
    assert facts.seconds == pytest.approx(2.5, abs=0.1)
    load_sound(facts)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"fLaC" + bytes(60), "a FLAC sound"),
        (b"OggS" + bytes(60), "an Ogg sound"),
        (bytes(4) + b"ftypM4A " + bytes(60), "an MP4 file"),
        (b"\xff\xf1" + bytes(60), "an AAC sound"),
        (b"\x89PNG\r\n\x1a\n" + bytes(60), "a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(60), "a picture"),
        (b"<!DOCTYPE html><p>not found", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "damaged"),
        (b"ID3\x04\x00\x00\x00\x00\x00\x00", "damaged"),
        (b"just some words", "no wav or mp3"),
    ],
)
def test_anything_else_is_refused_by_its_name(data, words):
    assert words in refused(data).problem


def test_what_is_no_sound_at_all_is_refused_in_the_words_of_sounds(tmp_path):
    from PIL import Image

    assert "a picture, not a sound" in refused(Image.new("RGB", (300, 300))).problem
    assert "wav or mp3" in refused(7).allowed
    assert "temporary upload" in refused("data:audio/mp3;base64,AAAA").fix
    (tmp_path / "verse.mp3").write_bytes(b"x")
    (tmp_path / "verso.png").write_bytes(b"x")
    assert "verse.mp3" in refused(str(tmp_path / "vers.mp3")).fix
    assert "verse.mp3" in refused(str(tmp_path)).fix


def test_a_sound_that_changed_or_does_not_play_is_not_sent(tmp_path):
    path = tmp_path / "a.mp3"
    path.write_bytes(sound(3))
    facts = measure_sound(path)
    path.write_bytes(sound(4))
    with pytest.raises(wan.InvalidRequestError, match="changed"):
        prepare(facts)
    data = sound(3)
    broken = measure_sound(data[:2000] + bytes(len(data) - 2000))
    with pytest.raises(wan.InvalidRequestError, match="damaged"):
        prepare(broken)
    path.unlink()
    with pytest.raises(wan.InvalidRequestError, match="cannot be read here"):
        prepare(facts)


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"ID3\x04\x00\x00", b"\xff\xfb\x90\x00", b"RIFF\x00\x00\x00\x00WAVE"]),
)
def test_no_bytes_break_the_measuring(data, head):
    try:
        facts = measure_sound(head + data)
    except wan.InvalidRequestError:
        return
    assert facts.seconds is not None
    assert 0 < facts.seconds < 1e6


@pytest.mark.parametrize("thing", [5, ["a.mp3"], object()])
def test_a_thing_that_is_no_sound_is_told_so_in_words_of_sounds(thing):
    problem = refused(thing)
    assert problem.problem == "it is no sound"
    assert "tensor" not in str(problem)
