"""``wan-notebook generate``, as a shell runs it."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hostile import PENDING, Answer, Hostile

from wan_notebook.cli import main
from wan_notebook.simulator import Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = Path(sysconfig.get_path("scripts")) / "wan-notebook"
SUBMIT = "/services/aigc/video-generation/video-synthesis"
CAT = ("A cat.", "--image", "images/chelsea.png", "--duration", "2", "--no-audio")
KEY = "sk-shell-0123456789abcdef"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, request) -> Path:
    folder = tmp_path_factory.mktemp("shell")
    (folder / "images").symlink_to(request.config.rootpath / "notebooks" / "images")
    return folder


@pytest.fixture
def server() -> Iterator[Hostile]:
    with Hostile() as hostile:
        hostile.on("POST", SUBMIT, Answer(body=PENDING))
        hostile.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "RUNNING"}}))
        yield hostile


def ready(base_url: str) -> dict[str, str]:
    return {**os.environ, "DASHSCOPE_HTTP_BASE_URL": base_url, "DASHSCOPE_API_KEY": KEY}


def run(folder: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, "generate", *words], cwd=folder, env=env, capture_output=True, text=True, timeout=200, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


@dataclass
class Ended:
    """How the command ended."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """The same command in this process: what ends before anything is sent needs none of its own."""
    monkeypatch.chdir(folder)

    def call(*words: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["wan-notebook", "generate", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return Ended(int(ended.value.code or 0), *capsys.readouterr())

    return call


def test_it_waits_and_prints_the_clips_path_alone(folder: Path) -> None:
    with Simulator(speed=500, render="shape") as sim:
        done = run(folder, *CAT, "--seed", "7", "--name", "cat", "-o", "clips", env=ready(sim.base_url))
        (sent,) = (entry.json for entry in sim.requests if entry.method == "POST")
    assert done.returncode == 0, done.stderr
    path = Path(done.stdout.strip())
    assert path.parent == folder / "clips"
    assert path.name.startswith("cat-")
    assert path.read_bytes()[4:8] == b"ftyp"
    assert sent["parameters"] == {"resolution": "720P", "duration": 2, "audio": False, "seed": 7}
    assert sent["input"]["prompt"] == "A cat."
    assert re.search(r"cat: submitting \d:\d\d", done.stderr)
    assert KEY not in done.stderr + done.stdout


@pytest.mark.full
def test_why_it_waits_is_said_once(folder: Path, server: Hostile) -> None:
    server.on(
        "POST", SUBMIT, Answer(429, {"code": "Throttling.RateQuota", "message": "slow"}, {"Retry-After": "0"}),
        Answer(400, {"code": "InvalidParameter", "message": "no"}),
    )  # fmt: skip
    done = run(folder, *CAT, env=ready(server.base_url))
    assert done.returncode != 0
    assert done.stderr.count("Throttling.RateQuota") == 1, done.stderr


def test_json_holds_the_path_and_the_record(here: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch) -> None:
    with Simulator(speed=500, render="shape") as sim:
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", sim.base_url)
        monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
        done = here(*CAT, "--json")
    said = json.loads(done.stdout)
    assert Path(said["path"]).is_file()
    assert said["record"]["clip"]["sha256"]
    assert said["record"]["cost"]["seconds"] == 2


def test_a_dry_run_needs_no_key_and_is_text_or_json(here: Callable[..., Ended]) -> None:
    done = here(*CAT, "--dry-run")
    assert done.returncode == 0, done.stderr
    for words in ("nothing was sent, nothing is billed", "about 0.05 USD · Singapore", "curl -sS", "async_call("):
        assert words in done.stdout
    said = json.loads(here(*CAT, "-n", "--json").stdout)
    assert said["values"]["duration"] == {"value": 2, "from": "given"}
    assert said["request"]["body"]["parameters"]["audio"] is False


def test_a_dry_run_that_would_be_refused_ends_with_1(here: Callable[..., Ended]) -> None:
    done = here(*CAT, "--dry-run", "--region", "virginia")
    assert done.returncode == 1
    assert "not offered in virginia" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("A cat.", "--imgae", "a.png"), 2, "'--image'"),
        (("A cat.", "--image", "images/chelse.png", "-d", "77"), 1, "Did you mean chelsea.png?"),
        (("A cat.", "--image", "images/chelsea.png", "--seed", "sk-0123456789abcdef01"), 1, "Revoke that key"),
        (CAT, 1, "DASHSCOPE_API_KEY"),
        ((*CAT, "--region", "singapur"), 1, "Did you mean singapore?"),
    ],
)
def test_what_is_wrong_is_said_without_a_traceback(
    here: Callable[..., Ended], words: tuple[str, ...], code: int, said: str
) -> None:
    done = here(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "0123456789" not in done.stderr


def test_an_unknown_price_needs_yes_where_nobody_can_be_asked(
    here: Callable[..., Ended], server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.base_url)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    done = here(*CAT, "--model", "wan9-i2v")
    assert done.returncode == 1
    assert "not in the catalogue" in done.stderr
    assert "--yes" in done.stderr
    assert server.asked == []


def test_budgets_are_options_and_variables_and_a_dry_run_says_so(
    here: Callable[..., Ended], server: Hostile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", server.base_url)
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    for words in (("--budget", "0.04"), ("--project-budget", "0.04 USD", "--project", "..")):
        assert "is 0.04 USD" in here(*CAT, *words).stderr
        assert here(*CAT, *words, "--dry-run").returncode == 1
    monkeypatch.setenv("WAN_NOTEBOOK_PROJECT_BUDGET", "0.03")
    assert "the budget of this project is 0.03 USD" in here(*CAT).stderr
    monkeypatch.setenv("WAN_NOTEBOOK_BUDGET", "lots")
    assert "WAN_NOTEBOOK_BUDGET is no amount of money" in here(*CAT).stderr
    assert server.asked == []


@pytest.mark.full
@pytest.mark.parametrize(("key", "submits"), [(b"n\n", 0), (b"y\n", 1)])
def test_on_a_terminal_an_unknown_price_is_asked_about(folder: Path, server: Hostile, key: bytes, submits: int) -> None:
    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "FAILED"}}))
    mine, its = pty.openpty()
    child = subprocess.Popen(
        [SCRIPT, "generate", *CAT, "--model", "wan9-i2v"],
        cwd=folder, env=ready(server.base_url), stdin=its, stdout=its, stderr=its, close_fds=True,
    )  # fmt: skip
    os.close(its)
    said = b""
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end and (child.poll() is None or select.select([mine], [], [], 0)[0]):
            if not select.select([mine], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(mine, 65536)
            except OSError:  # the other end is closed
                break
            said += data
            if key and b"[y/N]" in said:
                os.write(mine, key)
                key = b""
        code = child.wait(60)
    finally:
        child.kill()
        child.wait()
        os.close(mine)
    assert b"price" in said
    assert (code, server.count("POST", SUBMIT)) == (1, submits), said.decode()


@pytest.mark.full
def test_ctrl_c_ends_the_waiting_and_says_how_to_get_the_clip(folder: Path, server: Hostile) -> None:
    child = subprocess.Popen(
        [SCRIPT, "generate", *CAT], cwd=folder, env=ready(server.base_url),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        said = ""
        while "RUNNING" not in said:
            line = child.stderr.readline()
            assert line, said
            said += line
        child.send_signal(signal.SIGINT)
        out, rest = child.communicate(timeout=120)
    finally:
        child.kill()
        child.wait()
    assert child.returncode == 1
    assert out == ""
    assert "interrupted: no longer waiting" in rest
    assert "Task task-1 goes on at the service and will be billed when it succeeds." in rest
    assert rest.count("goes on at the service") == 1
    assert "Traceback" not in rest
    assert "Run the same command again" in rest
    assert server.count("POST", SUBMIT) == 1

    server.on("GET", "/tasks/task-1", Answer(body={"output": {"task_id": "task-1", "task_status": "FAILED"}}))
    again = run(folder, *CAT, env=ready(server.base_url))  # finds its task, and sends nothing
    assert again.returncode == 1
    assert "task-1" in again.stderr
    assert server.count("POST", SUBMIT) == 1
