"""When to look at a task next; pure: the clock, the jitter and the sleeping are the caller's.

The service recommends 15 s between queries (API reference of 2026-05-22) and allows 20 queries a second per account.
Ours look rarely while nothing can have happened, and often when it is likely: with a hazard rate h(t) of ending now, an
interval of sqrt(2c / h) costs the fewest queries for a given delay. What is likely is learned from this machine's own
runs of the same model, resolution and duration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, pstdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FLOOR_SECONDS", "Expected", "Pacer", "expected", "next_delay"]

FIRST_SECONDS = 5.0  # a task that fails at once should be seen at once
PENDING_SECONDS, PENDING_LATER, LATER_SECONDS = 30.0, 60.0, 600.0  # in the queue, and after ten minutes in it
EAGERNESS = 0.3  # c: delay against queries; with lognormal hazards as prompt as 0.2 with measured ones
RUNNING_MIN, RUNNING_MAX = 1.0, 8.0
SHARE, SHARE_MIN = 0.15, 5.0  # without any history: a share of the time it already runs
PRIOR, ENOUGH = 0.7, 20  # of the shortest run ever seen; runs from which on the quantile counts more
PRIOR_UNSEEN = 0.35  # of the shortest usual time in the documents, where none was seen
SPREAD_MIN = 0.15  # of the logarithm of run times; a handful of runs looks more alike than they are
FEW = 3  # runs below which no spread is estimated
TROUBLE_FIRST, TROUBLE_MAX = 5.0, 60.0  # after an answer that was none: doubling
JITTER = 0.1
PACE = 0.9
FLOOR_SECONDS = 0.1  # also under a simulator's fast clock


@dataclass(frozen=True)
class Expected:
    """How long tasks of one kind run.

    Parameters
    ----------
    start : float
        Seconds before which none is looked for.
    middle, spread : float or None
        Mean and deviation of the logarithm of their run times; None while too few are known.
    """

    start: float = 0.0
    middle: float | None = None
    spread: float | None = None

    def hazard(self, seconds: float) -> float:
        """How likely it is to end within the next second, having run so long (lognormal run times)."""
        if self.middle is None or self.spread is None or seconds <= 0:
            return 0.0
        z = (math.log(seconds) - self.middle) / self.spread
        still_running = 0.5 * math.erfc(z / math.sqrt(2))
        density = math.exp(-z * z / 2) / (seconds * self.spread * math.sqrt(2 * math.pi))
        return density / max(still_running, 1e-9)


def expected(history: Sequence[float], usual: tuple[float, float] | None = None) -> Expected:
    """What to expect of the next run.

    Parameters
    ----------
    history : sequence of float
        Run times of the same kind on this machine, in seconds.
    usual : tuple of two floats, optional
        The catalogue's shortest and longest usual time, for a kind that never ran here.

    Examples
    --------
    >>> expected([]).start, expected([], (60, 300)).start
    (0.0, 21.0)
    >>> round(expected([100, 110, 120]).start, 1)
    73.9
    """
    known = sorted(seconds for seconds in history if seconds > 0)
    if not known:
        return Expected(PRIOR_UNSEEN * usual[0] if usual else 0.0)
    trust = len(known) / (len(known) + ENOUGH)  # the few that were seen are not the shortest there are
    start = trust * known[int(0.02 * len(known))] + (1 - trust) * PRIOR * known[0]
    if len(known) < FEW:
        return Expected(start)
    logs = [math.log(seconds) for seconds in known]
    return Expected(start, fmean(logs), max(pstdev(logs), SPREAD_MIN))


class Pacer:
    """One after the other: the queries of all jobs of a process, at most nine tenths of what is allowed.

    Parameters
    ----------
    per_second : float
        What the service allows.

    Attributes
    ----------
    share : int
        How many processes share that rate.

    Examples
    --------
    >>> pacer = Pacer(10)
    >>> [round(pacer.wait(now), 2) for now in (0.0, 0.0, 0.0, 5.0)]
    [0.0, 0.11, 0.22, 0.0]
    """

    def __init__(self, per_second: float) -> None:
        self._per_second, self._next, self.share = PACE * per_second, 0.0, 1

    def wait(self, now: float, speed: float = 1.0) -> float:
        """Seconds until the next query may go out; it is then taken for gone."""
        at = max(now, self._next)
        self._next = at + max(self.share, 1) / (self._per_second * max(speed, 1e-6))
        return at - now


def next_delay(
    status: str,
    *,
    polls: int,
    elapsed: float,
    running: float | None = None,
    kind: Expected = Expected(),
    failures: int = 0,
    retry_after: float | None = None,
    speed: float = 1.0,
    jitter: float = 0.0,
) -> float:
    """Seconds to wait before the next query.

    Parameters
    ----------
    status : str
        The task's last known status.
    polls : int
        Queries already answered.
    elapsed : float
        Seconds since it was followed, on the service's clock.
    running : float, optional
        Seconds since the service began with it (its ``scheduled_time``), where it told; otherwise ``elapsed`` is taken.
    kind : Expected
        How long tasks of its kind run.
    failures : int
        Queries in a row without a usable answer; waiting grows, and never ends.
    retry_after : float, optional
        What the service asked for.
    speed : float
        The simulator's clock; 1 for the real service.
    jitter : float
        From -1 to 1; spreads the queries of many jobs by up to 10 %.

    Returns
    -------
    float
        At least 0.1.

    Examples
    --------
    >>> next_delay("PENDING", polls=0, elapsed=0)
    5.0
    >>> [next_delay("PENDING", polls=3, elapsed=s) for s in (60, 900)]
    [30.0, 60.0]
    >>> [next_delay("RUNNING", polls=3, elapsed=s) for s in (10, 40, 300)]
    [5.0, 6.0, 8.0]
    >>> kind = expected([100, 110, 120, 130])
    >>> [round(next_delay("RUNNING", polls=3, elapsed=s, running=s, kind=kind), 1) for s in (10, 80, 110, 130, 200)]
    [65.0, 8.0, 3.9, 2.9, 2.1]
    >>> [next_delay("RUNNING", polls=3, elapsed=60, failures=n) for n in (1, 2, 3, 9, 10_000)]
    [5.0, 10.0, 20.0, 60.0, 60.0]
    >>> next_delay("RUNNING", polls=9, elapsed=60, speed=1000)
    0.1
    """
    if failures:
        delay = min(TROUBLE_FIRST * 2.0 ** min(failures - 1, 10), TROUBLE_MAX)
        delay = max(delay, min(retry_after or 0.0, 10 * TROUBLE_MAX))
    elif polls == 0:
        delay = FIRST_SECONDS
    elif status == "PENDING":
        delay = PENDING_LATER if elapsed > LATER_SECONDS else PENDING_SECONDS
        if kind.start:  # what begins right now can be over so soon
            delay = min(delay, max(kind.start, FIRST_SECONDS))
    else:
        delay = _while_running(elapsed if running is None else running, kind)
    return max(FLOOR_SECONDS, delay * (1 + JITTER * jitter) / max(speed, 1e-6))


def _while_running(seconds: float, kind: Expected) -> float:
    if seconds < kind.start:
        return max(kind.start - seconds, RUNNING_MIN)
    if kind.middle is None:
        return min(max(SHARE * seconds, SHARE_MIN), RUNNING_MAX)
    hazard = kind.hazard(seconds)
    return min(max(math.sqrt(2 * EAGERNESS / hazard), RUNNING_MIN), RUNNING_MAX) if hazard > 0 else RUNNING_MAX
