"""A service that accepts everything and writes down who sent what: the vendor's SDK and ourselves, case by case."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hostile import Answer, Hostile

import wan_notebook as wan
from wan_notebook.request.declaration import UnknownModelWarning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hostile import Asked

OTHER = os.environ.get("WAN_TEST_SDK_1_25_PYTHON", "")
SDKS = {"2.0.2": sys.executable, "1.25.8": OTHER}
_without = pytest.mark.skipif(not OTHER, reason="WAN_TEST_SDK_1_25_PYTHON names no python with dashscope 1.25.8")
NEW, OLD = pytest.param("2.0.2"), pytest.param("1.25.8", marks=_without)
BOTH = [NEW, OLD]
OURS = "ours"
UNDOCUMENTED = {"extend_prompt", "function"}
EXPLICIT = {"resolution", "duration", "audio", "seed"}
# wan2.7 takes its media as a list; ours have names.
NAMES = {"first_frame": "img_url", "last_frame": "last_frame", "driving_audio": "audio_url"}
TELEMETRY = "x-dashscope-sdk-"
FOLDER = "dashscope-instant/0123/2026-11-24/4567"  # where every upload policy leads
SUBMIT = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
import dashscope
from dashscope import VideoSynthesis
dashscope.base_http_api_url, cases = json.load(sys.stdin)
def submit(case):
    key, given = case
    answer = VideoSynthesis.async_call(api_key=key, **given)
    assert answer.status_code == 200, (given, answer)
with ThreadPoolExecutor(4) as pool:
    list(pool.map(submit, cases))
print(dashscope.version.__version__)
"""


@dataclass(frozen=True)
class Part:
    """One part of a multipart body."""

    name: str
    filename: str | None
    mime: str | None
    content: bytes


class Referee:
    """Each side submits each case with a key of its own, so that its requests can be told apart."""

    def __init__(self, server: Hostile) -> None:
        self.server = server

    def let_sdk_submit(self, version: str, cases: Mapping[str, Mapping[str, Any]]) -> None:
        """Submit every case with the SDK of this version."""
        given = [(_key(version, name), arguments) for name, arguments in cases.items()]
        done = subprocess.run(
            [SDKS[version], "-c", SUBMIT],
            input=json.dumps([self.server.base_url, given]),
            text=True,
            timeout=300,
            capture_output=True,
            check=False,
        )
        assert done.stdout.strip() == version, done.stderr

    def let_us_submit(self, cases: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
        """Submit every case with our own client."""
        where = {"base_url": self.server.base_url, "region": "simulator", "output_dir": folder}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnknownModelWarning)
            jobs = [wan.submit(**given, **where, api_key=_key(OURS, name)) for name, given in cases.items()]
        for job in jobs:
            assert job.wait(120)
            assert job.state.value == "canceled", job.exception()

    def submitted(self, who: str, name: str) -> Asked:
        """The one submit of this case."""
        (asked,) = self._asked(who, name, "/services")
        return asked

    def policies(self, who: str, name: str) -> list[Asked]:
        """The upload policies asked for."""
        return self._asked(who, name, "/uploads")

    def uploads(self, who: str, name: str) -> dict[str, Asked]:
        """What was put into the store for this case, by the kind of medium that its body says it is."""
        put = {part.content.decode(): asked for asked in self._store() for part in parts(asked) if part.name == "key"}
        urls = media(self.submitted(who, name).json)
        return {kind: put[url[len("oss://") :]] for kind, url in urls.items() if url.startswith("oss://")}

    def _asked(self, who: str, name: str, beginning: str) -> list[Asked]:
        bearer = f"Bearer {_key(who, name)}"
        return [
            asked
            for asked in self.server.asked
            if asked.path.startswith(beginning) and headers(asked).get("authorization") == bearer
        ]

    def _store(self) -> list[Asked]:
        return [asked for asked in self.server.asked if asked.path.startswith("/store")]


@contextmanager
def sitting() -> Iterator[Referee]:
    """A referee at work."""
    with Hostile() as server:
        quick = {"X-Wan-Simulator": "speed=1000"}
        pending = {"output": {"task_id": "task-1", "task_status": "PENDING"}, "request_id": "request-1"}
        ended = {"output": {"task_id": "task-1", "task_status": "CANCELED"}}  # so that our jobs end at once
        policy = {
            "policy": "eyJleHBpcmF0aW9uIjoiIn0=",
            "signature": "c2lnbmF0dXJl+/=",
            "upload_dir": FOLDER,
            "upload_host": f"{server.root}/store",
            "expire_in_seconds": 300,
            "max_file_size_mb": 100,
            "capacity_limit_mb": 999999999,
            "oss_access_key_id": "LTA0123",
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }
        server.on("POST", "/services", Answer(200, pending, quick))
        server.on("GET", "/tasks", Answer(200, ended, quick))
        server.on("GET", "/uploads", Answer(200, {"request_id": "request-2", "data": policy}, quick))
        server.on("POST", "/store", Answer(200, b""))
        yield Referee(server)


def headers(asked: Asked) -> dict[str, str]:
    """All headers, their names in small letters."""
    return {name.lower(): value for name, value in asked.headers.items()}


def service_headers(asked: Asked) -> dict[str, str]:
    """The headers the service reads."""
    return {
        name: value
        for name, value in headers(asked).items()
        if name.startswith("x-dashscope-") and not name.startswith(TELEMETRY)
    }


def documented(body: dict[str, Any]) -> dict[str, Any]:
    """The SDK's body without what only the SDK sends."""
    body = copy.deepcopy(body)
    for field in UNDOCUMENTED:
        del body["input"][field]
    for part in ("input", "parameters"):
        body[part] = {field: value for field, value in body.get(part, {}).items() if value is not None}
    return body


def asked_for(body: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Our body without what we say although it was not given."""
    body = copy.deepcopy(body)
    for field in EXPLICIT:
        if given.get(field) in (None, ""):
            body["parameters"].pop(field, None)
    return body


def media(body: dict[str, Any]) -> dict[str, str]:
    """Kind of medium -> address, wherever the model's shape has it."""
    given = body["input"]
    named = {kind: given[kind] for kind in ("img_url", "audio_url") if kind in given}
    return named | {item["type"]: item["url"] for item in given.get("media", ())}


def parts(asked: Asked) -> list[Part]:
    """A multipart body, taken apart byte by byte."""
    found = re.fullmatch(r'multipart/form-data; ?boundary="?([^";]+)"?', headers(asked)["content-type"])
    assert found
    fence = b"\r\n--" + found[1].encode()
    start, *pieces, end = (b"\r\n" + asked.body).split(fence)
    assert (start, end) == (b"", b"--\r\n")
    return [_part(piece) for piece in pieces]


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    lines = dict(line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
    lines = {name.lower(): value for name, value in lines.items()}
    said = lines["content-disposition"]
    name, filename = re.search(r'\bname="([^"]*)"', said), re.search(r'\bfilename="([^"]*)"', said)
    assert name
    return Part(name[1], filename[1] if filename else None, lines.get("content-type"), content)


def _key(who: str, name: str) -> str:
    return f"sk-{who}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
