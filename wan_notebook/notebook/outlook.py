"""What the ledger says of a request before it is sent: is it paid for already, and is it within the limits?

Only looks; where there is no ledger yet, none is made.
"""

from __future__ import annotations

import os
from contextlib import closing, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from wan_notebook.config import home
from wan_notebook.errors import BudgetError, Problem
from wan_notebook.ledger.expenses import Purse
from wan_notebook.ledger.precedents import precedent, told
from wan_notebook.ledger.runs import FILE
from wan_notebook.ledger.store import Ledger
from wan_notebook.tasks import JobState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wan_notebook.engine.spending import Terms
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Cost

__all__ = ["limit_problem", "paid_before"]


def paid_before(request: I2VRequest, media: Mapping[str, SentMedia], region: str, endpoint: str) -> list[str]:
    """What the ledger knows of the very same request, the first of its cell or script."""
    run = precedent(home(), request, media, region=region, endpoint=endpoint)
    if run is None:
        return []
    return [f"{told(run)} (--force {'makes a new one' if run.state == JobState.DOWNLOADED else 'pays again'})"]


def limit_problem(
    cost: Cost, terms: Terms, folder: Path | str, *, simulated: bool | None, endpoint: str
) -> Problem | None:
    """Why it would be refused under a limit; an unknown price without one is only asked about."""
    ledger = Ledger(home()) if (home() / FILE).is_file() else None
    with closing(ledger) if ledger else nullcontext():
        purse = Purse(ledger, os.path.realpath(folder), simulated, endpoint)
        try:
            replace(terms, yes=not terms.limited).check(cost, purse=purse)
        except BudgetError as error:
            what, limit = ("max_cost", terms.max_cost) if terms.max_cost else ("budget", terms.session or terms.project)
            return Problem(what, str(limit), error.message.rstrip("."), fix=error.hint)
    return None
