"""What the windows are told, and a reader of what they show."""

from __future__ import annotations

import dataclasses
import io
import re
from decimal import Decimal
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import av
from PIL import Image

from wan_notebook.request.declaration import I2VRequest
from wan_notebook.tasks import Clip, Cost, JobState, JobUpdate, Task, Usage, VideoResult

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = "The cat slowly turns its head towards the window."
TASK_ID = "0385dc79-5ff8-4d82-bcb6-7a1c0e2f9d11"
KEY = "sk-" + "0123456789abcdef" * 2
# What JupyterLab 4.6 leaves of an output in a notebook nobody trusts; `download` is the one thing we can lose.
TAGS = """
a bdi code dd details div dl dt figcaption figure img li ol pre span strong summary table tbody td th thead tr ul video
"""
ATTRIBUTES = """alt class controls dir download height href muted poster preload rel src style target title width"""
STYLES = """
background-color border border-collapse border-left border-radius border-top box-sizing cursor display flex flex-wrap
float font-size font-weight height line-height list-style-type margin margin-right margin-top max-width min-width
opacity overflow-wrap overflow-x padding padding-left padding-top table-layout text-align vertical-align white-space
width
"""
SAFE = ("http://", "https://", "data:video/mp4;", "data:image/jpeg;")
# Everything that could break out of its place: markup, quotes, ANSI, line separators, marks that reorder text.
NASTY = (
    "</div><script>alert(1)</script><img src=x onerror=alert(2)> \" ' & "
    "\x1b[2K\rcat: wan_outputs/forged.mp4\n\x85\u2028\u202egnp.exe\u202c \u2066x\u2069 \x00 \ud800 שלום"
)
FORGING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


class Page(HTMLParser):
    """The elements of a page; fails on an element that is closed wrongly."""

    def __init__(self, bundle_: dict[str, Any]) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(bundle_["text/html"])
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def first(self, name: str) -> dict[str, str | None]:
        return next(attributes for tag, attributes in self.elements if tag == name)

    def has(self, name: str) -> bool:
        return any(tag == name for tag, _ in self.elements)


def request(**changes: Any) -> I2VRequest:
    picture = io.BytesIO()
    Image.new("RGB", (400, 300), "teal").save(picture, "PNG")
    return I2VRequest(**{"prompt": PROMPT, "image": picture.getvalue(), "duration": 5, "audio": False, **changes})


COST = Cost(
    amount=Decimal("0.1250"),
    currency="USD",
    rate=Decimal("0.025"),
    seconds=5.0,
    estimated=True,
    about=True,
    region="singapore",
    table_date="2026-05-26",
    source="price page",
    free_quota="50 s in the 90 days after activation",
)
UPDATE = JobUpdate(
    run_id="run-1",
    rev=1,
    name="cat",
    handle="cat",
    state=JobState.FOLLOWING,
    request=request(),
    seed=1788421,
    region="singapore",
    endpoint="https://dashscope-intl.aliyuncs.com/api/v1",
    simulated=False,
    created_at="2026-11-23T19:25:01Z",
    now=1795462201.0,
    elapsed_seconds=42.0,
    task=Task(TASK_ID, "RUNNING", request_id="7574ee8f-38a3"),
    cost=COST,
)


def told(**changes: Any) -> JobUpdate:
    return dataclasses.replace(UPDATE, **changes)


def following(word: str, **changes: Any) -> JobUpdate:
    return told(task=Task(TASK_ID, word), **changes)


def clip_at(path: Path, **changes: Any) -> Clip:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"not looked at here")
    facts: dict[str, Any] = {
        "path": path,
        "sha256": "ab12" * 16,
        "bytes": 1_940_000,
        "width": 960,
        "height": 640,
        "duration": 5.0,
        "fps": 30.0,
        "video_codec": "h264",
        "audio_codec": None,
        "poster": b"\xff\xd8 a small JPEG",
    }
    return Clip(**{**facts, **changes})


def film_at(path: Path, *, frames: int = 30, size: tuple[int, int] = (320, 240)) -> Path:
    """A real clip of 30 frames a second, whose grey rises from frame to frame."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(frames):
            picture = Image.new("RGB", size, (number * 8 % 256,) * 3)
            container.mux(stream.encode(av.VideoFrame.from_image(picture)))
        container.mux(stream.encode())
    return path


def finished(clip: Clip, folder: Path, **changes: Any) -> JobUpdate:
    paid = dataclasses.replace(COST, estimated=False, about=False)
    task = Task(TASK_ID, "SUCCEEDED", actual_prompt="A tabby cat by a sunlit window turns its head.")
    return told(state=JobState.DOWNLOADED, task=task, clip=clip, folder=folder, cost=paid, **changes)


def result_of(clip: Clip, record: dict[str, Any]) -> VideoResult:
    return VideoResult(
        path=clip.path,
        url="https://example.com/clip.mp4",
        usage=Usage(duration=5.0),
        cost=COST,
        clip=clip,
        task=Task(TASK_ID, "SUCCEEDED"),
        record=record,
    )


def every_state(clip: Clip, folder: Path) -> list[JobUpdate]:
    return [told(state=state) for state in JobState if state is not JobState.DOWNLOADED] + [finished(clip, folder)]


def assert_harmless(shown: dict[str, Any], *, lines: bool = False, script: str = "") -> Page:
    """The page holds nothing but our own elements, attributes and styles, and only safe addresses.

    Parameters
    ----------
    lines : bool
        Whether the plain text may have several.
    script : str
        The one program it may hold.
    """
    page = Page({**shown, "text/html": shown["text/html"].replace(f"<script>{script}</script>", "", 1)})
    for tag, attributes in page.elements:
        assert tag in TAGS.split()
        assert set(attributes) <= set(ATTRIBUTES.split())
        declared = [line.split(":", 1) for line in (attributes.get("style") or "").split(";") if line]
        assert {name.strip() for name, _ in declared} <= set(STYLES.split())
        assert not any(banned in value for _, value in declared for banned in ("var(", "url(", "currentColor"))
        for name in ("src", "href", "poster"):
            address = attributes.get(name) or ""
            assert ":" not in address or address.startswith(SAFE)
    assert not FORGING.search(shown["text/html"].replace("\n", ""))
    line = shown["text/plain"].replace("\n", "" if lines else "\n")
    assert len(line.splitlines()) == 1
    assert not FORGING.search(line)
    shown["text/html"].encode()
    line.encode()
    return page
