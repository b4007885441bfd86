"""Everything said to a front end: outputs published and updated, a question asked, the plugin told.

With its two neighbours (:mod:`~wan_notebook.notebook.surroundings` only looks, :mod:`~wan_notebook.notebook.comms` is
the line to the plugin) the one place that speaks the kernel protocol. Importing it imports nothing of Jupyter; without
a kernel everything here still works and says less.
"""

from __future__ import annotations

import asyncio
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
TICK_SECONDS = 0.5  # between two pictures of one state


class Display:
    """One output that can be told anew, from any thread.

    Made by :meth:`open`: in a kernel an output with a display id of its own; in IPython's terminal a line of text for
    every new state; in a script a warning for each kind of trouble that makes a job wait, and otherwise nothing.
    """

    def __init__(self, show: Callable[[dict[str, Any]], None], *, tick_seconds: float) -> None:
        self._show, self._tick_seconds = show, tick_seconds
        self._lock = threading.Lock()
        self._shown: dict[str, Any] = {}
        self._shown_at = 0.0

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
            return cls(_Troubles().show, tick_seconds=float("inf"))
        if kernel() is None:
            display = cls(_Lines().show, tick_seconds=float("inf"))
            display.update(bundle)
            return display
        from IPython.display import publish_display_data

        transient = {"display_id": f"{run_id}-{secrets.token_hex(4)}"}

        def publish(shown: dict[str, Any], *, update: bool = True) -> None:
            # VS Code replaces all outputs of a cell when the metadata of one change: they never do.
            publish_display_data(shown, {}, transient=transient, update=update)

        display = cls(publish, tick_seconds=TICK_SECONDS)
        publish(bundle, update=False)
        display._shown, display._shown_at = bundle, time.monotonic()
        card_shown(bundle)
        return display

    def update(self, bundle: dict[str, Any]) -> None:
        """Show ``bundle`` instead, unless it says the same, or only the clock went on and that was shown just now."""
        with self._lock:
            now = time.monotonic()
            tick = revision(bundle) is not None and revision(bundle) == revision(self._shown)
            if bundle == self._shown or (tick and now - self._shown_at < self._tick_seconds):
                return
            self._show(bundle)
            self._shown, self._shown_at = bundle, now


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


class _Troubles:
    """A script: nobody sees a card, but a job that waits for half an hour should not do so in silence."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def show(self, bundle: dict[str, Any]) -> None:
        from wan_notebook.engine.delivery import SAFE
        from wan_notebook.engine.pursuit import NO_WORD, TROUBLE
        from wan_notebook.engine.submission import NOT_YET

        record = bundle.get(MIME) or {}
        for head in (NOT_YET, TROUBLE, NO_WORD, SAFE):
            note = next((note for note in record.get("notes", ()) if note.startswith(head)), None)
            if note is not None and head not in self._said:
                self._said.add(head)
                log.warning("%s: %s", record.get("name") or record.get("run_id"), note)


class _Lines:
    """A terminal: one line for each new state, none twice."""

    def __init__(self) -> None:
        self._last = ""

    def show(self, bundle: dict[str, Any]) -> None:
        line = str(bundle.get("text/plain", ""))
        if line != self._last:
            sys.stdout.write(f"{line}\n")
        self._last = line


def _somebody_there() -> bool:
    return (in_cell() and bool(parent()["content"].get("allow_stdin"))) if kernel() else _real_terminal()


def _real_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stdout.isatty()
