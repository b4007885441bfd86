"""The vendor's own Python SDK, pointed at the simulator, runs what the vendor's guide shows and whatever else it has.

``vendor.py`` holds the samples. Where the SDK itself is wrong its real behaviour is asserted, not hidden: should a
later version mend it, these tests say so.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import httpx
import pytest
from caller import PATIENCE, files, served, tone

from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wan_notebook.simulator.front import Request

# The SDK runs in a process of its own: its weight and its warnings are not ours.
SCRIPT = Path(__file__).with_name("vendor.py")
OTHER = os.environ.get("WAN_TEST_SDK_1_25_PYTHON", "")
WITHOUT_OTHER = "WAN_TEST_SDK_1_25_PYTHON names no python with dashscope 1.25.8"
SDKS = {"2.0.2": sys.executable, "1.25.8": OTHER}
BOTH = [
    pytest.param(version, marks=pytest.mark.skipif(not python, reason=WITHOUT_OTHER))
    for version, python in SDKS.items()
]
OLD = [pytest.param("1.25.8", marks=pytest.mark.skipif(not OTHER, reason=WITHOUT_OTHER))]

SOUND, SILENT = ["h264", "aac"], ["h264"]
CLIPS = {  # sample: codecs, frames
    "several_shots": (SOUND, 60),
    "follow_a_sound": (SOUND, 60),
    "silent": (SILENT, 60),
    "older_model": (SILENT, 90),
    "local_file": (SILENT, 60),
    "local_sound": (SOUND, 60),
    "in_the_request": (SILENT, 60),
    "fetched_and_listed": (SILENT, 60),
    "aio_call": (SILENT, 60),
    "aio_waited_fetched_and_listed": (SOUND, 60),
    "aio_local_files": (SOUND, 60),
}
NEW_CLIPS = {
    "client_generate": (SILENT, 60),
    "client_local_file": (SILENT, 60),
    "client_first_and_last_frame": (SOUND, 60),
    "client_jobs": (SILENT, 60),
    "async_client_generate": (SILENT, 60),
    "async_client_jobs": (SOUND, 60),
}

LOOKING = {"2.0.2": 7, "1.25.8": 4}  # samples that look at a task before it is over


@dataclass
class Run:
    """What one version of the SDK did."""

    results: dict[str, Any]
    requests: list[Request]
    clips: dict[str, bytes]

    def asked(self, method: str, ending: str) -> list[Request]:
        """The requests whose path ends so."""
        return [one for one in self.requests if one.method == method and one.path.endswith(ending)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Run]]:
    """Every SDK there is, all at once, each with a simulator of its own."""
    folder = tmp_path_factory.mktemp("vendor")
    photo = (Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png").read_bytes()
    (folder / "a photo.png").write_bytes(photo)
    (folder / "speech.wav").write_bytes(tone(3))
    with ExitStack() as stack:
        site = stack.enter_context(files(cat=served(photo, "image/png"), speech=served(tone(3), "audio/wav")))
        begun = {}
        for version, python in SDKS.items():
            if not python:
                continue
            sim = stack.enter_context(Simulator(speed=1, render="shape"))  # until all have seen what is not over yet
            command = [python, str(SCRIPT), sim.base_url, site, str(folder)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder)
            stack.callback(process.wait)
            stack.callback(process.kill)
            begun[version] = (sim, process)
        found = {}
        slow = dict(begun)
        while slow:
            for version, (sim, process) in list(slow.items()):
                if len(list(folder.glob(f"{version} *.looked"))) == LOOKING[version] or process.poll() is not None:
                    # At this speed clips are ready within a few of the SDK's polls; an upload policy lasts for 15 s.
                    sim.speed = 20
                    del slow[version]
            time.sleep(0.02)
        for version, (sim, process) in begun.items():
            out, err = process.communicate(timeout=300)
            assert process.returncode == 0, err
            results = json.loads(out.splitlines()[-1])
            assert results.pop("version") == version
            urls = {name: (result.get("ended") or result).get("url") for name, result in results.items()}
            clips = {
                name: httpx.get(url, trust_env=False, timeout=PATIENCE).content for name, url in urls.items() if url
            }
            found[version] = Run(results, sim.requests, clips)
        yield found


@pytest.fixture
def run(runs: dict[str, Run], request: pytest.FixtureRequest) -> Run:
    """The run of the version that is the test's parameter."""
    return runs[request.param]


def _is(clip: bytes, codecs: list[str], frames: int) -> None:
    with av.open(io.BytesIO(clip)) as container:
        assert [stream.codec_context.name for stream in container.streams] == codecs
        assert container.streams.video[0].frames == frames
        assert container.streams.video[0].average_rate == 30


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_the_guides_samples_and_every_way_to_give_media_run_to_a_downloaded_video(run: Run) -> None:
    for name, (codecs, frames) in CLIPS.items():
        told = run.results[name].get("ended") or run.results[name]
        assert (told["status"], told["task"]) == (200, "SUCCEEDED"), (name, told)
        assert told["orig_prompt"] == "The cat looks up."
        _is(run.clips[name], codecs, frames)
    assert (run.results["silent"]["usage"]["duration"], run.results["silent"]["usage"]["audio"]) == (2, False)
    assert run.results["older_model"]["usage"]["video_duration"] == 3
    assert run.results["silent"]["usage"]["video_duration"] == 0  # the SDK makes it up: nothing to bill from


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_tasks_are_fetched_listed_and_cancelled(run: Run) -> None:
    known = run.results["fetched_and_listed"]
    assert known["first"]["task"] in ("PENDING", "RUNNING")
    assert (known["page"]["total"], known["page"]["ids"]) == (3, known["ids"][:0:-1])  # two of three, newest first
    assert (known["failed"]["status"], known["failed"]["total"]) == (200, 0)
    assert run.results["cancelled"] == {"status": 200, "task": "CANCELED", "again": "UnsupportedOperation"}

    known = run.results["aio_waited_fetched_and_listed"]
    assert known["first"]["task"] in ("PENDING", "RUNNING")
    assert known["page"] == {"status": 200, "total": 1, "ids": [known["id"]]}
    assert run.asked("GET", "/tasks")
    assert {one.query.split("&")[0] for one in run.asked("GET", "/tasks")} >= {"page_no=1"}


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_what_cannot_work_comes_back_as_the_sdk_tells_it(run: Run) -> None:
    results = run.results
    assert (results["wrong_key"]["status"], results["wrong_key"]["code"]) == (401, "InvalidApiKey")
    assert (results["wrong_model"]["status"], results["wrong_model"]["code"]) == (400, "InvalidParameter")
    # What async_call returns, call raises.
    assert results["wrong_model_waited_for"] == {"raised": "InvalidTask", "said": True}
    # A task that failed or is not known is a success to the SDK: status 200 and no code; only the output tells.
    for name, task, why in (("failing", "FAILED", "DataInspectionFailed"), ("unknown_task", "UNKNOWN", None)):
        told = results[name]
        assert (told["status"], told["code"], told["task"], told["why"]) == (200, None, task, why)
        assert not told["url"]
        assert not told["usage"]


@pytest.mark.parametrize("run", BOTH, indirect=True)
def test_its_aio_call_asks_for_the_task_with_the_parameters_of_the_clip(run: Run) -> None:
    """A slip of both versions, which the service does not mind."""
    leaked = [one for one in run.requests if one.call == "query" and "duration=2" in one.query]
    assert leaked
    assert all("resolution=720P" in one.query for one in leaked)


@pytest.mark.parametrize("run", OLD, indirect=True)
def test_the_aio_cancel_of_the_first_version_sends_a_get_and_cancels_nothing(run: Run) -> None:
    assert run.results["aio_cancelled"] == {"status": 405, "code": "MethodNotAllowed", "task": "PENDING"}
    assert run.asked("GET", "/cancel")


@pytest.mark.parametrize("run", ["2.0.2"], indirect=True)
def test_the_aio_cancel_of_the_second_version_cancels(run: Run) -> None:
    assert run.results["aio_cancelled"] == {"status": 200, "code": "", "task": "CANCELED"}
    assert not run.asked("GET", "/cancel")


@pytest.mark.parametrize("run", ["2.0.2"], indirect=True)
def test_the_clients_of_the_second_version_make_videos_too(run: Run) -> None:
    for name, (codecs, frames) in NEW_CLIPS.items():
        told = run.results[name].get("ended") or run.results[name]
        assert (told["task"], told["usage"]["duration"]) == ("SUCCEEDED", 2), (name, told)
        _is(run.clips[name], codecs, frames)
    assert run.results["client_cancelled"] == {"task": "CANCELED", "said": ""}
    assert run.results["client_failing"] == {"raised": "ContentFilterError", "code": "DataInspectionFailed"}
    assert run.results["client_unknown_task"]["task"] == "UNKNOWN"  # returned, not raised


@pytest.mark.parametrize("run", ["2.0.2"], indirect=True)
def test_the_list_of_the_second_versions_clients_counts_tasks_and_shows_none(run: Run) -> None:
    """They look for ``tasks`` where the service answers ``data``."""
    for name in ("client_jobs", "async_client_jobs"):
        known = run.results[name]
        assert known["begun"] == "PENDING"
        assert known["fetched"] in ("PENDING", "RUNNING")
        assert (known["total"], known["tasks"]) == (1, 0)
