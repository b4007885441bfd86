"""How long a task is likely to run still, as an estimate: from this machine's own runs of the same kind; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from wan_notebook.words.phrases import clock

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Forecast"]

FEW = 5  # runs below which nine in ten of them say nothing
NINE_TENTHS = 0.9


@dataclass(frozen=True)
class Forecast:
    """What is known of the run times of one kind (model, resolution, duration; real or simulated).

    Parameters
    ----------
    runs : int
        How many runs of this kind are known; 0 where only the documents say something.
    usual : float or None
        Median of their run times, in seconds of the service's clock.
    late : float or None
        Seconds that nine in ten of them did not need; None while they are too few.
    documented : tuple of float or None
        Shortest and longest usual time by the vendor's documents.
    speed : float
        Of the service's clock: 1 but for a simulator.
    """

    runs: int = 0
    usual: float | None = None
    late: float | None = None
    documented: tuple[float, float] | None = None
    speed: float = 1.0

    @classmethod
    def of(
        cls, history: Sequence[float], documented: tuple[float, float] | None = None, speed: float = 1.0
    ) -> Forecast:
        """What earlier run times tell.

        >>> Forecast.of([50, 60, 70, 80, 90]).usual, Forecast.of([50, 60, 70, 80, 90]).late, Forecast.of([50]).late
        (70, 90, None)
        """
        known = sorted(seconds for seconds in history if seconds > 0)
        if not known:
            return cls(documented=documented, speed=speed)
        late = known[math.ceil(NINE_TENTHS * len(known)) - 1] if len(known) >= FEW else None
        return cls(len(known), median(known), late, documented, speed)

    def words(self, running: float | None) -> str:
        """What to expect of a task that runs since ``running`` seconds, or has not begun; empty if nothing is known.

        Examples
        --------
        >>> kind = Forecast.of([50, 60, 70, 80, 90])
        >>> kind.words(None)
        'usually runs 1:10 (estimate, from 5 runs here)'
        >>> kind.words(30), kind.words(75)
        ('about 0:40 left (estimate, from 5 runs here)', 'about to end (estimate, from 5 runs here)')
        >>> kind.words(95)
        'taking longer than usual: 9 of 10 runs here needed at most 1:30'
        >>> Forecast.of([], (60, 300)).words(10), Forecast.of([], (60, 300)).words(400)
        ('usually runs 1:00 to 5:00, by the documents', 'taking longer than usual: 5:00 at most, by the documents')
        >>> Forecast().words(10)
        ''
        """
        if self.usual is None:
            return self._by_the_documents(running)
        source = f"(estimate, from {self.runs} run{'' if self.runs == 1 else 's'} here)"
        if running is None:
            return f"usually runs {clock(self.usual)} {source}"
        if self.late is not None and running > self.late:
            return f"taking longer than usual: 9 of 10 runs here needed at most {clock(self.late)}"
        left = (self.usual - running) / self.speed
        return f"about {clock(math.ceil(left))} left {source}" if left > 0 else f"about to end {source}"

    def _by_the_documents(self, running: float | None) -> str:
        if self.documented is None:
            return ""
        shortest, longest = (clock(seconds) for seconds in self.documented)
        if running is not None and running > self.documented[1]:
            return f"taking longer than usual: {longest} at most, by the documents"
        return f"usually runs {shortest} to {longest}, by the documents"
