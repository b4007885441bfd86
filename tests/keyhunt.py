"""The hunt for the key through everything the suite leaves: outputs, logs, errors, records, reprs and files.

Every key that a test gives to the package ends in ``MARK``. Whatever a test prints, logs, raises or writes, and what
its kernels and processes say, is searched for it; a leak fails the test and names the place. Keys that a person typed
into a notebook's cell are not ours to keep out of that notebook: tests that type one use another ending.
"""

from __future__ import annotations

import base64
import logging
import re
import subprocess
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MARK = "0123456789abcdef"
MOST_BYTES = 64 * 1024 * 1024  # of a file that is searched
SHOWN = 40
NOT_OURS = ("api_key", "history.sqlite")  # the vendor's place for the key; what IPython keeps of what a person typed


def _encoded() -> Iterator[bytes]:
    """The mark as base64 has it, wherever it begins among three bytes."""
    for before in range(3):
        text = base64.b64encode(b"-" * before + MARK.encode())
        yield text[4 if before else 0 : -4]  # what does not depend on its neighbours


CODED = tuple(_encoded())
BEFORE = re.compile(rb"(sk-[a-z]+|[a-z]{3,})-\Z")


def key_in(data: bytes) -> int:
    """Where a key, what follows its ``sk-``, or its base64 stands; -1 where none does.

    >>> key_in(b"Bearer sk-some-0123456789abcdef"), key_in(b"task-1"), key_in(b"0123456789abcdef")
    (15, -1, -1)
    """
    place = data.find(MARK.encode())
    while place >= 0:
        if BEFORE.search(data, max(0, place - SHOWN), place):
            return place
        place = data.find(MARK.encode(), place + 1)
    return max(map(data.find, CODED))


class Hunt:
    """What was found since the last test."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.jobs = 0
        self.seen: set[tuple[str, int, int]] = set()
        self.known: set[tuple[str, int]] = set()  # name and size of the photographs, of which there are many copies

    def look(self, where: str, *things: object) -> None:
        """Search texts, bytes and what ``str`` makes of other things."""
        for thing in things:
            data = thing if isinstance(thing, bytes) else str(thing).encode("utf-8", "replace")
            place = key_in(data)
            if place >= 0:
                around = data[max(0, place - SHOWN) : place].decode("utf-8", "replace")
                self.found.append(f"the key is in {where}, after {around!r}")

    def walk(self, folder: Path) -> None:
        """Search every file below a folder that was not searched yet."""
        for path in folder.rglob("*"):
            try:
                state = path.stat()
                mark = (str(path), state.st_size, state.st_mtime_ns)
                if not path.is_file() or path.is_symlink() or mark in self.seen or state.st_size > MOST_BYTES:
                    continue
                self.seen.add(mark)
                if (path.name, state.st_size) not in self.known and not path.name.startswith(NOT_OURS):
                    self.look(str(path), path.read_bytes())
                    self.look(f"the name of {path.parent}/…", path.name)
            except OSError:  # gone meanwhile, or no ordinary file
                continue

    def look_at_jobs(self) -> None:
        """Search the jobs of this process that are new: what they show, record and raise."""
        if "wan_notebook.hall.session" not in sys.modules:
            return
        import wan_notebook as wan

        jobs = wan.jobs()
        for job in jobs[self.jobs :]:
            self.look(f"job {job.run_id}", repr(job), repr(job.update), job.record, job._repr_mimebundle_())
            if job.done() and (error := job.exception(0)) is not None:
                self.look(f"the error of job {job.run_id}", "".join(traceback.format_exception(error)), vars(error))
        self.jobs = len(jobs)


hunt = Hunt()


class Listener(logging.Handler):
    """Searches whatever any logger emits."""

    def emit(self, record: logging.LogRecord) -> None:
        hunt.look(f"the log of {record.name}", self.format(record))


def _watched(owner: Any, name: str, see: Callable[..., None]) -> None:
    """Let ``see`` have what a method returned, and its arguments."""
    method = getattr(owner, name)

    def watched(*args: Any, **kwargs: Any) -> Any:
        result = method(*args, **kwargs)
        see(result, *args)
        return result

    setattr(owner, name, watched)


@pytest.fixture(scope="session", autouse=True)
def hunted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Listen while the tests run; in the end search what they left in common."""
    from click.testing import CliRunner

    from wan_notebook.errors import WanError

    images = Path(__file__).parent.parent / "notebooks" / "images"
    hunt.known = {(path.name, path.stat().st_size) for path in images.glob("*")}
    listener = Listener(0)
    logging.getLogger().addHandler(listener)
    _watched(subprocess.Popen, "communicate", lambda said, *_: hunt.look("the output of a process", *(said or ())))
    _watched(CliRunner, "invoke", lambda said, *_: hunt.look("the command line", said.output, repr(said.exception)))
    _watched(WanError, "__init__", lambda _, error, *__: hunt.look("an error", *error.args, error.hint))
    yield
    logging.getLogger().removeHandler(listener)
    hunt.walk(tmp_path_factory.getbasetemp())
    hunt.walk(Path.home())
    assert not hunt.found, "\n".join(hunt.found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """After a test's last fixture: was the key in anything?"""
    report = yield
    if call.when == "teardown":
        for name, text in report.sections:
            hunt.look(name.lower(), text)
        hunt.look_at_jobs()
        folder = item.funcargs.get("tmp_path") if isinstance(item, pytest.Function) else None
        if folder is not None:
            hunt.walk(folder)
        if hunt.found and report.outcome == "passed":
            report.outcome, report.longrepr = "failed", "\n".join(dict.fromkeys(hunt.found))
            report.sections = [(name, text.replace(MARK, "[the key]")) for name, text in report.sections]
        hunt.found = []
    return report
