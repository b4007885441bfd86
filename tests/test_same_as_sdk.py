"""The vendor's own SDK is the referee: for the same arguments we send what it sends.

Equal means: the same method, path and query, the same ``X-DashScope-*`` headers, key and content type, and the same
JSON body, after three things only:

- from the SDK's body: ``function`` and ``extend_prompt``, which no document names, and fields that are null (for what
  was not given the SDK sends ``"prompt": null``, we send nothing);
- from the SDK's headers: the two by which its second version counts its users (``X-DashScope-SDK-*``);
- from our body: resolution, duration, audio and seed where the caller gave none, because we always say them.

What was given goes out as it was given, also where the model's documents have no such switch (``audio=True`` of a
model that always makes sound) and also when it is empty (``prompt=""``); what the SDK leaves out when it is empty, we
leave out.

``MENDED`` is the other half of the rule: spellings the service would refuse are sent in the documented spelling, so
there we equal the SDK given that spelling. What we refuse to send is in ``test_agreement.py``, each with its reason.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from caller import PATIENCE, data_uri, picture
from referee import BOTH, NAMES, NEW, OLD, OURS, asked_for, documented, headers, service_headers, sitting

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from referee import Referee

FLASH, WAN26, WAN26US, WAN25 = "wan2.6-i2v-flash", "wan2.6-i2v", "wan2.6-i2v-us", "wan2.5-i2v-preview"
FLASH22, PLUS22 = "wan2.2-i2v-flash", "wan2.2-i2v-plus"
IMAGE, SOUND = "https://example.com/cat.png", "https://example.com/rap.mp3"
CAT = {"model": FLASH, "img_url": IMAGE, "prompt": "A cat."}
SAME: dict[str, dict[str, Any]] = {
    # Prompts
    "only what is required": {"model": FLASH, "img_url": IMAGE},
    "no prompt, said so": {**CAT, "prompt": None},
    "an empty prompt": {**CAT, "prompt": ""},
    "blanks around and inside the prompt": {**CAT, "prompt": "  A cat.\n\n\tIt leaves. \r\n"},
    "quotes, backslashes and markup": {**CAT, "prompt": 'A "cat" \\n </script> & \'dog\' {x} $y %d'},
    "a prompt in four scripts": {**CAT, "prompt": "A cat 猫 кот قطة leaves."},
    "emoji and combining marks": {**CAT, "prompt": "👩‍👩‍👧‍👦 e\u0301 🇨🇳 \u2028 \u200f"},
    "a prompt that looks like a number": {**CAT, "prompt": "12345"},
    "a prompt that looks like JSON": {**CAT, "prompt": '{"prompt": null}'},
    "a prompt that looks like a path": {**CAT, "prompt": "file:///etc/hosts"},
    "the longest prompt, in letters": {**CAT, "prompt": "a" * 1500},
    "the longest prompt, in Han": {**CAT, "prompt": "猫" * 1500},
    "the longest prompt, in emoji": {**CAT, "prompt": "🐈" * 1500},
    "the longest prompt of an older model": {"model": PLUS22, "img_url": IMAGE, "prompt": "猫" * 800},
    "a negative prompt": {**CAT, "negative_prompt": "blur, 模糊"},
    "the longest negative prompt": {**CAT, "negative_prompt": "糊" * 500},
    "an empty negative prompt": {**CAT, "negative_prompt": ""},
    "a blank negative prompt": {**CAT, "negative_prompt": " "},
    "a negative prompt that looks like a number": {**CAT, "negative_prompt": "0"},
    # Switches
    "every switch on": {**CAT, "prompt_extend": True, "watermark": True, "audio": True},
    "every switch off": {**CAT, "prompt_extend": False, "watermark": False, "audio": False},
    "every switch left out by None": {**CAT, "prompt_extend": None, "watermark": None, "audio": None},
    "no rewriting": {**CAT, "prompt_extend": False},
    "one shot, said so, without rewriting": {**CAT, "shot_type": "single", "prompt_extend": False},
    "several shots": {**CAT, "shot_type": "multi"},
    "several shots, rewriting said": {**CAT, "shot_type": "multi", "prompt_extend": True},
    "sound asked of a model that always makes it": {**CAT, "model": WAN26, "audio": True},
    "sound asked of 2.5": {**CAT, "model": WAN25, "audio": True},
    # Numbers
    "the smallest seed": {**CAT, "seed": 0},
    "the largest seed": {**CAT, "seed": 2147483647},
    "the shortest clip": {**CAT, "duration": 2},
    "the longest clip": {**CAT, "duration": 15, "resolution": "1080P"},
    "a length that is a float": {**CAT, "duration": 5.0},
    # Sound
    "a sound track": {**CAT, "audio_url": SOUND},
    "a sound track without an ending, with a query": {**CAT, "audio_url": "https://example.com/a?b=c&d=%20#e"},
    "a sound track in Unicode": {**CAT, "audio_url": "http://例え.example/声.WAV"},
    "a sound track that will not be heard": {**CAT, "audio_url": SOUND, "audio": False},
    "an empty sound track": {**CAT, "audio_url": ""},
    # Addresses of the first frame
    "a signed address": {**CAT, "img_url": "https://b.oss-cn-x.aliyuncs.com/a%2Fb.png?Expires=1&Signature=a%2Bb%3D"},
    "an address in Unicode": {**CAT, "img_url": "http://example.com/猫/a+b.webp"},
    "a first frame in the request": {**CAT, "img_url": data_uri(picture())},
    "an uploaded first frame": {**CAT, "img_url": "oss://dashscope-instant/a/2026-11-24/b/cat.png"},
    "an uploaded sound track": {**CAT, "audio_url": "oss://dashscope-instant/a/2026-11-24/b/rap.mp3"},
    "both uploaded": {**CAT, "img_url": "oss://dashscope-instant/a/cat.png", "audio_url": "oss://dashscope-instant/b"},
    # Models
    "everything of 2.6 flash": {
        **CAT, "negative_prompt": "blur", "audio_url": SOUND, "resolution": "1080P", "duration": 10, "audio": True,
        "shot_type": "multi", "prompt_extend": True, "watermark": True, "seed": 12345,
    },
    "everything of 2.6": {
        **CAT, "model": WAN26, "negative_prompt": "blur", "audio_url": SOUND, "resolution": "720P", "duration": 3,
        "shot_type": "single", "prompt_extend": True, "watermark": True, "seed": 12345,
    },
    "2.6 in the United States": {**CAT, "model": WAN26US, "resolution": "1080P", "duration": 15, "shot_type": "multi"},
    "2.6 in the United States, bare": {"model": WAN26US, "img_url": IMAGE},
    "everything of 2.5": {
        **CAT, "model": WAN25, "negative_prompt": "blur", "audio_url": SOUND, "resolution": "480P", "duration": 10,
        "prompt_extend": False, "watermark": True, "seed": 1,
    },
    "2.5, bare": {"model": WAN25, "img_url": IMAGE},
    "2.2 flash": {**CAT, "model": FLASH22, "resolution": "480P", "duration": 5, "watermark": True},
    "2.2 plus": {**CAT, "model": PLUS22, "resolution": "1080P", "negative_prompt": "people"},
    "2.2 plus, bare": {"model": PLUS22, "img_url": IMAGE},
    "2.1 turbo": {**CAT, "model": "wan2.1-i2v-turbo", "duration": 3, "resolution": "480P", "seed": 0},
    "2.1 plus": {**CAT, "model": "wan2.1-i2v-plus", "prompt_extend": False},
    "2.1 turbo, Beijing's name": {**CAT, "model": "wanx2.1-i2v-turbo", "duration": 4, "resolution": "720P"},
    "2.1 plus, Beijing's name": {"model": "wanx2.1-i2v-plus", "img_url": IMAGE},
    "an effect": {"model": "wanx2.1-i2v-turbo", "img_url": IMAGE, "template": "flying"},
    "an effect and a prompt": {**CAT, "model": "wanx2.1-i2v-plus", "template": "squish", "resolution": "720P"},
    "an effect that looks like a number": {"model": "wanx2.1-i2v-plus", "img_url": IMAGE, "template": "42"},
    "an empty effect": {**CAT, "template": ""},
    "a model nobody knows": {
        **CAT, "model": "wan9.9-i2v-max", "resolution": "4K", "duration": 60, "audio": False, "shot_type": "triple",
        "audio_url": SOUND, "seed": 5,
    },
    "a model nobody knows, bare": {"model": "wan9.9-i2v-max", "img_url": IMAGE},
    # Not in the body
    "a workspace": {**CAT, "workspace": "ws-1"},
}  # fmt: skip
MENDED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {  # as people write it, as it is documented
    "a resolution in small letters": ({"resolution": "720p"}, {"resolution": "720P"}),
    "a resolution that is a number": ({"resolution": 1080}, {"resolution": "1080P"}),
    "a length that is text": ({"duration": "5"}, {"duration": 5}),
    "a seed that is text": ({"seed": "7"}, {"seed": 7}),
    "switches that are text": (
        {"audio": "false", "watermark": "yes", "prompt_extend": "1"},
        {"audio": False, "watermark": True, "prompt_extend": True},
    ),
    "a model in capitals": ({"model": "WAN2.6-I2V"}, {"model": "wan2.6-i2v"}),
    "shots in capitals": ({"shot_type": "Multi"}, {"shot_type": "multi"}),
    "blanks around addresses and words": (
        {"img_url": f" {IMAGE}\n", "audio_url": f"{SOUND} ", "resolution": " 720P "},
        {"img_url": IMAGE, "audio_url": SOUND, "resolution": "720P"},
    ),
    "a data: URI not quite as documented": (
        {"img_url": " " + data_uri(picture()).replace("image/jpeg;base64", "image/JPG;charset=x;base64")},
        {"img_url": data_uri(picture())},
    ),
    "schemes in capitals": (
        {"img_url": "HTTPS://EXAMPLE.COM/CAT.JPG", "audio_url": "OSS://Bucket/Rap.mp3"},
        {"img_url": "https://EXAMPLE.COM/CAT.JPG", "audio_url": "oss://Bucket/Rap.mp3"},
    ),
    "words that are empty": ({"resolution": "", "shot_type": "", "duration": ""}, {}),
    "our name for the first frame": ({"image": IMAGE, "img_url": None}, {"img_url": IMAGE}),
}
# The first version of the SDK knows no such list.
LAST = "https://example.com/dog.png"
LISTED: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "2.7, bare": ({"model": "wan2.7-i2v"}, {"first_frame": IMAGE}),
    "everything of 2.7": (
        {
            "model": "wan2.7-i2v", "prompt": "猫" * 5000, "negative_prompt": "blur", "resolution": "1080P",
            "duration": 15, "prompt_extend": False, "watermark": True, "seed": 0,
        },
        {"first_frame": IMAGE, "driving_audio": SOUND},
    ),
    "2.7 of a date, two frames": (
        {"model": "wan2.7-i2v-2026-04-25", "prompt": "A cat.", "duration": 2},
        {"first_frame": IMAGE, "last_frame": LAST},
    ),
    "2.7, two frames and a sound, an empty prompt": (
        {"model": "wan2.7-i2v", "prompt": "", "resolution": "720P", "negative_prompt": ""},
        {"first_frame": IMAGE, "last_frame": LAST, "driving_audio": SOUND},
    ),
    "2.7, uploaded": (
        {"model": "wan2.7-i2v", "prompt": None},
        {"first_frame": "oss://dashscope-instant/a/cat.png", "driving_audio": SOUND},
    ),
}  # fmt: skip
# What each side is given: name -> (the SDK's arguments, ours).
CASES = {name: (given, given) for name, given in SAME.items()} | {
    name: ({**CAT, **right}, {**CAT, **written}) for name, (written, right) in MENDED.items()
}
CASES27 = {}
for _name, (_rest, _media) in LISTED.items():
    _theirs = {**_rest, "media": [{"type": kind, "url": url} for kind, url in _media.items()]}
    CASES27[_name] = (_theirs, {**_rest, **{NAMES[kind]: url for kind, url in _media.items()}})
    CASES27[f"{_name}, pasted"] = (_theirs, _theirs)
EVERY = CASES | CASES27


@pytest.fixture(scope="module")
def referee(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Referee]:
    with sitting() as referee:
        referee.let_us_submit({name: ours for name, (_, ours) in EVERY.items()}, tmp_path_factory.mktemp("clips"))
        yield referee


@pytest.fixture(scope="module")
def sdk(request: pytest.FixtureRequest, referee: Referee) -> str:
    """The version of the SDK that has submitted every case it knows."""
    version = str(request.param)
    cases = EVERY if version == "2.0.2" else CASES
    referee.let_sdk_submit(version, {name: theirs for name, (theirs, _) in cases.items()})
    return version


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("sdk", [NEW], indirect=True)
def test_our_body_equals_the_sdks(referee: Referee, sdk: str, name: str) -> None:
    _compare_bodies(referee, sdk, name)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sdk", [OLD], indirect=True)
def test_our_body_equals_that_of_its_first_version(referee: Referee, sdk: str, name: str) -> None:
    _compare_bodies(referee, sdk, name)


def _compare_bodies(referee: Referee, sdk: str, name: str) -> None:
    theirs, ours = referee.submitted(sdk, name).json, referee.submitted(OURS, name).json
    assert asked_for(ours, EVERY[name][1]) == documented(theirs)


@pytest.mark.parametrize("sdk", BOTH, indirect=True)
def test_our_address_and_headers_equal_the_sdks(referee: Referee, sdk: str) -> None:
    for name in EVERY if sdk == "2.0.2" else CASES:
        theirs, ours = referee.submitted(sdk, name), referee.submitted(OURS, name)
        assert (ours.method, ours.path) == (theirs.method, theirs.path), name
        assert service_headers(ours) == service_headers(theirs), name
        assert headers(ours)["content-type"].split(";")[0] == headers(theirs)["content-type"].split(";")[0]


def test_the_headers_depend_on_what_is_sent(referee: Referee) -> None:
    """So that the comparison above compares something."""
    bare = service_headers(referee.submitted(OURS, "only what is required"))
    assert bare == {"x-dashscope-async": "enable"}
    for name in ("an uploaded first frame", "an uploaded sound track", "both uploaded", "2.7, uploaded"):
        resolved = service_headers(referee.submitted(OURS, name))
        assert resolved == {**bare, "x-dashscope-ossresourceresolve": "enable"}
    assert service_headers(referee.submitted(OURS, "a workspace")) == {**bare, "x-dashscope-workspace": "ws-1"}


@pytest.mark.parametrize("name", EVERY)
def test_the_fields_that_set_the_price_are_always_said(referee: Referee, name: str) -> None:
    given = EVERY[name][0]
    said = referee.submitted(OURS, name).json["parameters"]
    assert {"resolution", "duration", "seed"} <= said.keys()
    assert ("audio" in said) == (given["model"] == FLASH or given.get("audio") is not None)
    assert type(said["duration"]) is type(said["seed"]) is int
    assert re.fullmatch("[0-9]+[PK]", said["resolution"])


def test_the_simulator_takes_every_one_of_our_bodies(referee: Referee) -> None:
    with (
        Simulator(speed=1_000_000, render="shape") as service,
        httpx.Client(base_url=service.base_url, timeout=PATIENCE) as http,
    ):
        for name in EVERY:
            ours = referee.submitted(OURS, name)
            if b"oss://" in ours.body or b"wan9.9" in ours.body:  # nothing was uploaded there; no such model there
                continue
            answer = http.post(ours.path, content=ours.body, headers=ours.headers)
            assert answer.status_code == 200, (name, answer.text)
