"""Scripts in processes of their own, which submit to a server and can be killed at any moment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "sk-hostile-0123456789abcdef"
PHOTO = Path(__file__).parent.parent / "notebooks" / "images" / "chelsea.png"
SCRIPT = """
import json, sys
import wan_notebook as wan
given = json.loads(sys.argv[1])
count = given.pop("count", 1)
jobs = [wan.submit(**given) for _ in range(count)]
for job in jobs:
    error = job.exception(200)
    print(json.dumps({
        "run": job.run_id, "task": job.task_id, "state": job.state, "notes": job.update.notes,
        "from_run": job.update.from_run, "cost": str(job.update.cost), "record": job.record,
        "path": str(job.result().path) if error is None else None,
        "error": None if error is None else f"{type(error).__name__}: {error}",
    }), flush=True)
"""


def start(base_url: str, folder: Path, home: Path, **given: Any) -> subprocess.Popen[str]:
    """A process that submits ``count`` identical requests and waits for them."""
    request = {
        "prompt": "A cat.", "image": str(PHOTO), "duration": 2, "audio": False, "base_url": base_url, "api_key": KEY,
        "output_dir": str(folder / "clips"), **given,
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, json.dumps(request)],
        cwd=folder,
        env={**os.environ, "WAN_NOTEBOOK_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def outcomes(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    """What became of the jobs of a process, once it has ended."""
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def run(base_url: str, folder: Path, home: Path, **given: Any) -> list[dict[str, Any]]:
    """Start and wait."""
    return outcomes(start(base_url, folder, home, **given))


def until(condition: Callable[[], object]) -> None:
    """Wait for something that other processes bring about."""
    end = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
