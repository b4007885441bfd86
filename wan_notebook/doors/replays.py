"""A run again, from its record: the exact request, what differs today, the price, a question; then old and new.

A reproducible request, not a bit-identical video: the service does not promise the same pixels twice.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.config import SIMULATOR
from wan_notebook.errors import BudgetError, ConfigurationError
from wan_notebook.facts.catalog import catalog
from wan_notebook.hall.restoration import film_of, recorded_cost, restored
from wan_notebook.hall.session import session
from wan_notebook.keys import Secret, seal
from wan_notebook.media.intake import look_in
from wan_notebook.notebook import arguments, cells, frontend
from wan_notebook.record.chronicle import chronicle, distrusted
from wan_notebook.record.sidefiles import load_record
from wan_notebook.words import phrases

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence

    from wan_notebook.config import Settings
    from wan_notebook.engine.job import Job
    from wan_notebook.hall.restoration import Restored
    from wan_notebook.record.chronicle import Entry
    from wan_notebook.tasks import Cost, JobUpdate

__all__ = ["Repetition", "announce", "begin", "find", "replay"]

LISTED = 20
PROMISE = "The request is repeated exactly; the service does not promise the identical video."


@dataclass(frozen=True)
class Repetition:
    """What a replay would do.

    Parameters
    ----------
    record : mapping
        Of the run that is repeated.
    folder : Path
        What its paths are relative to.
    request : Restored
    region : str
    cost : Cost
    changes : tuple of str
        What differs today.
    """

    record: Mapping[str, Any]
    folder: Path
    request: Restored
    region: str
    cost: Cost
    changes: tuple[str, ...]

    def __str__(self) -> str:
        values = self.request.request.effective()
        same = "its body is the recorded one" if self.request.checked else "its body is compared once all is fetched"
        what = f"{self.request.request.model}, {values['resolution']}, {values['duration']} s, seed {self.request.seed}"
        lines = [
            f"replay of {self.record['run_id']} of {phrases.moment(self.record['created_at'])}: {what}",
            f"  the same request: {same} (sha256 {self.record['request']['sent_sha256'][:12]}…)",
            *(f"  differs today: {phrases.clean(change)}" for change in self.changes),
            f"  price: {phrases.price(self.cost, simulated=self.region == SIMULATOR)}",
            f"  {PROMISE}",
        ]
        return "\n".join(lines)


def replay(
    source: str | os.PathLike[str] | Mapping[str, Any],
    /,
    *,
    cell: str | None = None,
    run: str | None = None,
    name: str | None = None,
    region: str | None = None,
    api_key: str | Secret | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    output_dir: str | Path | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    **given: Any,
) -> Job:
    """Repeat a run from its record: the very same body is sent again, and a new clip is made and paid for.

    The picture and the sound are the kept bytes; their digests, and that of the whole body, are compared before
    anything is paid. The service does not promise the identical video: a reproducible request, not a bit-identical
    clip.

    Parameters
    ----------
    source : path or mapping
        A notebook, a clip with its side file, a side file, or a record.
    cell, run : str, optional
        Which run of a notebook: the id of its cell, its place (from 1) or the run's name; the id of the run.
    name : str, optional
        Used for the card and the clip's file name; otherwise that of the run.
    region, api_key, base_url, workspace, output_dir, max_cost
        As for :func:`wan_notebook.submit`. None of them is taken from the record.
    yes : bool
        Do not ask before paying.
    force : bool
        Pay also where a replay of the same run is still under way; otherwise that one is followed.
    **given
        What has to be given again, because the record only holds its digest or its address: ``prompt``,
        ``negative_prompt`` (private or shortened ones), ``image``, ``last_frame``, ``audio_url``.

    Returns
    -------
    Job
        Its card becomes both clips, old and new.

    Raises
    ------
    ConfigurationError
        No such run, a record that was edited, no key.
    InvalidRequestError
        An input is missing or was changed, or the body would not be the recorded one. Nothing was sent.
    BudgetError
        The answer was no, nobody could be asked, or a limit forbids it.
    """
    api_key = seal(api_key)
    job = begin(
        *find(source, cell=cell, run=run),
        given=given,
        **arguments.taken(
            region,
            api_key,
            base_url,
            workspace,
            name=name,
            output_dir=output_dir,
            yes=yes,
            force=force,
            max_cost=max_cost,
        ),
    )
    frontend.wait_unattended(job.wait)
    return job


def find(
    source: str | os.PathLike[str] | Mapping[str, Any], *, cell: str | None = None, run: str | None = None
) -> tuple[Mapping[str, Any], Path]:
    """The record that is meant, and the folder its paths are relative to.

    Raises
    ------
    ConfigurationError
        There is none, there are several, or it cannot be believed.
    WanError
        The file cannot be read.
    """
    if isinstance(source, Mapping):
        record, folder = dict(source), frontend.notebook_folder()
    elif Path(source).suffix == ".ipynb":
        told = chronicle(source)
        record, folder = _chosen(told.entries, cell, run, told.left_out).record, told.document.path.absolute().parent
    else:
        record, folder = load_record(source), Path(source).absolute().parent
    why = distrusted(record)
    if why:
        raise ConfigurationError(f"this record is not replayed: {why}.", hint="Nothing was sent and nothing is billed.")
    return record, folder


def begin(
    record: Mapping[str, Any],
    folder: Path,
    *,
    settings: Settings,
    given: Mapping[str, Any],
    name: str | None = None,
    output_dir: str | Path | None = None,
    yes: bool = False,
    force: bool = False,
    max_cost: float | str | None = None,
    budget: str | None = None,
    project_budget: str | None = None,
    project: str | Path | None = None,
    say: Callable[[str], object] | None = None,
    watch: Sequence[Callable[[JobUpdate], None]] = (),
) -> Job:
    """What the magic, the command line and :func:`replay` have in common.

    Parameters
    ----------
    say : callable, optional
        Told what will be done; without it, that is printed only where somebody is asked.
    """
    hall = session()
    look_in(frontend.notebook_folder())
    region = hall.switchboard.region(settings)
    given = {name: value for name, value in given.items() if value is not None}
    again = restored(record, folder, given, uploads=catalog().region(region).uploads)
    _, cost = hall.check(again.request, settings)
    plan = Repetition(record, folder, again, region, cost, tuple(_changes(record, again, region, cost)))
    asking = region != SIMULATOR and not yes
    if say is not None or asking:
        (say or announce)(str(plan))
    if asking and not frontend.ask(f"Replay it in {region.title()}? {phrases.price(cost, simulated=False)}."):
        raise BudgetError("not replayed.", hint="Nothing was sent and nothing is billed.")
    terms = arguments.terms(
        force=force,
        yes=yes or cost.amount is None,  # confirmed above
        max_cost=max_cost,
        budget=budget,
        project_budget=project_budget,
        project=project,
    )
    terms = replace(terms, anew=True, body=record["request"]["sent_sha256"], unrecorded=yes)
    film, missing = film_of(record, folder, frontend.notebook_folder())
    scope = f"replay-{secrets.token_hex(8)}"  # counted by itself: two of one run are one while the first is under way
    how = {"terms": terms, "ask": frontend.ask, "scope": scope, "replay_of": record["run_id"]}
    start = partial(hall.submit, again.request, settings, **how)
    return cells.begun(
        start,
        name=name or record["name"],
        output_dir=output_dir,
        embed=None,
        variable=None,
        private=record["private"],
        notes=[f"repeats the request of {record['run_id']}. {PROMISE}", *plan.changes, *([missing] if missing else [])],
        watch=watch,
        beside=film,
    )


def _changes(record: Mapping[str, Any], again: Restored, region: str, cost: Cost) -> Iterator[str]:
    """What is not today as it was then."""
    if not again.request.spec.known:
        yield f"{record['model']} is not in the catalogue any more: only the service knows whether it still exists"
    if record["region"] != region:
        yield f"it ran in {record['region']}, now in {region}"
    if record["simulated"] and region != SIMULATOR:
        yield "that run was simulated; this one is billed, unless its address is a simulator's"
    elif region == SIMULATOR and not record["simulated"]:
        yield "that run was real; this one is simulated"
    then = recorded_cost(record["cost"])
    if then is not None and then.rate is not None and (then.rate, then.currency) != (cost.rate, cost.currency):
        now = "unknown" if cost.rate is None else f"{cost.rate.normalize():f} {cost.currency}"
        dated = f" (tables of {then.table_date} and {cost.table_date or 'today'})"
        yield f"a second cost {then.rate.normalize():f} {then.currency}, now {now}{dated}"
    ours = record["versions"].get("wan_notebook")
    if ours != version("wan-notebook"):
        yield f"it was made with wan-notebook {ours}, this is {version('wan-notebook')}"


def _chosen(entries: Sequence[Entry], cell: str | None, run: str | None, left_out: Sequence[str]) -> Entry:
    found = [
        entry
        for entry in entries
        if (run is None or entry.record["run_id"] == run)
        and (cell is None or cell in (str(entry.cell), entry.cell_id, entry.record["name"]))
    ]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(
        f"cell {entry.cell}: {entry.record['run_id']} ({phrases.clean(entry.record['name'] or entry.record['model'])})"
        for entry in (found or entries)[:LISTED]
    )
    why = "there is no such run" if not found else f"{len(found)} runs are meant"
    unread = f" Not believed: {'; '.join(left_out)[:300]}." if left_out else ""
    raise ConfigurationError(f"{why}. {listed}.{unread}", hint="Choose one with --cell or --run (cell=, run=).")


def announce(text: str) -> None:
    """Print what will be done."""
    sys.stdout.write(f"{text}\n")
