"""The simulator's inputs: pictures, sounds and clips as data, by address, and uploaded."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest
from caller import PATIENCE, Caller, data_uri, files, picture, served, tone
from PIL import Image

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLASH = "wan2.6-i2v-flash"
SMALL = {"resolution": "720P", "duration": 2, "audio": False}
MB = 1024 * 1024
RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    with Simulator(speed=1, render="shape") as running:  # an upload policy lasts for 300 s of its clock
        yield running


@pytest.fixture
def caller(sim: Simulator, request: pytest.FixtureRequest) -> Iterator[Caller]:
    with Caller(sim, f"sk-{request.node.name}") as one:
        yield one


def _alpha(palette: bool = False) -> bytes:
    image = Image.new("RGBA", (300, 300), (10, 200, 30, 128))
    file = io.BytesIO()
    (image.convert("P") if palette else image).save(file, "PNG", **({"transparency": 0} if palette else {}))
    return file.getvalue()


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        (data_uri(picture(), "image/png"), "image format error"),
        (data_uri(picture(), "image/jpg"), "image format error"),
        (data_uri(picture(form="GIF", mode="L"), "image/gif"), "image format error"),
        (data_uri(picture(form="GIF", mode="L"), "image/png"), "image format error"),
        (data_uri(b"", "image/png"), "image format error"),
        ("data:image/png,abc", "image format error"),
        ("data:image/png;base64,!!", "Invalid image format or corrupted file"),
        (data_uri(picture()[:-900]), "Invalid image format or corrupted file"),
        (data_uri(_alpha(), "image/png"), "image format error"),
        (data_uri(_alpha(palette=True), "image/png"), "image format error"),
        (data_uri(picture((239, 300))), "the size of input image is too small or too large."),
        (data_uri(picture((8001, 240), "PNG"), "image/png"), "the size of input image is too small or too large."),
        (data_uri(picture().ljust(20 * MB + 1, b"\0")), "Multimodal file size is too large"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_picture_that_cannot_be_used_is_refused_while_submitting(caller: Caller, uri: str, message: str) -> None:
    answer = caller.submit(image=uri, **SMALL)
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_the_four_formats_and_the_extreme_sides_are_taken(caller: Caller) -> None:
    for data in (
        data_uri(picture(form="PNG"), "image/png"),
        data_uri(picture(form="BMP"), "image/bmp"),
        data_uri(picture(form="WEBP"), "image/webp"),
        data_uri(picture((8000, 240))),
        data_uri(picture(mode="L")),
    ):
        assert caller.accepted("[simulate: FAILED]", image=data)
    odd = data_uri(picture((240, 1500), mode="CMYK"))
    assert caller.made(image=odd, **SMALL)[4:8] == b"ftyp"


def test_a_phones_picture_of_two_pictures_is_a_jpeg(caller: Caller) -> None:
    file = io.BytesIO()
    image = Image.radial_gradient("L").resize((480, 320)).convert("RGB")
    image.save(file, "MPO", save_all=True, append_images=[image])
    assert caller.submit("[simulate: FAILED]", image=data_uri(file.getvalue())).status_code == 200


def test_the_older_models_take_ten_megabytes_and_the_newer_twenty(caller: Caller) -> None:
    large = data_uri(picture().ljust(11 * MB, b"\0"))
    prompt = "[simulate: FAILED]"
    assert caller.submit(prompt, image=large).status_code == 200
    assert caller.submit(prompt, model="wan2.2-i2v-plus", image=large).status_code == 400


def test_an_address_is_fetched_as_the_service_would(caller: Caller) -> None:
    nothing = {"Content-Length": "0"}
    elsewhere = "download image failed (the simulator fetches plain http from this machine only)"
    with files(
        cat=served(picture(), "image/jpeg"),
        moved=(302, {"Location": "/cat", **nothing}, b""),
        away=(302, {"Location": "http://192.0.2.1/cat.png", **nothing}, b""),
        gone=(404, nothing, b""),
        page=served(b"<html>", "text/html"),
        endless=(200, {"Content-Type": "image/jpeg"}, picture()),
        text=served(b"no picture", "image/png"),
        small=served(picture((100, 100)), "image/jpeg"),
    ) as site:
        reasons = {
            f"{site}/cat.jpg?x=1": None,
            f"{site}/moved": None,
            f"{site}/away": elsewhere,
            f"{site}/gone": "download image failed",
            f"{site}/page": "Wrong Content-Type of multimodal url",
            f"{site}/endless": "Missing Content-Length of multimodal url",
            f"{site}/text": "image format error",
            f"{site}/small": "the size of input image is too small or too large.",
            "http://127.0.0.1:9/x.png": "Connection to 127.0.0.1 refused, please provide available URL.",
            "http://example.com/x.png": elsewhere,
        }
        tasks = {url: caller.accepted(image=url, **SMALL) for url in reasons}
        for url, task_id in tasks.items():
            output = caller.finish(task_id)["output"]
            expected = "FAILED" if reasons[url] else "SUCCEEDED"
            assert (output["task_status"], output.get("message")) == (expected, reasons[url]), url


def test_a_given_sound_is_checked_by_its_bytes(caller: Caller) -> None:
    wave = tone(4)
    with files(
        good=served(wave, "audio/wav"),
        short=served(tone(2), "audio/wav"),
        long=served(tone(31), "audio/wav"),
        text=served(b"la la la", "audio/wav"),
        aac=served(_aac(), "audio/aac"),
        large=served(wave.ljust(15 * MB + 1, b"\0"), "audio/wav"),
    ) as site:
        reasons = {
            "good": None,
            "short": "The input audio is shorter than 3s.",
            "long": "The input audio is longer than 30s.",
            "text": "File type is not supported. Allowed types are: .wav, .mp3.",
            "aac": "File type is not supported. Allowed types are: .wav, .mp3.",
            "large": "File size is larger than 15MB.",
        }
        sounding = {"resolution": "720P", "duration": 2}
        tasks = {name: caller.accepted(audio_url=f"{site}/{name}", **sounding) for name in reasons}
        for name, task_id in tasks.items():
            output = caller.finish(task_id)["output"]
            assert output.get("message") == reasons[name]


def test_a_given_sound_is_not_even_fetched_when_the_clip_is_silent(caller: Caller) -> None:
    nowhere = "http://127.0.0.1:9/x.mp3"
    silent = caller.accepted(audio_url=nowhere, **SMALL)
    older = caller.accepted(model="wan2.1-i2v-turbo", audio_url=nowhere, resolution="480P", duration=3)
    for task_id in (silent, older):
        assert caller.finish(task_id)["output"]["task_status"] == "SUCCEEDED"
    refused = caller.submit(audio_url="data:audio/mp3;base64,AAAA", resolution="720P", duration=2)
    assert (refused.status_code, refused.json()["code"]) == (400, "InvalidURL")


def test_an_uploaded_picture_is_taken_for_its_account_and_model_only(sim: Simulator, caller: Caller) -> None:
    url = _upload(caller, picture(), "猫 cat+1.jpg")
    assert url.startswith("oss://dashscope-instant/")
    assert caller.made(image=url, headers=RESOLVE, **SMALL)[4:8] == b"ftyp"

    unresolved = caller.submit(image=url, **SMALL)
    assert (unresolved.status_code, unresolved.json()["code"]) == (400, "InvalidParameter.DataInspection")
    other_model = caller.submit(image=url, headers=RESOLVE, model="wan2.6-i2v", duration=2)
    assert (other_model.status_code, other_model.json()["code"]) == (400, "InvalidParameter.DataInspection")
    with Caller(sim, "sk-other") as other:
        assert other.submit(image=url, headers=RESOLVE, **SMALL).status_code == 400
    unknown = caller.submit(image="oss://dashscope-instant/nowhere.png", headers=RESOLVE, **SMALL)
    assert unknown.json()["message"] == "oss download error."
    sim.clock.advance(48 * 3600)
    assert caller.submit(image=url, headers=RESOLVE, **SMALL).json()["message"] == "oss download error."


def test_the_store_refuses_an_upload_that_breaks_its_policy(sim: Simulator, caller: Caller) -> None:
    policy = _policy(caller)
    form = _form(policy, "cat.jpg")
    assert _send(policy, form, file_last=False).status_code == 400
    assert _send(policy, {**form, "Signature": "AAAA"}).status_code == 403
    assert _send(policy, {**form, "OSSAccessKeyId": "LTA"}).status_code == 403
    assert _send(policy, {**form, "key": "elsewhere/cat.jpg"}).status_code == 403
    assert _send(policy, {**form, "x-oss-object-acl": "public-read"}).status_code == 403
    for name in ("policy", "key"):
        without = {field: value for field, value in form.items() if field != name}
        assert _send(policy, without).status_code == 400
    assert httpx.post(policy["upload_host"], content=b"x", trust_env=False, timeout=PATIENCE).status_code == 400
    assert (_send(policy, form).status_code, _send(policy, form).status_code) == (200, 409)
    other = _form(policy, "other.jpg")
    sim.clock.advance(policy["expire_in_seconds"])
    late = _send(policy, other)
    assert late.status_code == 403
    assert "Invalid according to Policy: Policy expired." in late.text
    assert late.headers["content-type"].startswith("application/xml")


def test_a_policy_is_for_a_model_that_exists_and_a_key(sim: Simulator, caller: Caller) -> None:
    ask = {"action": "getPolicy", "model": FLASH}
    assert httpx.get(f"{sim.base_url}/uploads", params=ask, trust_env=False, timeout=PATIENCE).status_code == 401
    assert caller.http.get("/uploads", params={**ask, "model": "wan9"}).json()["message"] == "Model not exist."
    assert caller.http.get("/uploads", params={"model": FLASH}).status_code == 400


@pytest.mark.parametrize(
    "kinds",
    [("first_frame",), ("first_frame", "driving_audio"), ("first_frame", "last_frame"), ("first_clip",)],
    ids="+".join,
)
def test_wan27_takes_media_in_a_list(caller: Caller, photos: Path, kinds: tuple[str, ...]) -> None:
    clip = caller.made(**SMALL)
    with files(
        first_frame=served(picture(), "image/jpeg"),
        last_frame=served((photos / "chelsea.png").read_bytes(), "image/png"),
        driving_audio=served(tone(2), "audio/wav"),
        first_clip=served(clip, "video/mp4"),
    ) as site:
        media = [{"type": kind, "url": f"{site}/{kind}"} for kind in kinds]
        answer = caller.post(_wan27({"media": media}))
        output = caller.finish(answer.json()["output"]["task_id"])["output"]
    assert output["task_status"] == "SUCCEEDED", output


def test_a_clip_to_go_on_from_lasts_two_to_ten_seconds_and_is_no_strip(caller: Caller) -> None:
    clips = {
        "good": (_clip(2), None),
        "short": (_clip(1), "The input video must last 2 to 10 seconds."),
        "long": (_clip(11), "The input video must last 2 to 10 seconds."),
        "strip": (_clip(2, (2400, 240)), "The input video must have sides of 240 to 4096 pixels, 1:8 to 8:1."),
        "small": (_clip(2, (320, 200)), "The input video must have sides of 240 to 4096 pixels, 1:8 to 8:1."),
        "matroska": (_clip(2, form="matroska"), "The input video must be mp4 or mov."),
        "text": (b"no clip", "Required URL is missing or invalid, please check the request URL."),
    }
    with files(**{name: served(data, "video/mp4") for name, (data, _) in clips.items()}) as site:
        tasks = {}
        for name in clips:
            answer = caller.post(_wan27({"media": [{"type": "first_clip", "url": f"{site}/{name}"}]}))
            tasks[name] = answer.json()["output"]["task_id"]
            caller.sim.clock.advance(1)
        for name, (_, message) in clips.items():
            assert caller.finish(tasks[name])["output"].get("message") == message, name


def test_wan27_fails_late_on_the_old_shape_and_at_once_on_a_wrong_set(caller: Caller) -> None:
    old = caller.post(_wan27({"img_url": "http://127.0.0.1:9/x.png"}))
    assert old.status_code == 200
    output = caller.finish(old.json()["output"]["task_id"])["output"]
    assert (output["task_status"], output["message"]) == ("FAILED", "Field required: input.media")
    frame = {"type": "first_frame", "url": "http://127.0.0.1:9/x"}
    sound = {"type": "driving_audio", "url": "http://127.0.0.1:9/x"}
    for media in (
        [sound],
        [frame, frame],
        [{"type": "first_frame"}],
        "first_frame",
        [frame, {**frame, "type": "mask"}],
    ):
        assert caller.post(_wan27({"media": media})).status_code == 400


def _wan27(given: dict[str, Any]) -> dict[str, Any]:
    return {"model": "wan2.7-i2v", "input": given, "parameters": {"resolution": "720P", "duration": 2}}


def _clip(seconds: int, size: tuple[int, int] = (320, 240), form: str = "mp4") -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format=form) as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        picture = av.VideoFrame.from_image(Image.new("RGB", size))
        for number in range(seconds * 10):
            picture.pts = number
            out.mux(stream.encode(picture))
        out.mux(stream.encode(None))
    return file.getvalue()


def _aac() -> bytes:
    file = io.BytesIO()
    with av.open(file, "w", format="adts") as out:
        stream = out.add_stream("aac", rate=44100)
        frame = av.AudioFrame(format="fltp", layout="stereo", samples=44100 * 4)
        frame.sample_rate = 44100
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return file.getvalue()


def _policy(caller: Caller, model: str = FLASH) -> dict[str, Any]:
    answer = caller.http.get("/uploads", params={"action": "getPolicy", "model": model})
    assert answer.status_code == 200
    return dict(answer.json()["data"])


def _form(policy: dict[str, Any], name: str) -> dict[str, str]:
    return {
        "OSSAccessKeyId": policy["oss_access_key_id"],
        "Signature": policy["signature"],
        "policy": policy["policy"],
        "key": f"{policy['upload_dir']}/{name}",
        "x-oss-object-acl": policy["x_oss_object_acl"],
        "x-oss-forbid-overwrite": policy["x_oss_forbid_overwrite"],
        "success_action_status": "200",
    }


def _send(policy: dict[str, Any], form: dict[str, str], *, file_last: bool = True) -> httpx.Response:
    parts: list[Any] = [(name, (None, value)) for name, value in form.items()]
    parts.insert(len(parts) if file_last else 0, ("file", ("cat.jpg", picture(), "image/jpeg")))
    return httpx.post(policy["upload_host"], files=parts, trust_env=False, timeout=PATIENCE)


def _upload(caller: Caller, data: bytes, name: str) -> str:
    policy = _policy(caller)
    form = _form(policy, name)
    answer = httpx.post(
        policy["upload_host"], data=form, files={"file": (name, data)}, trust_env=False, timeout=PATIENCE
    )
    assert (answer.status_code, answer.content) == (200, b"")
    return f"oss://{form['key']}"
