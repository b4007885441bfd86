"""The first frame as it is measured and sent, and the clip as it comes back."""

from __future__ import annotations

import base64
import hashlib
import io
import pickle
import struct
import zlib
from typing import TYPE_CHECKING, Any

import av
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from wan_notebook.errors import InvalidRequestError, Problem, WanError
from wan_notebook.media.medium import SentMedia, measure
from wan_notebook.media.preparation import prepare
from wan_notebook.media.stills import frame
from wan_notebook.record.footage import probe_clip
from wan_notebook.words.addresses import public_url

if TYPE_CHECKING:
    from pathlib import Path

PHOTOGRAPHS = {
    "astronaut.png": (512, 512),
    "chelsea.png": (451, 300),
    "coffee.png": (600, 400),
    "hubble_deep_field.jpg": (1000, 872),
    "rocket.jpg": (640, 427),
}


def corners(width: int = 300, height: int = 250) -> Image.Image:
    """White with a red upper left corner: what is turned or mirrored can be seen."""
    image = Image.new("RGB", (width, height), "white")
    ImageDraw.Draw(image).rectangle((0, 0, width // 4, height // 4), "red")
    return image


def encoded(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def opened(sent: SentMedia) -> Image.Image:
    assert sent.data is not None
    return Image.open(io.BytesIO(sent.data))


def problem(source: object, **options: Any) -> Problem:
    with pytest.raises(InvalidRequestError) as caught:
        prepare(measure(source, **options))
    (only,) = caught.value.problems
    assert only.field == "image"
    return only


# --- measuring ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_photograph_is_measured_by_its_header_and_sent_byte_for_byte(photos: Path, name: str) -> None:
    data = (photos / name).read_bytes()
    facts = measure(photos / name)
    assert (facts.kind, facts.name, facts.width, facts.height) == ("file", name, *PHOTOGRAPHS[name])
    assert (facts.bytes, facts.has_alpha, facts.orientation) == (len(data), False, 1)
    sent = prepare(facts)
    assert (sent.data, sent.sha256, sent.bytes) == (data, hashlib.sha256(data).hexdigest(), len(data))
    assert (sent.role, sent.how, sent.name, sent.url, sent.notes) == ("image", "base64", name, None, ())


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "BMP", "WEBP"])
def test_the_format_is_what_the_bytes_say_and_not_what_the_name_says(tmp_path: Path, format_: str) -> None:
    path = tmp_path / "picture.tiff"
    path.write_bytes(encoded(corners(), format_))
    facts = measure(path)
    assert (facts.format, facts.mime) == (format_, f"image/{format_.lower()}")
    sent = prepare(facts)
    assert sent.data == path.read_bytes()
    assert sent.name == ("picture.jpg" if format_ == "JPEG" else f"picture.{format_.lower()}")


class ArrayLike:
    """What numpy shows to the world of an array."""

    def __init__(self, image: Image.Image, typestr: str = "|u1") -> None:
        self.__array_interface__ = {
            "shape": (image.height, image.width, 3),
            "typestr": typestr,
            "data": image.tobytes(),
            "strides": (image.width * 3, 3, 1),
            "version": 3,
        }

    def tobytes(self) -> bytes:
        data: bytes = self.__array_interface__["data"]
        return data


def test_every_way_to_hand_over_an_image_gives_the_same_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, data = corners(), encoded(corners(), "PNG")
    (tmp_path / "cat+%41 x.png").write_bytes(data)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    written = io.BytesIO()
    image.save(written, "PNG")  # stands at its end now, as after any save
    uri = "data:image/png;base64," + base64.b64encode(data).decode()
    ways: list[object] = [
        data,
        bytearray(data),
        memoryview(data),
        io.BytesIO(data),
        written,
        (tmp_path / "cat+%41 x.png").open("rb"),
        image,
        ArrayLike(image),
        uri,
        uri.replace("image/png", "image/jpeg"),  # the bytes decide
        "\n".join(uri[i : i + 76] for i in range(0, len(uri), 76)),
        tmp_path / "cat+%41 x.png",
        "cat+%41 x.png",
        " ./cat+%41 x.png ",
        "~/cat+%41 x.png",
        "file://./cat+%41 x.png",
        f"file://{tmp_path}/cat+%41 x.png",
        f"file://{tmp_path}/cat+%2541%20x.png",
    ]
    for way in ways:
        sent = prepare(measure(way))
        assert opened(sent).convert("RGB").tobytes() == image.tobytes(), way
        assert sent.mime == "image/png"
        if isinstance(way, io.BufferedReader):
            way.close()


def test_a_relative_path_is_relative_to_the_folder_given(photos: Path) -> None:
    assert measure("chelsea.png", folder=photos).width == 451
    facts = measure("images/chelsea.png", folder=photos.parent)
    assert facts.source.is_absolute()


def test_an_address_is_not_fetched_and_goes_out_as_given() -> None:
    url = "https://me:secret@example.com/a/cat.png?Signature=x"
    sent = prepare(measure(url))
    assert (sent.how, sent.url, sent.sha256, sent.data, sent.name) == ("url", url, None, None, "cat.png")
    assert prepare(measure("oss://dashscope-instant/a/cat.png")).how == "oss"


def test_what_was_handed_over_cannot_change_any_more() -> None:
    image = corners()
    facts = measure(image)
    before = image.tobytes()
    image.paste("black", (0, 0, 300, 250))
    assert opened(prepare(facts)).tobytes() == before


def test_measuring_does_not_decode_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    data = encoded(Image.effect_noise((300, 250), 50), "PNG")
    path.write_bytes(data[: len(data) // 2])
    facts = measure(path)
    assert (facts.width, facts.height) == (300, 250)
    with pytest.raises(InvalidRequestError, match="problem"):
        prepare(facts)


# --- what is changed on the way -----------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_is_turned_upright_as_its_exif_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(corners(), "JPEG", exif=exif, quality=95)
    facts = measure(data)
    assert (facts.width, facts.height) == ((250, 300) if orientation >= 5 else (300, 250))
    sent = prepare(facts)
    assert sent.notes == ("the image is turned upright as its EXIF says",)
    picture = opened(sent)
    assert picture.size == (facts.width, facts.height) == (sent.width, sent.height)
    assert picture.getexif().get(0x0112, 1) == 1
    red = {1: (0, 0), 2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
    found = picture.getpixel((red[0] * (picture.width - 1), red[1] * (picture.height - 1)))
    assert isinstance(found, tuple)
    assert found[0] > 200
    assert found[1] < 60


def palette_with_transparency() -> bytes:
    image = corners().quantize(8)
    return encoded(image, "PNG", transparency=image.getpixel((299, 249)))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(encoded(Image.new("RGBA", (300, 250), (9, 9, 9, 0)), "PNG"), id="RGBA"),
        pytest.param(encoded(Image.new("LA", (300, 250), (9, 0)), "PNG"), id="LA"),
        pytest.param(encoded(Image.new("RGBA", (300, 250), (9, 9, 9, 0)), "WEBP", lossless=True), id="WEBP"),
        pytest.param(palette_with_transparency(), id="palette"),
        pytest.param(encoded(corners(), "PNG", transparency=(255, 255, 255)), id="one colour"),
    ],
)
def test_what_is_transparent_becomes_white_and_a_note_says_so(data: bytes) -> None:
    facts = measure(data)
    assert facts.has_alpha
    sent = prepare(facts)
    assert "become white" in sent.notes[0]
    picture = opened(sent)
    assert (picture.mode, picture.has_transparency_data) == ("RGB", False)
    assert picture.getpixel((299, 249)) == (255, 255, 255)


def test_half_transparent_colours_are_mixed_with_white() -> None:
    picture = opened(prepare(measure(Image.new("RGBA", (240, 240), (0, 0, 0, 128)))))
    assert picture.getpixel((0, 0)) == (127, 127, 127)


def test_the_colour_profile_survives_flattening(tmp_path: Path) -> None:
    data = encoded(Image.new("RGBA", (240, 240)), "PNG", icc_profile=b"a profile")
    assert opened(prepare(measure(data))).info["icc_profile"] == b"a profile"


def test_of_an_animation_the_first_picture_is_sent() -> None:
    data = encoded(corners(), "WEBP", save_all=True, append_images=[Image.new("RGB", (300, 250))], lossless=True)
    sent = prepare(measure(data))
    assert "animated" in sent.notes[0]
    assert opened(sent).convert("RGB").tobytes() == corners().tobytes()


def test_a_re_encoded_picture_too_large_as_png_goes_as_jpeg_and_too_large_at_all_is_refused() -> None:
    noise = Image.merge("RGBA", [Image.effect_noise((600, 600), 90)] * 3 + [Image.new("L", (600, 600), 255)])
    sent = prepare(measure(noise), max_bytes=600_000)
    assert sent.mime == "image/jpeg"
    assert sent.bytes <= 600_000
    assert "JPEG of quality 95" in sent.notes[-1]
    with pytest.raises(InvalidRequestError) as caught:
        prepare(measure(noise), max_bytes=10_000)
    assert caught.value.problems[0].allowed == "up to 10 kB"


def test_beyond_the_size_for_base64_a_picture_is_to_be_uploaded(photos: Path) -> None:
    facts = measure(photos / "rocket.jpg")
    assert facts.bytes is not None
    assert prepare(facts, max_raw_base64=facts.bytes).how == "base64"
    sent = prepare(facts, max_raw_base64=facts.bytes - 1)
    assert (sent.how, sent.url, sent.bytes) == ("oss", None, facts.bytes)


MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV", "I;16"]


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60, deadline=None)
@given(st.sampled_from(MODES), st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_a_pil_image_of_any_mode_becomes_an_opaque_picture_of_its_size(
    mode: str, width: int, height: int, grey: int
) -> None:
    image = Image.new(mode, (width, height))
    if mode in ("L", "RGB"):
        image.paste(grey if mode == "L" else (grey,) * 3, (0, 0, width, height))
    sent = prepare(measure(image))
    picture = opened(sent)
    assert picture.size == (width, height)
    assert picture.mode in ("L", "RGB")
    assert not picture.has_transparency_data
    if mode in ("L", "RGB"):
        assert picture.tobytes() == image.tobytes()


def test_sixteen_bits_of_grey_become_eight() -> None:
    assert opened(prepare(measure(Image.new("I;16", (240, 240), 0x8000)))).getpixel((0, 0)) == 128


def test_what_is_sent_is_frozen_picklable_and_does_not_print_its_bytes(photos: Path) -> None:
    sent = prepare(measure(photos / "rocket.jpg"))
    assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301  our own bytes
    assert len(repr(sent)) < 400


# --- what is refused -----------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (encoded(corners(), "GIF"), "a GIF image"),
        (encoded(corners(), "TIFF"), "a TIFF image"),
        (b"\0\0\0\x1cftypavif", "an AVIF image"),
        (b"\0\0\0\x1cftypheic", "a HEIC image"),
        (b"\0\0\0\x1cftypisom", "a video"),
        (b"%PDF-1.7", "a PDF document"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><svg/>", "SVG"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS"),
        (b"nothing at all", "not an image"),
        (b"\x89PNG\r\n\x1a\n", "damaged"),
        (b"\xff\xd8\xff\xe0", "damaged"),
        (b"BM\0\0", "damaged"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "damaged"),
        (png_of(50_000, 50_000), "more than any picture has"),
        (png_of(300, 300, chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000), 9))), "damaged"),
    ],
)
def test_bytes_that_are_no_image_the_service_takes_are_refused_in_clear_words(data: bytes, word: str) -> None:
    assert word in problem(data).problem


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("share", [0.001, 0.02, 0.5, 0.97])
def test_a_photograph_that_broke_off_anywhere_is_refused_before_it_is_sent(
    photos: Path, name: str, share: float
) -> None:
    data = (photos / name).read_bytes()
    assert "damaged" in problem(data[: int(len(data) * share)]).problem


@pytest.mark.parametrize(
    ("source", "word", "fix"),
    [
        ("chelse.png", "no such file", "Did you mean chelsea.png?"),
        ("CHELSEA.jpg", "no such file", "Did you mean chelsea.png?"),
        ("zzz.png", "no such file", "The working folder is"),
        ("nowhere/chelsea.png", "no such file", "There is no folder nowhere"),
        ("file://./chelse.png", "no such file", "Did you mean chelsea.png?"),
        ("~nobody-of-that-name/cat.png", "cannot be looked up", "Check the path"),
        (".", "a folder", "e.g. astronaut.png"),
        ("/dev/null", "no ordinary file", ""),
        ("x" * 5000, "base64", "data:image/png;base64,"),
        ("x " * 400, "base64", "data:image/png;base64,"),
        ("a/" + "é" * 5000, "cannot be looked up", "Check the path"),
        ("ftp://example.com/cat.png", "ftp://", "https://"),
        ("data:image/png,abc", "no base64", "data:image/png;base64"),
        ("data:image/png;base64", "no base64", "data:image/png;base64"),
        ("data:image/png;base64,@@@@", "damaged", "Encode"),
        ("data:image/png;base64,猫", "damaged", "Encode"),
        ("data:image/png;base64,", "empty", "Give"),
    ],
)
def test_a_text_that_leads_to_no_image_is_refused_with_a_way_out(
    photos: Path, source: str, word: str, fix: str
) -> None:
    found = problem(source, folder=photos)
    assert word in found.problem
    assert fix in found.fix
    assert len(found.value) <= 60


class Tensor:
    """Neither an image nor an array."""


@pytest.mark.parametrize(
    "source",
    [5, object(), Tensor(), ["cat.png"], io.StringIO("text"), Image.new("F", (300, 300)), Image.new("I", (300, 300))],
)
def test_a_thing_that_is_no_image_is_refused(source: object) -> None:
    assert problem(source).fix


def test_an_array_of_the_wrong_type_names_the_right_one() -> None:
    assert "uint8" in problem(ArrayLike(corners(), "<f8")).fix


def test_a_closed_file_and_a_closed_image_are_refused(photos: Path) -> None:
    with (photos / "chelsea.png").open("rb") as file:
        pass
    assert "cannot be read" in problem(file).problem
    image = Image.open(photos / "chelsea.png")
    image.close()
    assert "no picture" in problem(image).problem


def test_a_file_that_changed_or_went_after_it_was_checked_is_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(encoded(corners(), "PNG"))
    facts = measure(path)
    path.write_bytes(encoded(corners(400, 400), "PNG"))
    with pytest.raises(InvalidRequestError) as caught:
        prepare(facts)
    assert "changed after it was checked" in caught.value.problems[0].problem
    path.unlink()
    with pytest.raises(InvalidRequestError) as caught:
        prepare(facts)
    assert "cannot be read here" in caught.value.problems[0].problem


# --- addresses in records -------------------------------------------------------------------------------------------

PART = st.text("abcXYZ019-._~%", min_size=1, max_size=8)


@given(PART, PART, PART, st.sampled_from(["?", "#"]))
def test_of_an_address_neither_query_nor_password_is_shown(user: str, host: str, path: str, sign: str) -> None:
    assert public_url(f"https://{user}:hunter2@{host}/{path}{sign}secret=1") == f"https://{host}/{path}"
    assert public_url(f"oss://{host}/{path}") == f"oss://{host}/{path}"


# --- the clip ------------------------------------------------------------------------------------------------------


def film(path: Path, *, seconds: int = 1, sound: bool = False, options: dict[str, str] | None = None) -> Path:
    """A small real MP4 whose grey rises from frame to frame."""
    with av.open(str(path), "w", format="mp4", options=options or {}) as container:
        picture = container.add_stream("libx264", rate=30)
        picture.width, picture.height, picture.pix_fmt = 320, 240, "yuv420p"
        track = container.add_stream("aac", rate=44100, layout="mono") if sound else None
        for number in range(30 * seconds):
            image = Image.new("RGB", (320, 240), (number * 8,) * 3)
            container.mux(picture.encode(av.VideoFrame.from_image(image)))
        container.mux(picture.encode())
        if track is not None:
            for number in range(44100 * seconds // 1024):
                silence = av.AudioFrame("fltp", "mono", 1024)
                silence.planes[0].update(bytes(silence.planes[0].buffer_size))
                silence.sample_rate, silence.pts = 44100, number * 1024
                container.mux(track.encode(silence))
            container.mux(track.encode())
    return path


@pytest.mark.parametrize("sound", [True, False])
def test_a_clip_is_described_from_the_file_itself(tmp_path: Path, sound: bool) -> None:
    path = film(tmp_path / "cat.mp4", seconds=2, sound=sound)
    clip = probe_clip(path)
    assert (clip.width, clip.height, clip.duration, clip.fps, clip.video_codec) == (320, 240, 2.0, 30.0, "h264")
    assert (clip.audio, clip.audio_codec) == ((True, "aac") if sound else (False, None))
    assert (clip.bytes, clip.sha256) == (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
    poster = Image.open(io.BytesIO(clip.poster or b""))
    assert (poster.format, poster.size) == ("JPEG", (320, 240))


def test_the_poster_of_a_large_restless_clip_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "noise.mp4"
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        noise = Image.merge("RGB", [Image.effect_noise((1280, 720), 200) for _ in range(3)])
        container.mux(stream.encode(av.VideoFrame.from_image(noise)))
        container.mux(stream.encode())
    poster = probe_clip(path).poster or b""
    assert Image.open(io.BytesIO(poster)).size == (640, 360)
    assert len(poster) <= 60_000


@pytest.mark.parametrize("options", [{}, {"movflags": "faststart"}])
def test_a_download_that_broke_off_anywhere_is_recognised(tmp_path: Path, options: dict[str, str]) -> None:
    data = film(tmp_path / "cat.mp4", sound=True, options=options).read_bytes()
    part = tmp_path / "part.mp4"
    for length in [0, 1, *range(8, len(data), len(data) // 12), len(data) - 1]:
        part.write_bytes(data[:length])
        with pytest.raises(WanError, match="not a video"):
            probe_clip(part)


@pytest.mark.parametrize("junk", [b"<html>Access denied</html>", encoded(corners(), "PNG"), bytes(1000)])
def test_a_file_that_is_no_video_is_said_to_be_none(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "cat.mp4"
    path.write_bytes(junk)
    for look in (probe_clip, lambda path: frame(path, 0, run_id="r")):
        with pytest.raises(WanError, match=r"cat\.mp4 is not a video"):
            look(path)
    with pytest.raises(WanError, match="not a video"):
        probe_clip(tmp_path / "none.mp4")
