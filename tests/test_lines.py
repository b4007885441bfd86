"""Jobs told in words: one line on a terminal, a line for each new state in a log."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from wan_notebook.notebook.lines import Line
from wan_notebook.simulator import Simulator

KEY = "sk-lines-0123456789abcdef"
COMMAND = Path(sysconfig.get_path("scripts")) / "wan-notebook"
SCRIPT = """
import wan_notebook as wan
long = {"resolution": "1080P", "duration": 15, "audio": False}
for seed in (1, 2):
    print(wan.generate(prompt="It turns.", image="images/chelsea.png", seed=seed, **long).path.name)
"""
RUNNING = re.compile(rb"wan: RUNNING \d:\d\d \(queue \d:\d\d, run \d:\d\d\) \xc2\xb7 ")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> list[str]:
        """What can be read on it."""
        return [line.rpartition("\r")[2].replace("\x1b[K", "") for line in self.getvalue().split("\n")]


def test_a_log_gets_a_line_for_each_new_state_and_none_for_the_clock() -> None:
    line = Line(log := io.StringIO())
    for clock in range(50):
        line.tell("run-1", f"cat: RUNNING {clock}", state=1)
    line.tell("run-2", "dog: PENDING", state=1)
    line.tell("run-1", "cat: saved", state=2, over=True)
    line.clear()
    assert log.getvalue().splitlines() == ["cat: RUNNING 0", "dog: PENDING", "cat: saved"]


def test_a_terminal_has_one_line_however_many_jobs_and_keeps_the_end_of_each() -> None:
    line = Line(terminal := Terminal(), pause_seconds=0)
    for clock in range(50):
        line.tell("run-1", f"cat: RUNNING {clock}", state=1)
    assert terminal.screen == ["cat: RUNNING 49"]
    line.tell("run-2", "dog: PENDING", state=1)
    assert terminal.screen == ["2 jobs · dog: PENDING"]
    line.tell("run-1", "cat: saved", state=2, over=True)
    assert terminal.screen == ["cat: saved", "dog: PENDING"]
    line.tell("run-2", "dog: " + "x" * 500, state=1)
    assert len(terminal.screen[1]) < shutil.get_terminal_size().columns
    line.clear()
    assert terminal.screen == ["cat: saved", ""]


@pytest.mark.parametrize(
    ("line", "begins"),
    [
        ("wan: RUNNING 0:04 (queue 0:02, run 0:26) · usually runs 1:00 to 5:00, by the documents · wan2.6", "5:00"),
        (
            "wan: PENDING 0:02 (queue 0:02) · wan2.6-i2v-flash 720P 2 s · simulated, nothing billed · task x",
            "simulated",
        ),
        ("a name of a clip that is long: " + "word " * 20, "word"),
    ],
)
def test_a_narrow_terminal_cuts_no_word(line: str, begins: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    Line(terminal := Terminal(), pause_seconds=0).tell("run-1", line, state=1)
    assert terminal.screen[0].endswith(f" {begins} · …")
    assert len(terminal.screen[0]) < 80


def test_a_terminal_is_told_anew_at_most_twice_a_second_and_of_an_end_at_once() -> None:
    line = Line(terminal := Terminal())
    for clock in range(50):
        line.tell("run-1", f"cat: RUNNING {clock}", state=clock)
    assert terminal.getvalue().count("\r") <= 2
    line.tell("run-1", "cat: saved", over=True)
    assert terminal.screen == ["cat: saved", ""]


def read(terminal: int) -> bytes:
    """What was written to a terminal; nothing once nobody has it open any more."""
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


@pytest.mark.full
def test_a_script_that_waits_on_a_terminal_shows_a_line_and_takes_it_away(in_folder: Path) -> None:
    mine, its = pty.openpty()
    with Simulator(speed=5, render="shape") as service:
        env = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": KEY, "COLUMNS": "300"}
        command = [sys.executable, "-c", SCRIPT]
        with subprocess.Popen(command, cwd=in_folder, env=env, stdout=subprocess.PIPE, stderr=its, text=True) as child:
            os.close(its)
            shown = b""
            while not RUNNING.search(shown) and (more := read(mine)):
                shown += more
            service.speed = 200
            shown += b"".join(iter(lambda: read(mine), b""))
            names = child.stdout.read().split() if child.stdout else []
        os.close(mine)
        assert child.returncode == 0, shown
    text = shown.decode()
    assert len(names) == 2
    assert "\n" not in text
    assert RUNNING.search(shown), text
    assert text.endswith("\r\x1b[K")


@pytest.mark.full
def test_a_command_in_a_log_tells_states_not_the_clock(in_folder: Path) -> None:
    with Simulator(speed=10, render="shape") as service:
        env = {**os.environ, "DASHSCOPE_HTTP_BASE_URL": service.base_url, "DASHSCOPE_API_KEY": KEY}
        words = ["A cat.", "--image", "images/chelsea.png", "--duration", "2", "--no-audio"]
        done = subprocess.run(
            [COMMAND, "generate", *words],
            cwd=in_folder, env=env, capture_output=True, text=True, timeout=200, check=True,
        )  # fmt: skip
    lines = done.stderr.splitlines()
    assert "\r" not in done.stderr
    assert len(lines) == len(set(lines))
    assert 3 <= len(lines) <= 8, lines
