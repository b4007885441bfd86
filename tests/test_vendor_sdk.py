"""The vendor's own Python SDK, pointed at the simulator, runs what the vendor's guide shows."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import av
import httpx
import pytest
from caller import files, served, tone

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# The SDK runs in a process of its own: its weight and its warnings are not ours.
SCRIPT = r"""
import asyncio, base64, json, pathlib, sys
from concurrent.futures import ThreadPoolExecutor
import dashscope
from dashscope import VideoSynthesis
from dashscope.aigc.video_synthesis import AioVideoSynthesis

base_url, site, folder = sys.argv[1:]
dashscope.base_http_api_url = base_url
photo = pathlib.Path(folder, "a photo.png")
speech = pathlib.Path(folder, "speech.wav")
common = dict(api_key="sk-vendor", model="wan2.6-i2v-flash", prompt="The cat looks up.", resolution="720P", duration=2)
by_url = dict(common, img_url=site + "/cat.png")

def told(answer):
    output = answer.output or {}
    return {
        "status": int(answer.status_code), "code": answer.code, "task": output.get("task_status"),
        "url": output.get("video_url"), "usage": dict(answer.usage or {}), "orig_prompt": output.get("orig_prompt"),
    }

def several_shots():
    return VideoSynthesis.call(**by_url, shot_type="multi", prompt_extend=True, watermark=True)

def follow_a_sound():
    begun = VideoSynthesis.async_call(
        **by_url, audio_url=site + "/speech.wav", shot_type="multi", prompt_extend=True, watermark=True,
        negative_prompt="", seed=12345)
    assert begun.status_code == 200 and begun.output.task_id, begun
    return VideoSynthesis.wait(task=begun, api_key="sk-vendor")

def silent():
    return VideoSynthesis.call(
        **by_url, audio=False, prompt_extend=True, watermark=True, negative_prompt="", seed=12345)

def older_model():
    return VideoSynthesis.call(**{**by_url, "model": "wan2.1-i2v-turbo", "resolution": "480P", "duration": 3})

def local_file():
    return VideoSynthesis.call(**common, img_url=photo.as_uri().replace("%20", " "), audio=False)

def local_sound():
    return VideoSynthesis.call(**common, img_url=str(photo), audio_url=speech.as_uri())

def in_the_request():
    data = "data:image/png;base64," + base64.b64encode(photo.read_bytes()).decode()
    return VideoSynthesis.call(**common, img_url=data, audio=False)

def asynchronous():
    return asyncio.run(AioVideoSynthesis.call(**by_url, audio=False))

def failing():
    return VideoSynthesis.call(**{**by_url, "prompt": "[simulate: FAILED DataInspectionFailed]"})

def wrong_key():
    return VideoSynthesis.async_call(**{**by_url, "api_key": "sk-invalid"})

def wrong_model():
    return VideoSynthesis.async_call(**{**by_url, "model": "wan9-i2v"})

samples = [several_shots, follow_a_sound, silent, older_model, local_file, local_sound, in_the_request, asynchronous,
           failing, wrong_key, wrong_model]
with ThreadPoolExecutor(4) as pool:
    waiting = {sample.__name__: pool.submit(lambda sample=sample: told(sample())) for sample in samples}
results = {name: answer.result() for name, answer in waiting.items()}

# Two of this model work at a time, for ten seconds each: the third waits, and can be cancelled.
begun = []
while len(begun) < 3:
    answer = VideoSynthesis.async_call(**{**by_url, "model": "wan2.1-i2v-plus", "duration": 5})
    if answer.status_code == 200:
        begun.append(answer)
cancelled = VideoSynthesis.cancel(begun[2].output.task_id, api_key="sk-vendor")
fetched = VideoSynthesis.fetch(begun[2], api_key="sk-vendor")
results["cancel"] = {"status": int(cancelled.status_code), "task": told(fetched)["task"]}
listed = VideoSynthesis.list(api_key="sk-vendor", page_size=100)
results["list"] = {"status": int(listed.status_code), "total": json.loads(str(listed))["output"]["total"]}
results["version"] = dashscope.version.__version__
print(json.dumps(results))
"""

CLIPS = {  # sample: codecs, frames
    "several_shots": (["h264", "aac"], 60),
    "follow_a_sound": (["h264", "aac"], 60),
    "silent": (["h264"], 60),
    "older_model": (["h264"], 90),
    "local_file": (["h264"], 60),
    "local_sound": (["h264", "aac"], 60),
    "in_the_request": (["h264"], 60),
    "asynchronous": (["h264"], 60),
}


OTHER = os.environ.get("WAN_TEST_SDK_1_25_PYTHON", "")
PYTHONS = [
    pytest.param(sys.executable, "2.0.2", id="2.0.2"),
    pytest.param(
        OTHER,
        "1.25.8",
        id="1.25.8",
        marks=pytest.mark.skipif(not OTHER, reason="WAN_TEST_SDK_1_25_PYTHON names no python with dashscope 1.25.8"),
    ),
]


@pytest.fixture(scope="module")
def sim() -> Iterator[Simulator]:
    # At this speed the clips are ready within a few of the SDK's polls, and an upload policy still lasts for 15 s.
    with Simulator(speed=20, render="shape") as running:
        yield running


@pytest.mark.parametrize(("python", "version"), PYTHONS)
def test_the_guides_samples_run_to_a_downloaded_video(
    sim: Simulator, photos: Path, tmp_path: Path, python: str, version: str
) -> None:
    photo = (photos / "chelsea.png").read_bytes()
    (tmp_path / "a photo.png").write_bytes(photo)
    (tmp_path / "speech.wav").write_bytes(tone(3))
    with files(cat=served(photo, "image/png"), speech=served(tone(3), "audio/wav")) as site:
        done = subprocess.run(
            [python, "-c", SCRIPT, sim.base_url, site, str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert results["version"] == version

    for name, (codecs, frames) in CLIPS.items():
        told = results[name]
        assert (told["status"], told["task"]) == (200, "SUCCEEDED"), (name, told)
        assert told["orig_prompt"] == "The cat looks up."
        clip = httpx.get(told["url"], trust_env=False)
        with av.open(io.BytesIO(clip.content)) as container:
            assert [stream.codec_context.name for stream in container.streams] == codecs, name
            assert container.streams.video[0].frames == frames
            assert container.streams.video[0].average_rate == 30
    assert results["silent"]["usage"]["duration"] == 2
    assert results["older_model"]["usage"]["video_duration"] == 3
    assert (results["failing"]["status"], results["failing"]["task"]) == (200, "FAILED")
    assert (results["wrong_key"]["status"], results["wrong_key"]["code"]) == (401, "InvalidApiKey")
    assert (results["wrong_model"]["status"], results["wrong_model"]["code"]) == (400, "InvalidParameter")
    assert results["cancel"] == {"status": 200, "task": "CANCELED"}
    assert results["list"]["status"] == 200
    assert results["list"]["total"] >= len(CLIPS)


NEW_CLIENT = r"""
import json, sys
import dashscope
client = dashscope.Client(api_key="sk-vendor-new", base_url=sys.argv[1])
old = client.videos.generate(
    model="wan2.6-i2v-flash", prompt="The cat looks up.", image_url=sys.argv[2] + "/cat.png",
    parameters={"resolution": "720P", "duration": 2, "audio": False})
new = client.videos.generate(
    model="wan2.7-i2v", prompt="The cat looks up.", image_url=sys.argv[2] + "/cat.png",
    parameters={"resolution": "720P", "duration": 2})
print(json.dumps([old.video_url, new.video_url]))
"""


@pytest.mark.full
def test_the_new_client_of_the_second_sdk_makes_a_video_too(sim: Simulator, photos: Path, tmp_path: Path) -> None:
    with files(cat=served((photos / "chelsea.png").read_bytes(), "image/png")) as site:
        done = subprocess.run(
            [sys.executable, "-c", NEW_CLIENT, sim.base_url, site],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stderr
    for url in json.loads(done.stdout.splitlines()[-1]):
        assert httpx.get(url, trust_env=False).content[4:8] == b"ftyp"
