"""The hall: builds the rooms once per process and joins them; holds no logic of its own."""

from __future__ import annotations

import os
import secrets
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from wan_notebook.config import SIMULATOR, home
from wan_notebook.engine import pricing
from wan_notebook.engine.clips import stem_for
from wan_notebook.engine.job import Job, Verbs
from wan_notebook.engine.pursuit import Plan
from wan_notebook.engine.revival import REV_LEAP
from wan_notebook.engine.runner import Runner
from wan_notebook.engine.spending import Terms
from wan_notebook.errors import InvalidRequestError
from wan_notebook.facts.catalog import catalog
from wan_notebook.forks import held_at_forks
from wan_notebook.hall.switchboard import Switchboard
from wan_notebook.hall.versions import versions
from wan_notebook.ledger import sharing
from wan_notebook.ledger.identity import Turns
from wan_notebook.ledger.journal import Journal
from wan_notebook.ledger.rows import first_row
from wan_notebook.ledger.store import Ledger
from wan_notebook.record.provenance import MIME, build_record
from wan_notebook.record.sidefiles import keep_beside
from wan_notebook.request.declaration import region_problems
from wan_notebook.request.provision import upload_above
from wan_notebook.service.polling import Pacer
from wan_notebook.tasks import JobState, JobUpdate, iso_utc
from wan_notebook.windows import rendering
from wan_notebook.words.addresses import is_loopback, without_workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from pathlib import Path

    from wan_notebook.config import Settings
    from wan_notebook.engine.turnstile import Turnstile
    from wan_notebook.facts.nouns import Region
    from wan_notebook.ledger.runs import Run
    from wan_notebook.request.declaration import I2VRequest
    from wan_notebook.request.recalled import RecalledRequest
    from wan_notebook.service.client import WanClient
    from wan_notebook.tasks import Cost, Task

__all__ = ["Session", "session"]

T = TypeVar("T")
NO_LIMITS = Terms()


class Ready(NamedTuple):
    """A job that has not begun: its picture, its page in the ledger, and what starts it."""

    update: JobUpdate
    journal: Journal
    start: Callable[[], Job]


class Session:
    """One process's rooms: the connection pool, the runner, and the jobs of this process.

    Parameters
    ----------
    front_end : str
    regions : mapping of str to Region, optional
        Instead of the catalogue's: the same names at other addresses.
    """

    def __init__(self, front_end: str = "script", regions: Mapping[str, Region] | None = None) -> None:
        self.front_end = front_end
        self.switchboard = Switchboard(f"wan-notebook/{versions(front_end)['wan_notebook']}", regions)
        self.jobs: list[Job] = []
        self._ledger: Ledger | None = None
        self._turns = Turns()
        self._pacer = Pacer(catalog().service.queries_per_second)
        self.runner = Runner(
            record=self.record,
            show_result=rendering.video_bundle,
            beat=self._live,
            at_close=self.switchboard.close,
            always=(partial(keep_beside, self.record),),
        )

    def _live(self) -> None:
        self.ledger.beat()
        self._pacer.share = sharing.processes(self.ledger)

    @property
    def ledger(self) -> Ledger:
        """This user's ledger."""
        with _alone:
            if self._ledger is None or self._ledger.path.parent != home():
                self._ledger = Ledger(home())
            return self._ledger

    def check(self, request: I2VRequest, settings: Settings) -> tuple[str, Cost]:
        """The region's name and the estimated cost, if ``request`` can work there.

        Raises
        ------
        InvalidRequestError
            The region does not have the model, or not that way.
        ConfigurationError
            Unknown region, no key, no workspace where the region needs one.
        """
        if problems := region_problems(request, self.switchboard.region(settings)):
            raise InvalidRequestError(problems)
        region, _ = self.switchboard.place(settings)
        return region, pricing.estimate(request, *self.switchboard.tariff(settings))

    def ask(self, settings: Settings, question: Callable[[WanClient], Coroutine[Any, Any, T]]) -> T:
        """Ask the service something that costs nothing, and wait for what ``question(client)`` returns.

        Raises
        ------
        WanError
        """
        self.switchboard.place(settings)

        async def asked() -> T:
            return await question(await self.switchboard.connect(settings))

        return self.runner.wait_for(asked())

    def submit(self, request: I2VRequest, settings: Settings, *, scope: str, **how: Any) -> Job:
        """Start a job for a new task; returns at once.

        Parameters
        ----------
        scope : str
            The execution of a cell, or the script, that identical requests are counted in.
        **how
            As for :meth:`follow`.

        Raises
        ------
        WanError
            It cannot work, or may not be paid; nothing was sent.
        """
        return self.ready(request, settings, scope=scope, **how).start()

    def ready(self, request: I2VRequest, settings: Settings, *, seed: int | None = None, **how: Any) -> Ready:
        """What :meth:`submit` does, up to the moment the job begins."""
        known = request.seed if seed is None else seed
        seed = secrets.randbelow(catalog().service.seed_max + 1) if known is None else known
        return self._ready(request, settings, self.check(request, settings)[1], seed=seed, **how)

    def follow(
        self, task: Task, request: RecalledRequest, settings: Settings, *, seed: int | None = None, **how: Any
    ) -> Job:
        """Start a job for a task that exists already: it is followed and its clip saved, nothing is submitted.

        Parameters
        ----------
        task : Task
            As last heard of; an empty ``task_status`` says that it was not looked at yet.
        request : RecalledRequest
            What is known of the request; the service is asked for the rest.
        seed : int, optional
            The one that was sent, where it is known.
        name, variable : str, optional
            Of the job; the notebook's variable that will hold it.
        folder, outputs : Path
            The notebook's folder, and where clips are kept.
        terms : Terms
            Under which a new task may be paid.
        ask : callable, optional
            Asks the person before an unknown price is paid.
        notebook : Path, optional
            The notebook's file.
        notes : sequence of str
        watch : callable
            Gives the observers of the new job.
        show : callable
            How the job shows itself when it is a cell's value.
        turnstile, planned : Turnstile, Run, optional
            Of a member of a sweep: the sweep's, and its row where an earlier process planned it.
        **known
            More fields of its JobUpdate: ``cell_id``, ``source_sha256``, ``private``, ``replay_of``, ``sweep``.
        """
        cost = pricing.estimate(request, *self.switchboard.tariff(settings))
        return self._ready(request, settings, cost, seed=seed, task=task, **how).start()

    def _ready(
        self,
        request: I2VRequest,
        settings: Settings,
        cost: Cost,
        *,
        seed: int | None,
        folder: Path,
        outputs: Path,
        task: Task | None = None,
        terms: Terms = NO_LIMITS,
        ask: Callable[[str], bool] | None = None,
        scope: str = "",
        name: str | None = None,
        variable: str | None = None,
        notebook: Path | None = None,
        notes: Sequence[str] = (),
        watch: Callable[[Job], Sequence[Callable[[JobUpdate], None]]] = lambda _: (),
        show: Callable[[JobUpdate], dict[str, Any]] = rendering.bundle,
        planned: Run | None = None,
        turnstile: Turnstile | None = None,
        **known: Any,
    ) -> Ready:
        now = time.time()
        region, base_url = self.switchboard.place(settings)
        endpoint = without_workspace(base_url or "")
        update = JobUpdate(
            run_id=planned.run_id if planned else f"run-{secrets.token_hex(8)}",
            rev=planned.rev + REV_LEAP if planned else 0,
            name=name,
            handle=variable or f"wan_notebook.jobs()[{len(self.jobs)}]",
            state=JobState.FOLLOWING if task else JobState.PLANNED if turnstile else JobState.WAITING,
            task=task,
            request=request,
            seed=seed,
            region=region,
            endpoint=endpoint,
            simulated=region == SIMULATOR,
            created_at=iso_utc(now),
            now=now,
            notes=(*request.notes, *notes),
            cost=cost,
            folder=folder,
            **known,
        )
        stem = stem_for(name, update.created_at)
        journal = Journal(
            self.ledger,
            first_row(update, settings, outputs=outputs, stem=stem, notebook=notebook, project=terms.folder),
            terms=terms,
            record=self.record,
            simulated=True if base_url is None else None if is_loopback(base_url) else False,
            account=self.switchboard.account(settings),
        )
        if task is None and turnstile is None:  # a sweep is checked as a whole
            journal.precheck(cost, ask)
        how: dict[str, Any] = {"outputs": outputs, "stem": stem, "watch": watch, "show": show, "turnstile": turnstile}
        how["scope"] = scope if task is None else None
        return Ready(update, journal, partial(self.drive, update, settings, journal, **how))

    def drive(
        self,
        update: JobUpdate,
        settings: Settings,
        journal: Journal,
        *,
        outputs: Path,
        stem: str,
        scope: str | None,
        watch: Callable[[Job], Sequence[Callable[[JobUpdate], None]]],
        show: Callable[[JobUpdate], dict[str, Any]],
        turnstile: Turnstile | None = None,
    ) -> Job:
        """Start what drives a job; what :meth:`submit`, :meth:`follow` and resuming a run have in common."""
        job = Job(update, Verbs(cancel=self.runner.cancel, record=self.record, show=show))
        self.jobs.append(job)
        tariff = (update.cost.region, update.cost.about) if update.cost else (update.region, False)
        plan = Plan(
            connect=partial(self.switchboard.connect, settings),
            outputs=outputs,
            stem=stem,
            upload_above=upload_above(update.request, uploads=catalog().region(update.region).uploads),
            price=lambda request, usage: pricing.actual(usage, request, *tariff),
            journal=journal,
            pace=lambda speed: self._pacer.wait(time.monotonic(), speed),
            turnstile=turnstile,
        )
        observers = (journal.observe, *watch(job))
        if scope is not None:
            journal.turn = self._turns.take(scope)
        self.runner.start(job, plan, *observers)
        return job

    def record(self, update: JobUpdate) -> dict[str, Any]:
        """The provenance record of an update."""
        return build_record(update, versions=versions(self.front_end))

    def bundle(self, update: JobUpdate, **how: Any) -> dict[str, Any]:
        """What a cell's output holds: the card or the video, ``how`` as for rendering, and the record."""
        return {**rendering.bundle(update, **how), MIME: self.record(update)}


_sessions: dict[int, Session] = {}
_alone = held_at_forks(threading.RLock())  # a scheduler calls from several threads


def session() -> Session:
    """This process's session, made on first use (a forked child makes its own)."""
    with _alone:
        return _sessions.get(os.getpid()) or _sessions.setdefault(os.getpid(), Session())
