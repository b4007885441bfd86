"""What is asked of a frame, as a request reads it, and what it refuses."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.request.declaration import I2VRequest, parameters, region_problems

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.com/cat.png"


def request(image: object = None, **more: Any) -> I2VRequest:
    return I2VRequest(image=Image.new("RGB", (800, 600)) if image is None else image, prompt="A cat.", **more)


def only(image: object = None, **more: Any) -> Problem:
    with pytest.raises(InvalidRequestError) as caught:
        request(image, **more)
    (problem,) = caught.value.problems
    return problem


def test_they_are_declared_like_every_parameter_and_sent_by_none() -> None:
    table = {info.name: info for info in parameters() if info.where == "frame"}
    kinds = {"fit": "flag", "crop": "word", "pad": "word", "upload": "choice", "pin": "flag"}
    assert {name: info.kind for name, info in table.items()} == kinds
    assert table["upload"].choices == ("auto", "base64", "oss")


@pytest.mark.parametrize("said", ["16:9", " 16 : 9 ", "16x9", "16/9", (16, 9), [16, 9]])
def test_a_ratio_is_taken_as_people_write_it(said: object) -> None:
    assert request(crop=said).crop == "16:9"
    assert request(pad=said).replace(pad=None).pad is None


@pytest.mark.parametrize("said", ["", " ", None])
def test_an_empty_ratio_is_none(said: object) -> None:
    assert request(crop=said).crop is None


@pytest.mark.parametrize("said", ["wide", "16", 1.78, 16, "0:9", "1:101", (1, 2, 3), "16:9:4", True])
def test_what_is_no_ratio_is_refused(said: object) -> None:
    problem = only(crop=said)
    assert (problem.field, problem.fix) == ("crop", "Write width:height, e.g. 16:9")
    assert problem.allowed == "width:height, whole numbers from 1 to 100"


def test_a_frame_is_cropped_or_padded_but_not_both() -> None:
    assert only(crop="1:1", pad="16:9").field == "pad"


def test_people_who_look_for_an_aspect_ratio_are_told_of_crop_and_pad() -> None:
    for name in ("ratio", "aspect_ratio", "size"):
        assert "crop='16:9' or pad='16:9'" in only(**{name: "16:9"}).fix


@pytest.mark.parametrize(
    ("more", "size"),
    [
        ({}, (1104, 832)),
        ({"crop": "16:9"}, (1280, 720)),
        ({"pad": "16:9"}, (1280, 720)),
        ({"crop": "9:16"}, (720, 1280)),
        ({"crop": "1:1", "resolution": "1080P"}, (1440, 1440)),
    ],
)
def test_the_predicted_size_is_that_of_the_prepared_frame(more: dict[str, Any], size: tuple[int, int]) -> None:
    found = request(Image.new("RGB", (640, 480)), **more).predicted_size
    assert found is not None
    assert found == pytest.approx(size, abs=16)


@given(st.tuples(st.integers(240, 900), st.integers(240, 900)), st.sampled_from(["16:9", "1:1", "9:16"]), st.booleans())
def test_a_request_that_is_accepted_shows_the_frame_it_will_send(size, ratio, padded) -> None:
    try:
        asked = request(Image.new("L", size), **{"pad" if padded else "crop": ratio})
    except InvalidRequestError:  # cropped below 240 pixels
        assert min(asked_size(size, ratio)) < 240
    else:
        frame = asked.prepared()
        assert frame.size == asked.framing.layout(size).canvas
        assert min(frame.size) >= 240


def asked_size(size: tuple[int, int], ratio: str) -> tuple[int, int]:
    wide, high = map(int, ratio.split(":"))
    return min(size[0], round(size[1] * wide / high)), min(size[1], round(size[0] * high / wide))


def test_the_frame_can_be_looked_at_before_anything_is_paid(photos: Path) -> None:
    asked = request(photos / "chelsea.png", crop="1:1")
    assert asked.prepared().size == (300, 300)
    for name, image in (("last_frame", None), ("image", URL)):
        with pytest.raises(InvalidRequestError) as caught:
            request(image).prepared(name)
        assert caught.value.problems[0].field == name


# --- too large -------------------------------------------------------------------------------------------------------


def test_sides_beyond_the_limit_are_refused_with_the_size_a_fit_would_give() -> None:
    problem = only(Image.new("L", (9000, 600)))
    assert problem.problem == "it is 9000 x 600 pixels"
    assert problem.fix == "Add fit=True (--fit): it is then sent as 8000 x 533 pixels"
    fitted = request(Image.new("L", (9000, 600)), fit=True)
    assert fitted.notes == ("the first frame is made smaller: 9000 x 600 pixels become 8000 x 533",)
    assert fitted.prepared().size == (8000, 533)


@pytest.mark.parametrize("size", [(12000, 300), (9000, 250), (250, 9000), (900, 100), (100, 1500)])
@pytest.mark.parametrize("fit", [False, True])
def test_what_is_advised_for_a_long_narrow_picture_works(size: tuple[int, int], fit: bool) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        request(Image.new("L", size), fit=fit)
    ways = re.findall(r'(crop|pad)="([^"]+)"(, fit=True)?', " ".join(p.fix for p in caught.value.problems))
    assert ways
    for wish, ratio, fitted in ways:
        assert request(Image.new("L", size), **{wish: ratio}, fit=bool(fitted)).prepared().size


def test_a_fit_that_would_be_too_small_is_not_offered() -> None:
    assert not only(Image.new("L", (9000, 250))).fix.startswith("Add fit")
    problem = only(Image.new("L", (9000, 250)), fit=True)
    assert problem.problem == "it is 9000 x 250 pixels and would be sent as 8000 x 222"


def test_frames_of_two_shapes_are_remarked() -> None:
    def notes(first: tuple[int, int], last: tuple[int, int], **more: Any) -> str:
        frames = {"image": Image.new("L", first), "last_frame": Image.new("L", last)}
        return " | ".join(I2VRequest(model="wan2.7-i2v", prompt="x", **frames, **more).notes)

    assert "another shape (300 x 400) than the first (400 x 300)" in notes((400, 300), (300, 400))
    assert "shape" not in notes((400, 300), (800, 600))
    assert "shape" not in notes((400, 300), (300, 400), crop="1:1")


def test_padding_to_more_than_the_limit_is_refused_before_it_is_made() -> None:
    found = only(Image.new("L", (7000, 300)), pad="1:100")
    assert "would be sent as 7000 x 700000" in found.problem


def test_bytes_beyond_the_limit_are_refused_with_the_offer_of_a_fit() -> None:
    file = io.BytesIO()
    Image.new("L", (240, 240)).save(file, "BMP")
    data = file.getvalue().ljust(20 * 1024 * 1024 + 1, b"\0")
    problem = only(data)
    assert problem.fix.startswith("Add fit=True (--fit): it is encoded anew, with 240 x 240 pixels where that fits")
    assert request(data, fit=True).prepared().size == (240, 240)


# --- how it travels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["oss", "OSS", " base64 ", "auto"])
def test_a_way_is_read_in_any_case(said: str) -> None:
    assert request(upload=said).upload == said.strip().lower()


def test_another_way_is_refused() -> None:
    problem = only(upload="bas64")
    assert (problem.field, problem.allowed, problem.fix) == ("upload", "auto, base64 or oss", "Did you mean base64?")


def test_base64_beyond_what_one_data_uri_holds_is_refused_or_made_to_fit() -> None:
    file = io.BytesIO()
    Image.new("L", (240, 240)).save(file, "BMP")
    data = file.getvalue().ljust(8 * 1024 * 1024, b"\0")
    assert not region_problems(request(data), "singapore")
    problem = only(data, upload="base64")
    assert "has 8.0 MB, as base64 the service takes 7.0 MB at most" in problem.problem
    assert request(data, upload="base64", fit=True).prepared().size == (240, 240)


@pytest.mark.parametrize("region", ["virginia", "frankfurt"])
def test_uploads_are_refused_where_none_are_documented(region: str) -> None:
    (found,) = region_problems(request(model="wan2.6-i2v", upload="oss"), region)
    assert found.field == "upload"
    for way in ("auto", "base64"):
        assert not region_problems(request(model="wan2.6-i2v", upload=way), region)
    assert not region_problems(request(URL, model="wan2.6-i2v", upload="oss"), region)


def test_what_is_known_of_the_temporary_store_is_told() -> None:
    (note,) = request("oss://dashscope-instant/a/cat.png").notes
    assert "48 h after its upload, only for the model and account it was uploaded for" in note
    (note,) = request(URL, upload="oss").notes
    assert "changes nothing" in note


# --- a picture at an address -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish", [{"crop": "1:1"}, {"pad": "1:1"}, {"fit": True}])
def test_a_picture_at_an_address_is_changed_only_where_it_may_be_fetched(wish: dict[str, Any]) -> None:
    problem = only(URL, **wish)
    assert problem.field in wish
    assert "Add pin=True (--pin)" in problem.fix
    assert request(URL, pin=True, **wish).predicted_size is None
    assert "cannot be read back" in only("oss://a/cat.png", **wish).problem


def test_only_https_and_this_machine_are_fetched_from() -> None:
    assert "https only" in only("http://example.com/cat.png", pin=True).problem
    assert request("http://127.0.0.1:8000/cat.png", pin=True).pin
    assert only("oss://a/cat.png", pin=True).field == "pin"
