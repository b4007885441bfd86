"""The first frame as it is made: cropped, padded, made smaller."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from wan_notebook.errors import InvalidRequestError
from wan_notebook.media.framing import Framing
from wan_notebook.media.medium import measure
from wan_notebook.media.preparation import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from wan_notebook.media.medium import SentMedia

RED, BLACK, WHITE = (255, 0, 0), (0, 0, 0), (255, 255, 255)


def opened(sent: SentMedia) -> Image.Image:
    image = Image.open(io.BytesIO(sent.data or b""))
    image.load()
    return image


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def cross(width: int = 400, height: int = 300) -> Image.Image:
    """White, with a red dot in its middle."""
    image = Image.new("RGB", (width, height), "white")
    middle = (width // 2, height // 2)
    ImageDraw.Draw(image).rectangle([middle[0] - 3, middle[1] - 3, middle[0] + 3, middle[1] + 3], "red")
    return image


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.tuples(st.integers(20, 90), st.integers(20, 90)),
    st.sampled_from(["crop", "pad", "neither"]),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.sampled_from(["RGB", "L", "RGBA", "P"]),
    st.integers(10, 100),
)
def test_what_is_sent_has_exactly_the_size_that_was_predicted(size, how, ratio, mode, side_max):
    framing = Framing(fit=True, side_max=side_max, **({} if how == "neither" else {how: ratio}))
    facts = measure(cross(*size).convert(mode))
    sent = prepare(facts, framing)
    assert opened(sent).size == (sent.width, sent.height) == framing.layout(facts.size).canvas
    assert bool(framing.note(facts.size)) == any("the first frame is" in note for note in sent.notes)


def test_a_crop_keeps_the_middle(photos: Path) -> None:
    sent = prepare(measure(cross()), Framing(crop=(16, 9)))
    picture = opened(sent)
    assert picture.size == (400, 225)
    assert picture.getpixel((200, 112)) == RED
    assert sent.notes == ("the first frame is cropped to 16:9: 400 x 300 pixels become 400 x 225",)
    assert picture.tobytes() == cross().crop((0, 37, 400, 262)).tobytes()


def test_padding_puts_black_bars_on_both_sides() -> None:
    sent = prepare(measure(cross()), Framing(pad=(16, 9)))
    picture = opened(sent)
    assert picture.size == (534, 300)
    assert [picture.getpixel((x, 150)) for x in (0, 66, 67, 267, 466, 467, 533)] == [
        BLACK,
        BLACK,
        WHITE,
        RED,
        WHITE,
        BLACK,
        BLACK,
    ]
    assert picture.crop((67, 0, 467, 300)).tobytes() == cross().tobytes()


def test_a_ratio_the_picture_has_already_changes_no_byte(photos: Path) -> None:
    data = (photos / "astronaut.png").read_bytes()
    for framing in (Framing(crop=(1, 1)), Framing(pad=(7, 7)), Framing(fit=True, side_max=8000)):
        sent = prepare(measure(data), framing, max_bytes=20_000_000)
        assert (sent.data, sent.notes, sent.preview) == (data, (), None)


def test_a_picture_is_turned_upright_and_flattened_before_it_is_framed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    sent = prepare(measure(encoded(cross(400, 300), "JPEG", exif=exif)), Framing(crop=(1, 1)))
    assert (sent.width, sent.height, sent.mime) == (300, 300, "image/jpeg")
    assert ["upright" in note or "cropped" in note for note in sent.notes] == [True, True]
    clear = Image.new("RGBA", (300, 240), (0, 0, 0, 0))
    assert opened(prepare(measure(clear), Framing(pad=(2, 1)))).getpixel((240, 120)) == WHITE


def test_the_colour_profile_survives_every_step() -> None:
    data = encoded(cross(), icc_profile=b"a profile")
    for framing in (Framing(crop=(1, 1)), Framing(pad=(1, 1)), Framing(fit=True, side_max=200)):
        assert opened(prepare(measure(data), framing)).info["icc_profile"] == b"a profile"


def test_sides_beyond_the_limit_are_made_smaller() -> None:
    sent = prepare(measure(cross(900, 600)), Framing(fit=True, side_max=600))
    assert opened(sent).size == (600, 400)
    assert sent.notes == ("the first frame is made smaller: 900 x 600 pixels become 600 x 400",)


NOISE = Image.merge("RGB", [Image.effect_noise((700, 600), 90)] * 3)


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "BMP"])
@pytest.mark.parametrize("limit", [330_000, 40_000])
def test_bytes_beyond_the_limit_go_by_quality_first_and_then_by_size(format_: str, limit: int) -> None:
    data = encoded(NOISE, format_, **({"quality": 100} if format_ == "JPEG" else {}))
    assert len(data) > limit
    sent = prepare(measure(data), Framing(fit=True, side_max=8000), max_bytes=limit, side_min=100)
    picture = opened(sent)
    assert sent.bytes <= limit
    assert (sent.mime, picture.size) == ("image/jpeg", (sent.width, sent.height))
    assert ((sent.width, sent.height) == (700, 600)) == (limit == 330_000)
    assert f"with {sent.width} x {sent.height} pixels" in sent.notes[-1]
    assert " ".join(sent.notes).count("quality") == 1  # never two, one of them untrue


def test_without_fit_and_where_nothing_helps_it_is_refused() -> None:
    with pytest.raises(InvalidRequestError) as caught:
        prepare(measure(encoded(NOISE)), max_bytes=100_000)
    assert "fit=True (--fit)" in caught.value.problems[0].fix
    with pytest.raises(InvalidRequestError) as caught:
        prepare(measure(encoded(NOISE)), Framing(fit=True, side_max=8000), max_bytes=10_000, side_min=500)
    assert "Crop it" in caught.value.problems[0].fix


def test_a_photograph_stays_a_jpeg_when_it_is_framed(photos: Path) -> None:
    sent = prepare(measure(photos / "hubble_deep_field.jpg"), Framing(crop=(1, 1)))
    assert (sent.mime, sent.width, sent.height, sent.name) == ("image/jpeg", 872, 872, "hubble_deep_field.jpg")


def test_the_preview_of_a_framed_picture_is_small_and_has_its_shape() -> None:
    assert prepare(measure(cross())).preview is None
    for image in (cross(), NOISE, NOISE.resize((900, 720)), cross(3, 2000)):
        sent = prepare(measure(image), Framing(pad=(2, 1)))
        preview = Image.open(io.BytesIO(sent.preview or b""))
        assert preview.format == "JPEG"
        assert max(preview.size) == 160
        assert abs(preview.width - 2 * preview.height) <= 2
        assert len(sent.preview or b"") <= 12_000
        assert not preview.getexif()
