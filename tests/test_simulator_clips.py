"""The simulator's clips, looked at with a decoder of their own."""

from __future__ import annotations

import io
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import av
import pytest
from caller import Caller, data_uri, files, picture, served, tone
from PIL import Image, ImageChops, ImageStat

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SMALL = {"resolution": "720P", "duration": 2, "seed": 7}
LABEL = (0, 0, 220, 90)  # where the stamp may be


@dataclass
class Clip:
    data: bytes
    size: tuple[int, int]
    frames: list[Image.Image]
    rate: Any
    codecs: list[str]
    sound: bytes
    "16-bit stereo at the track's own rate"


def probe(data: bytes, most: int | None = None) -> Clip:
    sound = bytearray()
    with av.open(io.BytesIO(data)) as container:
        assert "mp4" in container.format.name
        video = container.streams.video[0]
        size, rate, pixels = (video.width, video.height), video.average_rate, video.pix_fmt
        codecs = [stream.codec_context.name for stream in container.streams]
        assert pixels == "yuv420p"
        told = video.codec_context
        assert (told.color_range, told.colorspace, told.color_primaries, told.color_trc) == (1, 1, 1, 1)  # BT.709
        frames = [frame.to_image() for frame in itertools.islice(container.decode(video=0), most)]
        if container.streams.audio:
            stream = container.streams.audio[0]
            assert (stream.rate, stream.channels) == (44100, 2)
            container.seek(0)
            resampler = av.AudioResampler(format="s16", layout="stereo", rate=44100)
            for frame in container.decode(audio=0):
                for piece in resampler.resample(frame):
                    sound += bytes(piece.planes[0])[: piece.samples * 4]
    return Clip(data, size, frames, rate, codecs, bytes(sound))


def difference(one: Image.Image, other: Image.Image, box: tuple[int, int, int, int] | None = None) -> float:
    """Root mean square over all channels, 0 to 255."""
    parts = ImageStat.Stat(ImageChops.difference(one.crop(box), other.crop(box))).rms
    return sum(parts) / len(parts)


def steps(clip: Clip) -> list[float]:
    """How much changes from each frame to the next; small pictures will do."""
    small = [frame.reduce(4) for frame in clip.frames]
    return [difference(one, other) for one, other in itertools.pairwise(small)]


def loudness(sound: bytes, start: float, end: float) -> int:
    part = memoryview(sound[int(start * 44100) * 4 : int(end * 44100) * 4]).cast("h")
    return max((abs(sample) for sample in part), default=0)


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with Simulator(speed=20) as sim, Caller(sim) as one:
        yield one


@pytest.fixture(scope="module")
def cat() -> bytes:
    from pathlib import Path

    return (Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png").read_bytes()


@pytest.fixture(scope="module")
def plain(caller: Caller, cat: bytes) -> Clip:
    """Two seconds of the cat, silent."""
    return probe(caller.made(image=data_uri(cat, "image/png"), audio=False, **SMALL))


def test_a_clip_is_h264_at_thirty_frames_of_the_length_and_size_asked_for(plain: Clip) -> None:
    assert plain.codecs == ["h264"]
    assert plain.rate == 30
    assert len(plain.frames) == 60
    assert plain.size == (1168, 768)
    assert plain.data.index(b"moov") < plain.data.index(b"mdat")


def test_it_starts_on_the_given_picture_wears_its_label_and_moves(plain: Clip, cat: bytes) -> None:
    with Image.open(io.BytesIO(cat)) as image:
        given = image.convert("RGB").resize(plain.size, Image.Resampling.BICUBIC)
    first, middle, last = plain.frames[0], plain.frames[30], plain.frames[-1]
    below = (0, LABEL[3], *plain.size)
    assert difference(first, given, below) < 4  # more than 36 dB
    assert difference(first, given, LABEL) > 15
    assert difference(middle, last, LABEL) < difference(middle, last, below)
    assert difference(first, middle, below) > 8
    assert difference(middle, last, below) > 8


def test_another_seed_moves_otherwise_and_the_same_seed_the_same(caller: Caller, cat: bytes, plain: Clip) -> None:
    image = data_uri(cat, "image/png")
    other = probe(caller.made(image=image, audio=False, **{**SMALL, "seed": 8}))
    assert difference(other.frames[-1], plain.frames[-1]) > 5
    assert caller.made("Another prompt.", image=image, audio=False, **SMALL) == plain.data


def test_the_watermark_is_at_the_lower_right_and_only_when_asked_for(caller: Caller, cat: bytes, plain: Clip) -> None:
    marked = probe(caller.made(image=data_uri(cat, "image/png"), audio=False, watermark=True, **SMALL))
    corner = (plain.size[0] * 3 // 4, plain.size[1] * 9 // 10, *plain.size)
    rest = (0, 0, plain.size[0] // 2, plain.size[1])
    assert difference(marked.frames[0], plain.frames[0], corner) > 8
    assert difference(marked.frames[0], plain.frames[0], rest) < 3


def test_multi_cuts_to_another_framing_and_sound_is_there_by_default(caller: Caller, cat: bytes, plain: Clip) -> None:
    clip = probe(caller.made(image=data_uri(cat, "image/png"), shot_type="multi", **SMALL))
    cut = steps(clip)
    assert max(cut) > 20 > sorted(cut)[-2]
    assert max(steps(plain)) < 20
    assert clip.codecs == ["h264", "aac"]
    assert abs(len(clip.sound) / 4 / 44100 - 2) < 0.1
    assert 500 < loudness(clip.sound, 0.6, 1.4) < 20000


def test_a_given_sound_is_cut_at_the_end_or_followed_by_silence() -> None:
    with (
        Simulator(speed=20, render="shape") as sim,
        Caller(sim) as caller,
        files(short=served(tone(3), "audio/wav"), long=served(tone(6), "audio/wav")) as site,
    ):
        short = probe(caller.made(audio_url=f"{site}/short", resolution="720P", duration=5), 1)
        long = probe(caller.made(audio_url=f"{site}/long", resolution="720P", duration=2), 1)
    assert loudness(short.sound, 0.5, 2.5) > 5000
    assert loudness(short.sound, 3.3, 4.9) < 50
    assert abs(len(long.sound) / 4 / 44100 - 2) < 0.1
    assert loudness(long.sound, 1, 1.9) > 5000


@pytest.mark.parametrize(
    ("given", "resolution", "size"),
    [
        ((750, 1000), "720P", (816, 1104)),
        ((1280, 720), "720P", (1280, 720)),
        ((1280, 720), "1080P", (1920, 1072)),
        pytest.param((500, 500), "720P", (960, 960), marks=pytest.mark.full),
        pytest.param((640, 480), "1080P", (1648, 1232), marks=pytest.mark.full),
    ],
)
def test_the_size_keeps_the_shape_and_the_pixels_of_the_tier_in_multiples_of_sixteen(
    shaped: Caller, given: tuple[int, int], resolution: str, size: tuple[int, int]
) -> None:
    clip = probe(shaped.made(image=data_uri(picture(given)), resolution=resolution, duration=2, audio=False), 1)
    assert clip.size == size


@pytest.fixture(scope="module")
def shaped() -> Iterator[Caller]:
    with Simulator(speed=20, render="shape") as sim, Caller(sim) as one:
        yield one


def test_shape_only_may_give_the_same_clip_for_every_seed(shaped: Caller) -> None:
    assert shaped.made(audio=False, **SMALL) == shaped.made(audio=False, **{**SMALL, "seed": 8})


def test_a_clip_of_the_shape_only_has_each_of_its_frames_and_can_be_entered_anywhere(shaped: Caller) -> None:
    data = shaped.made(audio=True, resolution="720P", duration=5)
    clip = probe(data)
    assert (len(clip.frames), clip.rate, clip.codecs) == (150, 30, ["h264", "aac"])
    assert difference(clip.frames[0], clip.frames[-1]) < 2
    assert abs(len(clip.sound) / 4 / 44100 - 5) < 0.1
    with av.open(io.BytesIO(data)) as container:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        container.seek(int(4 / stream.time_base), stream=stream)
        assert next(container.decode(stream)).time == 4


EVERY = [
    *(("wan2.6-i2v-flash", tier, seconds) for tier in ("720P", "1080P") for seconds in range(2, 16)),
    *(("wan2.6-i2v", tier, seconds) for tier in ("720P", "1080P") for seconds in (2, 5, 15)),
    *(("wan2.6-i2v-us", tier, seconds) for tier in ("720P", "1080P") for seconds in (5, 10, 15)),
    *(("wan2.5-i2v-preview", tier, seconds) for tier in ("480P", "720P", "1080P") for seconds in (5, 10)),
    *(("wan2.2-i2v-flash", tier, 5) for tier in ("480P", "720P", "1080P")),
    *(("wan2.2-i2v-plus", tier, 5) for tier in ("480P", "1080P")),
    *(("wan2.1-i2v-turbo", tier, seconds) for tier in ("480P", "720P") for seconds in (3, 4, 5)),
    *(("wanx2.1-i2v-turbo", tier, seconds) for tier in ("480P", "720P") for seconds in (3, 4, 5)),
    ("wan2.1-i2v-plus", "720P", 5),
    ("wanx2.1-i2v-plus", "720P", 5),
]


@pytest.mark.full
@pytest.mark.parametrize(("model", "tier", "seconds"), EVERY)
def test_every_model_resolution_and_duration_makes_its_clip(
    shaped: Caller, model: str, tier: str, seconds: int
) -> None:
    data = shaped.made(model=model, resolution=tier, duration=seconds)
    with av.open(io.BytesIO(data)) as container:
        video = container.streams.video[0]
        pixels = {"480P": 832 * 480, "720P": 1280 * 720, "1080P": 1920 * 1080}[tier]
        assert video.frames == 30 * seconds
        assert 0.95 < video.width * video.height / pixels <= 1
        assert bool(container.streams.audio) == model.startswith(("wan2.5", "wan2.6"))


@pytest.mark.full
@pytest.mark.parametrize("name", ["astronaut.png", "coffee.png", "rocket.jpg", "hubble_deep_field.jpg"])
def test_every_photograph_is_the_first_frame_of_its_clip(caller: Caller, photos: Path, name: str) -> None:
    data = (photos / name).read_bytes()
    mime = "image/png" if name.endswith("png") else "image/jpeg"
    clip = probe(caller.made(image=data_uri(data, mime), audio=False, **SMALL), 1)
    with Image.open(io.BytesIO(data)) as image:
        given = image.convert("RGB").resize(clip.size, Image.Resampling.BICUBIC)
    assert difference(clip.frames[0], given, (0, LABEL[3], *clip.size)) < 6
