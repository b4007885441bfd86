"""The same request for curl and for the vendor's SDK: both are run, and what arrives is what we would send."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

import wan_notebook as wan
from wan_notebook.simulator import Simulator
from wan_notebook.words.phrases import UNSEEN

if TYPE_CHECKING:
    from wan_notebook.windows.preview import DryRun

KEY = "sk-snippets-0123456789abcdef"
PROMPT = 'Die "Katze"\'s $HOME `id` \\n !! %s 100% \u202egnp\u2028 猫\n\tund "$(date)" {workspace} #'
NASTY_NAME = "my $cat's `photo` (1) #\u202e 猫+%41.png"
UNDOCUMENTED = {"extend_prompt", "function"}  # the SDK always adds these two to `input`
RUN = "import json, sys\nfor source in json.load(sys.stdin): exec(compile(source, '<cell>', 'exec'), {})\n"
BASH = shutil.which("bash")
CURL = shutil.which("curl")


def flat() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (320, 240), "teal").save(file, "PNG")
    return file.getvalue()


def requests(folder: Path, photos: Path, verse: Path) -> dict[str, dict[str, Any]]:
    """Requests by what is special about them."""
    (folder / NASTY_NAME).write_bytes(flat())
    (folder / "plain.png").write_bytes(flat())
    clear = Image.new("RGBA", (320, 240), (200, 30, 30, 100))
    return {
        "a file": {"image": folder / NASTY_NAME, "prompt": PROMPT, "seed": 7, "negative_prompt": 'it\'s "blur" \\'},
        "pixels that are in no file": {"image": clear, "prompt": "A cat.", "audio": False},
        "bytes": {"image": (photos / "chelsea.png").read_bytes(), "duration": 3, "seed": 0},
        "a sound that is uploaded": {"image": folder / "plain.png", "prompt": "A cat.", "audio_url": verse, "seed": 1},
        "media in a list": {
            "image": folder / "plain.png",
            "last_frame": folder / NASTY_NAME,
            "audio_url": verse,
            "model": "wan2.7-i2v",
            "prompt": PROMPT,
            "seed": 5,
        },
    }


def posted(sim: Simulator) -> list[Any]:
    """The bodies of all submits, in order."""
    return [entry.json for entry in sim.requests if entry.path.endswith("/video-synthesis")]


@pytest.fixture(scope="module")
def arrived(request, tmp_path_factory) -> dict[str, tuple[DryRun, list[Any]]]:
    """By name: the dry run, and the bodies that arrived from curl, from the SDK and from us."""
    if not BASH or not CURL:
        pytest.skip("no bash or no curl on this machine")
    root = request.config.rootpath / "notebooks"
    folder = tmp_path_factory.mktemp("snippets")
    before = Path.cwd()
    os.chdir(folder)
    try:
        cases = requests(folder, root / "images", root / "audio" / "verse.mp3")
        ours = {"region": "simulator", "output_dir": folder / "kept"}
        with Simulator(render="shape") as sim:
            dry = {name: wan.dry_run(**asked, **ours, base_url=sim.base_url) for name, asked in cases.items()}
            assert sim.requests == []
            environment = {**os.environ, "DASHSCOPE_API_KEY": KEY}
            for each in dry.values():
                run = subprocess.run(
                    [BASH, "-c", each.curl], capture_output=True, text=True, env=environment, timeout=120, check=False
                )
                assert '"task_id"' in run.stdout, (run.stdout, run.stderr, each.curl)
            curls = posted(sim)
            sources = json.dumps([each.sdk for each in dry.values()])
            subprocess.run(
                [sys.executable, "-c", RUN], input=sources, text=True, check=True, env=environment, timeout=300
            )
            sdks = posted(sim)[len(curls) :]
        with Simulator(speed=500, render="shape") as sim:
            for asked in cases.values():
                job = wan.submit(**{"seed": 123456789, **asked}, **ours, base_url=sim.base_url, api_key=KEY)
                assert job.wait(120)
            sent = posted(sim)
    finally:
        os.chdir(before)
    return dict(zip(dry, zip(dry.values(), zip(curls, sdks, sent, strict=True), strict=True), strict=True))


def settled(body: Any) -> Any:
    """Where an upload went is the store's choice."""
    return json.loads(re.sub(r'"oss://[^"]*"', '"oss://…"', json.dumps(body)))


CASES = ["a file", "pixels that are in no file", "bytes", "a sound that is uploaded", "media in a list"]


@pytest.mark.parametrize("name", CASES)
def test_curl_sends_what_we_send(arrived, name: str) -> None:
    _, (curl, _, ours) = arrived[name]
    assert settled(curl) == settled(ours)


@pytest.mark.parametrize("name", CASES)
def test_the_sdk_sends_what_we_send_beside_its_two_undocumented_fields(arrived, name: str) -> None:
    _, (_, sdk, ours) = arrived[name]
    for field in UNDOCUMENTED:
        sdk["input"].pop(field, None)
    if sdk["input"].get("prompt") is None:
        sdk["input"].pop("prompt", None)
    assert settled(sdk) == settled(ours)


@pytest.mark.parametrize("name", CASES)
def test_the_body_that_is_shown_is_the_one_that_is_sent(arrived, name: str) -> None:
    dry, (_, _, ours) = arrived[name]

    def compare(shown: Any, sent: Any) -> None:
        if isinstance(shown, dict):
            assert list(shown) == list(sent)
            for key, value in shown.items():
                compare(value, sent[key])
        elif isinstance(shown, list):
            for one, other in zip(shown, sent, strict=True):
                compare(one, other)
        elif isinstance(shown, str) and shown.startswith("data:"):
            head, length = re.fullmatch(r"(data:[^…]+)… \(([\d,]+) characters\)", shown).groups()
            assert sent.startswith(head)
            assert len(sent) == int(length.replace(",", ""))
        elif shown == "oss://…":
            assert sent.startswith("oss://")
        else:
            assert shown == sent

    compare(dry.body, ours)


def looked_at(prompt: str, url: str = "https://example.com/a.png") -> DryRun | None:
    try:
        return wan.dry_run(prompt=prompt, image=url, seed=1, region="singapore", negative_prompt=prompt[:400] or None)
    except wan.InvalidRequestError:
        return None


@settings(max_examples=150, deadline=None)
@given(
    prompt=st.text(max_size=200)
    | st.text(alphabet="'\"\\$`!{}%\n\t#&;|<>()* \u202e\u2028\x85é猫", max_size=60)
    | st.sampled_from(
        ["{workspace}", "'; rm -rf /; '", '"""', "\\", "\\'", "EOF", "@file", "$(id)", "\N{PILE OF POO}"]
    ),
    path=st.text(alphabet="abc'\"$`\\(){}!;&|*~猫", max_size=20),
)
@example(
    prompt="OSS://", path=""
)  # hypothesis takes words from whatever modules are loaded: this one has a header more
def test_no_prompt_and_no_address_breaks_out_of_its_quotes(prompt: str, path: str) -> None:
    dry = looked_at(prompt, f"https://example.com/{path}.png")
    if dry is None:
        return
    said = shlex.split(dry.curl.replace(" \\\n", " "), comments=False)
    assert said[:4] == ["curl", "-sS", "-X", "POST"]
    assert len(said) == 7 + 2 * len(dry.headers)
    assert json.loads(said[-1]) == dry.body
    (call,) = (n for n in ast.walk(ast.parse(dry.sdk)) if isinstance(n, ast.Call) and n.keywords)
    given_ = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert given_ == {"model": dry.body["model"], **dry.body["input"], **dry.body["parameters"]}
    assert not UNSEEN.search(dry.curl + dry.sdk)


def test_workspace_and_key_are_read_from_the_environment_and_never_written_down() -> None:
    dry = wan.dry_run(
        image="https://example.com/a.png",
        prompt="A cat.",
        model="wan2.6-i2v",
        region="frankfurt",
        workspace="ws-secret1",
        api_key=KEY,
    )
    bodies = (str(dry), repr(dry), dry.curl, dry.sdk, json.dumps(dry.as_dict()), str(dry._repr_mimebundle_()))
    for text in bodies:
        assert "ws-secret1" not in text
        assert KEY not in text
    assert dry.url.startswith("https://{workspace}.eu-central-1.maas.aliyuncs.com/api/v1/")
    assert 'https://"$DASHSCOPE_WORKSPACE_ID".eu-central-1.maas' in dry.curl
    assert '"https://" + environ["DASHSCOPE_WORKSPACE_ID"] + ".eu-central-1.maas' in dry.sdk
    ast.parse(dry.sdk)
    assert dry.problems == ()
    shared = wan.dry_run(image="https://example.com/a.png", prompt="A.", region="beijing", workspace="ws-secret1")
    assert shared.headers["X-DashScope-WorkSpace"] == "{workspace}"
    assert '-H "X-DashScope-WorkSpace: $DASHSCOPE_WORKSPACE_ID"' in shared.curl
    assert 'workspace=environ["DASHSCOPE_WORKSPACE_ID"],' in shared.sdk
    assert "ws-secret1" not in str(shared) + shared.curl + shared.sdk
