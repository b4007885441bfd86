"""Folders, notebooks and clips that were renamed or moved: the ledger follows them.

What lies in a folder is believed where bytes prove it: a saved clip of the right digest. Of a notebook only ids are.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wan_notebook.ledger.runs import Run
    from wan_notebook.ledger.store import Ledger

__all__ = ["follow_moves", "move", "moved_notebook", "places", "rebased"]

PROOFS = 3  # clips of a folder that are looked for, of the latest ones and of the first ones
NEWEST = "folder = ? AND clip_path IS NOT NULL"
OLDEST = f"run_id IN (SELECT run_id FROM runs WHERE {NEWEST} ORDER BY created_at LIMIT {PROOFS})"  # noqa: S608  our own


def follow_moves(ledger: Ledger, *folders: str | None) -> None:
    """Write down that a folder of the ledger which is gone is one of ``folders`` now: one of its clips proves it."""
    known = ledger.read(lambda db: db.execute("SELECT DISTINCT folder FROM runs WHERE folder IS NOT NULL").fetchall())
    for old, new in product((old for (old,) in known), dict.fromkeys(filter(None, folders))):
        if old == new:
            continue
        saved = {run.run_id: run for where in (NEWEST, OLDEST) for run in ledger.runs(where, (old,), limit=PROOFS)}
        here = [run for run in saved.values() if _is_clip(Path(_rebased(run.clip_path, old, new) or ""), run)]
        moved = [run for run in here if run.clip_path != _rebased(run.clip_path, old, new)]
        if moved and _left(ledger, old, moved):
            move(ledger, old, new)  # looked at last: it may be on a disk that does not answer


def moved_notebook(run: Run, notebook: Path) -> Run:
    """A run whose notebook is gone, as one of ``notebook``, which is that notebook now."""
    old, new = run.folder or "", str(notebook.parent)
    outputs = _rebased(run.outputs, old, new) or run.outputs
    gone = not Path(old).is_dir()
    return replace(
        run,
        notebook=str(notebook),
        folder=new,
        outputs=outputs if gone or not Path(run.outputs).is_dir() else run.outputs,
    )


def places(run: Run, outputs: Path) -> Iterator[Path]:
    """Where the clip of a run may be: where it was saved; in ``outputs`` under its name; there under another one."""
    saved = Path(run.clip_path or "")
    yield saved
    yield outputs / saved.name
    try:
        yield from (path for path in outputs.glob("*.mp4") if path.stat().st_size == run.clip_bytes)
    except OSError:
        return


def _left(ledger: Ledger, old: str, moved: Sequence[Run]) -> bool:
    """Whether a folder is gone; where a job that was under way made it anew, only that job's clip lies in it."""
    if not Path(old).is_dir():
        return True
    sql = "SELECT DISTINCT notebook FROM runs WHERE folder = ? AND notebook IS NOT NULL"
    notebooks = [name for (name,) in ledger.read(lambda db: db.execute(sql, (old,)).fetchall())]
    return not any(os.path.lexists(name) for name in (*notebooks, *(run.clip_path or "" for run in moved)))


def _is_clip(path: Path, run: Run) -> bool:
    try:
        if not path.is_file() or path.stat().st_size != run.clip_bytes:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == run.clip_sha256
    except OSError:
        return False


def move(ledger: Ledger, old: str, new: str) -> None:
    """Write down a new name of a folder, for everything in it and below it; what it cost counts for either place."""
    below = old.rstrip(os.sep) + os.sep
    where = "folder = ? OR substr(folder, 1, ?) = ?"
    runs = ledger.runs(where, (old, len(below), below), forgotten=True)
    for run in runs:
        clip = _rebased(run.clip_path, old, new)
        ledger.update(
            run.run_id,
            notebook=_rebased(run.notebook, old, new),
            folder=_rebased(run.folder, old, new),
            outputs=_rebased(run.outputs, old, new),
            clip_path=clip if clip and Path(clip).is_file() else run.clip_path,
        )


def _rebased(path: str | None, old: str, new: str) -> str | None:
    """``path`` with ``new`` in place of ``old``, where it lies there.

    >>> _rebased("/a/b/clip.mp4", "/a/b", "/c"), _rebased("/a/bc", "/a/b", "/c"), _rebased("/a/b", "/a/b", "/c")
    ('/c/clip.mp4', '/a/bc', '/c')
    """
    return path and str(rebased(Path(path), Path(old), Path(new)))


def rebased(path: Path, old: Path, new: Path) -> Path:
    """``path`` with ``new`` in place of ``old``, where it lies there."""
    return new / path.relative_to(old) if path.is_relative_to(old) else path
