"""JobSet: the jobs of one sweep, as a list that can be waited for, looked through and taken apart."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, overload

from wan_notebook.engine.job import remark
from wan_notebook.errors import ConfigurationError, InvalidRequestError, JobTimeoutError, Problem, WanError
from wan_notebook.tasks import FREE, UNSENT, JobState
from wan_notebook.words.phrases import clean, shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from wan_notebook.engine.job import Job
    from wan_notebook.service.inquiries import Cancellation
    from wan_notebook.tasks import VideoResult

__all__ = ["JobSet", "SetVerbs"]

NOT_BEGUN = "%wan_resume shows what they would cost, and asks; or run the sweep's cell again."
GO_ON = "The sweep goes on."


@dataclass(frozen=True)
class SetVerbs:
    """What its maker lends a JobSet.

    Parameters
    ----------
    show, line : callable
        How it shows itself in a notebook, and in one line.
    give_up : callable
        Let a member go that this process never began.
    """

    show: Callable[[JobSet], dict[str, Any]]
    line: Callable[[JobSet], str]
    give_up: Callable[[Job], None]


class JobSet(Sequence["Job"]):
    """The jobs of a sweep, in the order of its combinations; works like a list of :class:`Job`.

    Made by :func:`wan_notebook.sweep` and ``%%wan_i2v NAME --sweep …``. ``len(grid)``, ``grid[3]``, ``grid[-1]`` and
    ``for job in grid`` work; ``grid[2:5]`` is a JobSet, too. ``await grid`` is :meth:`results` in async code.

    Attributes
    ----------
    name : str or None
    id : str
        Of the sweep, as in the ledger and the record.
    values : sequence of mappings
        For each job the fields that vary and their values.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        values: Sequence[Mapping[str, Any]],
        verbs: SetVerbs,
        *,
        sweep_id: str,
        name: str | None,
    ) -> None:
        self._jobs, self.values, self._verbs = tuple(jobs), tuple(values), verbs
        self.id, self.name = sweep_id, name

    def __len__(self) -> int:
        return len(self._jobs)

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> JobSet: ...

    def __getitem__(self, index: int | slice) -> Job | JobSet:
        if isinstance(index, slice):
            return self._some(range(len(self))[index])
        return self._jobs[index]

    def __iter__(self) -> Iterator[Job]:
        return iter(self._jobs)

    def where(self, **values: Any) -> JobSet:
        """The jobs whose swept fields have these values: ``grid.where(model="wan2.6-i2v-flash", seed=1)``.

        Raises
        ------
        InvalidRequestError
            A field does not vary in this sweep.
        """
        varied = sorted({name for own in self.values for name in own})
        if wrong := [
            Problem(name, "", "it does not vary here", ", ".join(varied)) for name in values if name not in varied
        ]:
            raise InvalidRequestError(wrong)
        return self._some(
            place
            for place, own in enumerate(self.values)
            if all(own[name] == value or _text(own[name]) == _text(value) for name, value in values.items())
        )

    def done(self) -> bool:
        """Whether every job is over, with or without a clip."""
        return all(job.done() for job in self)

    @property
    def succeeded(self) -> JobSet:
        """The jobs whose clip is saved."""
        return self._some(n for n, job in enumerate(self) if job.state is JobState.DOWNLOADED)

    @property
    def failed(self) -> JobSet:
        """The jobs that ended without a clip, canceled ones among them; ``job.exception()`` says why."""
        return self._some(n for n, job in enumerate(self) if job.done() and job.state is not JobState.DOWNLOADED)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until all jobs are over, at most ``timeout`` seconds; interrupting stops the wait, not the sweep.

        Returns
        -------
        bool
            As :meth:`done`.

        Raises
        ------
        ConfigurationError
            Members that an earlier kernel never sent wait for ``%wan_resume``.
        """
        self._check_begun()
        end = None if timeout is None else time.monotonic() + timeout
        try:
            return all(job.wait(None if end is None else max(0.0, end - time.monotonic())) for job in self)
        except KeyboardInterrupt as interrupt:
            remark(interrupt, GO_ON)
            raise

    def results(self, timeout: float | None = None) -> list[VideoResult]:
        """The clips there are, once all jobs are over; what failed is in :attr:`failed`.

        Parameters
        ----------
        timeout : float, optional
            Seconds to wait at most; the sweep goes on after it.

        Raises
        ------
        JobTimeoutError
            It is not over yet.
        ConfigurationError
            As :meth:`wait`.
        """
        if not self.wait(timeout):
            raise JobTimeoutError(f"{self._line()}, after {timeout:g} s of waiting.", task_id=None, hint=GO_ON)
        return [job.result() for job in self.succeeded]

    def result(self, timeout: float | None = None) -> list[VideoResult]:
        """Every clip, in the order of the jobs.

        Raises
        ------
        WanError
            A job ended without a clip; the error is the first one's. :meth:`results` gives the others.
        JobTimeoutError, ConfigurationError
            As :meth:`results`.
        """
        found = self.results(timeout)
        for job in self.failed:
            job.result()
        return found

    def cancel(self) -> list[Cancellation]:
        """Cancel what has not begun at the service; what is RUNNING cannot be stopped and will be billed.

        Returns
        -------
        list of Cancellation
            One for each job that was not over and had been begun, true where nothing will be billed.
        """
        told = []
        for job in sorted((job for job in self if not job.done()), key=lambda job: job.state not in UNSENT):
            if job.begun:
                told.append(job.cancel())
            else:
                self._verbs.give_up(job)
        return told

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row for each job: the swept values, state, clip, cost, times, error.

        What ended without a clip and is not billed costs 0; of what is not over the cost is the estimate.

        Raises
        ------
        ConfigurationError
            pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ConfigurationError(
                "pandas is not installed.", hint="Install it (python -m pip install pandas); grid.rows() needs none."
            ) from None
        return pd.DataFrame(self.rows())

    def rows(self) -> list[dict[str, Any]]:
        """What :meth:`to_frame` is made of, as plain dictionaries."""
        return [{**own, **_told(job)} for job, own in zip(self, self.values, strict=True)]

    def __await__(self) -> Generator[Any, None, list[VideoResult]]:
        return self._awaited().__await__()

    async def _awaited(self) -> list[VideoResult]:
        self._check_begun()
        found = []
        for job in self:
            try:
                found.append(await job)
            except WanError:
                continue
        return found

    def exchanged(self, jobs: Mapping[str, Job]) -> JobSet:
        """The same with other jobs in the places of some, by run id."""
        return JobSet(
            [jobs.get(job.run_id, job) for job in self], self.values, self._verbs, sweep_id=self.id, name=self.name
        )

    def _some(self, places: Iterator[int] | range | Any) -> JobSet:
        chosen = list(places)
        jobs, values = [self._jobs[n] for n in chosen], [self.values[n] for n in chosen]
        return JobSet(jobs, values, self._verbs, sweep_id=self.id, name=self.name)

    def _check_begun(self) -> None:
        left = sum(not job.begun and not job.done() for job in self)
        if left:
            raise ConfigurationError(
                f"{left} of {len(self)} were planned by an earlier kernel and not sent.", hint=NOT_BEGUN
            )

    def _line(self) -> str:
        return self._verbs.line(self)

    def __repr__(self) -> str:
        return f"<JobSet {self._line()}>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        return self._verbs.show(self)


def _text(value: object) -> str:
    return str(value).casefold()  # False, and false in a cell


def _told(job: Job) -> dict[str, Any]:
    update = job.update
    cost = update.cost
    amount = Decimal() if update.state in FREE else cost.amount if cost else None
    return {
        "seed": update.seed,
        "state": update.state.value,
        "path": str(update.clip.path) if update.clip else None,
        "seconds": update.clip.duration if update.clip else None,
        "cost": None if amount is None else float(amount),
        "currency": cost.currency if cost else None,
        "queue_seconds": update.queue_seconds,
        "run_seconds": update.run_seconds,
        "task_id": job.task_id,
        "run_id": job.run_id,
        "from_run": update.from_run,
        "error": shortened(clean(update.error), 300) if update.error else None,
    }
