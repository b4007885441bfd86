"""Where the notebook's folder is now: it may be renamed while a job runs, and the clip belongs into it all the same.

The process's own working folder keeps its identity and knows its new name. A kernel works in its notebook's folder, so
that this tells for certain; where it does not work there, nothing tells, and the card says where the clip went.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from wan_notebook.ledger.moves import rebased
from wan_notebook.words.wording import shown

if TYPE_CHECKING:
    from wan_notebook.engine.pursuit import Pursuit

__all__ = ["Identity", "go_after", "identity"]

Identity = tuple[int, int]

MADE_ANEW = "the folder of the notebook was renamed or removed meanwhile: {} was made anew for the clip"
RENAMED = "the folder of the notebook was renamed meanwhile: the clip goes to {}"


def identity(folder: Path | None) -> Identity | None:
    """What stays of a folder whatever it is called; None where it is not there, or the disk knows no such thing."""
    try:
        known = folder.stat() if folder is not None else None
    except OSError:
        return None
    return (known.st_dev, known.st_ino) if known is not None and known.st_ino else None


async def go_after(life: Pursuit, *, saving: bool = False) -> None:
    """Let a job read and save in its notebook's folder, wherever that is now; ``saving``: where it is not, say so."""
    old = life.picture().folder
    new = await asyncio.to_thread(_now, old, life.home)
    if old is not None and new is not None and new != old:
        kept = {sha256: rebased(path, old, new) for sha256, path in life.picture().kept.items()}
        life.outputs = rebased(life.outputs, old, new)
        life.tell(folder=new, kept=kept)
        await asyncio.to_thread(life.journal.moved, old, new)
        life.note(RENAMED.format(_end_of(life.outputs)))
    elif saving and not await asyncio.to_thread(life.outputs.is_dir):
        life.note(MADE_ANEW.format(_end_of(life.outputs)))


def _now(folder: Path | None, home: Identity | None) -> Path | None:
    if home is None or identity(folder) == home:
        return folder
    try:
        here = Path.cwd()
    except OSError:  # it was removed
        return folder
    return next((place for place in (here, *here.parents) if identity(place) == home), folder)


def _end_of(folder: Path) -> str:
    return shown("/".join(folder.parts[-2:]))
