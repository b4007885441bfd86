"""How a sweep stands: what its members' pictures add up to; pure."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import TYPE_CHECKING, Any

from wan_notebook.tasks import FREE, UNSENT, JobState, TaskStatus
from wan_notebook.words.instants import epoch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from wan_notebook.facts.nouns import ModelSpec
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = ["Tally", "price_of", "seconds_left", "service_seconds"]


@dataclass(frozen=True)
class Tally:
    """Numbers of members, and their money by currency.

    Parameters
    ----------
    reused : int
        Of those that are done, how many show an earlier run's clip: 0 spent.
    spent, promised : mapping of currency to Decimal
        What the finished ones cost; what those under way will cost if they succeed.
    planned : mapping of currency to Decimal
        What those not sent yet would cost.
    unknown : int
        Members whose price is not known.
    """

    total: int = 0
    done: int = 0
    reused: int = 0
    running: int = 0
    queued: int = 0
    unsent: int = 0
    failed: int = 0
    canceled: int = 0
    unknown: int = 0
    spent: Mapping[str, Decimal] = field(default_factory=dict)
    promised: Mapping[str, Decimal] = field(default_factory=dict)
    planned: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """How many may still bring a clip."""
        return self.running + self.queued + self.unsent

    @classmethod
    def of(cls, updates: Iterable[JobUpdate]) -> Tally:
        """What the members' pictures add up to."""
        numbers: Any = defaultdict(int)
        money: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        for update in updates:
            word = _word(update)
            numbers["total"] += 1
            numbers[word] += 1
            numbers["reused"] += word == "done" and update.from_run is not None
            if update.cost is None or update.state in FREE:
                continue
            if update.cost.amount is None:
                numbers["unknown"] += 1
                continue
            kind = {"done": "spent", "failed": "spent", "unsent": "planned"}.get(word, "promised")
            money[kind][update.cost.currency] += update.cost.amount
        sums: Any = {kind: dict(by_currency) for kind, by_currency in money.items()}
        return cls(**numbers, **sums)


def _word(update: JobUpdate) -> str:
    if update.state is JobState.DOWNLOADED:
        return "done"
    if update.state is JobState.CANCELED:
        return "canceled"
    if update.state.ended:
        return "failed"
    if update.state in UNSENT:
        return "unsent"
    task = update.task
    at_work = update.state is JobState.DOWNLOADING or (task is not None and task.status is not TaskStatus.PENDING)
    return "running" if at_work else "queued"


def price_of(costs: Iterable[Cost]) -> str:
    """Prices added up, each currency for itself, in words.

    An unknown price is said, never taken for 0.
    """
    sums: dict[str, Decimal] = defaultdict(Decimal)
    unknown, about = 0, False
    for cost in costs:
        unknown += cost.amount is None
        about = about or cost.about or cost.estimated
        if cost.amount is not None:
            sums[cost.currency] += cost.amount
    words = [f"{amount.normalize():f} {currency}" for currency, amount in sums.items()]
    if about and words:
        words[0] = f"about {words[0]}"
    return " + ".join([*words, *([f"{unknown} of unknown price"] if unknown else [])])


def service_seconds(kinds: Iterable[tuple[ModelSpec, Sequence[float]]], *, longest: bool = False) -> float | None:
    """How long the service will be at work for so many clips: the models side by side, each with its own limit.

    Parameters
    ----------
    kinds : iterable of (model, run times)
        One entry for each clip; the run times are those of earlier runs of its kind. Without any, the catalogue's
        usual shortest time is taken, or its longest.

    Returns
    -------
    float or None
        None where a model's time or limit is not known.
    """
    lanes: dict[str, list[float]] = defaultdict(list)
    places: dict[str, int] = {}
    for spec, history in kinds:
        usual = spec.run_seconds
        if spec.rate is None or (usual is None and not history):
            return None
        typical = median(history) if history else (usual or (0.0, 0.0))[longest]
        lanes[spec.name].append(typical)
        places[spec.name] = spec.rate.concurrent
    return max((math.ceil(len(times) / places[name]) * max(times) for name, times in lanes.items()), default=0.0)


def seconds_left(updates: Sequence[JobUpdate], usual: Callable[[JobUpdate], Sequence[float]]) -> float | None:
    """An estimate of the seconds until the last clip is there; None while nothing is known.

    What this sweep has seen itself counts most: how long its clips ran, and how much of our time that took.
    """
    finished = [u for u in updates if u.state is JobState.DOWNLOADED and not u.from_run and u.run_seconds]
    at_service = sum((u.run_seconds or 0.0) + (u.queue_seconds or 0.0) for u in finished)
    here = sum((epoch(u.finished_at) or 0.0) - (epoch(u.submitted_at) or 0.0) for u in finished)
    ours = here / at_service if at_service and here > 0 else 1.0
    if not finished and any(update.simulated for update in updates):
        return None  # its clock may go faster than ours
    seen: dict[str, list[float]] = defaultdict(list)
    for update in finished:
        seen[update.request.model].append(update.run_seconds or 0.0)
    work: dict[str, float] = defaultdict(float)
    for update in updates:
        if update.state.ended or update.state is JobState.DOWNLOADING:
            continue
        spec = update.request.spec
        times = seen.get(update.request.model) or usual(update) or spec.run_seconds
        if not times or spec.rate is None:
            return None
        ran = 0.0
        if update.task is not None and update.task.status is TaskStatus.RUNNING and update.submitted_at:
            so_far = (update.now - (epoch(update.submitted_at) or update.now)) / ours - (update.queue_seconds or 0.0)
            ran = min(max(0.0, so_far), median(times))
        work[update.request.model] += (median(times) - ran) / spec.rate.concurrent
    return max(work.values(), default=0.0) * ours
