"""What is told of jobs in words: one line that is told anew on a terminal, a line for each new state in a log.

A script is told nothing of its jobs, except while ``generate`` waits for one on a terminal, and of trouble that keeps a
job waiting.
"""

from __future__ import annotations

import logging
import re
import shutil
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, TextIO

from wan_notebook.notebook.surroundings import shell
from wan_notebook.record.provenance import MIME

if TYPE_CHECKING:
    from wan_notebook.engine.job import Job

__all__ = ["Line", "Troubles", "is_live", "line_on", "wait_showing"]

LOOK_SECONDS, PAUSE_SECONDS = 1.0, 0.5  # between two looks at a job, between two pictures of the line at the least
CLEAR = "\x1b[K"  # what is left of the line before
MORE = " · …"
PHRASE = re.compile(r" · |, | \(")  # begins the next phrase of a line

log = logging.getLogger("wan_notebook")


class Line:
    """Where jobs tell how they stand.

    Parameters
    ----------
    stream : text file
        On a terminal one line is told anew, however many jobs there are; the last of each job stays. Elsewhere every
        new state is a line, and none comes twice.
    pause_seconds : float
        Between two pictures of the line on a terminal; what comes sooner is shown with the next tick of the clock.
    """

    def __init__(self, stream: TextIO, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self.stream, self._pause_seconds = stream, pause_seconds
        self._drawn_at = float("-inf")
        self._lock = threading.Lock()
        self._open: dict[str, str] = {}
        self._said: dict[str, object] = {}
        self._drawn = False

    def tell(self, run_id: str, text: str, *, state: object = None, over: bool = False) -> None:
        """Say how one job stands.

        Parameters
        ----------
        run_id : str
        text : str
            One line.
        state : object
            What is the same as long as only the clock went on.
        over : bool
            Whether this is the last of it.
        """
        with self._lock:
            if is_live(self.stream):
                self._open.pop(run_id, None)
                if over:
                    self._write(text)
                    self.stream.write("\n")
                else:
                    self._open[run_id] = text
                if over or time.monotonic() - self._drawn_at >= self._pause_seconds:
                    self._draw()
            elif self._said.get(run_id) != (said := text if state is None else state):
                self._said[run_id] = said
                self.stream.write(f"{text}\n")
                self.stream.flush()

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            self._open.clear()
            if self._drawn:
                self._write("")
                self._drawn = False

    def _draw(self) -> None:
        if not self._open:
            self._drawn = False
            return
        several = f"{len(self._open)} jobs · " if len(self._open) > 1 else ""
        text = several + list(self._open.values())[-1]
        wide = shutil.get_terminal_size().columns - 1
        self._write(text if len(text) <= wide else _begun(text, max(0, wide - len(MORE))) + MORE)
        self._drawn, self._drawn_at = True, time.monotonic()

    def _write(self, text: str) -> None:
        self.stream.write(f"\r{text}{CLEAR}")
        self.stream.flush()


def _begun(text: str, most: int) -> str:
    """The beginning of a line, which ends with a whole phrase, or else with a whole word.

    >>> _begun("cat: RUNNING 0:42 (queue 0:12, run 0:30) · about 0:40 left (estimate, from 5 runs here)", 70)
    'cat: RUNNING 0:42 (queue 0:12, run 0:30) · about 0:40 left'
    >>> _begun("cat: RUNNING", 10), _begun("concatenate", 3)
    ('cat:', 'con')
    """
    heads = (text[: end.start()] for end in PHRASE.finditer(text[: most + 3]))
    whole = [head for head in heads if len(head) <= most and head.count("(") == head.count(")")]
    head = text[:most] if text[most : most + 1].isspace() else text[:most].rpartition(" ")[0] or text[:most]
    return whole[-1] if whole else head


class Troubles:
    """A script: nobody sees a card, but a job that waits for half an hour should not do so in silence."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def show(self, bundle: dict[str, Any]) -> None:
        """Warn of each kind of trouble once."""
        from wan_notebook.engine.delivery import SAFE
        from wan_notebook.engine.pursuit import NO_WORD, TROUBLE
        from wan_notebook.engine.submission import NOT_YET

        record = bundle.get(MIME) or {}
        for head in (NOT_YET, TROUBLE, NO_WORD, SAFE):
            note = next((note for note in record.get("notes", ()) if note.startswith(head)), None)
            if note is not None and head not in self._said:
                self._said.add(head)
                log.warning("%s: %s", record.get("name") or record.get("run_id"), note)


_lines: list[Line] = []


def line_on(stream: TextIO) -> Line:
    """The line of a stream: one for all jobs."""
    if not _lines or _lines[0].stream is not stream:
        _lines[:] = [Line(stream)]
    return _lines[0]


def is_live(stream: TextIO) -> bool:
    """Whether a line of ``stream`` can be told anew: it is a terminal, and nobody types at it now."""
    prompt = getattr(getattr(shell(), "pt_app", None), "app", None)
    return stream.isatty() and not getattr(prompt, "is_running", False)


def wait_showing(job: Job, timeout: float | None) -> float | None:
    """Wait for a job with a line on standard error, where that is a terminal that shows none yet.

    Returns
    -------
    float or None
        What is left of ``timeout``.
    """
    from wan_notebook.windows import rendering

    end = None if timeout is None else time.monotonic() + timeout
    if shell() is None and is_live(sys.stderr):
        line = line_on(sys.stderr)
        try:
            while not job.wait(LOOK_SECONDS if end is None else max(0.0, min(LOOK_SECONDS, end - time.monotonic()))):
                if end is not None and time.monotonic() >= end:
                    break
                line.tell(job.run_id, rendering.bundle(job.update)["text/plain"], state=job.update.rev)
        finally:
            line.clear()
    return None if end is None else max(0.0, end - time.monotonic())
