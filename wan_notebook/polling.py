"""When to look at a task next; pure: the clock, the jitter and the sleeping are the caller's.

The service recommends 15 s between queries (API reference of 2026-05-22) and allows 20 queries a second per account.
"""

from __future__ import annotations

__all__ = ["FLOOR_SECONDS", "next_delay"]

FIRST_SECONDS = 5.0  # a task that fails at once should be seen at once
PENDING_SECONDS = 15.0
RUNNING_SHARE, RUNNING_MIN, RUNNING_MAX = 0.15, 5.0, 8.0  # a share of the time it already runs, within bounds
TROUBLE_FIRST, TROUBLE_MAX = 5.0, 60.0  # after an answer that was none: doubling
JITTER = 0.1
FLOOR_SECONDS = 0.1  # also under a simulator's fast clock


def next_delay(
    status: str,
    *,
    polls: int,
    elapsed: float,
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
        Seconds since the submit, on the service's clock.
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
    >>> next_delay("PENDING", polls=3, elapsed=60)
    15.0
    >>> [next_delay("RUNNING", polls=3, elapsed=s) for s in (10, 40, 300)]
    [5.0, 6.0, 8.0]
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
        delay = PENDING_SECONDS
    else:
        delay = min(max(RUNNING_SHARE * elapsed, RUNNING_MIN), RUNNING_MAX)
    return max(FLOOR_SECONDS, delay * (1 + JITTER * jitter) / max(speed, 1e-6))
