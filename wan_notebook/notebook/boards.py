"""The card of a sweep in the output of its cell: one for all members, told anew at most twice a second."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from wan_notebook.engine.jobset import JobSet, SetVerbs
from wan_notebook.errors import TaskCanceledError
from wan_notebook.hall.session import session
from wan_notebook.hall.versions import versions
from wan_notebook.ledger import sharing
from wan_notebook.ledger.statements import count
from wan_notebook.notebook import cards, frontend
from wan_notebook.notebook.surroundings import namespace
from wan_notebook.record.provenance import MIME
from wan_notebook.record.swept import record_of_sweep
from wan_notebook.tasks import FREE, JobState, iso_utc
from wan_notebook.windows import overview
from wan_notebook.windows.overview import Sweep
from wan_notebook.windows.tally import Tally, price_of, seconds_left

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wan_notebook.engine.job import Job
    from wan_notebook.tasks import JobUpdate

__all__ = ["Board", "earlier", "sweeps", "verbs"]

GOES_ON = (
    "an earlier sweep of this cell went on when this one was started, and {clips} of it were not over; "
    "{place}.cancel() cancels what does not run yet"
)
SHOWN_EVERY = 0.5  # seconds between two pictures at the least

_boards: list[Board] = []  # of this process; their places are what people are told, so none is taken away


class Board:
    """What is shown of one sweep.

    Parameters
    ----------
    sweep_id : str
    name : str or None
    shape : str
        What varies.
    created : float
        Seconds since the epoch.
    notes : sequence of str
    """

    def __init__(self, sweep_id: str, *, name: str | None, shape: str, created: float, notes: Sequence[str]) -> None:
        self.sweep_id, self.name, self.shape, self.created = sweep_id, name, shape, created
        self.notes = list(notes)
        self.outlook: list[str] = []  # what was expected of it, said until it is over
        self.rev = int((time.time() - created) * 2 / SHOWN_EVERY)
        self.jobs: JobSet | None = None  # the one that is at work
        self._lock = threading.Lock()
        self._members: dict[str, tuple[Mapping[str, Any], JobUpdate]] = {}
        self._waiting: set[str] = set()  # members that no process drives
        self._displays: list[frontend.Display] = []
        self._shown_at, self._changed = 0.0, False
        self._usual: dict[tuple[Any, ...], Sequence[float]] = {}

    def put(self, values: Mapping[str, Any], update: JobUpdate, *, waits: bool = False) -> None:
        """Put a member on the board, behind those that are there; ``waits``: for a person, nobody drives it.

        A member that is there already keeps its place.
        """
        self._members[update.run_id] = values, update
        if waits:
            self._waiting.add(update.run_id)

    @property
    def place(self) -> str:
        """Where it is found in this process; before it is begun, where it will be."""
        return f"wan_notebook.sweeps()[{_boards.index(self) if self in _boards else len(_boards)}]"

    @property
    def handle(self) -> str:
        """What a person writes to reach it now: the variable while that holds it, or its place."""
        held = namespace().get(self.name or "")
        return str(self.name) if isinstance(held, JobSet) and held.id == self.sweep_id else self.place

    def hold(self, jobs: JobSet) -> JobSet:
        """Let :func:`sweeps` give these jobs for it."""
        self.jobs = jobs
        if self not in _boards:
            _boards.append(self)
        return jobs

    def update_of(self, run_id: str) -> JobUpdate:
        """The latest picture of a member."""
        return self._members[run_id][1]

    def show(self) -> None:
        """Show it in the running cell."""
        self._displays.append(frontend.Display.open(self.bundle(), self.sweep_id))
        self.register()

    def register(self) -> None:
        """Let the plugin ask for it, wherever its cell is shown."""
        cards.keep(self.sweep_id, self.bundle)

    def begun(self, run_id: str) -> None:
        """Note that a member that waited is driven now."""
        self._waiting.discard(run_id)

    def tell(self, update: JobUpdate) -> None:
        """An observer of every member."""
        with self._lock:
            values, before = self._members[update.run_id]
            self._members[update.run_id] = values, update
            now = time.monotonic()
            over = update.state.ended and all(one.state.ended for _, one in self._members.values())
            self._changed = self._changed or before.rev != update.rev
            if not over and now - self._shown_at < SHOWN_EVERY:
                return  # the clock comes once a second
            if self._changed:  # never faster than what a later kernel begins with
                self.rev = max(self.rev + 1, int((time.time() - self.created) * 2 / SHOWN_EVERY))
            self._shown_at, self._changed = now, False
        shown = self.bundle()
        for display in self._displays:
            display.update(shown)
        frontend.push(self.sweep_id, shown)

    def bundle(self) -> dict[str, Any]:
        """What its output holds now."""
        with self._lock:
            members, rev = list(self._members.values()), self.rev
        picture = self.picture()
        record = record_of_sweep(
            self.sweep_id,
            members,
            rev=rev,
            name=self.name,
            idle=picture.idle,
            source_sha256=members[0][1].source_sha256,
            created_at=iso_utc(self.created),
            versions=versions(session().front_end),
        )
        return {**overview.bundle(picture), MIME: record}

    def picture(self, only: JobSet | None = None) -> Sweep:
        """The sweep at this moment; or some of its jobs alone."""
        if only is not None:
            members = [(values, job.update) for values, job in zip(only.values, only, strict=True)]
        else:
            members = list(self._members.values())
        updates = [update for _, update in members]
        tally = Tally.of(updates)
        ended = max((update.now for update in updates), default=self.created)
        return Sweep(
            name=self.name,
            handle=self.handle,
            shape=self.shape,
            members=members,
            tally=tally,
            elapsed=(time.time() if tally.open else ended) - self.created,
            left=seconds_left(updates, self._usually) if tally.open else None,
            idle=0 < tally.open == len(self._waiting),
            waits=bool(self._waiting),
            price=price_of(update.cost for update in updates if update.cost and update.state not in FREE),
            limits=_limits(updates),
            notes=[*self.notes, *(self.outlook if tally.open else [])],
        )

    def _usually(self, update: JobUpdate) -> Sequence[float]:
        """Run times of earlier runs of the same kind."""
        values = update.request.effective()
        kind = (update.request.model, values["resolution"], values["duration"], update.simulated)
        if kind not in self._usual:
            self._usual[kind] = sharing.run_times(session().ledger, *kind)
        return self._usual[kind]


def _limits(updates: Sequence[JobUpdate]) -> str:
    """How many run at once, by model."""
    rates = {
        update.request.model: update.request.spec.rate.concurrent
        for update in updates
        if not update.state.ended and update.request.spec.rate
    }
    return ", ".join(f"{most} of {model}" for model, most in rates.items())


def verbs(board: Board) -> SetVerbs:
    """What a board lends the JobSet it shows."""
    return SetVerbs(
        show=lambda jobs: overview.bundle(board.picture(jobs)),
        line=lambda jobs: overview.line(board.picture(jobs)),
        give_up=partial(_give_up, board),
    )


def _give_up(board: Board, job: Job) -> None:
    """Let a member go that an earlier kernel planned and that nobody drives."""
    session().ledger.update(job.run_id, state=JobState.CANCELED.value, finished_at=time.time())
    job.advance(replace(job.update, state=JobState.CANCELED, rev=job.update.rev + 1, finished_at=job.update.stamp()))
    job.finish(TaskCanceledError("canceled before it was sent.", task=None, hint="Nothing is billed."))
    board.begun(job.run_id)
    board.tell(job.update)


def sweeps() -> list[JobSet]:
    """The sweeps of this process, oldest first; those of an earlier one that were found again among them."""
    return [board.jobs for board in _boards if board.jobs is not None]


def earlier() -> list[str]:
    """What goes on of earlier sweeps of the running cell."""
    cell_id = frontend.cell_id()
    left = {
        board.place: sum(job.running() and job.update.cell_id == cell_id for job in board.jobs or ())
        for board in (_boards if cell_id else ())
    }
    return [GOES_ON.format(clips=count(number, "clip"), place=place) for place, number in left.items() if number]
