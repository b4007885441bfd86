"""The pages that show a form: what belongs below it on each of them, and the cells to be inserted there.

An output of a button's callback finds its cell by the page's memory of it, which a reload or a move of the cell ends.
So the plugin is told as well; it shows what its page does not show yet.
"""

from __future__ import annotations

import logging
import secrets
import threading
from typing import TYPE_CHECKING, Any

from wan_notebook.notebook.surroundings import caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from comm.base_comm import BaseComm

__all__ = ["FORM", "FormPages", "as_asked", "served_at_once"]

FORM = "application/vnd.wan-notebook.form.v1+json"  # {"form": …} marks a form, {"form": …, "part": …} what is below it
MAX_PARTS = 50  # below one form that a reloaded page gets again
MAX_PAGES = 16
MAX_WAITING = 100

log = logging.getLogger("wan_notebook")


class FormPages:
    """The forms of this kernel and the comms of the pages that asked for them; every thread may call.

    Parameters
    ----------
    order : callable
        Gives the turns of these pages, by comm id, after the page that ran the cell: see :mod:`.comms`.
    """

    def __init__(self, order: Callable[[str | None, Iterable[str]], dict[str, int]]) -> None:
        self._lock = threading.Lock()
        self._order = order
        self._ran: dict[str, str] = {}  # by the form's id: the page that ran its cell
        self._pages: dict[str, list[BaseComm]] = {}  # by the form's id, the newest page last
        self._parts: dict[str, dict[str, Callable[[], dict[str, Any] | None]]] = {}
        self._inserted: dict[str, Callable[[], object]] = {}

    def know(self, form: str) -> None:
        """Answer the pages that ask for this form from now on; the running cell shows it."""
        with self._lock:
            self._parts.setdefault(form, {})
            self._ran[form] = caller()

    def beside(self, form: str, part: str, bundle_of: Callable[[], dict[str, Any] | None]) -> None:
        """Let every page show a part below a form, in place of the earlier one of the same name."""
        with self._lock:
            parts = self._parts.setdefault(form, {})
            parts[part] = bundle_of
            while len(parts) > MAX_PARTS:
                parts.pop(next(iter(parts)))
            pages = {comm.comm_id: comm for comm in reversed(self._pages.get(form, ()))}
            ran = self._ran.get(form)
        for comm_id, turn in self._order(ran, pages).items():  # of a shared document, one page after the other
            _show(pages[comm_id], form, bundle_of(), turn)

    def insert(self, form: str, source: str, done: Callable[[], object]) -> bool:
        """Let the page that came last insert a cell below a form; False where no page could."""
        insertion = secrets.token_hex(8)
        with self._lock:
            pages = self._pages.get(form)
            if not pages:
                return False
            comm = pages[-1]
            self._inserted[insertion] = done
            while len(self._inserted) > MAX_WAITING:
                self._inserted.pop(next(iter(self._inserted)))
        comm.send({"type": "insert", "form": form, "insertion": insertion, "source": source})
        return True

    def inserted(self, insertion: object) -> None:
        """A page says that the cell is there."""
        with self._lock:
            done = self._inserted.pop(insertion, None) if isinstance(insertion, str) else None
        if done is not None:
            done()

    def asked(self, comm: BaseComm, forms: Iterable[str]) -> None:
        """A page shows these forms, perhaps without what belongs below them."""
        for form in forms:
            with self._lock:
                if form not in self._parts:
                    continue
                others = [page for page in self._pages.get(form, ()) if page.comm_id != comm.comm_id]
                self._pages[form] = pages = [*others, comm][-MAX_PAGES:]
                parts, ran = list(self._parts[form].values()), self._ran.get(form)
            turn = self._order(ran, [page.comm_id for page in pages])[comm.comm_id]
            for bundle_of in parts:
                _show(comm, form, bundle_of(), turn)

    def closed(self, comm: BaseComm) -> None:
        """A page has gone."""
        with self._lock:
            for pages in self._pages.values():
                pages[:] = [page for page in pages if page.comm_id != comm.comm_id]


def served_at_once(widget: Any) -> None:
    """Let what is done with a widget, or one within it, be heard while a cell runs, where the kernel has subshells."""
    for child in getattr(widget, "children", ()):
        served_at_once(child)
    as_asked(widget.comm)


def as_asked(comm: Any) -> None:
    """Serve a comm's messages where the page asks for it: in a subshell, or after the running cell.

    ipykernel 7.4 would serve them where the comm was last sent from. And what is heard on another thread must not end
    the running cell for IPython: matplotlib would show and close the figures that the cell is still drawing.
    """
    if hasattr(comm, "_reply_subshell_for"):
        comm._reply_subshell_for = _as_the_page_says  # noqa: SLF001  there is no public way
    heard, call = getattr(comm, "handle_msg", None), "_msg_callback"
    if heard is None or not hasattr(comm, call) or getattr(heard, "quiet", False):
        return

    def hear(message: dict[str, Any]) -> None:
        if threading.current_thread() is threading.main_thread():
            heard(message)
        elif (callback := getattr(comm, call)) is not None:
            callback(message)

    hear.quiet = True  # type: ignore[attr-defined]
    comm.handle_msg = hear


def _as_the_page_says(_data: object, subshell: Any) -> Any:
    return subshell


def _show(comm: BaseComm, form: str, bundle: dict[str, Any] | None, turn: int) -> None:
    if bundle is not None:
        try:
            comm.send({"type": "show", "form": form, "data": bundle, "metadata": {}, "turn": turn})
        except Exception:
            log.exception("what belongs below a form could not be sent to the plugin")
