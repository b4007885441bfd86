"""One run's page in the ledger: the claim before the POST, the task id right after it, and every state that follows.

The claim, and the slot right before the POST, raise what forbids to pay; so does a ledger that cannot be used, unless
somebody was asked about it. Nothing else here ever raises: a paid task is followed whether or not its row can be
written, and the card says so.
"""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from wan_notebook.errors import BudgetError, WanError
from wan_notebook.ledger import sharing
from wan_notebook.ledger.expenses import Purse
from wan_notebook.ledger.identity import reuse_key
from wan_notebook.ledger.moves import follow_moves, move
from wan_notebook.ledger.page import Page
from wan_notebook.ledger.rows import later_row, money
from wan_notebook.ledger.runs import OVER, Run
from wan_notebook.record.provenance import canonical_json
from wan_notebook.tasks import JobState
from wan_notebook.words.privacy import hushed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from wan_notebook.engine.spending import Terms
    from wan_notebook.facts.nouns import RateLimit
    from wan_notebook.ledger.identity import Turn
    from wan_notebook.ledger.store import Ledger
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = ["Journal"]

MINE = ("amount", "currency", "estimated", "sent_sha256", "seed")  # of a row, where another run's is written with it

T = TypeVar("T")

log = logging.getLogger("wan_notebook")


class Journal(Page):
    """What one job writes into the ledger.

    Parameters
    ----------
    ledger : Ledger
    run : Run
        What is known of the run before it begins.
    terms : Terms
    record : callable
        The record of an update.
    simulated : bool or None
        Where the request goes; None for an address of this machine, before it has answered.
    account : str, optional
        A fingerprint of the key that is used now.

    Attributes
    ----------
    terms : Terms
    turn : Turn
        The run's place among the requests of its execution; given when it is started.
    expired : Run or None
        An earlier run of the same request that the service had forgotten before its clip was saved.
    """

    turn: Turn
    expired: Run | None

    def __init__(
        self,
        ledger: Ledger,
        run: Run,
        *,
        terms: Terms,
        record: Callable[[JobUpdate], dict[str, Any]],
        simulated: bool | None,
        account: str | None = None,
    ) -> None:
        super().__init__(ledger, run if run.account else replace(run, account=account))
        self.simulated, self._account = simulated, account
        self.terms, self._record = terms, record
        self._written, self._in_file, self._rev, self._said = False, False, -1, dict[str, Any]()
        self._adopted: str | None = None
        self._passed, self.expired = set[str](), None

    @property
    def _useless(self) -> tuple[str, ...]:
        """The states of a run of the same request that is not taken instead of a new payment."""
        return tuple(state for state in OVER if self.terms.anew or state != JobState.DOWNLOADED)

    def _is_usable(self, run: Run) -> bool:
        return not self.terms.force and run.state not in self._useless and run.run_id not in self._passed

    def precheck(self, cost: Cost, ask: Callable[[str], bool] | None) -> None:
        """Refuse at once what may not be paid, or ask; unless it may turn out to be paid for already.

        Raises
        ------
        BudgetError
        """
        where = f"asked_key = ? AND from_run IS NULL AND state NOT IN ({', '.join('?' * len(self._useless))})"
        if self.terms.force or not self.ledger.runs(where, (self._run.asked_key, *self._useless), limit=1):
            self.terms = self.check(cost, ask=ask)

    def check(self, *costs: Cost, ask: Callable[[str], bool] | None = None, terms: Terms | None = None) -> Terms:
        """The terms under which it may be paid, after what was spent or promised before; as ``Terms.check``.

        Raises
        ------
        BudgetError
        """
        terms = terms or self.terms
        if costs:
            terms = self._trust(terms, ask)
        return terms.check(*costs, purse=self.purse, ask=ask)

    @property
    def purse(self) -> Purse:
        """What it would be paid out of."""
        return Purse(self.ledger, self._run.project or "", self.simulated, self._run.endpoint)

    async def identify(self, media: Mapping[str, SentMedia]) -> None:
        """Find out which request this is, now that the media are ready."""
        asked = self._run.asked_key or ""
        ordinal = await self.turn.ordinal(reuse_key(asked, media, 0))
        self._run = replace(self._run, reuse_key=reuse_key(asked, media, ordinal), ordinal=ordinal)

    def catch_up(self) -> None:
        """Follow this folder and its project where they were renamed or moved since the ledger heard of them."""
        self._safely(lambda: follow_moves(self.ledger, self._run.folder, self._run.project))

    def moved(self, old: Path, new: Path) -> None:
        """This run's folder has a new name."""
        self._safely(lambda: move(self.ledger, str(old), str(new)))

    def twin(self) -> Run | None:
        """A run of the same request that could be used instead, if it were of the same kind, real or simulated."""
        found = self.ledger.runs("reuse_key = ? AND from_run IS NULL", (self._run.reuse_key,))
        return next(filter(self._is_usable, found), None)

    def claim(self, update: JobUpdate) -> Run | None:
        """Write the intent to pay, or name the run to use instead.

        Raises
        ------
        BudgetError
            It may not be paid; nothing is written.
        """
        asked = self._record(replace(update, sent=None))["request"]["asked"]
        columns = self._columns(update) | {"state": JobState.WAITING.value, "simulated": self.simulated}
        run = replace(self._run, **columns | {"request": canonical_json(asked)})

        def judge(same: Sequence[Run]) -> Run | None:
            alike = [one for one in same if self._alike(one)]
            found = next(filter(self._is_usable, alike), None)
            if found is None and update.cost is None:
                raise BudgetError("not submitted: its price was never looked up.")
            if found is None and update.cost is not None:
                self.terms = self.check(update.cost)
                self.expired = next(
                    (one for one in alike if one.state == JobState.EXPIRED and not self.terms.force), None
                )
            return found

        found = self.ledger.claim(run, judge)
        self._written = found is None
        if self._written:
            self._run, self._in_file = run, not self.ledger.trouble
        return found

    def pass_over(self, run: Run) -> None:
        """Do not take ``run`` for this one's twin again: nothing can come of it."""
        self._passed.add(run.run_id)

    def share(self, update: JobUpdate, run: Run) -> None:
        """Note that this run shows what another one paid for."""
        columns = self._columns(update) | {"simulated": run.simulated}
        self._safely(lambda: self.ledger.add(replace(self._run, **columns, from_run=run.run_id)))
        self._written = True

    def enter(self, update: JobUpdate) -> None:
        """Write a run that follows a task which exists already: nothing is paid for it here."""
        if self._written:  # resumed: it is there
            return
        asked = self._record(update)["request"]["asked"]
        columns = self._columns(update) | {"simulated": self.simulated, "request": canonical_json(asked)}
        self._safely(lambda: self.ledger.add(replace(self._run, **columns)))
        self._written = True

    def planned(self, update: JobUpdate, varied: Mapping[str, Any]) -> Run:
        """The first row of a member of a sweep, to be written: nothing is claimed, and it is no open job."""
        self._written = True
        self._run = replace(self._run, varied=canonical_json(varied))
        columns = self._columns(update)
        asked = canonical_json(json.loads(columns["record"])["request"]["asked"])
        return replace(self._run, **columns, simulated=self.simulated, request=asked)

    @property
    def attached(self) -> bool:
        """Whether it follows a task that was not submitted by this run."""
        return self._run.asked_key is None

    def foreign(self, run: Run | None = None) -> bool:
        """Whether a run (this one's row) was sent with another key; that may all the same be of the same account."""
        theirs = (run or self._run).account
        return None not in (theirs, self._account) and theirs != self._account

    def reopen(self) -> None:
        """Go on with a row that an earlier process wrote."""
        self._written = True

    def adopt(self, run: Run) -> bool:
        """Drive a run whose process is gone; what becomes of it is written into both rows."""
        now = self._safely(lambda: self.ledger.run(run.run_id))
        mine = now is not None and now.owner == self.ledger.owner
        adopted = mine or bool(self._safely(lambda: self.ledger.take_over(run.run_id)))
        self._adopted = run.run_id if adopted else self._adopted
        return adopted

    def slot(self, rate: RateLimit | None, *, speed: float) -> float:
        """Take the right to send the POST now, which nobody else may then; 0, or the seconds to wait for it.

        Raises
        ------
        WanError
            It may not be sent.
        """
        per_second = rate.submits_per_second if rate else None
        # a sweep keeps as many waiting at the service as run there: no place stands empty until we have looked
        ahead = (rate.queued or 0) if rate else 0
        most = rate.concurrent + (ahead if self._run.sweep is None else min(ahead, rate.concurrent)) if rate else None
        wait = sharing.slot(self.ledger, self._run.run_id, per_second=per_second, most=most, speed=speed)
        if self._in_file and self.ledger.trouble:  # what is only in memory keeps nobody from paying again
            raise WanError(f"not sent: {self.ledger.trouble}.", hint=f"{self.ledger.remedy} Nothing is billed.")
        self._trust(self.terms)
        return wait

    def run_times(self, update: JobUpdate) -> list[float]:
        """How long this user's runs of the same kind took."""
        values = update.request.effective()
        kind = (update.request.model, values["resolution"], values["duration"], update.simulated)
        return self._safely(lambda: sharing.run_times(self.ledger, *kind)) or []

    def settle(self, cost: Cost) -> None:
        """What an adopted run really cost."""
        if self._adopted:
            run_id = self._adopted
            self._safely(lambda: self.ledger.update(run_id, **money(cost)))

    def observe(self, update: JobUpdate) -> None:
        """Write a change down; told of each by the runner."""
        if not self._written or update.rev == self._rev:
            return
        columns = self._columns(update)
        said = {name: value for name, value in columns.items() if name not in ("rev", "record")}
        if said == self._said:  # only a remark
            self._rev = update.rev
            return
        if self._write(**columns) is None:
            return  # once more when the clock is told
        self._rev, self._said = update.rev, said
        if run_id := self._adopted:
            theirs = {name: value for name, value in said.items() if name not in MINE}
            self._safely(lambda: self.ledger.update(run_id, mine=True, **theirs))

    def _alike(self, run: Run) -> bool:
        """Whether it is real as this one is, or simulated; where that is not known it may be paid for, and counts."""
        return run.simulated is self.simulated or None in (run.simulated, self.simulated)

    def _trust(self, terms: Terms, ask: Callable[[str], bool] | None = None) -> Terms:
        """The same terms, once it is sure that what is paid can be written down, or that this was confirmed."""
        if self.simulated:
            return terms
        if ask is not None:
            self.ledger.tried()
        return terms.trust(self.ledger, ask)

    def _columns(self, update: JobUpdate) -> dict[str, Any]:
        update = hushed(update)
        return later_row(update, self._record(update))
