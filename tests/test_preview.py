"""The dry run: what it says, and that nothing leaves this machine for it."""

from __future__ import annotations

import json
import os
import re
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from windows import NASTY, Page, assert_harmless

import wan_notebook as wan
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from pathlib import Path

URL = "https://example.com/cat.png"
KEY = "sk-preview-0123456789abcdef"
OUTSIDE = ("socket.connect", "socket.getaddrinfo")  # which name an address


def dry(**parameters: Any) -> wan.DryRun:
    return wan.dry_run(**{"prompt": "A cat.", "image": URL, "region": "singapore", **parameters})


def plain(run: wan.DryRun) -> str:
    return " ".join(str(run).split())


def test_it_needs_no_key_opens_no_socket_and_writes_nothing(in_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    here = threading.get_ident()

    def watch(event: str, given: tuple[object, ...]) -> None:
        # A job that an earlier test left goes on asking its service, which stood on this machine.
        mine = threading.get_ident() == here or (event in OUTSIDE and "127.0.0.1" not in repr(given))
        if watching and event.startswith("socket.") and mine:
            asked.append(event)

    watching = True
    sys.addaudithook(watch)  # it stays for ever: `watching` ends it
    monkeypatch.setenv("DASHSCOPE_API_KEY_FILE_PATH", str(in_folder / "no such file"))
    before = sorted(in_folder.rglob("*"))
    for region in ("singapore", "beijing", "virginia", "frankfurt", "simulator"):
        for image in (URL, "images/chelsea.png"):
            dry(image=image, region=region, model="wan2.6-i2v", audio_url="https://example.com/a.mp3")
    watching = False
    assert asked == []
    assert sorted(in_folder.rglob("*")) == before


def test_a_simulator_that_is_there_is_not_asked_either(in_folder: Path) -> None:
    with Simulator(speed=100, render="shape") as sim:
        run = dry(image="images/chelsea.png", base_url=sim.base_url, api_key=KEY)
        assert sim.requests == []
        assert run.url.startswith(sim.base_url)
    with pytest.raises(OSError, match=r".*"), socket.create_connection(("127.0.0.1", 8765), timeout=0.2):
        pass  # the address the commands of `region="simulator"` name: nothing was started there


def test_the_key_is_never_shown_whatever_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    run = dry(api_key=KEY + "x")
    assert run.headers["Authorization"] == "Bearer $DASHSCOPE_API_KEY"
    for text in (str(run), repr(run), json.dumps(run.as_dict()), str(run._repr_mimebundle_())):
        assert KEY not in text


def test_every_explicit_value_says_whether_it_was_given() -> None:
    text = plain(dry())
    for words in (
        "model wan2.6-i2v-flash (default)",
        "resolution 720P (default)",
        "duration 5 (default)",
        "audio true (default)",
        "seed 123456789 (an example: drawn at submit)",
        "prompt_extend true (default, not sent)",
        "watermark false (default, not sent)",
    ):
        assert words in text
    given_ = dry(resolution="1080P", duration=3, audio=False, seed=9, model="wan2.6-i2v-flash", watermark=True)
    for words in ("resolution 1080P (given)", "duration 3 (given)", "audio false (given)", "seed 9 (given)"):
        assert words in plain(given_)
    assert "model wan2.6-i2v-flash (given)" in plain(given_)
    assert "watermark true (given)" in plain(given_)
    assert "an example" not in plain(given_)


def test_the_page_marks_them_too_and_names_the_half_price() -> None:
    text = Page(dry()._repr_mimebundle_()).text
    assert re.search(r"Model wan2.6-i2v-flash default .*Resolution 720P default .*Duration 5 s default", text)
    assert re.search(r"Audio on default .*Seed 123456789 an example: drawn at submit", text)
    assert "without sound (--no-audio, audio=False) it would cost about 0.125 USD, half as much" in text
    assert "half as much" not in Page(dry(audio=False)._repr_mimebundle_()).text


def test_the_clip_is_predicted_about_and_the_frame_rate_as_documented() -> None:
    run = dry(image=Image.new("RGB", (750, 1000)))
    assert run.predicted_size == (816, 1104)
    assert "clip about 816×1104 · 5 s · 30 fps as documented · with sound" in plain(run)
    assert (run.seconds, run.fps, run.sound) == (5, 30, True)


def test_the_size_of_an_image_nobody_has_looked_at_is_unknown() -> None:
    assert dry().predicted_size is None
    assert "clip size unknown" in plain(dry())


@pytest.mark.parametrize(
    ("changes", "words", "sound"),
    [
        ({"audio": False}, "silent", False),
        ({"model": "wan2.5-i2v-preview"}, "with sound", True),
        ({"model": "wan2.2-i2v-flash"}, "silent", False),
        ({"audio_url": "https://example.com/a.mp3"}, "with sound", True),
    ],
)
def test_it_says_whether_the_clip_has_sound(changes: dict[str, Any], words: str, sound: bool) -> None:
    run = dry(**changes)
    assert f"as documented · {words}" in plain(run)
    assert run.sound is sound


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("singapore", "price about 0.25 USD · Singapore · price table of 2026-05-26"),
        ("beijing", "price about 1.5 CNY · Beijing · price table of 2026-05-26 (free quota, not deducted: 50 s in"),
        ("simulator", "nothing is billed: simulated (a real one: about 0.25 USD · price table of 2026-05-26)"),
        ("virginia", "price price unknown · Virginia"),
    ],
)
def test_the_price_is_the_regions_with_the_date_of_its_table(region: str, words: str) -> None:
    assert words in plain(dry(region=region))


def test_it_says_what_would_be_billed_if_our_default_were_left_out() -> None:
    words = "resolution: 720P is our default and is sent; left out, the service would make and bill 1080P"
    assert words in dry().notes
    assert words not in dry(resolution="720P").notes
    assert not any("left out" in note for note in dry(model="wan2.1-i2v-turbo").notes)


def test_an_unknown_price_is_not_0_and_says_what_a_submit_would_ask() -> None:
    with pytest.warns(UserWarning, match="not in the catalogue"):
        run = dry(model="wan9-i2v")
    assert run.as_dict()["cost"]["amount"] is None
    assert "price price unknown" in plain(run)
    assert "needs --yes" in plain(run)
    assert run.sound is None
    assert "sound unknown" in plain(run)


def test_problems_of_the_region_are_shown_with_everything_else() -> None:
    run = dry(region="virginia")
    assert [problem.field for problem in run.problems] == ["model"]
    assert "It would be refused: - model = wan2.6-i2v-flash: it is not offered in virginia." in plain(run)
    assert "It would be refused:" in Page(run._repr_mimebundle_()).text
    frankfurt = dry(region="frankfurt", model="wan2.6-i2v")
    assert "DASHSCOPE_WORKSPACE_ID" in str(frankfurt.problems[0])
    assert "{workspace}.eu-central-1" in frankfurt.url


def test_a_limit_that_would_not_be_kept_is_said() -> None:
    assert dry(max_cost="0.25 USD").problems == ()
    (problem,) = dry(max_cost=0.2).problems
    assert "it would cost about 0.25 USD" in str(problem)
    assert "is unknown" in str(dry(max_cost=5, region="virginia").problems)


def test_an_invalid_request_is_refused_with_all_its_problems_as_by_submit() -> None:
    with pytest.raises(wan.InvalidRequestError) as caught:
        dry(duration=99, resolution="480P")
    assert [problem.field for problem in caught.value.problems] == ["resolution", "duration"]
    with pytest.raises(wan.ConfigurationError, match="singapur"):
        dry(region="singapur")
    with pytest.raises(wan.InvalidRequestError):
        dry(name=3)


def test_a_sound_that_would_be_uploaded_is_said_and_not_sent(in_folder: Path, request: pytest.FixtureRequest) -> None:
    verse = request.config.rootpath / "notebooks" / "audio" / "verse.mp3"
    run = dry(image="images/chelsea.png", audio_url=verse)
    assert "verse.mp3" in plain(run)
    assert "would be uploaded first: free, kept 48 h, for wan2.6-i2v-flash only" in plain(run)
    assert run.body["input"]["audio_url"] == "oss://…"
    assert run.headers["X-DashScope-OssResourceResolve"] == "enable"
    assert run.curl.count("curl ") == 3


def test_a_large_picture_is_uploaded_where_the_region_can_and_base64_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "large.bmp"
    Image.new("RGB", (1600, 1500)).save(path)  # 6.9 MB
    small = dry(image=path, model="wan2.6-i2v", region="virginia")
    assert small.problems == ()
    assert small.body["input"]["img_url"].startswith("data:image/bmp;base64,Qk")
    assert len(small.body["input"]["img_url"]) < 100
    assert small.body_bytes > 9_000_000
    Image.effect_noise((1700, 1500), 90).convert("RGB").save(path)  # 7.3 MB
    large = dry(image=path)
    assert large.problems == ()
    assert large.body["input"]["img_url"] == "oss://…"
    assert large.body_bytes < 1000  # what is uploaded is no part of it
    assert "POST request, 7" not in str(large)


def test_a_picture_too_large_for_base64_is_refused_where_it_cannot_be_uploaded_or_made_to_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_WORKSPACE_ID", "ws-1")
    path = tmp_path / "large.bmp"
    Image.new("RGB", (2000, 1600)).save(path)
    given = {"image": path, "model": "wan2.6-i2v", "output_dir": tmp_path}
    for region in ("virginia", "frankfurt"):
        (problem,) = dry(**given, region=region).problems
        assert problem.field == "image"
        assert "7.0 MB" in str(problem)
        assert "--fit" in str(problem)
    fitted = dry(**given, region="virginia", fit=True)
    assert fitted.problems == ()
    assert fitted.body["input"]["img_url"].startswith("data:image/")
    assert fitted.body_bytes < 10_485_760
    assert dry(**given).problems == ()


def test_what_is_too_large_for_base64_is_found_before_anything_is_sent(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (3000, 2600), os.urandom(3 * 3000 * 2600))
    path = tmp_path / "large.bmp"
    Image.new("RGB", (2000, 1600)).save(path)
    with Simulator(region="virginia", render="shape") as sim:
        place = {"region": "virginia", "base_url": sim.base_url, "api_key": KEY, "output_dir": tmp_path, "yes": True}
        with pytest.raises(wan.InvalidRequestError, match=r"7\.0 MB at most") as caught:
            wan.submit(image=path, model="wan2.6-i2v", **place)
        assert "--fit" in str(caught.value)
        (problem,) = dry(image=noise, model="wan2.6-i2v", region="virginia", output_dir=tmp_path).problems
        assert "up to 7.0 MB" in str(problem)
        job = wan.submit(image=noise, model="wan2.6-i2v", **place)  # how large it is shows when it is encoded
        with pytest.raises(wan.InvalidRequestError, match=r"7\.0 MB"):
            job.result(60)
        assert sim.requests == []


def test_a_picture_that_is_in_no_file_is_kept_where_the_commands_find_it(tmp_path: Path) -> None:
    run = dry(image=Image.new("RGB", (300, 300), "red"), output_dir=tmp_path)
    (kept,) = (tmp_path / "inputs").iterdir()
    assert str(kept) in run.curl
    assert str(kept) in run.sdk
    with Image.open(kept) as image:
        assert image.size == (300, 300)


def test_a_cropped_frame_is_measured_and_shown_as_it_would_be_sent(in_folder: Path) -> None:
    run = dry(image="images/chelsea.png", crop="1:1")
    assert run.predicted_size == (960, 960)
    assert run.as_dict()["values"]["crop"] == {"value": "1:1", "from": "given"}
    assert "image as it is sent: 300 × 300 pixels" in Page(run._repr_mimebundle_()).text
    assert "wan_outputs/inputs/" in run.curl


def test_a_picture_to_be_pinned_is_not_fetched(in_folder: Path) -> None:
    with Simulator(speed=100, render="shape") as sim:
        run = dry(image=f"{sim.base_url}/cat.png", pin=True, crop="16:9")
        assert sim.requests == []
    assert "cat.png is not fetched for a dry run" in plain(run)
    assert run.predicted_size is None


@pytest.mark.parametrize("framing", [{"crop": "16:9"}, {"pad": "1:1"}, {"fit": True}], ids=str)
def test_no_command_is_given_that_would_send_a_picture_without_its_framing(framing: dict[str, Any]) -> None:
    run = dry(pin=True, **framing)
    assert URL not in run.curl + run.sdk + json.dumps(run.body)
    for text in (run.curl, run.sdk):
        assert text.startswith("# no command: image is fetched and framed at the submit")
        assert "\n" not in text
    assert "fetched and framed at the submit" in run.body["input"]["img_url"]
    assert "POST request, not as it will be sent" in plain(run)
    assert URL in dry(pin=True).curl


def test_a_saved_output_holds_no_query_and_no_password_but_the_dry_run_itself_does() -> None:
    run = dry(image="https://me:secret@example.com/cat.png?Signature=abc", audio_url="https://example.com/a.mp3?Sig=x")
    for text in (str(run), run.curl, run.sdk):
        assert "https://me:secret@example.com/cat.png?Signature=abc" in text
        assert "a.mp3?Sig=x" in text
    kept = run._repr_mimebundle_()
    for text in kept.values():
        assert not re.search("Sig|secret", text)
        assert "https://example.com/cat.png?…" in text
        assert "print(…) shows it" in text
    assert "print(…)" not in str(dry()._repr_mimebundle_())


def test_everything_is_plain_values_for_json() -> None:
    facts = json.loads(json.dumps(dry(seed=3, duration=4).as_dict()))
    assert facts["request"]["body"]["parameters"] == {"resolution": "720P", "duration": 4, "audio": True, "seed": 3}
    assert facts["values"]["duration"] == {"value": 4, "from": "given"}
    assert facts["cost"]["amount"] == "0.2"
    assert facts["clip"] == {"width": None, "height": None, "seconds": 4, "fps": 30, "sound": True}


def test_the_page_holds_the_very_texts_to_copy() -> None:
    run = dry(prompt="".join(c for c in NASTY if c.isprintable() or c in "\n\u202e"), seed=1)
    page = assert_harmless(run._repr_mimebundle_(), lines=True)
    words = "".join(page.words)
    assert run.curl in words
    assert run.sdk in words


@settings(max_examples=40, deadline=None)
@given(prompt=st.text(max_size=200), name=st.text(max_size=30))
def test_no_prompt_whatever_adds_an_element(prompt: str, name: str) -> None:
    try:
        run = dry(prompt=prompt, name=name)
    except wan.InvalidRequestError:
        return
    words = "".join(assert_harmless(run._repr_mimebundle_(), lines=True).words)
    assert run.curl in words
    assert run.sdk in words


def test_a_dry_run_for_the_simulator_says_neither_that_a_clip_is_unreal_nor_that_commands_are_billed() -> None:
    for region, bill in (("simulator", "the simulator bills nothing"), ("singapore", "are billed when they run")):
        text = Page(dry(region=region)._repr_mimebundle_()).text
        assert bill in text
        assert ("for the simulator" in text) is (region == "simulator")
        assert "not a real Wan clip" not in text


def test_it_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        dry().region = "beijing"  # type: ignore[misc]
