"""Pictures on their way through the socket: every way to give one, how it travels, and one that is pinned."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from caller import files
from hostile import Answer, Hostile
from PIL import Image

import wan_notebook as wan
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "sk-media-0123456789abcdef"
SUBMIT = "/services/aigc/video-generation/video-synthesis"


@pytest.fixture(scope="module")
def service() -> Iterator[Simulator]:
    with Simulator(speed=500, render="shape") as simulator:
        yield simulator


def start(service: Any, image: object, **more: Any) -> wan.Job:
    given = {"prompt": "A cat.", "duration": 2, "audio": False, **more}
    return wan.submit(image=image, **given, base_url=service.base_url, api_key=KEY)


def bodies(service: Simulator, since: int = 0) -> list[dict[str, Any]]:
    return [asked.json for asked in service.requests[since:] if asked.path.endswith("/video-synthesis")]


def png(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def sent_image(body: dict[str, Any]) -> Image.Image:
    head, _, text = body["input"]["img_url"].partition(",")
    assert head in ("data:image/png;base64", "data:image/jpeg;base64")
    return Image.open(io.BytesIO(base64.b64decode(text)))


# --- every way to give a picture -------------------------------------------------------------------------------------


def test_every_way_to_give_a_picture_makes_a_clip(service: Simulator, in_folder: Path) -> None:
    from matplotlib.figure import Figure

    photo = Image.open("images/rocket.jpg").convert("RGB").resize((400, 300))
    data, array = png(photo), np.asarray(photo)
    names = ["a b.png", "a+%41#1.png", "猫.png"]
    for name in names:
        Path(name).write_bytes(data)
    Path("D:").mkdir()
    Path("D:", "x.png").write_bytes(data)
    figure = Figure(figsize=(4, 3), dpi=100)
    figure.subplots().plot([1, 2])
    first = start(service, photo)
    same: dict[str, object] = {
        "PIL image": photo,
        "array": array / 255,
        "bytes": data,
        "Path": Path("a b.png"),
        "open file": io.BytesIO(data),
        "data URI": f"data:image/png;base64,{base64.b64encode(data).decode()}",
        "file://": f"file://{in_folder}/a b.png",
        "file:///": (in_folder / "猫.png").as_uri(),
        "two slashes and a drive": "file://D:/x.png",
        "backslashes": r".\D:\x.png",
        **{name: name for name in names},
    }
    other: dict[str, object] = {
        "figure": figure,
        "frame": first.frame(-1),
    }
    with files(cat=(200, {"Content-Type": "image/png", "Content-Length": str(len(data))}, data)) as root:
        other["address"] = f"{root}/cat.png"
        begun = len(service.requests)
        jobs = {name: start(service, image) for name, image in {**same, **other}.items()}
        results = {name: job.result(60) for name, job in jobs.items()}
    assert len(bodies(service, begun)) == len(jobs)
    assert {jobs[name].state for name in jobs} == {"downloaded"}
    for name, job in jobs.items():
        (given,) = job.record["inputs"]
        if name == "address":
            assert (given["how"], given["sha256"]) == ("url", None)
            continue
        kept = in_folder / given["path"]
        assert hashlib.sha256(kept.read_bytes()).hexdigest() == given["sha256"], name
        if name in same:
            assert np.array_equal(np.asarray(Image.open(kept).convert("RGB")), array), name
    assert results["frame"].record["inputs"][0]["origin"] == {"run_id": first.run_id, "frame": 59, "altered": False}


def test_a_clip_as_a_picture_is_refused_with_the_frame_to_take(service: Simulator, in_folder: Path) -> None:
    job = start(service, "images/rocket.jpg")
    for clip in (job, job.result(60)):
        with pytest.raises(wan.InvalidRequestError, match=r"\.frame\(-1\)"):
            start(service, clip)
    assert [picture.info["wan_notebook"]["frame"] for picture in job.frames(3)] == [0, 30, 59]


# --- framed ----------------------------------------------------------------------------------------------------------


def test_the_clip_has_the_shape_of_the_prepared_frame_which_the_card_shows(service: Simulator, in_folder: Path) -> None:
    begun = len(service.requests)
    job = start(service, "images/chelsea.png", crop="1:1")
    clip = job.result(60).clip
    assert (clip.width, clip.height) == job.request.predicted_size
    assert clip.width == clip.height
    assert sent_image(bodies(service, begun)[0]).size == (300, 300)
    note = "the first frame is cropped to 1:1: 451 x 300 pixels become 300 x 300"
    record = job.record
    assert record["request"]["asked"]["crop"] == "1:1"
    assert note in record["notes"]
    assert record["inputs"][0]["changes"] == [note]
    assert (record["inputs"][0]["width"], record["inputs"][0]["height"]) == (300, 300)
    assert "data:" not in repr(record)
    page = job._repr_mimebundle_()["text/html"]
    assert 'src="data:image/jpeg;base64,' in page
    assert "300 × 300 pixels" in page


def test_a_picture_that_cannot_be_made_to_fit_is_refused_before_any_submit(service: Simulator, in_folder: Path) -> None:
    data = Path("images/chelsea.png").read_bytes()
    Path("half.png").write_bytes(data[: len(data) // 2])
    begun = len(service.requests)
    job = start(service, "half.png", crop="1:1")
    with pytest.raises(wan.InvalidRequestError, match="damaged"):
        job.result(60)
    assert job.state == "refused"
    assert "damaged" in job._repr_mimebundle_()["text/html"]
    assert bodies(service, begun) == []


# --- how it travels --------------------------------------------------------------------------------------------------


def test_a_small_picture_travels_as_it_is_told(service: Simulator, in_folder: Path) -> None:
    for way, how in (("auto", "base64"), ("base64", "base64"), ("oss", "oss")):
        begun = len(service.requests)
        service.speed = 20  # an upload policy lasts for 300 s of its clock: 15 s; a second one would be asked for
        job = start(service, "images/rocket.jpg", upload=way)
        while not bodies(service, begun) and not job.done():
            job.wait(0.05)
        service.speed = 500
        job.result(60)
        asked = service.requests[begun:]
        (body,) = bodies(service, begun)
        submitted = next(one for one in asked if one.path.endswith("/video-synthesis"))
        assert job.record["inputs"][0]["how"] == how
        assert body["input"]["img_url"].startswith("oss://" if how == "oss" else "data:image/jpeg;base64,")
        assert submitted.headers.get("x-dashscope-ossresourceresolve") == ("enable" if how == "oss" else None)
        policies = [one.query for one in asked if one.path.endswith("/uploads")]
        assert policies == (["action=getPolicy&model=wan2.6-i2v-flash"] if how == "oss" else [])
        told = "rocket.jpg is uploaded, and kept in the service's temporary store for 48 h after its upload"
        assert any(note.startswith(told) for note in job.update.notes) == (how == "oss")


def test_an_address_of_the_temporary_store_is_sent_with_its_header(service: Simulator, in_folder: Path) -> None:
    begun = len(service.requests)
    start(service, "images/rocket.jpg", upload="oss").result(60)
    stored = bodies(service, begun)[0]["input"]["img_url"]
    job = start(service, stored)
    job.result(60)
    assert bodies(service, begun)[1]["input"]["img_url"] == stored
    last = [one for one in service.requests if one.path.endswith("/video-synthesis")][-1]
    assert last.headers["x-dashscope-ossresourceresolve"] == "enable"
    assert job.record["request"]["sent"]["input"]["img_url"]["how"] == "oss"


def test_a_picture_larger_than_the_store_takes_is_refused_before_it_is_uploaded(
    tmp_path: Path, in_folder: Path
) -> None:
    with Hostile() as server:
        policy = {
            "policy": "P", "signature": "S", "upload_dir": "x", "upload_host": f"{server.root}/store",
            "oss_access_key_id": "L", "max_file_size_mb": 0.01,
        }  # fmt: skip
        server.on("GET", "/uploads", Answer(body={"data": policy}))
        job = start(server, "images/rocket.jpg", upload="oss")
        with pytest.raises(wan.InvalidRequestError, match="too large for the upload"):
            job.result(60)
        assert server.count("POST") == 0


# --- pinned ----------------------------------------------------------------------------------------------------------

ROCKET = (Path(__file__).parent.parent / "notebooks" / "images" / "rocket.jpg").read_bytes()
HEAD = {"Content-Type": "image/jpeg", "Content-Length": str(len(ROCKET))}


def test_a_pinned_picture_is_kept_and_its_address_sent(service: Simulator, in_folder: Path) -> None:
    with files(rocket=(200, HEAD, ROCKET)) as root:
        begun = len(service.requests)
        job = start(service, f"{root}/rocket.jpg?Signature=secret", pin=True)
        job.result(60)
    (given,) = job.record["inputs"]
    assert bodies(service, begun)[0]["input"]["img_url"] == f"{root}/rocket.jpg?Signature=secret"
    assert given["url"] == f"{root}/rocket.jpg"
    assert (given["how"], given["sha256"], given["bytes"]) == ("url", hashlib.sha256(ROCKET).hexdigest(), len(ROCKET))
    assert (given["width"], given["height"]) == (640, 427)
    assert (in_folder / given["path"]).read_bytes() == ROCKET
    assert job.record["request"]["sent"]["input"]["img_url"]["sha256"] == given["sha256"]
    assert "secret" not in repr(job.record)
    assert any("fetches its address once more by itself" in note for note in job.update.notes)


def test_without_pin_nothing_is_fetched_and_the_record_cannot_be_verified(service: Simulator, in_folder: Path) -> None:
    with Hostile() as web:
        web.on("GET", "/rocket.jpg", Answer(200, ROCKET, HEAD))
        job = start(service, f"{web.root}/rocket.jpg")
        job.result(60)
        assert [asked.headers["User-Agent"].startswith("wan-notebook") for asked in web.asked] == [False]
    assert job.record["inputs"][0]["sha256"] is None
    assert "not verifiable" in job._repr_mimebundle_()["text/html"]


def test_a_pinned_picture_that_is_cropped_goes_as_bytes(service: Simulator, in_folder: Path) -> None:
    with Hostile() as web:
        web.on("GET", "/rocket.jpg", Answer(200, ROCKET, HEAD))
        begun = len(service.requests)
        job = start(service, f"{web.root}/rocket.jpg", pin=True, crop="1:1")
        clip = job.result(60).clip
        (asked,) = web.asked
    assert "Authorization" not in asked.headers
    assert KEY not in repr(asked.headers)
    assert sent_image(bodies(service, begun)[0]).size == (427, 427)
    assert clip.width == clip.height
    assert job.record["inputs"][0]["how"] == "base64"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404), "answered HTTP 404"),
        (Answer(200, b"<!doctype html>", {"Content-Length": "15"}), "a web page"),
        (Answer(200, ROCKET[:9000]), "damaged"),
        (Answer(302, b"", {"Location": "http://127.0.0.1:9/rocket.jpg"}), "not https"),
        (Answer(302, b"", {"Location": "file:///etc/passwd"}), "not https"),
        (Answer(200, b"BM" + bytes(65 * 1024 * 1024)), "larger than 64 MB"),
        (Answer(200, png(Image.new("L", (100, 100)))), "100 x 100 pixels"),
        (Answer(drop=True), "broke off"),
    ],
    ids=["404", "page", "half", "http", "file", "huge", "small", "dropped"],
)
def test_a_picture_that_cannot_be_pinned_is_refused_and_nothing_is_sent(
    service: Simulator, in_folder: Path, answer: Answer, words: str
) -> None:
    with Hostile() as web:
        web.on("GET", "/rocket.jpg", answer)
        begun = len(service.requests)
        job = start(service, f"{web.root}/rocket.jpg", pin=True)
        error = job.exception(60)
    assert words in str(error)
    assert bodies(service, begun) == []
    assert job.state == "refused"
    assert "nothing is billed" in f"{job.update.hint}"
