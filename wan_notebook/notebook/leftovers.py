"""Is anything of this notebook left to follow? Asked whenever the extension is loaded, so nothing heavy is imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import home
from wan_notebook.ledger.runs import FILE, PLANNED, UNFINISHED
from wan_notebook.notebook.surroundings import notebook_path

if TYPE_CHECKING:
    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger

__all__ = ["COLLECTED", "left_over", "of_this_notebook"]

COLLECTED = "collected"  # the owner of a run whose clip came while nobody looked
MOST_BYTES = 64 * 1024 * 1024  # of a notebook that is searched for ids


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
        found = of_this_notebook(ledger, path)
        left = [run for run in reversed(found) if run.owner == COLLECTED or not ledger.driven(run)]
        ledger.close()
    except Exception:  # noqa: BLE001  what is the matter is said when something is submitted
        return [], ""
    return left, ledger.complaint


def of_this_notebook(ledger: Ledger, path: Path, also: str = "0") -> list[Run]:
    """The runs of a notebook that are not over, newest first; also of one that was renamed or moved since.

    Such a run's own notebook is gone, and the notebook at ``path`` holds its id or that of its cell. Where the front
    end tells no cell's id, the folder has to do. ``also`` is SQL for more of them.
    """
    left = f"({UNFINISHED} OR state = '{PLANNED}' OR owner = ? OR {also})"
    found = ledger.runs(f"notebook IS NOT NULL AND {left}", (COLLECTED,))
    ids = _ids(path) if any(run.notebook != str(path) for run in found) else set()
    return [run for run in found if run.notebook == str(path) or (_belongs(run, path, ids) and _is_gone(run))]


def _is_gone(run: Run) -> bool:
    """Whether its notebook is no longer where it was; asked of few, because that disk may not answer."""
    return not Path(run.notebook or "").exists()


def _belongs(run: Run, path: Path, ids: set[str]) -> bool:
    if run.run_id in ids:
        return True
    return run.cell_id in ids if run.cell_id else run.folder == str(path.parent)


def _ids(path: Path) -> set[str]:
    """The ids of cells and runs that a notebook holds. It is a document: nothing else in it is believed."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return set()
        cells = json.loads(path.read_bytes())["cells"]
        found = {cell["id"] for cell in cells if isinstance(cell.get("id"), str)}
        for cell in cells:
            runs: Any = cell.get("metadata", {}).get("wan_notebook", {}).get("runs", ())
            found |= {run["run_id"] for run in runs if isinstance(run.get("run_id"), str)}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()
    return found
