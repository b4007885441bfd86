"""May this be paid? Limits of one run, of a session and of a project; and what is asked where a price is unknown.

Money of two currencies is never added up, an unknown price is never taken for 0, and simulated runs are counted among
themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from wan_notebook.errors import BudgetError, ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from wan_notebook.tasks import Cost

    Spent = Callable[[], Mapping[str, Decimal]]

__all__ = ["Money", "Terms", "allow"]

MONEY = re.compile(r"(?P<amount>[0-9]{1,9}(\.[0-9]{1,9})?)\s*(?P<currency>[A-Za-z]{3})?", re.ASCII)
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
    """Under which a run may be paid.

    Parameters
    ----------
    force : bool
        Pay for a new clip even where the same request has been paid for.
    anew : bool
        Make a new clip even where one was saved; a job of the same request that is still under way is followed.
    body : str or None
        SHA-256 of the body as it must be recorded (a replay's); no other is sent.
    max_cost, session, project : Money or None
        The most this run, all runs of this process, all runs of this notebook folder may cost.
    """

    force: bool = False
    anew: bool = False
    body: str | None = None
    max_cost: Money | None = None
    session: Money | None = None
    project: Money | None = None

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return not (self.max_cost is self.session is self.project is None)

    def check(self, cost: Cost, *, in_session: Spent, in_project: Spent) -> None:
        """Refuse what would cost more than is allowed.

        Parameters
        ----------
        cost : Cost
            The estimate for this run.
        in_session, in_project : callable
            What has been spent or promised already, by currency.

        Raises
        ------
        BudgetError
        """
        for limit, spent, name in (
            (self.max_cost, dict, "--max-cost (max_cost=)"),
            (self.session, in_session, "the budget of this session"),
            (self.project, in_project, "the budget of this notebook's folder"),
        ):
            if limit is not None:
                _hold(cost, limit, spent(), name)


def allow(cost: Cost, *, yes: bool, ask: Callable[[str], bool]) -> None:
    """Let a submit through whose price is known, or unknown and confirmed.

    Parameters
    ----------
    cost : Cost
        The estimate; an unknown price is never taken for 0.
    yes : bool
        Confirmed in advance (``--yes``).
    ask : callable
        Asks the person; raises BudgetError where nobody can be asked.

    Raises
    ------
    BudgetError
        The answer was no, or nobody could be asked.
    """
    if cost.amount is not None or yes:
        return
    if not ask(f"The price of this clip in {cost.region} is unknown. Submit it all the same?"):
        raise BudgetError("not submitted: the price is unknown and was not confirmed.", hint="Nothing is billed.")


def _hold(cost: Cost, limit: Money, spent: Mapping[str, Decimal], name: str) -> None:
    if cost.amount is None:
        raise BudgetError(
            f"not submitted: the price in {cost.region} is unknown, so {name} cannot be kept.",
            hint=f"Take the limit away to be asked instead. {NOT_BILLED}",
        )
    if limit.currency and limit.currency != cost.currency:
        raise BudgetError(
            f"not submitted: it is billed in {cost.currency}, and {name} is {limit}; currencies are not converted.",
            hint=f"Give the limit in {cost.currency}. {NOT_BILLED}",
        )
    before = spent.get(cost.currency, Decimal(0))
    if before + cost.amount > limit.amount:
        used = f", {Money(before, cost.currency)} of it spent or promised already" if before else ""
        raise BudgetError(
            f"not submitted: it would cost {cost}, and {name} is {Money(limit.amount, cost.currency)}{used}.",
            hint=f"Raise the limit, or ask for less (duration, resolution, --no-audio). {NOT_BILLED}",
        )
