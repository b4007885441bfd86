"""The line to the plugin in JupyterLab and Notebook 7: whether it is there, and runs that display ids do not reach.

The plugin opens a comm when it sees a run that is not over and asks for its run ids; the kernel answers with what they
are now and sends every change. It names the forms it sees, too (see ``formpages``), and once its cells, for what a page
that was reloaded without having been saved has lost. Nothing is sent to a front end that did not ask, it would complain
of an unknown target; but for one call in JupyterLab and Notebook 7 where jobs of an earlier kernel are followed again.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wan_notebook.notebook.formpages import FormPages, as_asked
from wan_notebook.notebook.showings import Showings
from wan_notebook.notebook.surroundings import LAB, caller, cell_id, execution, front_end, in_cell, kernel, shell
from wan_notebook.record.provenance import MIME, RUN_ID
from wan_notebook.tasks import JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from comm.base_comm import BaseComm

__all__ = [
    "PLUGIN_REMARK",
    "announce",
    "card_shown",
    "form_pages",
    "listen",
    "plugin_missing",
    "plugin_present",
    "push",
    "revision",
]

TARGET = "wan_notebook"
MAX_RUNS = 1000  # in one message, and followed over one comm
MAX_COMMS = 16  # pages that went away without a word are forgotten, oldest first
TICK_SECONDS = 2.0  # between two pictures of one state: they only matter to cells that were moved or reloaded
PATIENCE_SECONDS = 2.0
PLUGIN_REMARK = (
    "Recorded in the output only: the JupyterLab plugin did not answer. Install wan-notebook in the environment that "
    "Jupyter itself runs in, too (python -m pip install wan-notebook), and reload the page."
)

log = logging.getLogger("wan_notebook")


@dataclass
class _Page:
    """One open page that has called."""

    comm: BaseComm
    session: str  # of all messages of this page
    followed: set[str] = field(default_factory=set)


class _Line:
    """The kernel's end of all comms: one for each open page."""

    def __init__(self) -> None:
        self.lookup: Callable[[str], dict[str, Any] | None] = lambda _: None
        self.present = False
        self.forms = FormPages(self._order)
        self._showings = Showings()
        self._lock = threading.Lock()
        self._pages: dict[str, _Page] = {}  # by comm id, in the order in which they called
        self._left: set[str] = set()  # sessions of pages that are closed
        self._ran: dict[str, str] = {}  # run id -> session of the page that ran its cell
        self._pushed: dict[str, tuple[dict[str, Any], float]] = {}
        self._card_at: float | None = None
        self._idle_since: float | None = None
        self._judged = False

    def register(self) -> None:
        import comm

        running = shell()
        if running is None:
            return
        manager = comm.get_comm_manager()
        manager.register_target(TARGET, self.opened)
        # Never opened, so no front end hears of it; but a page that asks for the kernel's comms sees that we are here.
        manager.register_comm(comm.create_comm(target_name=TARGET, primary=False))
        running.events.register("pre_run_cell", self.cell_begins)
        running.events.register("post_run_cell", self.cell_ends)
        self._idle_since = None if in_cell() else time.monotonic()

    # What the plugin says, on whatever thread the kernel hears it:

    def opened(self, comm: BaseComm, message: dict[str, Any]) -> None:
        self.present = True
        as_asked(comm)
        with self._lock:
            session = str(message.get("header", {}).get("session", ""))
            self._pages[comm.comm_id] = _Page(comm, session)
            self._left.discard(session)
            while len(self._pages) > MAX_COMMS:
                self._leave(next(iter(self._pages)))
        comm.on_msg(lambda message: self.heard(comm, message))
        comm.on_close(lambda _: self.closed(comm))

    def closed(self, comm: BaseComm) -> None:
        with self._lock:
            self._leave(comm.comm_id)
        self.forms.closed(comm)

    def _leave(self, comm_id: str) -> None:
        page = self._pages.pop(comm_id, None)
        if page is not None:
            self._left.add(page.session)

    def heard(self, comm: BaseComm, message: dict[str, Any]) -> None:
        """The ids come from a document, which may be anybody's: they are looked up and nothing else."""
        said = message.get("content", {}).get("data")
        said = said if isinstance(said, dict) else {}
        if said.get("type") == "inserted":
            self.forms.inserted(said.get("insertion"))
        if said.get("type") != "attach":
            return
        runs, forms = _ids(said.get("runs")), _ids(said.get("forms", []))
        cells = _ids(said.get("cells", []))
        if runs is None or forms is None or cells is None:
            return
        comm.send({"type": "hello"})
        for run_id in runs:
            bundle = self.lookup(run_id)
            if bundle is None:
                continue
            with self._lock:
                page = self._pages.get(comm.comm_id)
                if page is not None and len(page.followed) < MAX_RUNS:
                    page.followed.add(run_id)
                turns = self._turns(run_id)
            _send(comm, run_id, bundle, turn=turns.get(comm.comm_id, 0))
        for cell, run_id in self._showings.of(cells):
            bundle = self.lookup(run_id)
            if bundle is not None:
                _send(comm, run_id, bundle, type="again", cell=cell)
        self.forms.asked(comm, forms)

    # What the kernel says, on the runner's thread:

    def push(self, run_id: str, bundle: dict[str, Any]) -> None:
        now = time.monotonic()
        with self._lock:
            turns = self._turns(run_id)
            comms = [self._pages[comm_id].comm for comm_id in turns]
            shown, at = self._pushed.get(run_id, ({}, 0.0))
            tick = bool(shown) and revision(bundle) == revision(shown)
            if not comms or bundle == shown or (tick and now - at < TICK_SECONDS):
                return
            self._pushed[run_id] = (bundle, now)
        for comm in comms:
            _send(comm, run_id, bundle, turn=turns[comm.comm_id])

    def _turns(self, run_id: str) -> dict[str, int]:
        """In whose turn the pages that follow a run write it."""
        pages = [key for key, page in self._pages.items() if run_id in page.followed]
        return self._in_turn(self._ran.get(run_id), pages)

    def _order(self, ran: str | None, pages: Iterable[str]) -> dict[str, int]:
        with self._lock:
            return self._in_turn(ran, pages)

    def _in_turn(self, ran: str | None, pages: Iterable[str]) -> dict[str, int]:
        """Whose turn it is, by comm id, to write into a document that several pages may share; 0 is at once.

        The page that ran the cell comes first: it writes anyway, because the cell's outputs reach it by themselves.
        """
        first = ran if ran and ran not in self._left else None
        its = [key for key in pages if key in self._pages and self._pages[key].session == first]
        late = first is not None and not its  # it has not called yet
        return {key: turn for turn, key in enumerate(dict.fromkeys((*its, *pages)), int(late))}

    # Is it there at all? It can only be heard while no cell runs, so only that time counts.

    def card_shown(self, run_id: str, *, ended: bool) -> None:
        self._showings.add(cell_id(), execution(), run_id)
        if ended:
            return
        self._ran[run_id] = caller()
        self._card_at = self._card_at or time.monotonic()

    def cell_begins(self, _info: object) -> None:
        self._idle_since = None
        self._showings.begin(cell_id(), execution())

    def cell_ends(self, _result: object) -> None:
        self._idle_since = time.monotonic()

    def missing(self) -> bool:
        card, idle = self._card_at, self._idle_since
        if not self._judged and card is not None and idle is not None:
            self._judged = time.monotonic() - max(card, idle) >= PATIENCE_SECONDS
        return self._judged and not self.present


_lines: list[_Line] = []  # at most one, made on first use


def _line() -> _Line:
    if not _lines:
        _lines.append(_Line())
        _lines[0].register()
    return _lines[0]


def card_shown(bundle: dict[str, Any]) -> None:
    """Note that the running cell shows a run; the plugin of a front end that can have it should speak soon."""
    record = bundle.get(MIME)
    if front_end() == LAB and isinstance(record, dict):
        _line().card_shown(record["run_id"], ended=JobState(record["state"]).ended)


def listen(lookup: Callable[[str], dict[str, Any] | None]) -> None:
    """Let the plugin ask for runs; without a kernel nothing happens.

    Parameters
    ----------
    lookup : callable
        Gives the bundle of a run as it is now, by its run id, or None. The latest one given is used.
    """
    if kernel() is not None:
        _line().lookup = lookup


def announce() -> None:
    """Call the plugin, which asked in vain before the extension was loaded; every open page then asks again."""
    if front_end() == LAB:
        import comm

        comm.create_comm(target_name=TARGET).close()


def form_pages() -> FormPages:
    """Where a form says what belongs below it; without a kernel no page ever asks."""
    return _line().forms


def push(run_id: str, bundle: dict[str, Any]) -> None:
    """Send a run's new bundle to every page that asked for it: each new state, and now and then the clock."""
    for line in _lines:
        line.push(run_id, bundle)


def plugin_present() -> bool | None:
    """Whether the plugin has spoken: True, False when it should have by now, None when that is not known yet."""
    if any(line.present for line in _lines):
        return True
    return False if plugin_missing() else None


def plugin_missing() -> bool:
    """Whether a card has been shown in JupyterLab or Notebook 7 and the plugin stayed silent.

    It is judged once the kernel was idle for 2 s at a stretch: while cells run, nobody could have heard the plugin.
    When it speaks after all, the answer is False again.
    """
    return any(line.missing() for line in _lines)


def _ids(asked: object) -> list[str] | None:
    """Those of a page's words that can be ids; None where it is no list, or one with too many of them."""
    if not isinstance(asked, list) or len(asked) > MAX_RUNS:
        return None
    return list(dict.fromkeys(word for word in asked if isinstance(word, str) and RUN_ID.fullmatch(word)))


def _send(comm: BaseComm, run_id: str, bundle: dict[str, Any], **more: object) -> None:
    try:
        comm.send({"type": "update", "run_id": run_id, "data": bundle, "metadata": {}, **more})
    except Exception:
        log.exception("run %s could not be sent to the plugin", run_id)


def revision(bundle: dict[str, Any]) -> int | None:
    """The ``rev`` of the record in a bundle: it rises with every new state, not with the clock."""
    record = bundle.get(MIME)
    return record.get("rev") if isinstance(record, dict) else None
