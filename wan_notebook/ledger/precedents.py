"""An earlier run of the very same request, as the ledger knows it: looked up before anything is submitted."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from wan_notebook.ledger.identity import asked_key, reuse_key
from wan_notebook.ledger.runs import FILE, OVER
from wan_notebook.ledger.store import Ledger
from wan_notebook.tasks import JobState
from wan_notebook.words.phrases import moment

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wan_notebook.ledger.runs import Run
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest

__all__ = ["precedent", "told"]


def precedent(
    home: Path, request: I2VRequest, media: Mapping[str, SentMedia], *, region: str, endpoint: str
) -> Run | None:
    """The run that a submit would show again, or follow, instead of paying.

    Parameters
    ----------
    home : Path
        The folder of the ledger.
    request : I2VRequest
        The first of its cell, script, or press of a button.
    media : mapping of field name to SentMedia
        As they would be sent.
    region, endpoint : str
        Where it would go; the endpoint without a workspace.
    """
    if not (home / FILE).is_file():
        return None
    useless = tuple(state for state in OVER if state != JobState.DOWNLOADED)
    where = f"reuse_key = ? AND from_run IS NULL AND COALESCE(state, '') NOT IN {useless}"
    key = reuse_key(asked_key(request, region=region, endpoint=endpoint), media, 1)
    with closing(Ledger(home)) as ledger:
        return next(iter(ledger.runs(where, (key,), limit=1)), None)


def told(run: Run) -> str:
    """Which run it is, and what a submit makes of it.

    >>> from wan_notebook.ledger.runs import Run
    >>> told(Run("run-1", "downloaded", 1795462201.0))
    'made before, as run-1 of 2026-11-23 19:30 UTC: submitting it shows that clip again and spends 0'
    """
    which = f"as {run.run_id} of {moment(run.created_at)}"
    if run.state == JobState.DOWNLOADED:
        return f"made before, {which}: submitting it shows that clip again and spends 0"
    if run.strange:
        return f"left by a later version of this package, {which}: submitting it is refused until this one is updated"
    return f"under way already, {which}: submitting it follows that run and spends 0"
