"""The one simulator process of a user."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from caller import Caller

from wan_notebook.simulator import ensure_running, find_running, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODULE = (sys.executable, "-m", "wan_notebook.simulator")
ASK = "import sys; from wan_notebook.simulator import ensure_running; print(ensure_running(sys.argv[1]))"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A user's folder, whose simulator is ended afterwards."""
    folder = tmp_path / "home"
    yield folder
    stop(folder)


class Running:
    """What :class:`Caller` needs to know of a simulator in another process."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/_simulator", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_several_kernels_share_one_process_and_a_new_one_knows_nothing_of_the_old(home: Path) -> None:
    kernels = [subprocess.Popen([sys.executable, "-c", ASK, str(home)], stdout=subprocess.PIPE) for _ in range(2)]
    found = {kernel.communicate(timeout=60)[0].decode().strip() for kernel in kernels}
    base_url = ensure_running(home)
    assert found == {base_url, find_running(home)}
    card = json.loads((home / "simulator.json").read_text())
    assert (card["base_url"], card["speed"]) == (base_url, 20)
    assert card["pid"] not in [os.getpid(), *(kernel.pid for kernel in kernels)]
    for path in home.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path

    with Caller(Running(base_url)) as caller:
        task_id = caller.accepted("[simulate: FAILED]")
        assert caller.state(task_id) == "PENDING"
    assert stop(home)
    assert not answers(base_url)
    assert find_running(home) is None
    assert not stop(home)
    with Caller(Running(ensure_running(home, speed=3))) as caller:
        answer = caller.http.get(f"/tasks/{task_id}")
        assert answer.json()["output"]["task_status"] == "UNKNOWN"
        assert answer.headers["x-wan-simulator"] == "speed=3"


def test_one_that_was_killed_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAN_NOTEBOOK_SIMULATOR_SPEED", "7")
    monkeypatch.setenv("DASHSCOPE_API_KEY", "sk-not-for-the-simulator")
    base_url = ensure_running(home)
    pid = json.loads((home / "simulator.json").read_text())["pid"]
    assert b"not-for-the-simulator" not in _environment(pid)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not answers(base_url))
    again = ensure_running(home)
    assert httpx.get(again + "/x", trust_env=False).headers["x-wan-simulator"] == "speed=7"
    assert len(list((home / "simulator").glob("run-*"))) == 1


@pytest.mark.full
def test_one_that_stands_still_for_a_while_is_not_taken_for_dead(home: Path) -> None:
    base_url = ensure_running(home)
    pid = json.loads((home / "simulator.json").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    goes_on = threading.Timer(7, os.kill, (pid, signal.SIGCONT))
    goes_on.start()
    assert ensure_running(home) == base_url
    goes_on.join()
    assert len(list((home / "simulator").glob("run-*"))) == 1


def test_a_card_that_points_elsewhere_is_not_believed(home: Path) -> None:
    base_url = ensure_running(home)
    card = json.loads((home / "simulator.json").read_text())
    for lie in ({"pid": os.getpid()}, {"base_url": "http://192.0.2.1/api/v1"}, {"base_url": None}):
        (home / "simulator.json").write_text(json.dumps({**card, **lie}))
        assert not stop(home)
    (home / "simulator.json").write_text(json.dumps(card))
    assert ensure_running(home) == base_url


def test_what_keeps_it_from_starting_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ended with code .*speed must be above 0"):
        ensure_running(home, speed=-1)
    monkeypatch.setenv("WAN_NOTEBOOK_SIMULATOR_SPEED", "fast")
    with pytest.raises(RuntimeError, match="WAN_NOTEBOOK_SIMULATOR_SPEED must be a number above 0, not 'fast'"):
        ensure_running(home)
    script = "import sys; sys.modules['starlette'] = None; " + ASK
    done = subprocess.run([sys.executable, "-c", script, str(home)], capture_output=True, text=True, check=False)
    assert 'the simulator needs starlette: python -m pip install "wan-notebook[simulator]"' in done.stderr


def test_it_ends_by_itself_when_nobody_asks_any_more(home: Path, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [*MODULE, "--home", str(home), "--idle-minutes", "0.01", "--ready-file", str(ready)]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    assert not answers(ready.read_text().removesuffix("\n"))
    assert not (home / "simulator.json").exists()
    assert not list((home / "simulator").glob("run-*"))


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_interrupting_it_in_a_terminal_is_no_error(tmp_path: Path, end: signal.Signals) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen([*MODULE, "--ready-file", str(ready)], stderr=subprocess.PIPE, text=True) as process:
        wait_for(ready.exists)
        assert answers(ready.read_text().strip())
        process.send_signal(end)
        assert process.communicate(timeout=30)[1] == ""
        assert process.returncode == 0


def _environment(pid: int) -> bytes:
    path = Path(f"/proc/{pid}/environ")
    return path.read_bytes() if path.exists() else b""
