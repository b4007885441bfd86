"""The simulator's clock: real time, made faster, and moved on when asked."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta, timezone

__all__ = ["BEIJING", "Clock", "milliseconds", "wall_time"]

BEIJING = timezone(timedelta(hours=8))
"""The service writes task times without a zone; they pair with UTC+8 (EventBridge example of 2026-05-18)."""


class Clock:
    """Seconds since 1970 that pass ``speed`` times as fast as real ones.

    Parameters
    ----------
    speed : float
        Simulated seconds per real second, above 0. May be changed at any time.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._base = time.time()
        self._mark = time.monotonic()
        self._speed = 1.0
        self.speed = speed

    @property
    def speed(self) -> float:
        """Simulated seconds per real second."""
        return self._speed

    @speed.setter
    def speed(self, value: float) -> None:
        if not 0 < value < float("inf"):
            raise ValueError(f"speed must be above 0, not {value!r}")
        with self._lock:
            self._base, self._mark = self._now(), time.monotonic()
            self._speed = float(value)

    def _now(self) -> float:
        return self._base + (time.monotonic() - self._mark) * self._speed

    def now(self) -> float:
        """Simulated seconds since 1970-01-01T00:00Z."""
        with self._lock:
            return self._now()

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` of simulated time pass at once.

        Raises
        ------
        ValueError
            ``seconds`` is negative: this clock never goes back.
        """
        if seconds < 0:
            raise ValueError("the simulator's clock never goes back")
        with self._lock:
            self._base += seconds


def wall_time(instant: float) -> str:
    """``instant`` as the service writes it: UTC+8, milliseconds, no zone.

    Examples
    --------
    >>> wall_time(0.5)
    '1970-01-01 08:00:00.500'
    """
    moment = datetime.fromtimestamp(instant, UTC).astimezone(BEIJING)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def milliseconds(instant: float) -> int:
    """``instant`` in whole milliseconds since 1970."""
    return int(instant * 1000)
