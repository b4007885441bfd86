"""What was spent, as the ledger remembers it: of a session, of a project, and of runs that are forgotten otherwise.

A project is a folder: that of the notebook (of a script or a command: the working folder) as it really lies on the
disk, with every folder below it. A session is a kernel or a script, with the processes that were forked from it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from wan_notebook.ledger.owners import is_gone, payer
from wan_notebook.ledger.runs import COLUMNS, FORGOTTEN, FREE, amount

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from wan_notebook.ledger.store import Ledger

__all__ = ["Purse", "Spent", "forget"]

KEPT = (
    "run_id", "created_at", "region", "endpoint", "simulated", "model", "notebook", "folder", "project", "task_id",
    "submitted_at", "sent_at", "amount", "currency", "estimated", "payer", "account",
)  # fmt: skip
TEXTS = ("outputs", "stem")  # never null
UNHEARD = "task_id IS NULL AND state IN ('submitting', 'ambiguous')"  # it may be billed
PAID_HERE = "from_run IS NULL AND asked_key IS NOT NULL"  # not attached to: that was paid for elsewhere


@dataclass(frozen=True)
class Spent:
    """What some runs cost, or will if they succeed.

    Parameters
    ----------
    sums : mapping of str to Decimal
        By currency.
    unknown : int
        How many runs are not in the sums, because nobody knows their price.
    """

    sums: Mapping[str, Decimal] = field(default_factory=dict)
    unknown: int = 0

    def __str__(self) -> str:
        known = [f"{self.sums[name].normalize():f} {name}" for name in sorted(self.sums)]
        return " + ".join([*known, *([f"{self.unknown} of unknown price"] if self.unknown else [])]) or "0"


@dataclass(frozen=True)
class Purse:
    """What a run or a sweep would be paid out of, together with what was spent before.

    Parameters
    ----------
    ledger : Ledger or None
        None where there is none yet.
    project : str
        The resolved folder of the project.
    simulated : bool or None
        Real and simulated runs are counted apart; None for an address of this machine that has not answered yet.
    endpoint : str
        That address.
    """

    ledger: Ledger | None
    project: str
    simulated: bool | None
    endpoint: str = ""

    @property
    def billed(self) -> bool:
        """Whether it is real money; an address of this machine is taken for what it was the last time."""
        if self.simulated is not None:
            return not self.simulated
        known = self.ledger and self.ledger.runs("endpoint = ? AND simulated IS NOT NULL", (self.endpoint,), limit=1)
        return not (known and known[0].simulated)

    def in_session(self) -> Spent:
        """What this session has spent or promised."""
        return self._spent("payer = ?", payer())

    def in_project(self) -> Spent:
        """What was ever spent or promised in the project, by whichever kernel or command."""
        below = self.project if self.project.endswith(os.sep) else self.project + os.sep
        one = "({0} = ? OR substr({0}, 1, ?) = ?)"  # where it was declared, and where it is
        where = f"({one.format('project')} OR {one.format('folder')})"
        return self._spent(where, *(self.project, len(below), below) * 2)

    def _spent(self, where: str, *values: Any) -> Spent:
        """What the runs in question cost; one whose kind is not known counts as either."""
        if self.ledger is None:
            return Spent()
        sql = (
            "SELECT currency, amount, state, host, pid, begun FROM runs LEFT JOIN owners USING (owner) "  # noqa: S608  our own SQL
            f"WHERE {PAID_HERE} AND state NOT IN {FREE} AND COALESCE(simulated, ?) = ? AND {where}"
        )
        kind = (not self.billed,) * 2
        sums: dict[str, Decimal] = {}
        unknown = 0
        for currency, paid, state, *process in self.ledger.read(
            lambda db: db.execute(sql, (*kind, *values)).fetchall()
        ):
            if state == "waiting" and (process[0] is None or is_gone(*process)):
                continue  # it was never sent, and nobody is left who would
            price = amount(paid)
            if price is None or not currency:
                unknown += 1
            else:
                sums[currency] = sums.get(currency, Decimal(0)) + price
        return Spent(sums, unknown)


def forget(ledger: Ledger, run_ids: Iterable[str], *, unbilled: bool = False) -> int:
    """Forget runs, and what was shown again from them: they are found no more. Never touches a clip.

    What was paid, or may be billed, stays: when, where, for which model, how much. Requests, names and records do not.
    Of what was never sent, or is free, nothing stays.

    Parameters
    ----------
    ledger : Ledger
    run_ids : iterable of str
    unbilled : bool
        A person has seen in the console that submits without an answer were not accepted: of those nothing stays.

    Returns
    -------
    int
        How many rows.
    """
    ids = [(run_id,) for run_id in dict.fromkeys(run_ids)]
    blank = ", ".join(f"{name} = NULL" for name in COLUMNS if name not in (*KEPT, "state", "rev", "updated_at", *TEXTS))
    texts = ", ".join(f"{name} = ''" for name in TEXTS)

    unpaid = f"from_run IS NOT NULL OR state IN {FREE} OR (task_id IS NULL AND state = 'waiting')"
    unpaid += f" OR ({UNHEARD})" if unbilled else ""
    free = f"DELETE FROM runs WHERE run_id = ? AND ({unpaid})"  # noqa: S608  our own SQL
    paid = "asked_key = CASE WHEN asked_key IS NULL THEN NULL ELSE '' END"
    emptied = f"UPDATE runs SET state = '{FORGOTTEN}', updated_at = ?, {texts}, {blank}, {paid} WHERE run_id = ?"  # noqa: S608

    def work(db: sqlite3.Connection) -> int:
        shown = db.executemany("DELETE FROM runs WHERE from_run = ?", ids).rowcount
        return (
            shown
            + db.executemany(free, ids).rowcount
            + db.executemany(emptied, [(time.time(), *row) for row in ids]).rowcount
        )

    ledger.let_go(run_id for (run_id,) in ids)
    return ledger.write(work)
