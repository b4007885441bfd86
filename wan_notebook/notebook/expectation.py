"""What a sweep would cost and how long it would take, before anything is sent; what of it is paid for already."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError
from wan_notebook.facts.catalog import catalog
from wan_notebook.ledger import sharing
from wan_notebook.ledger.identity import asked_key, reuse_key
from wan_notebook.ledger.runs import OVER
from wan_notebook.request.provision import needs_fetching, provide, upload_above
from wan_notebook.tasks import JobState
from wan_notebook.windows.tally import price_of, service_seconds
from wan_notebook.words.phrases import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wan_notebook.ledger.store import Ledger
    from wan_notebook.media.medium import SentMedia
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = ["Expectation", "expect"]

USELESS = tuple(state for state in OVER if state != JobState.DOWNLOADED)
MOST_LOOKED_AT = 32  # different pictures that are read in the cell to tell what is paid for; a re-run has few


@dataclass(frozen=True)
class Expectation:
    """Price and time of a sweep.

    Parameters
    ----------
    costs : sequence of Cost
        One for each member.
    new : sequence of int
        The places of the members that are not paid for yet, as far as that is known before they are prepared.
    shortest, longest : float or None
        Seconds the service usually needs, at the least and at the most; None where that is not known.
    simulated : bool
    """

    costs: Sequence[Cost]
    new: Sequence[int]
    shortest: float | None
    longest: float | None
    simulated: bool

    @property
    def to_pay(self) -> Cost:
        """What is still to be paid; unknown where a part of it is."""
        due = [self.costs[place] for place in self.new]
        unknown = any(cost.amount is None for cost in due)
        whole = replace(self.costs[0], seconds=sum(cost.seconds or 0.0 for cost in due))
        return replace(whole, amount=None if unknown else sum((cost.amount or Decimal() for cost in due), Decimal()))

    def __str__(self) -> str:
        due = price_of(self.costs[place] for place in self.new) or "0"
        money = f"nothing (simulated; real ones: {due})" if self.simulated else due
        return ", ".join(part for part in (money, self.time) if part)

    @property
    def time(self) -> str:
        """How long the service will be at work, in words; empty where that is not known or nothing is to be made."""
        if not self.shortest or not self.longest:
            return ""
        least, most = clock(self.shortest), clock(self.longest)
        return f"about {least if least == most else f'{least} to {most}'} at the service (estimate)"

    @property
    def outlook(self) -> list[str]:
        """What the card says of it until the sweep is over."""
        made = len(self.costs) - len(self.new)
        due = f": {self} for the rest" if self.new else ""
        if made:
            return [f"{made} of {len(self.costs)} are paid for already and cost 0{due}"]
        return [f"{self.time} for all of it"] if self.time else []


def expect(
    requests: Sequence[I2VRequest],
    costs: Sequence[Cost],
    *,
    simulated: bool,
    ledger: Ledger | None = None,
    updates: Sequence[JobUpdate] = (),
) -> Expectation:
    """What to expect of a sweep.

    Parameters
    ----------
    requests, costs : sequences
        One for each member.
    simulated : bool
        Whether it goes to the simulator.
    ledger : Ledger, optional
        Knows how long such runs took here, and what is paid for.
    updates : sequence of JobUpdate
        The members' first pictures, where those that are paid for already are to be left out.
    """
    made = _made(ledger, updates) if ledger is not None and updates else set()
    new = [place for place in range(len(requests)) if place not in made]
    kinds = [(requests[place].spec, _history(ledger, requests[place], simulated=simulated)) for place in new]
    return Expectation(costs, new, service_seconds(kinds), service_seconds(kinds, longest=True), simulated)


def _history(ledger: Ledger | None, request: I2VRequest, *, simulated: bool) -> Sequence[float]:
    if ledger is None:
        return ()
    values = request.effective()
    return sharing.run_times(ledger, request.model, values["resolution"], values["duration"], simulated)


def _made(ledger: Ledger, updates: Sequence[JobUpdate]) -> set[int]:
    """The places of the members whose very request is paid for, or under way.

    Pictures are only read where the ledger knows a request with the same words: a sweep that is new costs nothing here.
    """
    ready: dict[tuple[Any, ...], tuple[object, SentMedia]] = {}
    found = set()
    for place, update in enumerate(updates):
        asked = asked_key(update.request, region=update.region, endpoint=update.endpoint)
        where = f"from_run IS NULL AND state NOT IN ({', '.join('?' * len(USELESS))})"
        if not ledger.runs(f"asked_key = ? AND {where}", (asked, *USELESS), limit=1):
            continue
        media = _media(update, ready)
        if media is None:
            continue
        same = ledger.runs(f"reuse_key = ? AND {where}", (reuse_key(asked, media, 1), *USELESS))
        alike = [run for run in same if run.simulated in (None, update.simulated) or "//" in update.endpoint]
        if any(run.state != JobState.WAITING or ledger.driven(run) for run in alike):  # else it was never sent
            found.add(place)
    return found


def _media(update: JobUpdate, ready: dict[tuple[Any, ...], tuple[object, SentMedia]]) -> dict[str, SentMedia] | None:
    """The media as they would be sent, each read once; None where that is too much to do in a cell."""
    request, media = update.request, {}
    above = upload_above(request, uploads=catalog().region(update.region).uploads)
    for name, facts in request.media_facts.items():
        if needs_fetching(request, facts):
            return None
        source = facts.source
        which = str(source) if isinstance(source, (str, Path)) else id(source)
        key = (name, which, request.framing, request.model, above)
        if key not in ready:
            if len(ready) >= MOST_LOOKED_AT:
                return None
            try:
                ready[key] = source, replace(provide(request, facts, max_raw_base64=above), data=None)
            except InvalidRequestError:  # it is named where it is prepared
                return None
        media[name] = ready[key][1]
    return media
