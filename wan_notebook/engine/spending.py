"""May this be paid? Limits of one run, of a session and of a project; and what is asked where a price is unknown.

Money of two currencies is never added up, an unknown price is never taken for 0, and simulated runs are counted among
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from wan_notebook.errors import BudgetError, ConfigurationError
from wan_notebook.ledger.expenses import Spent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from wan_notebook.ledger.expenses import Purse
    from wan_notebook.ledger.file import LedgerFile
    from wan_notebook.tasks import Cost

__all__ = ["Money", "Terms"]

MONEY = re.compile(r"(?P<amount>[0-9]{1,9}(\.[0-9]{1,9})?)\s*(?P<currency>[A-Za-z]{3})?", re.ASCII)
UNKNOWN_LATER = "neither another kernel nor a restarted one would know that this is paid"
NOT_BILLED = "Nothing was sent and nothing is billed."


@dataclass(frozen=True)
class Money:
    """A limit: an amount, in the currency of the price table where none is named."""

    amount: Decimal
    currency: str = ""

    @classmethod
    def read(cls, value: object, what: str) -> Money | None:
        """A limit as people write it: ``2``, ``0.5``, ``"5 USD"``; None where there is none.

        Raises
        ------
        ConfigurationError
            It is no amount of money.

        Examples
        --------
        >>> Money.read("5 usd", "budget")
        Money(amount=Decimal('5'), currency='USD')
        >>> str(Money.read(0.5, "budget"))
        '0.5'
        """
        if value is None or value == "":
            return None
        found = None if isinstance(value, bool) else MONEY.fullmatch(str(value).strip())
        if found is None:
            raise ConfigurationError(
                f"{what} is no amount of money: {str(value)[:40]!r}.", hint=f'Write 5, 0.5 or "5 USD". {NOT_BILLED}'
            )
        return cls(Decimal(found["amount"]), (found["currency"] or "").upper())

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.currency}".strip()


@dataclass(frozen=True)
class Terms:
    """Under which runs may be paid.

    Parameters
    ----------
    force : bool
        Pay for a new clip even where the same request has been paid for.
    anew : bool
        Make a new clip even where one was saved; a job of the same request that is still under way is followed.
    body : str or None
        SHA-256 of the body as it must be recorded (a replay's); no other is sent.
    yes : bool
        Confirmed in advance: pay although a price is not known.
    max_cost, session, project : Money or None
        The most that this, all runs of this session, all runs of this project may cost; what a session and a project
        are stands in :mod:`~wan_notebook.ledger.expenses`.
    folder : str or None
        The project's folder, resolved; None for the notebook's own.
    unrecorded : bool
        Confirmed: pay even where the ledger cannot be used, so that nobody would know later.
    remark : str
        What was let through all the same, for the card.
    """

    force: bool = False
    anew: bool = False
    body: str | None = None
    yes: bool = False
    max_cost: Money | None = None
    session: Money | None = None
    project: Money | None = None
    folder: str | None = None
    unrecorded: bool = False
    remark: str = ""

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return not (self.max_cost is self.session is self.project is None)

    def check(
        self,
        *costs: Cost,
        purse: Purse,
        ask: Callable[[str], bool] | None = None,
    ) -> Terms:
        """Refuse what would cost more than is allowed, or whose price nobody knows and nobody confirmed.

        Parameters
        ----------
        *costs : Cost
            The estimates of all that is to be paid together: one run's, or those of a sweep.
        purse : Purse
            What has been spent or promised already.
        ask : callable, optional
            Asks the person; raises BudgetError where nobody can be asked, as without it.

        Returns
        -------
        Terms
            The same, with what was confirmed.

        Raises
        ------
        BudgetError
        """
        terms, unknown = self, [cost for cost in costs if cost.amount is None]
        if unknown and not self.limited and purse.billed:  # nobody is asked about the prices of a simulator
            what = "this clip" if len(costs) == 1 else f"{len(unknown)} of {len(costs)} clips"
            terms = _confirmed(terms, f"the price of {what} in {unknown[0].region} is unknown.", ask)
        for limit, spent, name in (
            (self.max_cost, Spent, "--max-cost (max_cost=)"),
            (self.session, purse.in_session, "the budget of this session"),
            (self.project, purse.in_project, "the budget of this project"),
        ):
            if limit is not None:
                left_out = _hold(costs, limit, spent(), name)
                if left_out:
                    terms = replace(_confirmed(terms, left_out, ask), remark=left_out.rstrip("."))
        return terms

    def trust(self, ledger: LedgerFile, ask: Callable[[str], bool] | None = None) -> Terms:
        """Refuse what could not be written into the ledger, unless it was confirmed; ``ask`` as for :meth:`check`.

        Raises
        ------
        BudgetError
        """
        if not ledger.trouble or self.unrecorded:
            return self
        if ask is None:
            hint = f"{ledger.remedy} To pay all the same say --yes (yes=True). {NOT_BILLED}"
            raise BudgetError(f"not submitted: {ledger.trouble}.", hint=hint)
        why = f"{ledger.trouble[0].upper()}{ledger.trouble[1:]}: {UNKNOWN_LATER}. {ledger.remedy}"
        if not ask(f"{why} Submit it all the same?"):
            raise BudgetError(f"not submitted: {ledger.trouble}.", hint=f"{ledger.remedy} {NOT_BILLED}")
        return replace(self, unrecorded=True)


def _confirmed(terms: Terms, why: str, ask: Callable[[str], bool] | None) -> Terms:
    if terms.yes:
        return terms
    if ask is None:
        raise BudgetError(f"not submitted: {why}", hint=f"Say it in advance: --yes (yes=True). {NOT_BILLED}")
    if not ask(f"{why[0].upper()}{why[1:]} Submit it all the same?"):
        raise BudgetError(f"not submitted: {why.rstrip('.')}, and it was not confirmed.", hint=NOT_BILLED)
    return replace(terms, yes=True)


def _hold(costs: Sequence[Cost], limit: Money, spent: Spent, name: str) -> str:
    """Keep a limit; what has to be confirmed, because the sum that was compared does not hold it."""
    if unknown := next((cost for cost in costs if cost.amount is None), None):
        raise BudgetError(
            f"not submitted: the price in {unknown.region} is unknown, so {name} cannot be kept.",
            hint=f"Take the limit away to be asked instead. {NOT_BILLED}",
        )
    total, currencies = sum((cost.amount for cost in costs if cost.amount), Decimal(0)), {c.currency for c in costs}
    if limit.currency and currencies - {limit.currency}:
        raise BudgetError(
            f"not submitted: it is billed in {_listed(currencies)}, and {name} is {limit}; "
            "currencies are not converted.",
            hint=f"Give the limit in {_listed(currencies)}. {NOT_BILLED}",
        )
    if not limit.currency and len(counted := currencies | {known for known, sum_ in spent.sums.items() if sum_}) > 1:
        raise BudgetError(
            f"not submitted: {name} is {limit} of no currency, and {_listed(counted)} are counted; "
            "they are not added up.",
            hint=f'Name its currency: "{limit} {min(currencies)}". {NOT_BILLED}',
        )
    for currency in currencies:
        before = spent.sums.get(currency, Decimal(0))
        if before + total > limit.amount:
            price = costs[0] if len(costs) == 1 else f"about {Money(total, currency)} for {len(costs)} clips"
            used = f", {Money(before, currency)} of it spent or promised already" if before else ""
            raise BudgetError(
                f"not submitted: it would cost {price}, and {name} is {Money(limit.amount, currency)}{used}.",
                hint=f"Raise the limit, or ask for less (duration, resolution, --no-audio). {NOT_BILLED}",
            )
    runs = "1 earlier run" if spent.unknown == 1 else f"{spent.unknown} earlier runs"
    return f"the price of {runs} is unknown and not counted in {name}." if spent.unknown else ""


def _listed(currencies: set[str]) -> str:
    return " and ".join(sorted(currencies))
