"""May this be paid?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wan_notebook.errors import BudgetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wan_notebook.tasks import Cost

__all__ = ["allow"]


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
