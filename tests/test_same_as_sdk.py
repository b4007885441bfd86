"""The vendor's own SDK is the referee: for the same arguments our POST body equals its."""

from __future__ import annotations

import copy
import http.server
import json
import subprocess
import sys
import threading
from functools import partial

import pytest

import wan_notebook as wan
from wan_notebook.simulator import Simulator

KEY = "sk-referee-0123456789abcdef"
UNDOCUMENTED = {"extend_prompt", "function"}  # the SDK always adds these two to `input`
EXPLICIT = {"resolution", "duration", "audio", "seed"}  # we always say these
FLASH, WAN26, WAN25 = "wan2.6-i2v-flash", "wan2.6-i2v", "wan2.5-i2v-preview"
ARGUMENTS = {
    "only what is required": {"model": FLASH},
    "a prompt in two languages": {"model": FLASH, "prompt": 'A cat 猫 says "hello"\nand leaves.'},
    "every option of the flash model": {
        "model": FLASH,
        "prompt": "A cat.",
        "negative_prompt": "blur",
        "resolution": "720P",
        "duration": 4,
        "audio": True,
        "shot_type": "multi",
        "prompt_extend": True,
        "watermark": True,
        "seed": 7,
    },
    "silent": {"model": FLASH, "prompt": "A cat.", "audio": False, "resolution": "720P", "duration": 2, "seed": 1},
    "an audio file": {"model": FLASH, "prompt": "A cat.", "audio_url": "AUDIO", "resolution": "720P", "duration": 3},
    "an empty negative prompt": {"model": FLASH, "prompt": "A cat.", "negative_prompt": "", "seed": 3},
    "switches set to what they are anyway": {
        "model": FLASH,
        "prompt": "A cat.",
        "prompt_extend": True,
        "watermark": False,
    },
    "no rewriting": {"model": FLASH, "prompt": "A cat.", "prompt_extend": False},
    "one shot, said so": {
        "model": WAN26,
        "prompt": "A cat.",
        "shot_type": "single",
        "duration": 2,
        "resolution": "1080P",
    },
    "2.5 with an audio file": {
        "model": WAN25,
        "prompt": "A cat.",
        "audio_url": "AUDIO",
        "resolution": "480P",
        "duration": 10,
    },
    "2.2 flash": {"model": "wan2.2-i2v-flash", "prompt": "A cat.", "resolution": "480P"},
    "2.2 plus": {"model": "wan2.2-i2v-plus", "prompt": "A cat.", "resolution": "1080P", "negative_prompt": "people"},
    "2.1 turbo": {"model": "wan2.1-i2v-turbo", "prompt": "A cat.", "duration": 3, "resolution": "480P", "seed": 0},
    "2.1 plus, Beijing's name": {"model": "wanx2.1-i2v-plus", "prompt": "A cat."},
}
SDK = """
import json, sys
import dashscope
from dashscope import VideoSynthesis
base, key, arguments = json.load(sys.stdin)
dashscope.base_http_api_url = base
for given in arguments:
    answer = VideoSynthesis.async_call(api_key=key, **given)
    assert answer.status_code == 200, answer
"""


@pytest.fixture(scope="module")
def media(request, tmp_path_factory):
    root = request.config.rootpath / "notebooks"

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def _filled(arguments, media):
    given = {"img_url": f"{media}/images/chelsea.png", **arguments}
    if given.get("audio_url") == "AUDIO":
        given["audio_url"] = f"{media}/audio/verse.mp3"
    return given


@pytest.fixture(scope="module")
def bodies(media, tmp_path_factory):
    """(the SDK's bodies, ours), by name; each pair was posted to the same simulator."""
    filled = {name: _filled(arguments, media) for name, arguments in ARGUMENTS.items()}
    with Simulator(speed=500, render="shape") as service:
        subprocess.run(
            [sys.executable, "-c", SDK],
            input=json.dumps([service.base_url, KEY, list(filled.values())]),
            text=True,
            check=True,
            timeout=120,
            capture_output=True,
        )
        theirs = [entry.json for entry in service.requests if entry.method == "POST"]
        seen = len(service.requests)
        for given in filled.values():
            folder = tmp_path_factory.mktemp("clips")
            job = wan.submit(**given, base_url=service.base_url, api_key=KEY, region="simulator", output_dir=folder)
            assert job.wait(60)
        ours = [entry.json for entry in service.requests[seen:] if entry.method == "POST"]
    return dict(zip(filled, zip(theirs, ours, strict=True), strict=True))


@pytest.mark.parametrize("name", ARGUMENTS)
def test_our_body_equals_the_sdks(bodies, name):
    theirs, ours = copy.deepcopy(bodies[name])
    for field in UNDOCUMENTED:
        theirs["input"].pop(field, None)
    theirs["input"] = {field: value for field, value in theirs["input"].items() if value is not None}
    theirs.setdefault("parameters", {})
    for field in EXPLICIT - ARGUMENTS[name].keys():
        ours["parameters"].pop(field, None)
    assert ours == theirs


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_fields_that_set_the_price_are_always_said(bodies, name):
    _, ours = bodies[name]
    said = ours["parameters"].keys()
    assert {"resolution", "duration", "seed"} <= said
    assert ("audio" in said) == (ARGUMENTS[name]["model"] == FLASH)
