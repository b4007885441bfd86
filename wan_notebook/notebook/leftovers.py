"""Is anything of this notebook left to follow? Asked whenever the extension is loaded, so nothing heavy is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wan_notebook.config import home
from wan_notebook.ledger.runs import FILE, OPEN
from wan_notebook.notebook.surroundings import notebook_path

if TYPE_CHECKING:
    from wan_notebook.ledger.runs import Run

__all__ = ["COLLECTED", "left_over"]

COLLECTED = "collected"  # the owner of a run whose clip came while nobody looked


def left_over() -> tuple[list[Run], str]:
    """The runs of this notebook that nobody drives and that are not over, or ended while no kernel was there.

    And what is the matter with the ledger, where it cannot be used.

    Nothing is written, no socket is opened, and nothing raises: loading an extension is no place for that.
    """
    path = notebook_path()
    try:
        if path is None or not (home() / FILE).exists():
            return [], ""
        from wan_notebook.ledger.store import Ledger

        ledger = Ledger(home())
        where = f"notebook = ? AND (state IN ({', '.join('?' * len(OPEN))}) OR owner = ?)"
        found = ledger.runs(where, (str(path), *OPEN, COLLECTED))
        left = [run for run in reversed(found) if run.owner == COLLECTED or not ledger.driven(run)]
        ledger.close()
    except Exception:  # noqa: BLE001  what is the matter is said when something is submitted
        return [], ""
    return left, ledger.complaint
