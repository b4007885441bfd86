"""The one simulator process of this user: found when it runs, started when it does not, ended when asked.

``home/simulator.json`` says where it is; whoever looks believes it only when that address answers with the same process
id.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["IDLE_MINUTES", "SPEED", "ensure_running", "find_running", "run", "stop"]

SPEED = 20.0
SPEED_VARIABLE = "WAN_NOTEBOOK_SIMULATOR_SPEED"
IDLE_MINUTES = 10.0
START_SECONDS = 60.0  # on a quiet machine it takes two
STOP_SECONDS = 30.0
LOOK_SECONDS = 0.05
ANSWER_SECONDS = 20.0  # of one that stands still: a second one would delete its clips
TAIL = 1500
"""Characters of the log shown when it does not start."""
NEEDED = ("starlette", "uvicorn", "python_multipart", "httpx", "av", "PIL")

_started: dict[int, subprocess.Popen[bytes]] = {}
"""Children of this process, kept so that an ended one can be told from one that is slow to answer."""


def ensure_running(home: str | Path, speed: float | None = None) -> str:
    """The base URL of this user's simulator, which is started unless it runs already.

    Parameters
    ----------
    home : path
        The user's folder for state; made with mode 0700 when missing.
    speed : float, optional
        Of a simulator that has to be started; ``WAN_NOTEBOOK_SIMULATOR_SPEED``, else 20. One that runs keeps its own.

    Returns
    -------
    str
        ``http://127.0.0.1:PORT/api/v1``

    Raises
    ------
    ImportError
        The packages of the extra ``simulator`` are missing.
    RuntimeError
        It did not answer within 60 s; the message ends with its log.
    """
    home = Path(home)
    found = _found(home)
    if found is None:
        _check_packages()
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone(home / "simulator.lock"):
            found = _found(home) or _start(home, _speed(speed))
    return str(found["base_url"])


def find_running(home: str | Path) -> str | None:
    """The base URL of this user's simulator if it runs; nothing is started or ended."""
    found = _found(Path(home), any_version=True)
    return str(found["base_url"]) if found else None


def stop(home: str | Path) -> bool:
    """End this user's simulator; whether there was one.

    Raises
    ------
    RuntimeError
        It still answers after 30 s.
    """
    home = Path(home)
    found = _found(home, any_version=True)
    if found is None:
        return False
    _end(home, found)
    return True


def run(
    home: Path,
    *,
    speed: float = SPEED,
    idle_minutes: float = IDLE_MINUTES,
    render: Literal["full", "shape"] = "full",
    port: int = 0,
    ready_file: Path | None = None,
) -> None:
    """Be that process, until idle, interrupted or terminated.

    Its uploads and clips lie in a fresh folder under ``home/simulator`` and are removed at the end: a simulator that
    was started again knows none of the old tasks.
    """
    from .server import serve

    state = home / "simulator"
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in state.glob("run-*"):  # of one that was killed; only one runs at a time
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="run-", dir=state))

    def announce(base_url: str) -> None:
        _write(_card(home), {"base_url": base_url, "pid": os.getpid(), "speed": speed, "version": _version()})

    try:
        serve(
            port,
            speed,
            ready_file,
            render=render,
            folder=folder,
            idle_minutes=idle_minutes,
            announce=announce,
        )
    finally:
        if (_read(_card(home)) or {}).get("pid") == os.getpid():
            _card(home).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _found(home: Path, *, any_version: bool = False) -> dict[str, Any] | None:
    """What is written about the simulator, if it is true: the address answers with that process id."""
    card = _read(_card(home))
    if card is None or not str(card.get("base_url", "")).startswith("http://127.0.0.1:"):
        return None
    answer = _ask(card["base_url"])
    if answer is None or answer.get("pid") != card.get("pid"):
        return None
    if card.get("version") != _version() and not answer.get("tasks_at_work") and not any_version:
        # The package was updated meanwhile, and nobody is waiting for the old one.
        _end(home, card)
        return None
    return card


def _ask(base_url: str) -> dict[str, Any] | None:
    import httpx

    try:
        answer = httpx.get(f"{base_url}/_simulator", timeout=ANSWER_SECONDS, trust_env=False)
        value = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _start(home: Path, speed: float) -> dict[str, Any]:
    state = home / "simulator"
    state.mkdir(mode=0o700, exist_ok=True)
    log = state / "log"
    log.touch(mode=0o600)
    command = [sys.executable, "-m", "wan_notebook.simulator", "--home", str(home.resolve()), "--speed", f"{speed:g}"]
    detached: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        detached = {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}
    with log.open("wb") as output:
        child = subprocess.Popen(  # noqa: S603  this very interpreter, with arguments of our own
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=state,
            env={name: value for name, value in os.environ.items() if not name.startswith("DASHSCOPE_")},
            **detached,
        )
    _started[child.pid] = child
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = _found(home)
        if found is not None and found["pid"] == child.pid:
            return found
        if child.poll() is not None:
            break
        time.sleep(LOOK_SECONDS)
    ended = child.poll() is not None
    if not ended:
        child.kill()
        child.wait()
    _started.pop(child.pid, None)
    what = f"ended with code {child.returncode}" if ended else f"did not answer within {START_SECONDS:g} s"
    tail = log.read_text(encoding="utf-8", errors="replace")[-TAIL:].strip()
    raise RuntimeError(f"the simulator process {what}. Its log ({log}) ends:\n{tail or '(empty)'}")


def _end(home: Path, found: dict[str, Any]) -> None:
    pid = int(found["pid"])
    os.kill(pid, signal.SIGTERM)
    if sys.platform == "win32":
        _card(home).unlink(missing_ok=True)  # terminated there means at once, with no time to tidy up
    child = _started.pop(pid, None)
    deadline = time.monotonic() + STOP_SECONDS
    while _ask(found["base_url"]) is not None or _card(home).exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the simulator process {pid} did not end within {STOP_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)
    if child is not None:
        child.wait(STOP_SECONDS)


def _check_packages() -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f'the simulator needs {", ".join(missing)}: python -m pip install "wan-notebook[simulator]"',
            name=missing[0],
        )


def _speed(speed: float | None) -> float:
    if speed is not None:
        return speed
    text = os.environ.get(SPEED_VARIABLE, "")
    try:
        value = float(text) if text else SPEED
    except ValueError:
        value = 0
    if not 0 < value < float("inf"):
        raise RuntimeError(f"{SPEED_VARIABLE} must be a number above 0, not {text!r}")
    return value


def _version() -> str:
    try:
        return metadata.version("wan-notebook")
    except metadata.PackageNotFoundError:
        return "unknown"


def _card(home: Path) -> Path:
    return home / "simulator.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, value: dict[str, Any]) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.touch(mode=0o600)
    part.write_text(json.dumps(value), encoding="utf-8")
    part.replace(path)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Only one process at a time inside: two kernels that need a simulator start one."""
    path.touch(mode=0o600)
    with path.open("r+b") as file:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield  # closing the file lets the next one in
