"""Two kernels and a command line hammer one ledger: no lock error reaches a person, and no row is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from itertools import pairwise

import pytest
from kernels import LiveKernel

from wan_notebook.ledger.store import Ledger
from wan_notebook.simulator import Simulator

KEY = "sk-hammer-0123456789abcdef"
OWN, SHARED = 24, 6
MAIN = "from wan_notebook.cli import main; main()"
SUBMIT = """
words = [f"Clip {{n}} of {who}." for n in range({own})] + [f"Clip {{n}} of both." for n in range({shared})]
jobs = [wan.submit(prompt=text, image="images/chelsea.png", duration=2, audio=False) for text in words]
errors = [error for job in jobs if (error := job.exception(240)) is not None]
print(len({{job.task_id for job in jobs}}), errors)
"""
LOCKED = ("locked", "holds the ledger", "cannot be used", "Traceback", "could not be", "OperationalError")


class Terminal(threading.Thread):
    """``wan-notebook`` again and again, until it is told to stop."""

    def __init__(self, environment: dict[str, str]) -> None:
        super().__init__()
        self.environment, self.enough = environment, threading.Event()
        self.said: list[tuple[list[str], int, str, str]] = []

    def run(self) -> None:
        commands = [["runs", "--json", "--limit", "1000"], ["collect"], ["runs", "--open"]]
        while not self.enough.is_set():
            for command in commands:
                line = [sys.executable, "-c", MAIN, *command]
                done = subprocess.run(line, env=self.environment, capture_output=True, text=True, check=False)
                self.said.append((command, done.returncode, done.stdout, done.stderr))


@pytest.mark.full
def test_two_kernels_and_a_command_line_on_one_ledger(in_folder, tmp_path):
    home = tmp_path / "home"
    with Simulator(speed=500, render="shape") as service:
        ours = {
            "WAN_NOTEBOOK_HOME": str(home),
            "DASHSCOPE_API_KEY": KEY,
            "DASHSCOPE_HTTP_BASE_URL": service.base_url,
        }
        terminal = Terminal({**os.environ, **ours})
        with LiveKernel(in_folder, ours) as one, LiveKernel(in_folder, ours) as other:
            for live in (one, other):
                live.run("%load_ext wan_notebook\nimport wan_notebook as wan")
            terminal.start()
            try:
                cells = [
                    live.send(SUBMIT.format(who=who, own=OWN, shared=SHARED))
                    for live, who in ((one, "one"), (other, "the other"))
                ]
                for live, cell in zip((one, other), cells, strict=True):
                    live.until(lambda cell=cell: cell.idle, 280)
            finally:
                terminal.enough.set()
                terminal.join()
            for live, cell in zip((one, other), cells, strict=True):
                assert cell.error is None
                assert cell.text.split() == [str(OWN + SHARED), "[]"]
                assert not [word for word in LOCKED if word in repr((live.cells, live.displays))]
        accepted = service.answers["submit", 200]  # the list holds 24 h, which are few minutes of this clock
        assert accepted == 2 * OWN + SHARED, "each was paid once, and the shared ones by one of the two"
    assert len(terminal.said) >= 3
    for command, code, out, err in terminal.said:
        assert (code, err) == (0, ""), (command, out)
        assert not [word for word in LOCKED if word in out], (command, out)
    known = [{row["run_id"] for row in json.loads(out)} for command, _, out, _ in terminal.said if "--json" in command]
    ledger = Ledger(home)
    paid, shown = ledger.runs("from_run IS NULL"), ledger.runs("from_run IS NOT NULL")
    assert (len(paid), len(shown)) == (2 * OWN + SHARED, SHARED)
    assert len({run.task_id for run in paid}) == len(paid)
    assert {run.state for run in (*paid, *shown)} == {"downloaded"}
    known.append({run.run_id for run in (*paid, *shown)})
    assert all(before <= after for before, after in pairwise(known)), "no row goes away"
