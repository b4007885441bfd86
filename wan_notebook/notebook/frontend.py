"""Everything said to a front end: outputs published and updated, a question asked, the plugin told.

With its two neighbours (:mod:`~wan_notebook.notebook.surroundings` only looks, :mod:`~wan_notebook.notebook.comms` is
the line to the plugin) the one place that speaks the kernel protocol. Importing it imports nothing of Jupyter; without
a kernel everything here still works and says less.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import secrets
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import BudgetError, ConfigurationError
from wan_notebook.notebook.comms import (
    PLUGIN_REMARK,
    announce,
    card_shown,
    form_pages,
    listen,
    plugin_missing,
    plugin_present,
    push,
    revision,
)
from wan_notebook.notebook.lines import Troubles, line_on
from wan_notebook.notebook.surroundings import (
    cell_id,
    execution,
    front_end,
    here,
    in_cell,
    in_task,
    kernel,
    notebook_folder,
    notebook_path,
    parent,
    preferences,
    run_mode,
    scope,
    shell,
    source_sha256,
    typed,
)
from wan_notebook.record.provenance import MIME
from wan_notebook.tasks import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "PLUGIN_REMARK",
    "Display",
    "announce",
    "ask",
    "ask_secretly",
    "at_cell_end",
    "cell_id",
    "execution",
    "form_pages",
    "front_end",
    "here",
    "in_cell",
    "listen",
    "notebook_folder",
    "notebook_path",
    "plugin_missing",
    "plugin_present",
    "preferences",
    "push",
    "run_mode",
    "scope",
    "source_sha256",
    "typed",
    "wait_unattended",
]

log = logging.getLogger("wan_notebook")
TICK_SECONDS = 0.5  # between two pictures
UNDER_WAY = {state.value for state in JobState if not state.ended}


class Display:
    """One output that can be told anew, from any thread.

    Made by :meth:`open`: in a kernel an output with a display id of its own, told anew at most twice a second and at
    once when its job is over; in IPython's terminal a line; in a script a warning for each kind of trouble that makes a
    job wait, and otherwise nothing.
    """

    def __init__(self, show: Callable[[dict[str, Any]], None], *, tick_seconds: float, paced: bool = False) -> None:
        self._show, self._tick_seconds, self._paced = show, tick_seconds, paced
        self._lock = threading.Lock()
        self._shown: dict[str, Any] = {}
        self._shown_at = 0.0
        self._next: dict[str, Any] | None = None

    @classmethod
    def open(cls, bundle: dict[str, Any], run_id: str) -> Display:
        """Show ``bundle`` in the running cell.

        Parameters
        ----------
        bundle : dict
            MIME type to content; its record's ``rev`` tells a new state from the clock going on.
        run_id : str
            Whose output it is.
        """
        if shell() is None or in_task():
            return cls(Troubles().show, tick_seconds=float("inf"))
        if kernel() is None:
            line = line_on(sys.stdout)
            display = cls(
                lambda shown: line.tell(
                    run_id, shown["text/plain"], state=revision(shown), over=not _is_under_way(shown)
                ),
                tick_seconds=TICK_SECONDS if sys.stdout.isatty() else float("inf"),
                paced=False,
            )
            display.update(bundle)
            return display
        from IPython.display import publish_display_data

        transient = {"display_id": f"{run_id}-{secrets.token_hex(4)}"}

        def publish(shown: dict[str, Any], *, update: bool = True) -> None:
            # VS Code replaces all outputs of a cell when the metadata of one change: they never do.
            publish_display_data(shown, {}, transient=transient, update=update)

        display = cls(publish, tick_seconds=TICK_SECONDS, paced=True)
        publish(bundle, update=False)
        display._shown, display._shown_at = bundle, time.monotonic()
        card_shown(bundle)
        return display

    def update(self, bundle: dict[str, Any]) -> None:
        """Show ``bundle`` instead, unless it says the same, or only the clock went on and that was shown just now.

        A new state that comes too soon after the last picture is shown a moment later, if none is newer by then.
        """
        with self._lock:
            now = time.monotonic()
            wait = self._shown_at + self._tick_seconds - now
            tick = revision(bundle) is not None and revision(bundle) == revision(self._shown)
            if bundle == self._shown or (tick and wait > 0):
                return
            if self._paced and wait > 0 and _is_under_way(bundle):
                if self._next is None:
                    later = threading.Timer(wait, contextvars.copy_context().run, (self._catch_up,))
                    later.daemon = True
                    later.start()
                self._next = bundle
                return
            self._put(bundle)

    def _catch_up(self) -> None:
        with self._lock:
            if self._next is not None:
                self._put(self._next)

    def _put(self, bundle: dict[str, Any]) -> None:
        self._show(bundle)
        self._shown, self._shown_at, self._next = bundle, time.monotonic(), None


def _is_under_way(bundle: dict[str, Any]) -> bool:
    """Whether a bundle shows a job that will show more."""
    record = bundle.get(MIME)
    return isinstance(record, dict) and record.get("state") in UNDER_WAY


def ask(question: str) -> bool:
    """Ask a person for a yes.

    Parameters
    ----------
    question : str
        One sentence.

    Returns
    -------
    bool
        True for y or yes; anything else is a no.

    Raises
    ------
    BudgetError
        Nobody can be asked here; it names ``--yes``.
    """
    if not _somebody_there():
        raise BudgetError(
            f"{question} Nobody can be asked here.", hint="Say it in advance: --yes (yes=True). Nothing is billed."
        )
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def ask_secretly(question: str) -> str:
    """Ask a person for what must not be shown; it goes into no history.

    Raises
    ------
    ConfigurationError
        Nobody can be asked here.
    """
    if not _somebody_there():
        raise ConfigurationError(
            "nobody can be asked for the key here.", hint="Set DASHSCOPE_API_KEY, or put it into ~/.dashscope/api_key."
        )
    from getpass import getpass

    try:
        return getpass(question)
    except EOFError:
        return ""


_at_cell_end: list[Callable[[], object]] = []


def at_cell_end(call: Callable[[], object]) -> None:
    """Call ``call()`` when the running cell has nothing more to do, still as part of it; in a script never.

    An interrupt ends all such waiting of the cell, and is no error: the jobs go on.
    """
    running = shell()
    if running is None or in_task():
        return
    _at_cell_end.append(call)
    running.events.register("post_run_cell", _cell_ends)


def wait_unattended(wait: Callable[[], object]) -> None:
    """Where nobody would see what comes after the cell, ``wait()`` at its end; elsewhere not at all."""
    if run_mode() == "blocking":
        at_cell_end(wait)


def _cell_ends(result: object) -> None:
    calls = list(_at_cell_end)
    _at_cell_end.clear()
    if isinstance(getattr(result, "error_in_exec", None), (KeyboardInterrupt, asyncio.CancelledError)):
        return  # the person has said already that there is to be no more waiting
    try:
        for call in calls:
            call()
    except KeyboardInterrupt as interrupt:
        said = getattr(interrupt, "__notes__", None) or ["What was submitted goes on."]
        sys.stdout.write(f"Interrupted: no longer waiting. {said[0]}\n")


def _somebody_there() -> bool:
    return (in_cell() and bool(parent()["content"].get("allow_stdin"))) if kernel() else _real_terminal()


def _real_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
