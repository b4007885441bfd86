"""The hall: builds the rooms once per process and joins them; holds no logic of its own."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
import secrets
import time
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from wan_notebook import pricing, rendering
from wan_notebook.addresses import is_loopback, without_workspace
from wan_notebook.catalog import catalog
from wan_notebook.client import TRANSFERS, WanClient, open_http
from wan_notebook.clips import stem_for
from wan_notebook.config import SIMULATOR, home
from wan_notebook.errors import ConfigurationError, InvalidRequestError
from wan_notebook.hosts import address_of, region_of, workspace_header
from wan_notebook.identity import Turns, asked_key
from wan_notebook.job import Job, Verbs
from wan_notebook.journal import Journal
from wan_notebook.ledger import Ledger
from wan_notebook.probes import Guide
from wan_notebook.provenance import MIME, build_record
from wan_notebook.provision import upload_above
from wan_notebook.pursuit import Plan
from wan_notebook.request import region_problems
from wan_notebook.runner import Runner
from wan_notebook.runs import Run
from wan_notebook.sidefiles import side_file
from wan_notebook.tasks import JobState, JobUpdate, iso_utc

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import httpx

    from wan_notebook.config import Settings
    from wan_notebook.facts import Region
    from wan_notebook.request import I2VRequest
    from wan_notebook.spending import Terms
    from wan_notebook.tasks import Cost

__all__ = ["Session", "session"]

log = logging.getLogger("wan_notebook")
SEEDS = 2**31  # seeds go from 0 to 2147483647


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
        self._regions, self._guide = regions, Guide(regions)
        self.jobs: list[Job] = []
        self._http: httpx.AsyncClient | None = None
        self._ledger: Ledger | None = None
        self._turns = Turns()
        self._transfers = asyncio.Semaphore(TRANSFERS)
        self.runner = Runner(
            record=self.record,
            show_result=rendering.video_bundle,
            beat=self._live,
            at_close=self._disconnect,
            always=(self._keep_beside,),
        )

    def _live(self) -> None:
        self.ledger.beat()

    @property
    def ledger(self) -> Ledger:
        """This user's ledger."""
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
        region = region_of(settings, self._regions)
        if problems := region_problems(request, region):
            raise InvalidRequestError(problems)
        settings.require_key()
        address_of(region, settings, self._regions)
        return region, pricing.estimate(request, region)

    def submit(
        self,
        request: I2VRequest,
        settings: Settings,
        *,
        name: str | None = None,
        variable: str | None = None,
        folder: Path,
        outputs: Path,
        terms: Terms,
        scope: str,
        notebook: Path | None = None,
        cell_id: str | None = None,
        source_sha256: str | None = None,
        notes: Sequence[str] = (),
        watch: Callable[[Job], Sequence[Callable[[JobUpdate], None]]] = lambda _: (),
        show: Callable[[JobUpdate], dict[str, Any]] = rendering.bundle,
    ) -> Job:
        """Start a job; returns at once.

        Parameters
        ----------
        variable : str, optional
            The notebook's variable that will hold the job.
        folder, outputs : Path
            The notebook's folder, and where clips are kept.
        terms : Terms
            Under which it may be paid.
        scope : str
            The execution of a cell, or the script, that identical requests are counted in.
        notebook : Path, optional
            The notebook's file.
        watch : callable
            Gives the observers of the new job.
        show : callable
            How the job shows itself when it is a cell's value.
        """
        region, cost = self.check(request, settings)
        now = time.time()
        base_url = address_of(region, settings, self._regions)
        endpoint = without_workspace(base_url or "")
        update = JobUpdate(
            run_id=f"run-{secrets.token_hex(8)}",
            rev=0,
            name=name,
            handle=variable or f"wan_notebook.jobs()[{len(self.jobs)}]",
            state=JobState.WAITING,
            request=request,
            seed=secrets.randbelow(SEEDS) if request.seed is None else request.seed,
            region=region,
            endpoint=endpoint,
            simulated=region == SIMULATOR,
            created_at=iso_utc(now),
            now=now,
            notes=(*request.notes, *notes),
            cost=cost,
            cell_id=cell_id,
            source_sha256=source_sha256,
            folder=folder,
        )
        journal = Journal(
            self.ledger,
            _row(update, settings, outputs, notebook),
            terms=terms,
            record=self.record,
            simulated=True if base_url is None else None if is_loopback(base_url) else False,
        )
        journal.precheck(cost)
        job = Job(update, Verbs(cancel=self.runner.cancel, record=self.record, show=show))
        self.jobs.append(job)
        observers = (journal.observe, *watch(job))
        journal.turn = self._turns.take(scope)
        plan = Plan(
            connect=lambda: self._connect(region, settings),
            outputs=outputs,
            stem=stem_for(name, update.created_at),
            upload_above=upload_above(request, uploads=catalog().region(region).uploads),
            price=lambda usage: pricing.actual(usage, request, region),
            journal=journal,
        )
        self.runner.start(job, plan, *observers)
        return job

    def record(self, update: JobUpdate) -> dict[str, Any]:
        """The provenance record of an update."""
        return build_record(update, versions=_versions(self.front_end))

    def bundle(self, update: JobUpdate, *, embed_limit: int = 0, remarks: Sequence[str] = ()) -> dict[str, Any]:
        """What a cell's output holds: the card or the video, and the record."""
        shown = rendering.bundle(update, embed_limit=embed_limit, remarks=remarks)
        return {**shown, MIME: self.record(update)}

    def _keep_beside(self, update: JobUpdate) -> None:
        """The record beside a clip that was just saved; a full disk costs the side file, never the clip."""
        if update.state is JobState.DOWNLOADED and update.clip is not None:
            clip = update.clip.path
            if update.from_run and clip.with_name(f"{clip.name}.json").exists():
                return  # its own run's, which says more
            try:
                side_file(self.record(replace(update, folder=clip.parent)), clip)
            except OSError as error:
                log.warning("%s has no side file (%s)", clip.name, error.strerror)

    async def _connect(self, region: str, settings: Settings) -> WanClient:
        base_url = address_of(region, settings, self._regions)
        if base_url is None:
            base_url = await asyncio.to_thread(_simulator)
        if self._http is None:
            self._http = open_http(f"wan-notebook/{_versions(self.front_end)['wan_notebook']}")
        return WanClient(
            http=self._http,
            transfers=self._transfers,
            base_url=base_url,
            key=settings.require_key().reveal,
            loopback=is_loopback(base_url),
            workspace=workspace_header(settings, base_url),
            advise=partial(self._guide.advise, http=self._http, settings=settings),
        )

    async def _disconnect(self) -> None:
        if self._http is not None:
            await self._http.aclose()
            self._http = None
            self._transfers = asyncio.Semaphore(TRANSFERS)  # the old one belongs to the loop that ends


def _row(update: JobUpdate, settings: Settings, outputs: Path, notebook: Path | None) -> Run:
    """What the ledger keeps of a run from the first."""
    values = update.request.effective()
    return Run(
        run_id=update.run_id,
        state=update.state.value,
        created_at=update.now,
        asked_key=asked_key(update.request, region=update.region, endpoint=update.endpoint),
        region=update.region,
        endpoint=update.endpoint,
        base_url=settings.base_url,
        workspace=settings.workspace,
        model=update.request.model,
        resolution=values["resolution"],
        duration=values["duration"],
        notebook=str(notebook) if notebook else None,
        folder=str(update.folder),
        outputs=str(outputs),
        stem=stem_for(update.name, update.created_at),
        cell_id=update.cell_id,
        name=update.name,
    )


def _simulator() -> str:
    from wan_notebook.simulator import ensure_running

    try:
        return ensure_running(home())
    except (ImportError, RuntimeError, OSError) as error:
        raise ConfigurationError(f"the simulator did not start: {error}", hint="Nothing is billed.") from None


@cache
def _versions(front_end: str) -> dict[str, str]:
    from importlib.metadata import version

    return {
        "wan_notebook": version("wan-notebook"),
        "python": platform.python_version(),
        "platform": platform.system(),
        "front_end": front_end,
    }


_sessions: dict[int, Session] = {}


def session() -> Session:
    """This process's session, made on first use (a forked child makes its own)."""
    pid = os.getpid()
    if pid not in _sessions:
        _sessions[pid] = Session()
    return _sessions[pid]
