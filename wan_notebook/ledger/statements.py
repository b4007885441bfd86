"""What the ledger says, for people: runs, costs, saved clips; as a table in a notebook, as text or as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_notebook.errors import InvalidRequestError, Problem
from wan_notebook.ledger.runs import FORGOTTEN, FREE, OPEN, UNDRIVEN, UNFINISHED, UPDATE, told
from wan_notebook.words.markup import MUTED, bullets, columns, tag
from wan_notebook.words.phrases import clean, moment, path_shortened, shortened
from wan_notebook.words.wording import file_size, one_of, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from wan_notebook.ledger.runs import Run

__all__ = ["BY", "Statement", "cache", "costs", "count", "listed", "money", "price_of", "select"]

WIDEST = 60
UNSURE = ("submitting", "ambiguous", "expired")
FILE = "File"  # the heading of a column of paths
BY: dict[str, Callable[[Run], str]] = {
    "day": lambda run: f"{datetime.fromtimestamp(run.created_at, UTC):%Y-%m-%d}",
    "model": lambda run: run.model or "unknown",
    "notebook": lambda run: run.notebook or f"{run.folder or '?'} (no notebook)",
    "project": lambda run: run.project or run.folder or "unknown",
}
TOLD = (
    "run_id", "state", "model", "region", "endpoint", "simulated", "task_id", "request_id", "name", "notebook",
    "folder", "cell_id", "seed", "resolution", "duration", "amount", "currency", "estimated", "clip_path",
    "clip_sha256", "clip_bytes", "from_run",
)  # fmt: skip


@dataclass(frozen=True)
class Statement:
    """A table of what the ledger says; shows itself in a notebook, and as text.

    Parameters
    ----------
    title : str
    headings : sequence of str
    rows : sequence of sequences of str
    remarks : sequence of str
        What has to be known to read it.
    data : object
        The same for programs, as JSON.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    remarks: Sequence[str] = ()
    data: object = field(default=None, repr=False)

    def __str__(self) -> str:
        lines = [[clean(cell) for cell in row] for row in ((self.headings, *self.rows) if self.rows else ())]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.headings))] if lines else []
        text = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join([self.title, *text, *self.remarks])

    __repr__ = __str__

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002  IPython's protocol
        paths = {place for place, heading in enumerate(self.headings) if heading == FILE}
        fit = {True: path_shortened, False: shortened}
        rows = [[fit[place in paths](clean(cell), WIDEST) for place, cell in enumerate(row)] for row in self.rows]
        table = columns(self.headings, rows) if rows else None
        page = tag("div", tag("div", self.title, style=MUTED), table, bullets(self.remarks))
        return {"text/html": str(page), "text/plain": str(self)}


def select(
    *,
    state: str | None = None,
    model: str | None = None,
    name: str | None = None,
    notebook: str | None = None,
    since: str | None = None,
    simulated: bool | None = None,
    unfinished: bool = False,
) -> tuple[str, list[Any]]:
    """SQL and its values for the runs a person asks for.

    Parameters
    ----------
    state : str, optional
        Our word for it (``downloaded``, ``failed``, ...).
    model, name : str, optional
    notebook : str, optional
        A notebook's file, or a folder with everything below it.
    since : str, optional
        ISO-8601 date or time; without a zone it is this machine's.
    simulated : bool, optional
    unfinished : bool
        Only runs whose clip may still come.

    Raises
    ------
    InvalidRequestError
        ``since`` is no date.
    """
    where: list[str] = ["1"]
    values: list[Any] = []
    for column, value in (("state", state), ("model", model), ("name", name), ("simulated", simulated)):
        if value is not None:
            where.append(f"{column} = ?")
            values.append(value)
    if notebook is not None:
        place = str(Path(notebook).expanduser().absolute())
        where.append("(notebook = ? OR folder = ? OR folder LIKE ? ESCAPE '!')")
        below = place.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values += [place, place, f"{below}/%"]
    if since is not None:
        try:
            values.append(datetime.fromisoformat(since).astimezone().timestamp())
        except (ValueError, OverflowError, OSError):
            problem = Problem("since", shown(since), "it is no date", "2026-11-24 or 2026-11-24T09:30")
            raise InvalidRequestError([problem]) from None
        where.append("created_at >= ?")
    if unfinished:
        where.append(UNFINISHED)
    return " AND ".join(where), values


def listed(runs: Sequence[Run], driven: Callable[[Run], bool], *, more: bool = False) -> Statement:
    """Runs, one line each."""
    rows = [
        (
            run.run_id,
            moment(run.created_at),
            run.name or "–",
            run.model or "unknown",
            _state(run, driven),
            run.task_id or "–",
            price_of(run),
            Path(run.clip_path).name if run.clip_path else "–",
        )
        for run in runs
    ]
    headings = ("Run", "Begun", "Name", "Model", "State", "Task id", "Cost", "Clip")
    remarks = ["There are more: raise the limit, or filter."] if more else []
    if any(run.strange for run in runs):
        remarks.append(f"A later version of this package wrote some of these. {UPDATE}")
    return Statement(count(len(runs), "run"), headings, rows, remarks, [_told(run) for run in runs])


def costs(runs: Iterable[Run], by: str) -> Statement:
    """What was spent, by day, model, notebook or project: each currency for itself, simulated runs apart.

    Raises
    ------
    InvalidRequestError
        ``by`` is none of the four.
    """
    if by not in BY:
        raise InvalidRequestError([Problem("by", shown(by), "costs are not grouped by that", one_of(BY))])
    groups: dict[tuple[bool, str, str], list[Run]] = defaultdict(list)
    for run in _once_each_task(runs):
        if run.from_run is None and run.state not in (*FREE, "waiting"):  # nothing was sent yet
            groups[bool(run.simulated), BY[by](run), run.currency or ""].append(run)
    rows, data = [], []
    unsure = [run for members in groups.values() for run in members if _unsure(run)]
    for (simulated, key, currency), members in sorted(groups.items(), reverse=by == "day"):
        known = [run.price for run in members if run.price is not None]
        rows.append((key, "simulated" if simulated else "real", str(len(members)), money(members)))
        data.append(
            {by: key, "simulated": simulated, "runs": len(members), "currency": currency or None,
             "amount": f"{sum(known, Decimal(0)).normalize():f}" if known else None,
             "unknown": len(members) - len(known), "estimated": any(run.estimated for run in members)}
        )  # fmt: skip
    remarks = [
        *(["Days are of UTC."] if by == "day" else []),
        *([f"How {count(len(unsure), 'run')} ended is not known: counted, and perhaps not billed."] if unsure else []),
        "From the dated price table and the seconds the service reported; the bill in the console decides.",
        "Simulated runs cost nothing: theirs is what real ones would cost. Refused, failed and canceled runs are free.",
    ]
    return Statement(f"costs by {by}", (by.title(), "Kind", "Runs", "Cost"), rows, remarks if rows else (), data)


def _unsure(run: Run) -> bool:
    """Whether nobody knows how it ended; what was forgotten has a task unless its submit got no answer."""
    return run.state in UNSURE or (run.state == FORGOTTEN and run.task_id is None)


def money(runs: Sequence[Run]) -> str:
    """What runs cost together: each currency for itself, and how many have no known price."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    about = {run.currency for run in runs if run.estimated}
    for run in runs:
        if run.price is not None:
            sums[run.currency or ""] += run.price
    unknown = sum(run.price is None for run in runs)
    words = [f"{'about ' if name in about else ''}{sums[name].normalize():f} {name}".strip() for name in sorted(sums)]
    return " + ".join([*words, *([f"{unknown} of unknown price"] if unknown else [])])


def _once_each_task(runs: Iterable[Run]) -> list[Run]:
    """The runs without those that only follow a task whose cost stands in another row: attached to it."""
    told, found = set(), []
    for run in sorted(runs, key=lambda run: run.asked_key is None):
        if run.asked_key is not None or run.from_run is not None or run.task_id not in told:
            found.append(run)
        told.add(run.task_id or run.run_id)
    return found


def cache(runs: Sequence[Run]) -> Statement:
    """The saved clips that are shown again instead of being paid for again."""
    used = Counter(run.from_run for run in runs if run.from_run)
    rows, data, total = [], [], 0
    for run in runs:
        if run.from_run is None and run.state == "downloaded" and run.clip_path:
            there = Path(run.clip_path).is_file()
            total += (run.clip_bytes or 0) if there else 0
            size = file_size(run.clip_bytes or 0) if there else "gone"
            rows.append((run.run_id, moment(run.created_at), run.model, size, str(used[run.run_id]), run.clip_path))
            data.append({**_told(run), "there": there, "used": used[run.run_id]})
    title = f"{count(len(rows), 'saved clip')}, {file_size(total)}"
    return Statement(title, ("Run", "Made", "Model", "Size", "Used again", FILE), rows, (), data)


def _state(run: Run, driven: Callable[[Run], bool]) -> str:
    if run.from_run is not None:
        return f"{run.state} (of {run.from_run})"
    if run.strange:
        return f"{run.state}, a later version's word"
    if run.state in OPEN and run.state not in UNDRIVEN and not driven(run):
        return f"{run.state}, left alone"
    return run.state


def price_of(run: Run) -> str:
    """What a run cost, in words."""
    if run.state in FREE:
        return "not billed"
    if run.price is None:
        return "unknown"
    about = "about " if run.estimated and run.price else ""
    return f"{about}{run.amount} {run.currency}{' (simulated)' if run.simulated else ''}"


def _told(run: Run) -> dict[str, Any]:
    known = {name: getattr(run, name) for name in TOLD}
    stamps = {name: getattr(run, name) for name in ("created_at", "submitted_at", "finished_at")}
    known |= {name: at and f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" for name, at in stamps.items()}
    return known | {"request": told(run.request) or None, "record": told(run.record) or None}


def count(number: int, noun: str) -> str:
    """So many of them, in words.

    >>> count(0, "run"), count(1, "run"), count(2, "run")
    ('no runs', '1 run', '2 runs')
    """
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
